"""What is said when a server has stopped."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import click

from streamtape.cli._words import count, format_ns
from streamtape.server.summary import Saved, Summary

log = logging.getLogger(__name__)

_WORDS: Final = {
    "miss": "missed",
    "failed": "failed upstream",
    "error": "failed here",
}

_NAMED: Final = 10
"""How many unused cassettes are named; --json has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """What to do with a run that is over."""

    is_json: bool
    """Whether to print the summary for machines too."""
    fails_on_miss: bool
    fails_on_unused: bool

    def status(self, summary: Summary) -> int:
        """Return the exit status that the summary makes: 1 for a finding, else 0."""
        return int(any(self.findings(summary)))

    def findings(self, summary: Summary) -> Iterator[str]:
        """Yield a sentence for each option that the run fails."""
        counts = summary.counts
        missed = counts.get("miss", 0) + counts.get("error", 0)
        if self.fails_on_miss and missed:
            yield f"{count(missed, 'request')} got no answer (--fail-on-miss)"
        if self.fails_on_unused and summary.unused:
            unused = count(len(summary.unused), "cassette")
            yield f"nobody asked for {unused} (--fail-on-unused)"


def finish_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options for its end, and their values as ``finish``."""

    @click.option(
        "--json", "is_json", is_flag=True, help="Print a summary at the end, in a line."
    )
    @click.option(
        "--fail-on-miss", is_flag=True, help="End with status 1 after a miss."
    )
    @click.option(
        "--fail-on-unused",
        is_flag=True,
        help="End with status 1 if there are cassettes that nobody asked for.",
    )
    @functools.wraps(command)
    def run(
        is_json: bool, fail_on_miss: bool, fail_on_unused: bool, **given: Any
    ) -> None:
        finish = Finish(
            is_json=is_json, fails_on_miss=fail_on_miss, fails_on_unused=fail_on_unused
        )
        command(finish=finish, **given)

    return run


def print_summary(summary: Summary, finish: Finish) -> None:
    """
    Say what came of a run: in the log, and as one line of JSON on stdout if asked.
    """
    counts = ", ".join(
        f"{number} {_WORDS.get(outcome, outcome)}"
        for outcome, number in summary.counts.items()
    )
    log.info("Stopped%s.", f": {counts}" if counts else "")
    for line in (*_unfinished(summary), *_saved(summary), *_unused(summary)):
        log.info("%s", line)
    for report in summary.misses:
        log.info("Missed: %s", report)
    for failure in summary.failures:
        log.error("%s", failure)
    for finding in finish.findings(summary):
        log.error("%s", finding)
    if finish.is_json:
        # In ASCII, whatever the terminal or the pipe takes.
        click.echo(json.dumps(summary.as_json()))


def _unfinished(summary: Summary) -> Iterator[str]:
    if summary.counts.get("unfinished"):
        yield (
            "What came of an unfinished answer is in its .part file, of which "
            "streamtape recover makes a cassette."
        )


def _saved(summary: Summary) -> Iterator[str]:
    saved = summary.saved
    if saved != Saved():
        yield (
            f"Saved: {saved.input_tokens:,} input and {saved.output_tokens:,} output "
            f"tokens, {format_ns(saved.time_ns)}."
        )


def _unused(summary: Summary) -> Iterator[str]:
    # A server that nobody asked anything has nothing to tell of its cassettes.
    if not summary.unused or not summary.counts:
        return
    unused = len(summary.unused)
    named = ", ".join(summary.unused[:_NAMED])
    more = f" and {unused - _NAMED} more" if unused > _NAMED else ""
    yield f"Nobody asked for {count(unused, 'cassette')}: {named}{more}."
