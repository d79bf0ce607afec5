"""
What there is to know about one setting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from streamtape.errors import UsageError
from streamtape.settings.values import UnfitError


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """
    What one setting is called, may be and does.
    """

    name: str
    """In TOML and in Python."""
    help: str
    """A sentence or two, for the help of commands and the docs."""
    expected: str
    """What its value is, for the docs and behind "expected" in errors."""
    convert: Callable[[object], object]
    """
    Return the value for one of TOML or Python, which may be one already.

    Raises UnfitError where it can't be one, or UsageError that says why.
    """
    parse: Callable[[str], object] = str
    """Return what a text would be in TOML."""
    metavar: str = ""
    """What stands for the value behind the flag, a word for each argument of it."""
    choices: type[StrEnum] | None = None
    is_list: bool = False
    is_switch: bool = False
    is_for_scopes: bool = True
    """Whether a scope may have its own."""
    default: object = None
    foreign_variable: str = ""
    """A variable that others read too, which is asked where nobody else says it."""
    shown_default: str = ""
    """What holds where nothing is said, in words; empty for nothing at all."""

    @property
    def flag(self) -> str:
        """
        The option of the command line.
        """
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """
        The variable of the environment.
        """
        return f"STREAMTAPE_{self.name.upper()}"

    def read(self, value: object, *, source: str = "") -> object:
        """
        Check a value of TOML or Python.

        Args:
            source: Where it was said, for the beginning of the error; empty where
                the caller says so.

        Raises:
            UsageError: It is not what was expected.
        """
        prefix = f"{source}: " if source else ""
        try:
            return self.convert(value)
        except UsageError as error:
            # A rule's error may name its setting itself.
            reason = str(error).removeprefix(f"{self.name}: ")
            raise UsageError(f"{prefix}{reason}") from error
        except UnfitError as error:
            message = f"{prefix}expected {self.expected}, got {error}"
            raise UsageError(message) from error

    def read_text(self, text: str, *, source: str = "") -> object:
        """
        Check a value that came as text, as :meth:`read` does.
        """
        return self.read(self.parse(text), source=source)
