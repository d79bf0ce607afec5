"""Mutants of cassettes and streams, made by chance; ``make fuzz`` looks for them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from fuzz.checks import DAMAGED, FORGED, ReaderCheck, check_stream
from fuzz.minimise import minimise
from fuzz.mutants import STEP_BYTES, forge
from fuzz.seeds import cassettes, streams

from proofs import Trials

_MOST_BYTES = 50 * 1024 * 1024


def mutate(raw: bytes, random: Random) -> bytes:
    """Change a few bytes, put some in or take some out."""
    mutant = bytearray(raw)
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(mutant) + 1)
        match random.randrange(3):
            case 0:
                mutant[at : at + 1] = random.randbytes(1)
            case 1:
                mutant[at:at] = random.randbytes(random.randrange(1, 9))
            case _:
                del mutant[at : at + random.randrange(1, 9)]
    return bytes(mutant)


@pytest.fixture
def check(tmp_path: Path) -> Iterator[ReaderCheck]:
    check = ReaderCheck(tmp_path, cassettes())
    yield check
    check.close()


@pytest.mark.case(20, 21, 22)
def test_no_damage_gives_a_wrong_event_or_another_error(
    check: ReaderCheck, trials: Trials
) -> None:
    """One to three changes of bits, bytes and ranges in cassettes of every kind."""
    random = Random(1)
    for _ in range(trials.many(quick=2_500, long=100_000)):
        steps = random.randbytes(1 + STEP_BYTES * random.randrange(1, 4))
        check(DAMAGED + steps)
        trials.ran += 1

    trials.wrong = check.wrong
    assert trials.wrong == 0


@pytest.mark.case(21, 25)
def test_nothing_that_a_forger_writes_gives_another_error(
    check: ReaderCheck, trials: Trials
) -> None:
    """Its checksums are right, and what it holds may be anything."""
    random = Random(2)
    files = cassettes()
    for _ in range(trials.many(quick=700, long=100_000)):
        forged = forge(
            random.choice(files), files, random, lambda raw: mutate(raw, random)
        )
        check(FORGED + forged)
        trials.ran += 1


@pytest.mark.case(21)
def test_no_mutant_takes_much_memory(check: ReaderCheck, trials: Trials) -> None:
    random = Random(3)
    files = cassettes()
    tracemalloc.start()
    try:
        for _ in range(trials.many(quick=60, long=3_000)):
            tracemalloc.reset_peak()
            forged = forge(
                random.choice(files), files, random, lambda raw: mutate(raw, random)
            )
            check(FORGED + forged)
            assert tracemalloc.get_traced_memory()[1] < _MOST_BYTES
            trials.ran += 1
    finally:
        tracemalloc.stop()


@pytest.mark.case(37)
def test_no_stream_loses_a_byte_or_depends_on_its_chunks(trials: Trials) -> None:
    random = Random(4)
    seeds = streams()
    for _ in range(trials.many(quick=2_500, long=200_000)):
        check_stream(random.randbytes(6) + mutate(random.choice(seeds), random))
        trials.ran += 1


def test_the_seeds_are_read(tmp_path: Path) -> None:
    """Else nothing would be mutated but errors."""
    check = ReaderCheck(tmp_path, cassettes())

    assert sum(len(check.read(data).records) > 2 for data in cassettes()) >= 10
    check.close()


def test_a_check_fails_where_a_reader_is_wrong(check: ReaderCheck) -> None:
    """Here a sound cassette is taken for the damaged form of another."""
    one, other, *_ = cassettes()

    with pytest.raises(AssertionError, match="as if it were whole"):
        check.check_damaged(check.read(one), other)
    told = check.read(one)
    told.records[2] = told.records[3]
    with pytest.raises(AssertionError, match="a record is wrong"):
        check.check_damaged(told, one)


def test_what_fails_is_made_small() -> None:
    def check(data: bytes) -> None:
        assert b"xyz" not in data

    small = minimise(b"F" + bytes(1000) + b"xyz" + bytes(1000), check)

    assert small == b"Fxyz"
    assert minimise(b"Fine", check) == b"Fine"
