"""The settings, as the one table that files, environment, flags and docs go by."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from streamtape.core.matching.presets import Preset
from streamtape.core.matching.takes import Exhausted
from streamtape.core.modes import OnDisconnect, RecordMode
from streamtape.errors import UsageError
from streamtape.settings.parse import (
    LONGEST_S,
    UnfitError,
    parse_bool,
    parse_list,
    parse_number,
    read_address,
    read_bool,
    read_folder,
    read_headers,
    read_ignore,
    read_member,
    read_port,
    read_replace,
    read_seconds,
    read_speed,
    read_url,
    show,
    show_seconds,
    show_speed,
)

_RECORDING: Final = ("record",)
"""The commands with the flags of what only a server needs that forwards."""
_SERVING: Final = ("record", "replay")
_MATCHING: Final = (*_SERVING, "explain")
"""Those with the flags of what says which cassette answers a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What one setting is called, may be and does."""

    name: str
    """In TOML and in Python."""
    help: str
    """A sentence or two, for the help of commands and the docs."""
    expected: str
    """What its value is, for the docs and after "expected" in errors."""
    convert: Callable[[object], object]
    """
    Return the value for one of TOML or Python, which may be one already.

    Raises UnfitError where it can't be one, or UsageError that says why.
    """
    parse: Callable[[str], object] = str
    """Return what a text would be in TOML."""
    show: Callable[[object], object] = show
    """Return what a value is in TOML and JSON."""
    held_as: str = ""
    """The field that holds the value, where that has another name."""
    metavar: str = ""
    """What stands for the value after the flag, a word for each argument of it."""
    choices: type[StrEnum] | None = None
    is_list: bool = False
    is_switch: bool = False
    is_for_scopes: bool = True
    """Whether a scope may have its own."""
    commands: tuple[str, ...] = _SERVING
    """Which commands have its flag; ``config`` has all."""
    default: object = None
    foreign_variable: str = ""
    """A variable that others read too, which is asked where nobody else says it."""
    shown_default: str = ""
    """What holds where nothing is said, in words; empty for nothing at all."""

    @property
    def field(self) -> str:
        """The field that holds the value, of a policy or of a server's config."""
        return self.held_as or self.name

    @property
    def flag(self) -> str:
        """The option of the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The variable of the environment."""
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
        """Check a value that came as text, as :meth:`read` does."""
        return self.read(self.parse(text), source=source)


def choice(
    name: str,
    choices: type[StrEnum],
    help: str,
    *,
    default: StrEnum | None = None,
    shown_default: str = "",
    commands: tuple[str, ...] = _SERVING,
) -> Setting:
    """
    Return a setting that is one of a few words.

    Args:
        shown_default: What holds where nothing is said, if there is no default.
    """
    return Setting(
        name=name,
        help=help,
        expected="one of " + ", ".join(choices),
        convert=read_member(choices),
        choices=choices,
        default=default,
        shown_default=shown_default if default is None else default.value,
        commands=commands,
    )


def switch(name: str, help: str, *, commands: tuple[str, ...] = _SERVING) -> Setting:
    """Return a setting that is off unless it is said to be on."""
    return Setting(
        name=name,
        help=help,
        expected="true or false",
        convert=read_bool,
        parse=parse_bool,
        is_switch=True,
        default=False,
        shown_default="false",
        commands=commands,
    )


def list_of(
    name: str, help: str, *, of: str, convert: Callable[[object], object], metavar: str
) -> Setting:
    """
    Return a setting of matching that is a list, empty where nothing is said.

    Args:
        of: What is in it, in the plural.
    """
    return Setting(
        name=name,
        help=help,
        expected=f"a list of {of}",
        convert=convert,
        parse=parse_list,
        metavar=metavar,
        is_list=True,
        default=(),
        commands=_MATCHING,
    )


DEFAULT_CASSETTES: Final = "cassettes"
DEFAULT_PORT: Final = 8484

BASE_URL_VARIABLE: Final = "ANTHROPIC_BASE_URL"
"""What SDKs read, and so what leads them to a gateway, or to a streamtape."""

SCOPES: Final = "scopes"
"""The table of files that holds a table for each scope."""


