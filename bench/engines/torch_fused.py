"""PyTorch, eager, with its fused Adam."""

from __future__ import annotations

from typing import Any

from engines import torch

SETTINGS = "eager, Adam(fused=True)"
version, set_threads = torch.version, torch.set_threads


def mlp(**settings: Any) -> torch.Pair:
    return torch.mlp(**settings, fused=True)


def network(**settings: Any) -> torch.Pair:
    return torch.network(**settings, fused=True)


def adam(**settings: Any) -> torch.Pair:
    return torch.adam(**settings, fused=True)
