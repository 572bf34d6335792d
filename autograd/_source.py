"""The source text of rules, for pictures: what stands in the declaration is what is shown."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence
from functools import cache
from typing import Any

__all__ = ["lambda_sources"]


@cache
def _lambdas(filename: str) -> dict[tuple[int, int], str]:
    source = "".join(inspect.linecache.getlines(filename))  # type: ignore[attr-defined]
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Lambda):
            found[node.lineno, node.col_offset] = ast.unparse(node.body)
    return found


def lambda_sources(rules: Sequence[Any]) -> tuple[str, ...]:
    """The body of each lambda as text; a number stays a number, a missing rule is empty."""
    texts = []
    for rule in rules:
        if rule is None:
            texts.append("")
        elif not callable(rule):
            texts.append(str(rule))
        else:
            code = rule.__code__
            positions = [p for p in code.co_positions() if p[0] is not None and p[2]]
            first = min((p[0], p[2]) for p in positions)
            candidates = [(k, v) for k, v in _lambdas(code.co_filename).items() if k <= first]
            texts.append(max(candidates)[1] if candidates else "")
    return tuple(texts)
