"""
One process of the fuzzing. Only this module knows atheris.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import atheris

# Only what is imported here is watched for the lines that an input reaches.
with atheris.instrument_imports(include=["streamtape.core", "streamtape.library"]):
    from fuzz.checks import DAMAGED, FORGED, ReaderCheck, check_stream
    from fuzz.mutants import forge
    from fuzz.seeds import cassettes, streams

_LONGEST_BYTES: Final = {"reader": 8192, "sse": 512}
"""A stream is fed in small chunks, so a long one takes long and tells no more."""

_LONGEST_S: Final = 20
_GROWTH_KIB: Final = 50 * 1024
"""What reading one input may take."""

Check = Callable[[bytes], None]
Mutator = Callable[[bytes, int, int], bytes]
Target = tuple[Check, list[bytes], Mutator | None]
"""What to check, what to begin with, and how to change it, if there is a better way."""


def fuzz(target: str, *, runs: int, seed: int, folder: Path, found: Path) -> None:
    """
    Try inputs until one fails, or as many as were asked for; ends the process.

    Args:
        folder: For files while it runs.
        found: Where to put the input that fails.
    """
    corpus = folder / "corpus"
    corpus.mkdir()
    check, seeds, mutator = _TARGETS[target](folder)
    for number, each in enumerate(seeds):
        (corpus / str(number)).write_bytes(each)
    options = {
        "artifact_prefix": f"{found}/{target}-",
        "len_control": 0,
        "max_len": _LONGEST_BYTES[target],
        "print_final_stats": 1,
        "rss_limit_mb": 1024,
        "runs": runs,
        "seed": seed,
        "timeout": _LONGEST_S,
    }
    flags = [f"-{name}={value}" for name, value in options.items()]
    arguments = [sys.argv[0], *flags, str(corpus)]
    if mutator is None:
        atheris.Setup(arguments, _frugal(check))
    else:
        atheris.Setup(arguments, _frugal(check), custom_mutator=mutator)
    atheris.Fuzz()


def _frugal(check: Check) -> Check:
    """Make a check fail, too, where an input takes much memory."""

    def check_all(data: bytes) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        check(data)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown <= _GROWTH_KIB, f"{grown} KiB for {len(data)} bytes"

    return check_all


def _fuzz_reader(folder: Path) -> Target:
    files = cassettes()
    damaged = [DAMAGED + bytes([number]) for number in range(len(files))]
    forged = [FORGED + data for data in files]

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        # Half of all inputs are of either kind, whichever finds more.
        random = Random(seed)
        seeds = random.choice((damaged, forged))
        kind, rest = data[:1], data[1:]
        if kind != seeds[0][:1]:
            kind, rest = seeds[0][:1], random.choice(seeds)[1:]
        if kind == DAMAGED:
            rest = atheris.Mutate(rest, 64)
        else:
            rest = forge(rest, files, random, lambda raw: atheris.Mutate(raw, 1024))
        return (kind + rest)[:longest]

    return ReaderCheck(folder, files), damaged + forged, mutate


def _fuzz_stream(folder: Path) -> Target:
    seeds = [b"\0" + stream for stream in streams()]
    seeds += [b"\3\1\2\x09" + stream for stream in streams()]
    return check_stream, seeds, None


_TARGETS: Final[dict[str, Callable[[Path], Target]]] = {
    "reader": _fuzz_reader,
    "sse": _fuzz_stream,
}
