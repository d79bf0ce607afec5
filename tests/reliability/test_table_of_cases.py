"""The table of docs/reliability.md can't drift from the tests."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from cases import GROUPS, NUMBERS, UNTESTED
from long_run import Counts, LongRun, find_long_run
from proven import find_proofs
from pytest_plugin.projects import besides
from reliability_page import explain_cases, explain_long_run
from run_reliability import gather


def write_tests(root: Path, source: str) -> Path:
    tests = root / "tests"
    (tests / "e2e").mkdir(parents=True)
    (tests / "e2e" / "test_some.py").write_text(dedent(source), encoding="utf-8")
    return tests


def proven_in(tmp_path: Path, source: str) -> dict[int, list[str]]:
    found = find_proofs(write_tests(tmp_path, source))
    return {
        number: [proof.name for proof in found.proofs[number]]
        for number in found.proofs
    }


def test_every_number_has_one_case() -> None:
    assert set(NUMBERS) == set(range(1, 88))
    assert sum(map(len, GROUPS.values())) == len(NUMBERS)
    assert UNTESTED.keys() <= NUMBERS


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(
            """
            @pytest.mark.case(7, 8)
            async def test_it(): ...
            """,
            id="mark",
        ),
        pytest.param(
            """
            @pytest.mark.parametrize("a", [
                pytest.param(1, marks=pytest.mark.case(7)),
                pytest.param(2, marks=[pytest.mark.slow, pytest.mark.case(8)]),
            ])
            def test_it(a): ...
            """,
            id="parameters",
        ),
        pytest.param(
            """
            TABLE = [pytest.param(1, marks=pytest.mark.case(7, 8))]

            @pytest.mark.parametrize("a", TABLE)
            def test_it(a): ...
            """,
            id="table-of-parameters",
        ),
    ],
)
def test_a_mark_is_found_wherever_it_stands(tmp_path: Path, source: str) -> None:
    assert proven_in(tmp_path, source) == {7: ["test_it"], 8: ["test_it"]}


@pytest.mark.parametrize(
    "marks",
    ["pytest.mark.case(7)", "[pytest.mark.slow, pytest.mark.case(7)]"],
    ids=["one", "list"],
)
def test_a_mark_of_a_whole_file_counts(tmp_path: Path, marks: str) -> None:
    assert proven_in(tmp_path, f"pytestmark = {marks}") == {7: ["test_some"]}


@pytest.mark.parametrize("number", ["0", "88", "NUMBER", "'7'"])
def test_a_number_that_no_case_has_is_a_fault(tmp_path: Path, number: str) -> None:
    source = f"@pytest.mark.case({number})\ndef test_it(): ..."

    faults = find_proofs(write_tests(tmp_path, source)).faults

    expected = f"tests/e2e/test_some.py:2: expected a case from 1 to 87, got {number}"
    assert expected in faults


def test_a_case_without_test_and_reason_is_a_fault(tmp_path: Path) -> None:
    faults = find_proofs(write_tests(tmp_path, "")).faults

    expected = "case 7 has neither a test nor a reason in scripts/cases.py"
    assert expected in faults
    assert len(faults) == len(NUMBERS - UNTESTED.keys())


def test_a_reason_beside_a_test_is_a_fault(tmp_path: Path) -> None:
    number = min(UNTESTED)
    source = f"@pytest.mark.case({number})\ndef test_it(): ..."

    faults = find_proofs(write_tests(tmp_path, source)).faults

    assert any(f"case {number} has a test, and" in fault for fault in faults)


def test_the_page_shows_tests_reasons_and_counts(tmp_path: Path) -> None:
    names = ["gives_up", "holds", "lasts", "stays"]
    marked = [f"@pytest.mark.case(7)\ndef test_it_{name}(): ...\n" for name in names]
    write_tests(tmp_path, "".join(marked))
    (tmp_path / "docs").mkdir()
    counts = Counts(trials=1200)
    run = LongRun(
        date="2026-01-31",
        version="1.0",
        python="3.11",
        cores=2,
        minutes=20,
        cases={7: counts},
        others={"soak": counts},
    )
    before = explain_long_run(tmp_path)
    run.save(tmp_path)

    page = explain_cases(tmp_path)

    assert find_long_run(tmp_path) == run
    assert (
        "[e2e/test_some.py](../tests/e2e/test_some.py): “it gives up”, “it holds”, "
        "“it lasts”, and 1 more | 1,200 | 0 | 0 | 0 |\n"
    ) in page
    assert f"Not tested: {UNTESTED[min(UNTESTED)]}." in page
    assert before == "There was no long run yet.\n"
    assert "2026-01-31 (UTC), streamtape 1.0, Python 3.11, 2 cores" in explain_long_run(
        tmp_path
    )


def test_outcomes_are_added_up_by_cases() -> None:
    one = {"trials": 3, "lost": 0, "wrong": 0, "leaked": 0, "outcome": "passed"}
    outcomes = {
        "a": {**one, "cases": [1, 2]},
        "b": {**one, "cases": [2], "outcome": "failed", "lost": 1},
        "c": {**one, "cases": [3], "outcome": "skipped"},
        "d": {**one, "cases": []},
    }

    rows = gather(outcomes)

    assert rows["1"].counts == Counts(trials=3)
    assert rows["2"].counts == Counts(trials=6, lost=1)
    by_case = {name: rows[name].outcome for name in ("1", "2", "3", "4", "other tests")}
    assert by_case == {
        "1": "passed",
        "2": "FAILED",
        "3": "not run",
        "4": "not run",
        "other tests": "passed",
    }
    assert rows["3"].skipped == ["c"]


def test_what_tests_count_reaches_the_outcomes(pytester: pytest.Pytester) -> None:
    for name in ("conftest.py", "proofs.py"):
        source = (Path(__file__).parents[1] / name).read_text(encoding="utf-8")
        (pytester.path / name).write_text(source, encoding="utf-8")
    pytester.makeini("[pytest]\nmarkers = case(number): proves\npythonpath = .")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.case(5)
        def test_once(): ...

        @pytest.mark.case(6, 5)
        def test_often(trials):
            trials.ran = trials.many(quick=3, long=30)
            trials.lost = 2
            assert not trials.lost

        def test_other(): ...
        """
    )

    pytester.runpytest_inprocess(
        "--long", "--outcomes=o.json", "-n1", *besides("xdist")
    )

    nothing = {"wrong": 0, "leaked": 0}
    assert json.loads((pytester.path / "o.json").read_text()) == {
        "test_what_tests_count_reaches_the_outcomes.py::test_once": {
            **nothing,
            "outcome": "passed",
            "cases": [5],
            "trials": 1,
            "lost": 0,
        },
        "test_what_tests_count_reaches_the_outcomes.py::test_often": {
            **nothing,
            "outcome": "failed",
            "cases": [5, 6],
            "trials": 30,
            "lost": 2,
        },
    }
