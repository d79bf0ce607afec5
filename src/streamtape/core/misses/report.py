"""
What a miss says to people: what was asked, what comes nearest, and what helps.

As for the key, the requests must be redacted ones.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from streamtape.core.matching.key import match_input_of
from streamtape.core.misses.diff import (
    SHOWN_CHARS,
    count_of,
    describe_change,
    find_changes,
)
from streamtape.core.misses.nearest import (
    choose_candidates,
    find_nearest,
    fingerprint_of,
    first_takes,
)
from streamtape.core.misses.suggest import find_advice
from streamtape.core.redaction.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamtape.core.matching.key import MatchInput
    from streamtape.core.misses.diff import Difference
    from streamtape.core.misses.nearest import C, Recorded
    from streamtape.core.model import Request
    from streamtape.core.redaction.secrets import Secrets


_LINE_BYTES: Final = 400
"""Seven lines and a rule stay below 4 KiB."""
SETTINGS_PLACE: Final = "[tool.streamtape] of pyproject.toml"
"""Where rules stand, unless one is told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissReport:
    """Why nothing recorded answers a request; as text, a few lines below 4 KiB."""

    request: str
    """Method and target."""
    model: str | None = None
    messages: int | None = None
    """How many; None if the request has none."""
    library: str
    """The folder, as its user would type it."""
    recorder: str = ""
    """What records in the library as well; empty for the command that does."""
    nearest: str | None = None
    """
    The cassette whose request is most alike, or the first that answers the request
    if its takes are exhausted. None if there is none to be read.
    """
    differences: tuple[Difference, ...] = ()
    """Where the request differs from that of the nearest; the first ones."""
    has_more: bool = False
    """Whether there are more differences than are told."""
    rule: str | None = None
    """Lines of TOML that would make it hit; None if no harmless rule is known."""
    where: str = SETTINGS_PLACE
    """Where such a rule has to stand."""
    exhausted_takes: int | None = None
    """How many takes match and were all used, or None if none ever matched."""
    compared: tuple[int, int] = (0, 0)
    """How many recorded requests were chosen to be compared, and of how many."""
    secrets: Secrets = field(repr=False, compare=False)
    """What is kept out of its text."""

    def __str__(self) -> str:
        # The requests are redacted; this is for what they were found to differ in.
        return clean_text("\n".join(self._lines()), self.secrets)

    @property
    def asked(self) -> str:
        """The request in a few words."""
        if self.model is None or self.messages is None:
            return self.request
        messages = count_of(self.messages, "message")
        return f"{self.request}, model {self.model}, {messages}"

    def as_json(self) -> dict[str, Any]:
        """Return all of it in the types of JSON."""
        compared, known = self.compared
        return {
            "request": self.request,
            "model": self.model,
            "messages": self.messages,
            "library": self.library,
            "nearest": self.nearest,
            "differences": [each.as_json() for each in self.differences],
            "has_more": self.has_more,
            "rule": self.rule,
            "exhausted_takes": self.exhausted_takes,
            "compared": compared,
            "known": known,
        }

    def _lines(self) -> Iterator[str]:
        _, known = self.compared
        if self.exhausted_takes is not None:
            yield cut_line(f"{self.asked}: {self._used()}.")
            yield (
                "Replay with --exhausted last to repeat the last one, or --exhausted "
                "cycle to begin again, or record as many as are asked for."
            )
        elif not known:
            where = f"no cassette in {self.library} matches, as it is empty"
            yield cut_line(f"{self.asked}: {where}.")
            yield cut_line(f"Record first: {self._to_record()}")
        else:
            yield cut_line(f"{self.asked}: no cassette in {self.library} matches.")
            yield from self._nearest_lines()
            record = self._to_record("--mode new_episodes ")
            if self.rule is None:
                yield cut_line(f"Send what was recorded, or record this too: {record}")
            else:
                # One setting fits into the sentence.
                before = "\n" if "\n" in self.rule else " "
                place = cut_line(f"This rule in {plain(self.where)}")
                yield f"{place} would make it hit:{before}{self.rule}"
                yield cut_line(f"Or record this too: {record}")

    def _to_record(self, how: str = "") -> str:
        if self.recorder:
            return self.recorder
        return f"streamtape record {how}--cassettes {shlex.quote(self.library)}"

    def _used(self) -> str:
        if self.exhausted_takes == 1:
            return f"the only recorded take of {self.nearest} was used"
        return f"all {self.exhausted_takes} recorded takes of {self.nearest} were used"

    def _nearest_lines(self) -> Iterator[str]:
        compared, known = self.compared
        some = f" of {compared} compared" if compared < known else ""
        if self.nearest is None:
            yield f"None of the {compared} in it could be read and compared."
        elif not self.differences:
            yield cut_line(
                f"{self.nearest} asks the same, but came just now or is not whole yet."
            )
        else:
            yield cut_line(
                f"The nearest{some} is {self.nearest}; recorded / requested:"
            )
            for difference in self.differences:
                yield cut_line(f"- {difference}")
            if self.has_more:
                yield "- and more"


