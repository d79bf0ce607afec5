"""
What a project leaves out of the match key, or replaces in it.

Rules change the key, what a miss says and file names; what is sent and what is
recorded stays as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import regex

from streamtape.core.matching.bodies import MAX_DEPTH, map_texts
from streamtape.core.matching.presets import Preset
from streamtape.core.secrecy.heads import KEPT_REQUEST_HEADERS
from streamtape.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathQuery

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

Location: TypeAlias = tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """
    A project's rules; equal ones give equal keys.

    Raises:
        UsageError: One of them can't be used; it says which and why.
    """

    ignore: tuple[str, ...] = ()
    """
    What the key doesn't see: JSON paths (RFC 9535) into the body, in which the
    ``$.`` at the start may be left out, or ``?name`` for a parameter of the query.
    The functions ``match`` and ``search`` are not there.
    """
    replace: tuple[tuple[str, str], ...] = ()
    """
    Patterns, and the text that stands in for what they find in the strings of the
    body and in the values of query and headers. The path counts as it is.
    """
    headers: tuple[str, ...] = ()
    """Names of headers that the key sees too."""
    rename_ids: bool = False
    """Whether ids of tool calls count by their order of appearance alone."""
    preset: Preset = Preset.AUTO
    cpu_ns: Callable[[], int] | None = field(default=None, compare=False, repr=False)
    """
    Tells how much time this thread has used, in ns. Without it there is a limit for
    each pattern on each text, but none for a request; it makes no other difference.
    """

    def __post_init__(self) -> None:
        for path in self.ignore:
            if not path.startswith("?"):
                compile_path(path)
        for pattern, _ in self.replace:
            compile_pattern(pattern)
        for name in self.headers:
            if name.lower() not in KEPT_REQUEST_HEADERS:
                kept = ", ".join(sorted(KEPT_REQUEST_HEADERS))
                message = (
                    f"headers: the value of {name!r} is not kept in cassettes, so it "
                    f"can't be matched; these can: {kept}"
                )
                raise UsageError(message)

    def replacer(self) -> Replacer:
        """
        Return what makes the replacements in one request.
        """
        return Replacer(self.replace, cpu_ns=self.cpu_ns)


@lru_cache(maxsize=256)
def compile_path(path: str) -> JSONPathQuery:
    """
    Read a JSON path, RFC 9535, whose root may be left out.

    Raises:
        UsageError: It is none.
    """
    # It takes some 30 ms to load, and most projects have no such rule.
    from jsonpath_rfc9535 import JSONPathError

    whole = path
    if not path.startswith("$"):
        whole = f"${path}" if path.startswith(("[", ".")) else f"$.{path}"
    try:
        return _environment().compile(whole)
    # The last two are for numbers too large and for too many brackets.
    except (JSONPathError, ArithmeticError, RecursionError) as error:
        message = f"ignore: {path!r} is no JSON path: {error.args[0]}"
        raise UsageError(message) from error


@lru_cache(maxsize=1)
def _environment() -> JSONPathEnvironment:
    from jsonpath_rfc9535 import JSONPathEnvironment

    environment = JSONPathEnvironment()
    # The root is on the first level.
    environment.max_recursion_depth = MAX_DEPTH + 1
    # Nothing bounds the time that their patterns take.
    for function in ("match", "search"):
        del environment.function_extensions[function]
    return environment


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


def ignore_paths(body: Any, paths: Iterable[str]) -> Any:
    """
    Return a body without what the paths name; changes it in place.

    Every path names places in the whole body, whatever the others take away.
    """
    places = {
        node.location
        for path in paths
        if not path.startswith("?")
        for node in compile_path(path).find(body)
    }
    # From the back, so that what is gone moves nothing that is still to go.
    for place in sorted(places, key=_order, reverse=True):
        if not place:
            return None
        _remove(body, place)
    return body


class Replacer:
    """
    Replaces patterns in the texts of one request, within a limit for all of them.

    Args:
        replacements: Patterns and what to put in, made in this order.
        cpu_ns: As in :class:`Rules`.
    """

    def __init__(
        self,
        replacements: Iterable[tuple[str, str]],
        *,
        cpu_ns: Callable[[], int] | None = None,
    ) -> None:
        self._pairs = [
            (compile_pattern(pattern), text) for pattern, text in replacements
        ]
        self._cpu_ns = cpu_ns
        self._left_s = _REQUEST_LIMIT_S

    def replace(self, value: Any) -> Any:
        """
        Return a JSON value with the patterns replaced in all of its strings.

        Raises:
            UsageError: A pattern takes too long on one of them, or all on all.
        """
        return map_texts(value, self._replace_all) if self._pairs else value

    def _replace_all(self, text: str) -> str:
        for pattern, instead in self._pairs:
            if self._cpu_ns is None:
                text = _replace(pattern, instead, text)
                continue
            ample_s = _LIMIT_S_PER_TEXT + _LIMIT_S_PER_CHAR * len(text)
            before_ns = self._cpu_ns()
            text = _replace(pattern, instead, text)
            self._left_s -= max(0, (self._cpu_ns() - before_ns) / 1e9 - ample_s)
            if self._left_s < 0:
                message = (
                    f"replace: the patterns take longer than {_REQUEST_LIMIT_S:g} s on "
                    f"the texts of one request, {pattern.pattern!r} on the last of "
                    f"them; make it simpler"
                )
                raise UsageError(message)
        return text


def replace_texts(value: Any, replacements: Iterable[tuple[str, str]]) -> Any:
    """
    Return a JSON value with the patterns replaced in all of its strings.

    Raises:
        UsageError: A pattern takes too long on one of them.
    """
    return Replacer(replacements).replace(value)


def rename_tool_ids(body: Any) -> Any:
    """
    Return a body whose ids of tool calls are numbered as they appear.

    Results name the call that they belong to, so both are renamed alike. What a tool
    is given stays as it is.
    """
    names: dict[str, str] = {}

    def renamed(value: object) -> object:
        if not isinstance(value, str):
            return value
        return names.setdefault(value, f"tool-{len(names) + 1}")

    def walk(value: Any) -> Any:
        match value:
            case list():
                return [walk(item) for item in value]
            case dict():
                is_call = str(value.get("type")).endswith("tool_use")
                # The order in which a client writes keys is not to count.
                items = sorted(value.items())
                if is_call:
                    return {k: renamed(v) if k == "id" else v for k, v in items}
                return {
                    k: renamed(v) if k == "tool_use_id" else walk(v) for k, v in items
                }
            case _:
                return value

    match body:
        case {"messages": [*messages]}:
            return {**body, "messages": walk(messages)}
        case _:
            return body


def _order(place: Location) -> tuple[tuple[bool, int, str], ...]:
    return tuple(
        (False, step, "") if isinstance(step, int) else (True, 0, step)
        for step in place
    )


def _remove(body: Any, place: Location) -> None:
    for step in place[:-1]:
        body = body[step]
    del body[place[-1]]


def _replace(pattern: regex.Pattern[str], instead: str, text: str) -> str:
    limit_s = _LIMIT_S + _LIMIT_S_PER_CHAR * len(text)
    try:
        changed: str = pattern.sub(lambda _: instead, text, timeout=limit_s)
    except TimeoutError as error:
        message = (
            f"replace: {pattern.pattern!r} takes longer than {limit_s:.2f} s on a "
            f"text of {len(text)} characters; make it simpler"
        )
        raise UsageError(message) from error
    return changed
