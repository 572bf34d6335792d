"""Dropout in its forms, and penalties on weights."""

from __future__ import annotations

__all__: list[str] = []
