"""Soak the program: mixed load with random faults, every body compared."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from random import SystemRandom

from soak.run import run_soak

_MOST_SHOWN = 20


def main() -> int:
    """Soak and say in a line what came of it; the status is 1 if anything differed."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    default_s = float(os.environ.get("SOAK_S") or 600)
    parser.add_argument("--seconds", type=float, default=default_s)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    arguments = parser.parse_args()

    def progress(line: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    print(f"soak: seed {arguments.seed}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="streamtape-soak-") as folder:
        soak = run_soak(
            Path(folder, "cassettes"),
            seconds=arguments.seconds,
            seed=arguments.seed,
            progress=progress,
        )
    progress("")
    for difference in [*soak.lost, *soak.wrong][:_MOST_SHOWN]:
        print(f"soak: {difference}", file=sys.stderr)
    print(f"soak: {soak}")
    return int(not soak.is_clean)


if __name__ == "__main__":
    sys.exit(main())