def plain(text: str) -> str:
    """Return a text with what a terminal might obey escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def cut_line(line: str) -> str:
    """Return a line that leaves room for the others."""
    encoded = line.encode()
    if len(encoded) <= _LINE_BYTES:
        return line
    return encoded[: _LINE_BYTES - len("…".encode())].decode(errors="ignore") + "…"


_SHOWN_DIFFERENCES: Final = 3


def explain_miss(
    asked: Request,
    match_input: MatchInput,
    known: Iterable[C],
    recorded: Recorded[C],
    *,
    library: str,
    secrets: Secrets,
    where: str = SETTINGS_PLACE,
) -> MissReport:
    """
    Return why a request is a miss that no recorded request has the key of.

    Args:
        match_input: Of the request, under the rules in force.
        known: All takes in the library, in their order.
        recorded: Reads them, under the same rules.
        library: The folder, as its user would type it.
        secrets: What to keep out of the report.
        where: Where its user would put a rule, as in "this rule in ...".
    """
    first, rules = first_takes(known), recorded.rules
    chosen = choose_candidates(match_input, first, body_bytes=len(asked.body))
    report = replace(
        _begin(asked, match_input, secrets, library=library),
        compared=(len(chosen), len(first)),
        where=where,
    )
    nearest = find_nearest(fingerprint_of(match_input), chosen, recorded)
    request = None if nearest is None else recorded.find_request(nearest)
    if nearest is None or request is None:
        return report
    other = match_input_of(request, rules)
    changes = list(find_changes(other, match_input))
    rule = find_advice(
        asked,
        request,
        rules,
        changes,
        match_input=match_input,
        confuses=lambda proposed: recorded.confuses(proposed, chosen),
    )
    return replace(
        report,
        nearest=plain(nearest.name),
        differences=tuple(
            describe_change(change, secrets) for change in changes[:_SHOWN_DIFFERENCES]
        ),
        has_more=len(changes) > _SHOWN_DIFFERENCES,
        rule=rule,
    )


def explain_exhausted(
    asked: Request,
    match_input: MatchInput,
    *,
    name: str,
    takes: int,
    library: str,
    secrets: Secrets,
) -> MissReport:
    """
    Return why a request is a miss whose takes were all used.

    Args:
        match_input: Of the request.
        name: Of the first take's cassette.
        takes: How many there are.
        library: The folder, as its user would type it.
        secrets: What to keep out of the report.
    """
    report = _begin(asked, match_input, secrets, library=library)
    return replace(report, nearest=plain(name), exhausted_takes=takes)


def describe_request(asked: Request, match_input: MatchInput, secrets: Secrets) -> str:
    """Return a line that tells people which request this is."""
    return _begin(asked, match_input, secrets, library="").asked


def _begin(
    asked: Request, match_input: MatchInput, secrets: Secrets, *, library: str
) -> MissReport:
    report = MissReport(
        request=cut_line(f"{plain(asked.method)} {plain(asked.target)}"),
        library=plain(library),
        secrets=secrets,
    )
    match match_input.body:
        case {"model": str(model), "messages": [*messages]}:
            short = plain(model[:SHOWN_CHARS])
            return replace(report, model=short, messages=len(messages))
        case _:
            return report