_ALL: Final = (
    Setting(
        name="upstream",
        help="Base URL to forward to.",
        expected="a base URL",
        convert=read_url,
        metavar="URL",
        is_for_scopes=False,
        commands=_RECORDING,
        foreign_variable=BASE_URL_VARIABLE,
        shown_default=f"${BASE_URL_VARIABLE}, or else the public API",
    ),
    Setting(
        name="cassettes",
        help="The library: a folder of cassettes.",
        expected="a folder",
        convert=read_folder,
        metavar="DIR",
        is_for_scopes=False,
        commands=_MATCHING,
        default=Path(DEFAULT_CASSETTES),
        shown_default=DEFAULT_CASSETTES,
    ),
    Setting(
        name="port",
        help="Where to listen on 127.0.0.1; 0 picks a free port.",
        expected="a number from 0 to 65535",
        convert=read_port,
        parse=parse_number(int),
        metavar="N",
        is_for_scopes=False,
        shown_default=f"{DEFAULT_PORT}, or a free one with a command",
    ),
    Setting(
        name="listen",
        help="Another address of this machine to listen on, 0.0.0.0 for all; requests "
        "that come there need a token.",
        expected="an IP address",
        convert=read_address,
        metavar="ADDRESS",
        is_for_scopes=False,
        shown_default="the loopback interface alone",
    ),
    choice(
        "mode",
        RecordMode,
        "When to record and when to replay.",
        shown_default="all for record, none for replay",
        commands=_RECORDING,
    ),
    Setting(
        name="speed",
        help="1 is the recorded pace, 10 ten times as fast.",
        expected="a number such as 1 or 10, or instant",
        convert=read_speed,
        show=show_speed,
        metavar="N|instant",
        default=1.0,
        shown_default="1",
    ),
    Setting(
        name="max_gap",
        help="Cut longer silences to this, before the speed applies.",
        expected=f"a number of seconds from 0 to {LONGEST_S}",
        convert=read_seconds,
        parse=parse_number(float),
        show=show_seconds,
        held_as="max_gap_ns",
        metavar="SECONDS",
    ),
    choice(
        "exhausted",
        Exhausted,
        "What follows the last take of a request: a miss, that take again, or the "
        "first one.",
        shown_default="cycle",
    ),
    switch(
        "collapse_retries",
        "Skip recorded failures that a later take made good.",
        commands=_MATCHING,
    ),
    choice(
        "on_disconnect",
        OnDisconnect,
        "What a client that leaves in mid-answer does to the recording: stop it, or "
        "have it finish alone, within 60 s and 32 MiB.",
        default=OnDisconnect.STOP,
        commands=_RECORDING,
    ),
    list_of(
        "ignore",
        "Don't match by this: a JSON path into the body, or ?NAME of the query.",
        of="JSON paths",
        convert=read_ignore,
        metavar="PATH",
    ),
    list_of(
        "replace",
        "Before matching, put TEXT for what PATTERN finds in a string of the body.",
        of="[pattern, text] pairs",
        convert=read_replace,
        metavar="PATTERN TEXT",
    ),
    list_of(
        "headers",
        "Match by this header too.",
        of="header names",
        convert=read_headers,
        metavar="NAME",
    ),
    switch(
        "rename_ids",
        "Match ids of tool calls by their order alone.",
        commands=_MATCHING,
    ),
    choice(
        "preset",
        Preset,
        "Rules that come with streamtape, for agents; auto is agent for Claude Code, "
        "and none for other clients.",
        default=Preset.AUTO,
        commands=_MATCHING,
    ),
)

SETTINGS: Final[Mapping[str, Setting]] = {setting.name: setting for setting in _ALL}
"""Every setting, by its name."""


def get_setting(name: str, *, source: str, is_scope: bool = False) -> Setting:
    """
    Return the setting of a name that a person wrote.

    Args:
        source: Where it was said, the beginning of the error.
        is_scope: Whether it was said of one scope.

    Raises:
        UsageError: There is none, or no scope can have its own; says which name
            comes nearest.
    """
    setting = SETTINGS.get(name)
    known = [s.name for s in _ALL if s.is_for_scopes or not is_scope]
    if setting is not None and setting.name in known:
        return setting
    if setting is not None:
        message = f'{source}: "{name}" holds for the whole server, not for one scope'
        raise UsageError(message)
    if not is_scope:
        known.append(SCOPES)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}"
    raise UsageError(f'{source}: unknown key "{name}"; {hint}')


def explain_settings() -> str:
    """Return the table in Markdown, ending in a newline."""
    lines = [
        "| Name | Value | Default | Meaning | For scopes |",
        "| --- | --- | --- | --- | --- |",
    ]
    for setting in _ALL:
        cells = (
            f"`{setting.name}`",
            setting.expected,
            setting.shown_default,
            setting.help,
            "yes" if setting.is_for_scopes else "no",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
