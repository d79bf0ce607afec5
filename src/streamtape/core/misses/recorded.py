"""
The requests of a library as misses see them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from streamtape.core.matching.key import matched
from streamtape.core.misses.candidates import COMPARED_BYTES, C
from streamtape.core.misses.sketches import Sketch, sketch
from streamtape.errors import CassetteError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from streamtape.core.matching.rules import Rules
    from streamtape.core.model import Request


class Recorded(Generic[C]):
    """
    The recorded requests, each read once for all that are compared with them.

    It is made for misses that come at once, and to be used by one thread at a time.
    Of what it reads, it keeps no more than the sketches of 8 MB.

    Args:
        read: Returns the redacted request of a cassette, or raises a CassetteError.
        rules: Those in force.
    """

    def __init__(self, read: Callable[[C], Request], *, rules: Rules) -> None:
        self.rules = rules
        self._read = read
        self._kept: dict[tuple[str, int], Sketch | None] = {}
        self._kept_bytes = 0
        self._confusing: dict[Rules, tuple[Sequence[C], bool]] = {}

    def find_request(self, candidate: C) -> Request | None:
        """
        Return the request of a cassette, or None if it can't be read.
        """
        try:
            return self._read(candidate)
        except CassetteError:
            return None

    def find_sketch(self, candidate: C) -> Sketch | None:
        """
        Return the sketch of a request under the rules.

        Returns:
            None if it can't be read, or the rules can't be applied to it.
        """
        # A file that is recorded anew is of another size, mostly, and all that this
        # tells is which one to read again.
        file = candidate.name, candidate.size_bytes
        if file in self._kept:
            return self._kept[file]
        found = self._sketch(candidate)
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

    def _sketch(self, candidate: C) -> Sketch | None:
        request = self.find_request(candidate)
        try:
            return None if request is None else sketch(matched(request, self.rules))
        except UsageError:
            # A pattern takes too long on it; the miss has to be told all the same.
            return None


def confuses(requests: Iterable[Request], rules: Rules, proposed: Rules) -> bool:
    """
    Whether proposed rules take two requests for one that the rules tell apart.
    """
    known: dict[str, Request] = {}
    for request in requests:
        try:
            other = known.setdefault(matched(request, proposed).key, request)
            if other is request:
                continue
            if matched(other, rules).key != matched(request, rules).key:
                return True
        except UsageError:
            # A pattern takes too long on it, so it answers nobody.
            continue
    return False
