"""
What a project leaves out of the match key, or replaces in it.

Rules change the key, what a miss says and file names; what is sent and what is
recorded stays as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamtape.core.matching.presets import Preset
from streamtape.core.matching.replace import Replacer, compile_pattern
from streamtape.core.redaction.headers import KEPT_REQUEST_HEADERS
from streamtape.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


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
    As in :class:`streamtape.core.matching.replace.Replacer`; it makes no other
    difference.
    """
    _known_texts: dict[str, str] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    """Short texts, and what the replacements have made of them."""

    def __post_init__(self) -> None:
        if self.ignored_paths:
            from streamtape.core.matching.paths import compile_path

            for path in self.ignored_paths:
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

    @property
    def ignored_paths(self) -> list[str]:
        """Paths into the body."""
        return [path for path in self.ignore if not path.startswith("?")]

    @property
    def ignored_parameters(self) -> set[str]:
        """Names of parameters of the query."""
        return {path[1:] for path in self.ignore if path.startswith("?")}

    def replacer(self) -> Replacer:
        """Return what makes the replacements in one request."""
        return Replacer(self.replace, known=self._known_texts, cpu_ns=self.cpu_ns)
