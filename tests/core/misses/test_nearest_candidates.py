from __future__ import annotations

from dataclasses import dataclass

import pytest

from asking import post
from streamtape.core.matching.key import match_input_of
from streamtape.core.misses.nearest import choose_candidates, first_takes
from streamtape.core.model import Request

MB = 1024 * 1024


@dataclass(frozen=True)
class CassetteInfo:
    name: str
    size_bytes: int = 1

    @property
    def stem(self) -> str:
        return self.name.rpartition("/")[2]


def asks(*texts: str) -> Request:
    return post({"messages": [{"role": "user", "content": text} for text in texts]})


def test_a_recorded_request_has_one_candidate_in_each_folder() -> None:
    @dataclass(frozen=True)
    class Take:
        name: str
        stem: str
        size_bytes: int = 1

    takes = [
        Take("hi-1a2b3c4d", "hi-1a2b3c4d"),
        Take("hi-1a2b3c4d-2", "hi-1a2b3c4d"),
        Take("chat/hi-1a2b3c4d", "hi-1a2b3c4d"),
        Take("yo-1a2b3c4d", "yo-1a2b3c4d"),
    ]

    assert first_takes(takes) == [takes[0], takes[2], takes[3]]


@pytest.mark.parametrize(
    ("count", "size_bytes"),
    [pytest.param(8000, 1024, id="many"), pytest.param(4, 4 * MB, id="large")],
)
def test_all_of_a_small_library_is_compared(count: int, size_bytes: int) -> None:
    known = [CassetteInfo(f"a-{i:08x}", size_bytes) for i in range(count)]

    found = choose_candidates(match_input_of(asks("Hi")), known, body_bytes=9)

    assert {each.name for each in found} == {each.name for each in known}


@pytest.mark.parametrize(
    ("size_bytes", "chosen"),
    [
        pytest.param(4 * MB, 4, id="at-least-4"),
        pytest.param(MB // 4, 32, id="8-mb"),
    ],
)
def test_of_a_large_library_so_much_is_compared_as_a_client_waits_for(
    size_bytes: int, chosen: int
) -> None:
    known = [CassetteInfo(f"a-{i:08x}", size_bytes) for i in range(100)]

    found = choose_candidates(match_input_of(asks("Hi")), known, body_bytes=9)

    assert len(found) == chosen


def test_names_tell_which_candidates_come_first() -> None:
    match_input = match_input_of(asks("What is 1?", "And two?", "And now three?"))
    first = [
        CassetteInfo("z/and-now-three-0badcafe", MB),
        CassetteInfo("and-two-0badcafe", MB),
        CassetteInfo("what-is-1-0badcafe", MB),
        CassetteInfo("and-now-what-0badcafe", MB),
        CassetteInfo("and-a-0badcaff", MB // 2),
        CassetteInfo("and-a-0badcafe", MB),
    ]
    others = [CassetteInfo(f"aside-{i:08x}", 1000) for i in range(20)]
    known = [*others, *reversed(first)]
    found = choose_candidates(
        match_input, [*known, CassetteInfo("z", 8 * MB)], body_bytes=MB // 2
    )

    assert found[:7] == [*first, others[0]]
