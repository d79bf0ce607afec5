from __future__ import annotations

from collections import Counter

from asking import RECORDED, changed, post
from missing import CassetteInfo, read
from streamtape.core.matching.key import DEFAULT_RULES, match_input_of
from streamtape.core.matching.rules import Rules
from streamtape.core.misses.nearest import Recorded, fingerprint_of
from streamtape.core.model import Request

MB = 1024 * 1024
UNTIMED = Rules(ignore=("system",))


class Reads(Counter[str]):
    """Counts how often each cassette is read."""

    def read(self, known: CassetteInfo) -> Request:
        self[known.name] += 1
        return read(known)


def test_a_request_is_read_once_for_all_that_are_compared_with_it() -> None:
    reads = Reads()
    recorded = Recorded(reads.read, rules=DEFAULT_RULES)
    known = [CassetteInfo("a", post(RECORDED)), CassetteInfo("damaged", None)]

    for _ in range(3):
        found = [recorded.find_fingerprint(each) for each in known]
        assert found == [fingerprint_of(match_input_of(post(RECORDED))), None]

    assert reads == {"a": 1, "damaged": 1}


def test_a_cassette_of_another_size_is_read_again() -> None:
    recorded = Recorded(read, rules=DEFAULT_RULES)
    other = changed(temperature=0)

    recorded.find_fingerprint(CassetteInfo("a", post(RECORDED), 1))

    assert recorded.find_fingerprint(CassetteInfo("a", other, 2)) == fingerprint_of(
        match_input_of(other)
    )


def test_no_more_than_8_mb_of_a_large_library_are_kept() -> None:
    reads = Reads()
    recorded = Recorded(reads.read, rules=DEFAULT_RULES)
    known = [CassetteInfo(f"a{number}", post(RECORDED), MB) for number in range(20)]

    for _ in range(2):
        for each in known:
            assert recorded.find_fingerprint(each) is not None

    assert [each.name for each in known if reads[each.name] == 1] == [
        f"a{number}" for number in range(8)
    ]


def test_a_rule_is_tried_once_on_the_same_requests() -> None:
    reads = Reads()
    recorded = Recorded(reads.read, rules=DEFAULT_RULES)
    one, other = (
        CassetteInfo("a", post(RECORDED)),
        CassetteInfo("b", changed(system="Other")),
    )

    assert not any(recorded.confuses(UNTIMED, [one]) for _ in range(3))
    assert all(recorded.confuses(UNTIMED, [one, other]) for _ in range(3))
    assert reads == {"a": 2, "b": 1}


def test_what_cannot_be_read_is_confused_with_nothing() -> None:
    recorded = Recorded(read, rules=DEFAULT_RULES)
    known = [CassetteInfo("a", post(RECORDED)), CassetteInfo("b", None)]

    assert recorded.find_request(known[1]) is None
    assert not recorded.confuses(UNTIMED, known)
    assert not recorded.confuses(UNTIMED, [])


def test_a_request_that_the_rules_cannot_be_applied_to_is_none() -> None:
    rules = Rules(replace=(("(a|aa)+$", "b"),))
    recorded = Recorded(read, rules=rules)
    slow = CassetteInfo("a", post({"system": "a" * 60 + "!"}))

    assert recorded.find_fingerprint(slow) is None
    assert not Recorded(read, rules=DEFAULT_RULES).confuses(rules, [slow])
