from __future__ import annotations

import pytest

from streamtape.core.matching.replace import replace_texts
from streamtape.core.misses.suggest import find_replacements


@pytest.mark.parametrize(
    ("one", "other", "seen"),
    [
        pytest.param("on 2026-11-22.", "on 2026-11-23.", "on <date>.", id="date"),
        pytest.param(
            "at 2026-11-22T10:00:00Z",
            "at 2026-11-23 09:30:00.123+01:00",
            "at <time>",
            id="date-and-time",
        ),
        pytest.param(
            "2026-11-22 10:00", "2026-11-23 09:30", "<time>", id="without-seconds"
        ),
        pytest.param(
            "Sunday, November 22, 2026",
            "Monday, November 23, 2026",
            "<date>",
            id="date-in-words",
        ),
        pytest.param("It is 10:02", "It is 9:58:01.5", "It is <time>", id="time"),
        pytest.param(
            "id 123e4567-e89b-12d3-a456-426614174000",
            "id 123E4567-e89b-12d3-a456-426614174001",
            "id <uuid>",
            id="uuid",
        ),
        pytest.param(
            "see req_011CSHoEeqs5C35K2UUqR7Fy",
            "see req_011CTHoEeqs5C35K2UUqR7Fz",
            "see <id>",
            id="request-id",
        ),
        pytest.param("in /tmp/tmpab12", "in /tmp/tmpcd34", "in <tmp>", id="tmp"),
        pytest.param("in /tmp/ab12.", "in /tmp/cd34.", "in <tmp>.", id="tmp-at-end"),
        pytest.param(
            "in /tmp/ab.12/a.txt", "in /tmp/cd.34/a.txt", "in <tmp>/a.txt", id="in-tmp"
        ),
        pytest.param(
            "read /home/ann/app/main.py",
            "read /Users/bob/src/app/main.py",
            "read <folder>/main.py",
            id="path",
        ),
        pytest.param("t=1795370000.25", "t=1795370001.5", "t=<number>", id="timestamp"),
        pytest.param("at 0123456789ab", "at abcdef012345", "at <hex>", id="hex"),
    ],
)
def test_what_changes_from_run_to_run_is_replaced_by_one_pattern(
    one: str, other: str, seen: str
) -> None:
    found = find_replacements([(one, other)])

    assert found is not None
    assert len(found) == 1
    assert replace_texts([one, other], found) == [seen, seen]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Answer in a word.", "Answer in a sentence.", id="word"),
        pytest.param("on 2026-11-22 go", "on 2026-11-23 stop", id="more-than-a-date"),
        pytest.param("read /a/b/one.py", "read /a/b/two.py", id="another-file"),
        pytest.param("https://x.com/a/b/c", "https://x.com/a/z/c", id="address"),
        pytest.param("read /tmp/a.txt", "read /tmp/b.txt", id="another-tmp-file"),
        pytest.param(
            "get_configurationValues1", "drop_everythingInDatabase1", id="name"
        ),
        pytest.param(f"msg_{'a' * 20}", f"msg_{'b' * 20}", id="no-digit"),
        pytest.param("12 apples", "13 apples", id="number"),
        pytest.param(
            f"2026-11-22{'x' * 50_000}2026-11-22",
            f"2026-11-23{'x' * 50_000}2026-11-23",
            id="too-far-apart",
        ),
    ],
)
def test_what_says_something_else_is_not_replaced(one: str, other: str) -> None:
    assert find_replacements([(one, other)]) is None


def test_several_texts_need_as_few_patterns_as_will_do() -> None:
    pairs = [
        ("on 2026-11-22 at 10:00:00", "on 2026-11-23 at 10:00:01"),
        ("in /home/ann/a", "in /home/bob/a"),
        ("on 2026-11-22", "on 2026-11-23"),
    ]
    found = find_replacements(pairs)

    assert found is not None
    assert [instead for _, instead in found] == ["<date>", "<time>", "<folder>/"]


def test_a_date_is_found_in_a_large_text() -> None:
    text = "word " * 400_000
    found = find_replacements([(f"{text}2026-11-22{text}", f"{text}2026-11-23{text}")])

    assert found == ((r"\d{4}-\d\d-\d\d", "<date>"),)
