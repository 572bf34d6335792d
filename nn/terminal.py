"""What the command line says, and how predictions are shown."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from nn.experiment import Config

__all__ = ["complain", "predictions", "say", "scan"]


def say(text: str) -> None:
    """Print, unless nobody listens any more: a closed pipe is no reason to lose a run."""
    try:
        print(text, flush=True)
    except (OSError, ValueError):
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (OSError, ValueError):
            sys.stdout = open(os.devnull, "w")


def complain(text: str) -> None:
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass


def predictions(config: Config, found: Any, numbers: Any, targets: Any) -> str:
    """A line for each sample: its number, the prediction, how sure, what else it may be; and the truth where it is known."""
    lines = []
    names = config.class_names
    if names is None:
        lines.append(f"{'sample':>8}  {config.target}" + ("  (true)" if targets is not None else ""))
        for k, (number, value) in enumerate(zip(numbers, found, strict=True)):
            lines.append(f"{number:>8}  {value:.6g}" + (f"  ({targets[k]:.6g})" if targets is not None else ""))
        return "\n".join(lines)
    width = max(len(config.target[:20]), *(len(n[:20]) for n in names))
    lines.append(f"{'sample':>8}  {config.target[:20]:<{width}}  probability  next")
    for k, (number, shares) in enumerate(zip(numbers, found, strict=True)):
        first, *others = np.argsort(-shares, kind="stable")[:3]
        line = f"{number:>8}  {names[first][:20]:<{width}}  {shares[first]:>11.2%}  " + ", ".join(
            f"{names[o][:20]} {shares[o]:.2%}" for o in others
        )
        if targets is not None and targets[k] != first:
            line += f"   <- is {names[targets[k]][:20]}"
        lines.append(line)
    return "\n".join(lines)


def scan(pixels: Any) -> str:
    """An 8×8 scan in characters."""
    shades = " .:-=+*#@"
    return "\n".join("  " + "".join(shades[min(int(v) // 2, 8)] * 2 for v in row) for row in pixels.reshape(8, 8))
