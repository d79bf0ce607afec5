"""
Names that files and folders get from outside: safe everywhere, and no two the same.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from typing import Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streamtape.core.matching.key import match_input_of
from streamtape.core.matching.names import cassette_stem
from streamtape.core.model import Request
from streamtape.pytest_plugin.folders import safe_name
from streamtape.server.scopes import is_scope_name

NAMES: Final = [
    "../x",
    "..",
    "/etc/passwd",
    "C:\\x",
    "a/../../b",
    "CON",
    "con.txt",
    "nul.tape",
    "x.",
    "x ",
    "x..",
    "~",
    ".git",
    "a\0b",
    "a\nb",
    "a\x1b[2Jb",
    "a\x9bb",
    "x" * 300,
    "\u05d0" * 300,
    "",
]
"""Names that some file system refuses, or that lead elsewhere."""

TWINS: Final = [
    ("test_a[\u00e9]", "test_a[e\u0301]"),
    ("test_a[x]", "test_a[X]"),
    ("test_a[stra\u00dfe]", "test_a[strasse]"),
    ("test_a[k]", "test_a[\u212a]"),
    ("test_a[s]", "test_a[\u017f]"),
    ("test_a", "test_A"),
    ("x" * 300, "x" * 301),
    ("a/b", "a\\b"),
    ("../x", "..\\x"),
    ("x.", "x"),
    ("con", "CON"),
]
"""Names that some file system takes for one, or that a cut could make one."""

DEVICE: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def is_safe(name: str) -> bool:
    """Whether every file system takes a name as one folder within another."""
    return (
        0 < len(name.encode(errors="surrogatepass")) <= 255
        and not re.search(r'[\x00-\x1f\x7f/\\<>:"|?*]', name)
        and not name.startswith((".", "~"))
        and not name.endswith((".", " "))
        and not DEVICE.fullmatch(name)
    )


def seen_by_disks(name: str) -> str:
    """What is left of a name where neither case nor the spelling of accents counts."""
    return unicodedata.normalize("NFKC", name.casefold()).casefold()


def stem_of(prompt: str) -> str:
    messages = [{"role": "user", "content": prompt}]
    asked = json.dumps({"model": "m", "messages": messages}).encode()
    return cassette_stem(
        match_input_of(Request(method="POST", target="/v1/messages", body=asked))
    )


@pytest.mark.case(77)
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_that_leads_elsewhere_makes_a_safe_file_or_none(name: str) -> None:
    assert is_safe(safe_name(name))
    assert is_safe(stem_of(name) + "-12.tape")
    assert not is_scope_name(name)


@pytest.mark.case(77)
@pytest.mark.parametrize(("one", "other"), TWINS, ids=ascii)
def test_names_that_a_disk_takes_for_one_are_two(one: str, other: str) -> None:
    assert seen_by_disks(safe_name(one)) != seen_by_disks(safe_name(other))
    assert seen_by_disks(stem_of(one)) != seen_by_disks(stem_of(other))


@pytest.mark.case(77)
@given(st.text(min_size=1))
def test_any_name_is_safe(name: str) -> None:
    assert is_safe(safe_name(name))
    assert is_safe(stem_of(name) + ".tape")
    if is_scope_name(name):
        assert all(is_safe(part) for part in name.split("/"))
        assert len(os.fsencode(name)) < 4096


@pytest.mark.case(77)
@given(st.text(alphabet="aAbB\u00e9e\u0301\u00df.s/\\ -", max_size=8), st.data())
def test_any_two_names_are_two(name: str, data: st.DataObject) -> None:
    other = data.draw(st.permutations(name).map("".join) | st.just(name.swapcase()))
    assume(other != name)
    # Those of classes, before a dot, are kept as people write them.
    one, two = (f"test[{each}]" for each in (name, other))

    assert seen_by_disks(safe_name(one)) != seen_by_disks(safe_name(two))
