"""
Nothing in the tests, the demo and the examples turns old by itself.

SDKs keep tables of models that are deprecated, or that need other arguments. A name
from such a table becomes a warning one day, and a warning is an error here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args

import pytest
from anthropic.types import Model

ROOT: Final = Path(__file__).parents[1]
MODEL_NAME: Final = re.compile(
    rb"claude-(?:opus|sonnet|haiku|instant|fable|mythos|[0-9])-?[0-9]*"
    rb"|gpt-[0-9]|gemini-[0-9]|mistral-(?:large|small)|command-[ar]"
)
"""The beginnings of names that providers give their models."""
VERSION: Final = re.compile(rb"anthropic-version\W+(?!2000-01-01)\d{4}-")
"""A version of the API that is not the made-up one."""

SHOWN: Final = ("README.md", "docs", "examples", "cassettes")
"""What people read and try; the version in there is one that the API takes."""
RUN: Final = ("tests", "bench", "fuzz", "scripts", "src/streamtape")
FROZEN: Final = ("tests/data/v1", "scripts/make_golden.py", "tests/test_ageing.py")
"""Old cassettes, which have to be read for ever, what made them, and this test."""


def files(*places: str) -> Iterator[Path]:
    for place in places:
        path = ROOT / place
        found = [path] if path.is_file() else sorted(path.rglob("*"))
        for each in found:
            name = each.relative_to(ROOT).as_posix()
            is_made = "__pycache__" in each.parts or "node_modules" in each.parts
            if each.is_file() and not is_made and not name.startswith(FROZEN):
                yield each


def hits(pattern: re.Pattern[bytes], *places: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}: {found.group().decode()}"
        for path in files(*places)
        for found in pattern.finditer(path.read_bytes())
    ]


def test_no_real_model_is_named() -> None:
    """Models are called claude-demo and the like, which no table ever holds."""
    assert hits(MODEL_NAME, *RUN, *SHOWN) == []


def test_no_real_version_of_the_api_is_named_where_code_runs() -> None:
    """The made-up one stands in its place; the fake upstream takes any."""
    assert hits(VERSION, *RUN) == []


@pytest.mark.parametrize("name", get_args(get_args(Model)[0]))
def test_a_model_that_the_sdk_knows_would_be_found(name: str) -> None:
    """A family of models with a new name has to be added to the pattern above."""
    assert MODEL_NAME.match(name.encode())


def test_the_search_reads_files() -> None:
    """An empty search would find nothing, however old the files are."""
    names = {path.relative_to(ROOT).as_posix() for path in files(*RUN, *SHOWN)}

    assert {"README.md", "tests/conftest.py", "src/streamtape/cli/demo.py"} <= names
    assert hits(re.compile(rb"claude-demo"), "README.md") != []
