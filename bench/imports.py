"""`python -m bench.imports`: what `import autograd, nn, optim` costs above `import numpy`, each time in a
fresh process."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

CODE = """
import time
start = time.perf_counter()
import numpy
middle = time.perf_counter()
import autograd, nn, optim
print(middle - start, time.perf_counter() - middle)
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--limit", type=float, default=0.15, help="seconds that ours may cost (default 0.15)")
    options = parser.parse_args()
    pairs = []
    for _ in range(options.rounds + 1):  # the first writes the byte code
        done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
        numpy, ours = map(float, done.stdout.split())
        pairs.append((numpy, ours))
    numpys, added = zip(*pairs[1:], strict=True)
    for name, times in (("numpy", numpys), ("autograd, nn, optim above it", added)):
        print(f"import {name}: {statistics.median(times):.3f} s ({min(times):.3f}–{max(times):.3f})")
    met = statistics.median(added) <= options.limit
    print(f"limit {options.limit:g} s: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
