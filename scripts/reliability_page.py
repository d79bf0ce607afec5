"""The generated parts of docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from cases import GROUPS, UNTESTED
from long_run import Counts, LongRun, find_long_run
from proven import Proof, find_proofs

_WORDS = {"fuzz": "inputs of `make fuzz`", "soak": "answers of `make soak`"}

_MOST_NAMES = 3
"""How many tests of a file are named; of the others the number is told."""


def explain_long_run(root: Path) -> str:
    """Say when all was last tried at length, and what came of what has no number."""
    run = find_long_run(root)
    if run is None:
        return "There was no long run yet.\n"
    lines = [
        f"Last long run: {run.date} (UTC), streamtape {run.version}, "
        f"Python {run.python}, {run.cores} cores, {run.minutes} minutes. "
        "Nothing failed.",
        "",
        "| | Trials | Lost | Wrong | Leaked |",
        "| --- | ---: | ---: | ---: | ---: |",
        f"| the cases below | {_cells(sum(run.cases.values(), Counts()))} |",
        *(
            f"| {_WORDS.get(name, name)} | {_cells(counts)} |"
            for name, counts in run.others.items()
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def explain_cases(root: Path) -> str:
    """Return the table of all cases, each with its tests."""
    proofs = find_proofs(root / "tests").proofs
    run = find_long_run(root)
    lines: list[str] = []
    for group, cases in GROUPS.items():
        lines += [
            f"### {group}",
            "",
            "| Case | | Tested by | Trials | Lost | Wrong | Leaked |",
            "| ---: | --- | --- | ---: | ---: | ---: | ---: |",
        ]
        for number, words in cases.items():
            tested = "<br>".join(_by_file(root, proofs.get(number, ())))
            if number in UNTESTED:
                tested = f"Not tested: {UNTESTED[number]}."
            cells = _cells(_find_counts(run, number))
            lines.append(f"| {number} | {words} | {tested} | {cells} |")
        lines.append("")
    return "".join(f"{line}\n" for line in lines[:-1])


def _by_file(root: Path, proofs: Iterable[Proof]) -> Iterator[str]:
    for path, group in groupby(proofs, key=lambda proof: proof.path):
        tests = [proof.words for proof in group if not proof.is_file]
        shown = [f"“{words}”" for words in tests[:_MOST_NAMES]]
        if len(tests) > _MOST_NAMES:
            shown.append(f"and {len(tests) - _MOST_NAMES} more")
        name = path.relative_to(root / "tests").as_posix()
        link = f"[{name}](../tests/{name})"
        yield f"{link}: {', '.join(shown)}" if shown else link


def _find_counts(run: LongRun | None, number: int) -> Counts | None:
    return None if run is None else run.cases.get(number)


def _cells(counts: Counts | None) -> str:
    if counts is None:
        return " | | | "
    trials = f"{counts.trials:,}"
    return f"{trials} | {counts.lost} | {counts.wrong} | {counts.leaked}"
