"""Run the benchmarks one after the other: all of them, or those that are named.

    python -m benchmarks [importing] [memory] [packing] [scan] [search]

Each can be run alone, with settings of its own: ``python -m benchmarks.scan --help``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NAMES = ("scan", "importing", "packing", "memory", "search")


def main() -> int:
    """Run benchmarks; give 1 where one failed."""
    chosen = sys.argv[1:] or NAMES
    if not set(chosen) <= set(NAMES):
        print(__doc__)
        return 2
    root = Path(__file__).parent.parent
    codes = [
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=root, check=False).returncode
        for name in chosen
    ]
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
