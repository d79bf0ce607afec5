"""
JSON paths, RFC 9535, that look at no more values than they may.

What a path looks at is counted by the objects and arrays that it is given. It takes
some 30 ms to load, so import it only where a project has such a rule.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathError

from streamtape.core.matching.body import MAX_DEPTH
from streamtape.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jsonpath_rfc9535 import JSONPathQuery


_FREE_STEPS: Final = 250_000
_BYTES_PER_STEP: Final = 2
"""
How many values all paths may look at in one request, and how many more each of them
for its size, which is ample for linear ones.

Values are counted, and no time is taken, so that what could be recorded can be
replayed.
"""


class _Steps:
    """Counts the values that are looked at."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def take(self, count: int) -> None:
        """
        Count values.

        Raises:
            _TooManyStepsError: There were too many.
        """
        self._left -= count
        if self._left < 0:
            raise _TooManyStepsError

    def watch(self, value: Any) -> Any:
        """Return a value that counts what is looked at in it."""
        if isinstance(value, dict):
            return _Object(value, self)
        return _Array(value, self) if isinstance(value, list) else value


class _TooManyStepsError(Exception):
    """The paths look at more values than they may."""


def _weight(value: object) -> int:
    """Count a value and those in it, which every selector may look at."""
    return 1 + len(value) if isinstance(value, (dict, list)) else 1


class _Object(dict[str, Any]):
    """
    An object that counts each value that it gives.

    What is overridden are the ways in which the library looks at values. Were it to
    find another one, the tests of paths that look at too much would fail.
    """

    __slots__ = ("_steps", "_weight")

    def __init__(self, members: dict[str, Any], steps: _Steps) -> None:
        super().__init__(members)
        self._steps = steps
        self._weight = 0

    def __getitem__(self, key: str) -> Any:
        self._open()
        value = super().__getitem__(key)
        self._steps.take(_weight(value))
        return value

    def __eq__(self, other: object) -> bool:
        self._steps.take(self._weight or self._open())
        return super().__eq__(other)

    def items(self) -> Any:
        self._steps.take(self._weight or self._open())
        return super().items()

    def _open(self) -> int:
        """Have its values count too, and return what all of them count."""
        # Not before the first look: most of a body is never looked at.
        if not self._weight:
            self._weight = 1 + len(self)
            for key, value in super().items():
                if isinstance(value, (dict, list)):
                    self._weight += len(value)
                    self[key] = self._steps.watch(value)
        return self._weight


class _Array(list[Any]):
    """An array that counts each value that it gives, as :class:`_Object` does."""

    __slots__ = ("_steps", "_weight")

    def __init__(self, items: list[Any], steps: _Steps) -> None:
        super().__init__(items)
        self._steps = steps
        self._weight = 0

    def __getitem__(self, place: Any) -> Any:
        self._open()
        found = super().__getitem__(place)
        is_slice = isinstance(place, slice)
        self._steps.take(sum(map(_weight, found)) if is_slice else _weight(found))
        return found

    def __eq__(self, other: object) -> bool:
        self._steps.take(self._weight or self._open())
        return super().__eq__(other)

    def __iter__(self) -> Iterator[Any]:
        self._steps.take(self._weight or self._open())
        return super().__iter__()

    def _open(self) -> int:
        """Have its values count too, and return what all of them count."""
        if not self._weight:
            self._weight = 1 + len(self)
            for place, value in enumerate(super().__iter__()):
                if isinstance(value, (dict, list)):
                    self._weight += len(value)
                    self[place] = self._steps.watch(value)
        return self._weight


class _Environment(JSONPathEnvironment):
    # The root is on the first level.
    max_recursion_depth = MAX_DEPTH + 1

    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        # Nothing bounds the time that their patterns take.
        for function in ("match", "search"):
            del self.function_extensions[function]


_ENVIRONMENT: Final = _Environment()


@lru_cache(maxsize=256)
def compile_path(path: str) -> JSONPathQuery:
    """
    Read a JSON path whose root may be left out.

    Raises:
        UsageError: It is none.
    """
    whole = path
    if not path.startswith("$"):
        whole = f"${path}" if path.startswith(("[", ".")) else f"$.{path}"
    try:
        return _ENVIRONMENT.compile(whole)
    # The last two are for numbers too large and for too many brackets.
    except (JSONPathError, ArithmeticError, RecursionError) as error:
        message = f"ignore: {path!r} is no JSON path: {error.args[0]}"
        raise UsageError(message) from error


Location = tuple[int | str, ...]
"""Keys and indexes from the top of a body."""


def find_places(
    paths: Sequence[str], body: Any, *, size_bytes: int
) -> Iterator[Location]:
    """
    Yield the places in a body that paths name; some come twice.

    Args:
        size_bytes: Of the body as it was sent.

    Raises:
        UsageError: The paths look at more places than they may.
    """
    limit = _FREE_STEPS + len(paths) * size_bytes // _BYTES_PER_STEP
    watched = _Steps(limit).watch(body)
    for path in paths:
        try:
            for node in compile_path(path).finditer(watched):
                yield node.location
        except _TooManyStepsError as error:
            message = (
                f"ignore: the paths look at more than {limit:,} places of one "
                f"request, {path!r} at the last of them; make it simpler"
            )
            raise UsageError(message) from error


def ignore_paths(body: Any, paths: Sequence[str], *, size_bytes: int = 0) -> Any:
    """
    Return a body without what the paths name; changes it in place.

    Every path names places in the whole body, whatever the others take away.

    Args:
        size_bytes: Of the body as it was sent.

    Raises:
        UsageError: The paths look at more places than they may.
    """
    # By the place of what is around it.
    gone: dict[Location, set[int | str]] = {}
    for place in find_places(paths, body, size_bytes=size_bytes):
        if not place:
            return None
        gone.setdefault(place[:-1], set()).add(place[-1])
    # All are found before one goes, which would move what follows it.
    found = [(_value_at(body, place), keys) for place, keys in gone.items()]
    for around, keys in found:
        if isinstance(around, dict):
            for key in keys:
                del around[key]
        else:
            # Taking out one by one would move all that follow each time.
            around[:] = [item for at, item in enumerate(around) if at not in keys]
    return body


def _value_at(body: Any, place: Location) -> Any:
    for step in place:
        body = body[step]
    return body
