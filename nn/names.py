"""Suggestions for names that nothing answers to."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["nearest"]


def nearest(name: str, known: Iterable[str]) -> str:
    """``, did you mean 'digits'?`` for a name that is nearly right; a full stop where none is near.

    >>> nearest("digts", ["digits", "iris"])
    ", did you mean 'digits'?"
    """
    from difflib import get_close_matches

    by_lower = {k.lower(): k for k in known}
    found = [repr(by_lower[k])[:80] for k in get_close_matches(name[:100].lower(), by_lower, n=3, cutoff=0.6)]
    return f", did you mean {' or '.join(found)}?" if found else "."
