"""`python -m bench.claims`: run the experiments over seeds, and say by a sign test what each shows.

The sign test counts the seeds in which the first arm was better, ties left out; if neither were better in truth, that count
would be that of heads in so many throws of a coin. "holds" where a count as high has a chance below 5 %, "contradicted" where
one as low has; "not shown" else.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench.claims import CLAIMS, Claim, initialisation, optimisation, regularisation

LEVEL = 0.05
MODULES = (regularisation, initialisation, optimisation)  # importing them registers their claims


def judge(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    """Counts, the two p-values and the verdict of some pairs of figures."""
    from scipy.stats import binomtest

    wins, losses = sum(a < b for a, b in pairs), sum(a > b for a, b in pairs)
    n = wins + losses
    for_it = binomtest(wins, n, alternative="greater").pvalue if n else 1.0
    against = binomtest(losses, n, alternative="greater").pvalue if n else 1.0
    verdict = "holds" if for_it < LEVEL else "contradicted" if against < LEVEL else "not shown"
    return {"wins": wins, "losses": losses, "p": float(for_it), "p against": float(against), "verdict": verdict}


def try_claim(claim: Claim, seeds: int) -> dict[str, Any]:
    """Run a claim's experiment for seeds 0, 1, …"""
    pairs = [tuple(map(float, claim.run(seed))) for seed in range(seeds)]
    first, second = (float(np.median([pair[k] for pair in pairs])) for k in (0, 1))
    return {
        "claim": claim.name, "section": claim.section, "says": claim.says, "measured": claim.measured,
        "medians": [first, second], "pairs": pairs, **judge(pairs),
    }  # fmt: skip


def markdown(results: list[dict[str, Any]]) -> str:
    """The results as a table."""
    lines = ["| notes | claim | tried | medians | seeds | verdict |", "|---|---|---|---|---|---|"]
    for r in results:
        a, b = r["medians"]
        lines.append(
            f"| {r['section']} | {r['says']} | {r['measured']} | {a:.3g} / {b:.3g} | {r['wins']} of {r['wins'] + r['losses']} "
            f"(p = {r['p']:.2g}) | {'**' + r['verdict'] + '**' if r['verdict'] != 'holds' else 'holds'} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.claims", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[""], metavar="CLAIM", help="beginnings of claims' names, such as 'adam'")
    parser.add_argument("--seeds", type=int, default=12, help="how many seeds (default 12; at least 10 mean something)")
    parser.add_argument("--json", type=Path, help="write all figures, seed by seed")
    parser.add_argument("--markdown", type=Path, help="write the table")
    options = parser.parse_args()
    chosen = [c for c in CLAIMS.values() if any(c.name.startswith(beginning) for beginning in options.only)]
    if not chosen:
        parser.error(f"no such claim; there are {', '.join(CLAIMS)}")
    results = []
    for claim in chosen:
        start = perf_counter()
        result = try_claim(claim, options.seeds)
        results.append(result)
        a, b = result["medians"]
        print(
            f"{claim.name:34s} {result['verdict']:12s} {result['wins']:2d} of {result['wins'] + result['losses']:2d}  "
            f"p {result['p']:.3f}  medians {a:.4g} / {b:.4g}  ({perf_counter() - start:.0f} s)", flush=True,
        )  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(markdown(results), encoding="utf-8")


if __name__ == "__main__":
    main()
