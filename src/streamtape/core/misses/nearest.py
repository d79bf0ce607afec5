"""
Which recorded request is most like one that nothing answers.

Few are worth to be read and compared, and of those that were no more is kept than
what tells how alike two are. As for the key, the requests must be redacted ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from streamtape.core.matching.key import canonical_json, match_input_of
from streamtape.core.matching.names import slug, user_slugs
from streamtape.core.matching.presets import plain_message
from streamtape.core.misses.diff import common_length
from streamtape.errors import CassetteError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from streamtape.core.matching.key import MatchInput
    from streamtape.core.matching.rules import Rules
    from streamtape.core.model import Request


def find_nearest(
    asked: Fingerprint, candidates: Iterable[C], recorded: Recorded[C]
) -> C | None:
    """
    Return the candidate most like a request, of equals the first by name.

    Returns:
        None if there are none, or none that can be read and that the rules can be
        applied to.
    """
    best: tuple[C, Fingerprint] | None = None
    most: tuple[int, ...] = ()
    for candidate in candidates:
        fingerprint = recorded.find_fingerprint(candidate)
        if fingerprint is None:
            continue
        alike = likeness(asked, fingerprint)
        if best is not None and alike == most:
            ours, theirs = (
                likeness_around(asked, each) for each in (fingerprint, best[1])
            )
            is_better = (ours, best[0].name) > (theirs, candidate.name)
        else:
            is_better = best is None or alike > most
        if is_better:
            best, most = (candidate, fingerprint), alike
    return None if best is None else best[0]


COMPARED_BYTES: Final = 8 * 1024 * 1024
"""Files of this size in sum can be read and compared while a client waits."""
_LEAST_COMPARED: Final = 4
_KEY_IN_STEM: Final = re.compile(r"-[0-9a-f]{8}")


class Candidate(Protocol):
    """What is known of a cassette without opening it."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def stem(self) -> str:
        """The file's name without take and ending."""

    @property
    def size_bytes(self) -> int:
        """Of the file."""


C = TypeVar("C", bound=Candidate)


def first_takes(known: Iterable[C]) -> list[C]:
    """
    Return a cassette for each recorded request.

    Args:
        known: Takes in their order.
    """
    first: dict[tuple[str, str], C] = {}
    for candidate in known:
        folder = candidate.name.rpartition("/")[0]
        first.setdefault((folder, candidate.stem), candidate)
    return list(first.values())


def choose_candidates(
    match_input: MatchInput, known: Sequence[C], *, body_bytes: int
) -> Sequence[C]:
    """
    Return those that are worth to be compared, as their names tell.

    They are all of a library up to 8 MB, in any order, and no more than that of a
    larger one, but at least 4. First are those that are named by the last text that
    the user wrote, then by earlier ones, as earlier turns of the conversation are;
    then those with the names most alike, and of these those of about the same size.

    Args:
        body_bytes: Size of the request's body. The calls of an agent's loop have one
            name, and each is larger than the one before.
    """
    if sum(candidate.size_bytes for candidate in known) <= COMPARED_BYTES:
        return known
    ranks: dict[str, int] = {}
    for rank, words in enumerate(filter(None, user_slugs(match_input))):
        ranks.setdefault(words, rank)
    own = slug(match_input)

    def order(candidate: C) -> tuple[int, int, int, str]:
        words = _KEY_IN_STEM.sub("", candidate.stem)
        rank = ranks.get(words, len(ranks) + 1)
        larger_bytes = abs(candidate.size_bytes - body_bytes)
        return rank, -common_length(words, own), larger_bytes, candidate.name

    chosen: list[C] = []
    size_bytes = 0
    for candidate in sorted(known, key=order):
        size_bytes += candidate.size_bytes
        if size_bytes > COMPARED_BYTES and len(chosen) >= _LEAST_COMPARED:
            break
        chosen.append(candidate)
    return chosen


