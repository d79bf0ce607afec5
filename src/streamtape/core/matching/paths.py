"""
JSON paths, RFC 9535, that look at no more values than they may.

It takes some 30 ms to load, so import it only where a project has such a rule.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathError, JSONPathNode
from jsonpath_rfc9535.filter_expressions import FilterQuery
from jsonpath_rfc9535.parse import Parser
from jsonpath_rfc9535.query import JSONPathQuery

from streamtape.core.matching.body import MAX_DEPTH
from streamtape.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jsonpath_rfc9535.filter_expressions import Expression
    from jsonpath_rfc9535.tokens import TokenStream


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

    def take(self, value: object) -> None:
        """
        Count a value, and those in it, which every selector may look at.

        Raises:
            _TooManyStepsError: There were too many.
        """
        inner = len(value) if isinstance(value, (dict, list)) else 0
        self._left -= 1 + inner
        if self._left < 0:
            raise _TooManyStepsError


class _TooManyStepsError(Exception):
    """The paths look at more values than they may."""


_STEPS: Final[ContextVar[_Steps]] = ContextVar("_STEPS")
"""What counts now; the library hands nothing down to the queries in filters."""


class _Node(JSONPathNode):
    """A node that is counted when it is made, as are those that come of it."""

    __slots__ = ("_steps",)

    def __init__(
        self,
        *,
        value: Any,
        location: tuple[int | str, ...] = (),
        parent: JSONPathNode | None = None,
        root: Any,
        steps: _Steps,
    ) -> None:
        super().__init__(value=value, location=location, parent=parent, root=root)
        self._steps = steps
        steps.take(value)

    def new_child(
        self, value: object, key: int | str, parent: JSONPathNode | None
    ) -> JSONPathNode:
        return _Node(
            value=value,
            location=(*self.location, key),
            parent=parent,
            root=self.root,
            steps=self._steps,
        )


class _Query(JSONPathQuery):
    """A query, on its own or in a filter, whose nodes are counted."""

    def finditer(self, value: Any) -> Iterable[JSONPathNode]:
        nodes: Iterable[JSONPathNode] = [
            _Node(value=value, root=value, steps=_STEPS.get())
        ]
        for segment in self.segments:
            nodes = segment.resolve(nodes)
        return nodes


class _Parser(Parser):
    def parse_root_query(self, stream: TokenStream) -> Expression:
        return _counted(super().parse_root_query(stream))

    def parse_relative_query(self, stream: TokenStream) -> Expression:
        return _counted(super().parse_relative_query(stream))


def _counted(expression: Expression) -> Expression:
    assert isinstance(expression, FilterQuery)
    query = expression.query
    expression.query = _Query(env=query.env, segments=query.segments)
    return expression


class _Environment(JSONPathEnvironment):
    parser_class = _Parser
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
        query = _ENVIRONMENT.compile(whole)
    # The last two are for numbers too large and for too many brackets.
    except (JSONPathError, ArithmeticError, RecursionError) as error:
        message = f"ignore: {path!r} is no JSON path: {error.args[0]}"
        raise UsageError(message) from error
    return _Query(env=query.env, segments=query.segments)


def find_nodes(
    paths: Sequence[str], body: Any, *, size_bytes: int
) -> Iterator[JSONPathNode]:
    """
    Yield the places in a body that paths name; some come twice.

    Args:
        size_bytes: Of the body as it was sent.

    Raises:
        UsageError: The paths look at more places than they may.
    """
    limit = _FREE_STEPS + len(paths) * size_bytes // _BYTES_PER_STEP
    token = _STEPS.set(_Steps(limit))
    try:
        for path in paths:
            try:
                yield from compile_path(path).finditer(body)
            except _TooManyStepsError as error:
                message = (
                    f"ignore: the paths look at more than {limit:,} places of one "
                    f"request, {path!r} at the last of them; make it simpler"
                )
                raise UsageError(message) from error
    finally:
        _STEPS.reset(token)


def ignore_paths(body: Any, paths: Sequence[str], *, size_bytes: int = 0) -> Any:
    """
    Return a body without what the paths name; changes it in place.

    Every path names places in the whole body, whatever the others take away.

    Args:
        size_bytes: Of the body as it was sent.

    Raises:
        UsageError: The paths look at more places than they may.
    """
    # Arrays and objects by their identity, and what of each one goes.
    gone: dict[int, tuple[Any, set[int | str]]] = {}
    for node in find_nodes(paths, body, size_bytes=size_bytes):
        if node.parent is None:
            return None
        around = node.parent.value
        _, keys = gone.setdefault(id(around), (around, set()))
        keys.add(node.location[-1])
    for around, keys in gone.values():
        if isinstance(around, dict):
            for key in keys:
                del around[key]
        else:
            # Taking out one by one would move all that follow each time.
            around[:] = [item for at, item in enumerate(around) if at not in keys]
    return body
