"""
Command line: ``python -m fuzz`` or ``python -m fuzz reader --runs 1000``.

With a file that a run has saved, ``python -m fuzz reader FILE`` tries it again.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TARGETS: Final = ("reader", "sse")

_FOUND: Final = Path(__file__).parents[1] / ".fuzz"
"""Where the inputs go that fail; Git leaves it out."""

_BLIND: Final = "no interesting inputs were found"
"""What libFuzzer says where it can't see which lines an input reaches."""

_EXECUTED: Final = re.compile(r"^stat::number_of_executed_units: (\d+)$", re.MULTILINE)

_TOLD_LINES: Final = 30

_MEMORY: Final = Path("/dev/shm")
"""A folder in memory, where there is one: each input is written to a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    target: str
    runs: int
    seed: int


def main() -> int:
    """Fuzz what was asked for; the exit status is 1 if an input failed."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=TARGETS, help="both if left out")
    parser.add_argument("file", nargs="?", type=Path, help="an input to try again")
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs in total")
    parser.add_argument("--seed", type=int, default=1, help="1 or more")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.file is not None:
        return _try_again(told.target, told.file.read_bytes())
    if importlib.util.find_spec("atheris") is None:
        print(
            "atheris is not installed. It has wheels for Linux only; there, run "
            "make fuzz. tests/reliability/test_reader_mutants.py needs it nowhere."
        )
        return 1
    if told.work is not None:
        return _work(told.target, told.runs, told.seed, *map(Path, told.work))
    return _run((told.target,) if told.target else TARGETS, told.runs, told.seed)


def _work(target: str, runs: int, seed: int, folder: Path, found: Path) -> int:
    # The first import of streamtape must be this one: it is watched from here on.
    from fuzz.worker import fuzz

    fuzz(target, runs=runs, seed=seed, folder=folder, found=found)
    return 0


def _run(targets: tuple[str, ...], runs: int, seed: int) -> int:
    """Share the runs among processes, one for each core, target by target."""
    workers = os.cpu_count() or 1
    share = -(-runs // (workers * len(targets)))
    jobs = [
        _Job(target=target, runs=share, seed=seed + number)
        for target in targets
        for number in range(workers)
    ]
    _FOUND.mkdir(exist_ok=True)
    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(_run_job, jobs))
    failures = sum(failed for _, failed in results)
    inputs = sum(executed for executed, _ in results)
    print(f"fuzz: {', '.join(targets)}: {inputs:,} inputs, {failures} failures")
    return int(failures > 0)


def _run_job(job: _Job) -> tuple[int, bool]:
    """Run one process; returns how many inputs it tried, and whether one failed."""
    in_memory = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=in_memory) as folder:
        command = [sys.executable, "-m", "fuzz", job.target, f"--runs={job.runs}"]
        command += [f"--seed={job.seed}", "--work", folder, str(_FOUND)]
        before = set(_FOUND.iterdir())
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False
        )
    match = _EXECUTED.search(done.stderr)
    executed = int(match[1]) if match else 0
    is_blind = _BLIND in done.stderr
    has_failed = done.returncode != 0 or executed < job.runs or is_blind
    if has_failed:
        print("\n".join((done.stdout + done.stderr).splitlines()[-_TOLD_LINES:]))
        for path in set(_FOUND.iterdir()) - before:
            if path.name.startswith(f"{job.target}-"):
                _save_small(job.target, path)
    return executed, has_failed


def _save_small(target: str, path: Path) -> None:
    from fuzz.minimise import minimise

    data = path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        small = minimise(data, _check_of(target, Path(folder)))
    path.write_bytes(small)
    print(f"saved {len(small)} bytes: python -m fuzz {target} {path}")


def _try_again(target: str, data: bytes) -> int:
    with tempfile.TemporaryDirectory() as folder:
        _check_of(target, Path(folder))(data)
    print("fuzz: this input does not fail")
    return 0


def _check_of(target: str, folder: Path) -> Callable[[bytes], None]:
    from fuzz.checks import ReaderCheck, check_stream
    from fuzz.seeds import cassettes

    return check_stream if target == "sse" else ReaderCheck(folder, cassettes())


if __name__ == "__main__":
    sys.exit(main())
