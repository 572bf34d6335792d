"""Embedding: a row of weights for each index."""

from __future__ import annotations

__all__: list[str] = []