class Recorded(Generic[C]):
    """
    The recorded requests, each read once for all that are compared with them.

    It is made for misses that come at once, and to be used by one thread at a time.
    Of what it reads, it keeps no more than the fingerprints of 8 MB.

    Args:
        read: Returns the redacted request of a cassette, or raises a CassetteError.
        rules: Those in force.
    """

    def __init__(self, read: Callable[[C], Request], *, rules: Rules) -> None:
        self.rules = rules
        self._read = read
        self._kept: dict[tuple[str, int], Fingerprint | None] = {}
        self._kept_bytes = 0
        self._confusing: dict[Rules, tuple[Sequence[C], bool]] = {}

    def find_request(self, candidate: C) -> Request | None:
        """Return the request of a cassette, or None if it can't be read."""
        try:
            return self._read(candidate)
        except CassetteError:
            return None

    def find_fingerprint(self, candidate: C) -> Fingerprint | None:
        """
        Return the fingerprint of a request under the rules.

        Returns:
            None if it can't be read, or the rules can't be applied to it.
        """
        # A file that is recorded anew is of another size, mostly, and all that this
        # tells is which one to read again.
        file = candidate.name, candidate.size_bytes
        if file in self._kept:
            return self._kept[file]
        found = self._fingerprint(candidate)
        self._kept_bytes += candidate.size_bytes
        if self._kept_bytes <= COMPARED_BYTES:
            self._kept[file] = found
        return found

    def confuses(self, proposed: Rules, among: Sequence[C]) -> bool:
        """
        Whether proposed rules take two requests for one that the rules tell apart.
        """
        known, is_so = self._confusing.get(proposed, ((), False))
        if known != among:
            is_so = confuses(self._requests(among), self.rules, proposed)
            self._confusing[proposed] = among, is_so
        return is_so

    def _requests(self, among: Sequence[C]) -> Iterable[Request]:
        found = map(self.find_request, among)
        return (request for request in found if request is not None)

    def _fingerprint(self, candidate: C) -> Fingerprint | None:
        request = self.find_request(candidate)
        try:
            return (
                None
                if request is None
                else fingerprint_of(match_input_of(request, self.rules))
            )
        except UsageError:
            # A pattern takes too long on it; the miss has to be told all the same.
            return None


def confuses(requests: Iterable[Request], rules: Rules, proposed: Rules) -> bool:
    """Whether proposed rules take two requests for one that the rules tell apart."""
    known: dict[str, Request] = {}
    for request in requests:
        try:
            other = known.setdefault(match_input_of(request, proposed).key, request)
            if other is request:
                continue
            if match_input_of(other, rules).key != match_input_of(request, rules).key:
                return True
        except UsageError:
            # A pattern takes too long on it, so it answers nobody.
            continue
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What tells how much a request is like another one; about as large as its body."""

    place: tuple[str, str]
    """Method and path."""
    stream: Any
    model: Any
    messages: tuple[str, ...]
    """Each written as JSON, without marks for the cache, its text as a block."""
    around: Mapping[str, object]
    """What else the key sees, but for the body's fields."""
    query: frozenset[tuple[str, str]]
    fields: Mapping[str, int]
    """The digest of each of the body's fields; of another body's, that of all."""


def fingerprint_of(match_input: MatchInput) -> Fingerprint:
    """Return what tells how much a request is like others."""
    fields = (
        match_input.body
        if isinstance(match_input.body, dict)
        else {"": match_input.body}
    )
    messages = fields.get("messages")
    return Fingerprint(
        place=(match_input.method, match_input.path),
        stream=fields.get("stream"),
        model=fields.get("model"),
        messages=tuple(
            canonical_json(plain_message(message))
            for message in (messages if isinstance(messages, list) else [])
        ),
        around={"": match_input.kind, **match_input.headers},
        query=frozenset(match_input.query),
        fields={key: hash(canonical_json(value)) for key, value in fields.items()},
    )


def likeness(a: Fingerprint, b: Fingerprint) -> tuple[int, ...]:
    """
    Return what orders candidates first; more alike is greater.

    It is: same method and path, same ``stream``, same model, how many whole messages
    they have in common from the start, and how many characters of the first other
    one. Where a message is marked for the cache changes with every turn, and counts
    as no difference between messages.
    """
    pairs = list(zip(a.messages, b.messages, strict=False))
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return (
        a.place == b.place,
        a.stream == b.stream,
        a.model == b.model,
        common,
        common_length(*pairs[common]) if common < len(pairs) else 0,
    )


def likeness_around(a: Fingerprint, b: Fingerprint) -> tuple[int, ...]:
    """
    Return what orders those that are as alike as that; it takes longer.

    It is: minus the number of fields that differ, parameters and headers counted too,
    and minus the difference in the number of messages.
    """
    differing = (
        len(a.query ^ b.query)
        + _count_differing(a.around, b.around)
        + _count_differing(a.fields, b.fields)
    )
    return -differing, -abs(len(a.messages) - len(b.messages))


def _count_differing(a: Mapping[str, object], b: Mapping[str, object]) -> int:
    return sum(key not in a or key not in b or a[key] != b[key] for key in {**a, **b})
