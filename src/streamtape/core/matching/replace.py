"""Replacing patterns in texts, in bounded time."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import regex

from streamtape.core.matching.body import map_texts
from streamtape.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_LIMIT_S: Final = 0.25
_LIMIT_S_PER_CHAR: Final = 2e-7
"""
How long one pattern may take on one text, which is ample for a linear one.

A pattern whose time grows exponentially would else hold up every stream.
"""
_REQUEST_LIMIT_S: Final = 0.5
_LIMIT_S_PER_TEXT: Final = 1e-5
"""
How long all patterns may take on all texts of a request beyond what is ample for
linear ones: many texts just under a pattern's own limit add up.
"""
_SHORT_CHARS: Final = 500
_MOST_SHORT: Final = 4096
"""
Which texts are remembered, and how many: names of models, roles and types are in
every request, and most of a schema is in many.
"""


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """
    Read a regular expression.

    Raises:
        UsageError: It is none.
    """
    try:
        return regex.compile(pattern)
    except (regex.error, RecursionError) as error:
        message = f"replace: {pattern!r} is no regular expression: {error}"
        raise UsageError(message) from error


class Replacer:
    """
    Replaces patterns in the texts of one request, within a limit for all of them.

    Args:
        replacements: Patterns and what to put in, made in this order.
        known: What these replacements have made of short texts; it grows.
        cpu_ns: Tells how much time this thread has used, in ns. Without it there is a
            limit for each pattern on each text, but none for all of them.
    """

    def __init__(
        self,
        replacements: tuple[tuple[str, str], ...],
        *,
        known: dict[str, str],
        cpu_ns: Callable[[], int] | None = None,
    ) -> None:
        self._pairs = [
            (compile_pattern(pattern), _template(text))
            for pattern, text in replacements
        ]
        self._known = known
        self._cpu_ns = cpu_ns
        self._left_s = _REQUEST_LIMIT_S

    def replace(self, value: Any) -> Any:
        """
        Return a JSON value with the patterns replaced in all of its strings.

        Raises:
            UsageError: A pattern takes too long on one of them, or all on all.
        """
        return map_texts(value, self._replace_known) if self._pairs else value

    def _replace_known(self, text: str) -> str:
        if len(text) > _SHORT_CHARS:
            return self._replace_all(text)
        if (changed := self._known.get(text)) is None:
            changed = self._replace_all(text)
            if len(self._known) < _MOST_SHORT:
                self._known[text] = changed
        return changed

    def _replace_all(self, text: str) -> str:
        if self._cpu_ns is None:
            for pattern, template in self._pairs:
                text = _replace(pattern, template, text)
            return text
        before_ns = self._cpu_ns()
        for pattern, template in self._pairs:
            ample_s = _LIMIT_S_PER_TEXT + _LIMIT_S_PER_CHAR * len(text)
            text = _replace(pattern, template, text)
            now_ns = self._cpu_ns()
            self._left_s -= max(0, (now_ns - before_ns) / 1e9 - ample_s)
            before_ns = now_ns
            if self._left_s < 0:
                message = (
                    f"replace: the patterns take longer than {_REQUEST_LIMIT_S:g} s on "
                    f"the texts of one request, {pattern.pattern!r} on the last of "
                    f"them; make it simpler"
                )
                raise UsageError(message)
        return text


def replace_texts(value: Any, replacements: tuple[tuple[str, str], ...]) -> Any:
    """
    Return a JSON value with the patterns replaced in all of its strings.

    Raises:
        UsageError: A pattern takes too long on one of them.
    """
    return Replacer(replacements, known={}).replace(value)


def _template(text: str) -> str:
    """Return what puts in a text as it is."""
    # With a function other threads could run, whose time would count as well.
    return text.replace("\\", r"\\")


def _replace(pattern: regex.Pattern[str], template: str, text: str) -> str:
    limit_s = _LIMIT_S + _LIMIT_S_PER_CHAR * len(text)
    try:
        # The time is that of the process, so no other thread may run meanwhile.
        return pattern.sub(template, text, concurrent=False, timeout=limit_s)
    except TimeoutError as error:
        message = (
            f"replace: {pattern.pattern!r} takes longer than {limit_s:.2f} s on a "
            f"text of {len(text)} characters; make it simpler"
        )
        raise UsageError(message) from error
