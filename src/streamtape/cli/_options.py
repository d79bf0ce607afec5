"""Options that mean the same in every command, made from the table of settings."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import click

from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import UsageError
from streamtape.settings import resolve
from streamtape.settings.table import DEFAULT_PORT, SETTINGS, Setting

Function: TypeAlias = Callable[..., None]

pass_secrets: Final = click.make_pass_decorator(Secrets, ensure=True)
"""Give a command what it keeps out of all that it writes, notes and logs."""


def setting_options(*names: str) -> Callable[[Function], Function]:
    """
    Give a command the options of some settings, and ``settings``: all that hold.

    Files and environment count for every setting, whether or not it has an option.
    """

    def decorate(command: Function) -> Function:
        @functools.wraps(command)
        def run(**given: Any) -> None:
            flags = {name: given.pop(name) for name in names}
            command(settings=resolve(flags, are_flags=True), **given)

        decorated: Function = run
        for name in reversed(names):
            decorated = _option(SETTINGS[name])(decorated)
        return decorated

    return decorate


def command_options(command: str) -> Callable[[Function], Function]:
    """Give a command the options that the table of settings has for it."""
    return setting_options(
        *(name for name, setting in SETTINGS.items() if command in setting.commands)
    )


def cassettes_option(command: Function) -> Function:
    """Give a command the option for the library, and its folder as ``cassettes``."""

    @setting_options("cassettes")
    @functools.wraps(command)
    def run(**given: Any) -> None:
        command(cassettes=given.pop("settings").cassettes, **given)

    return run


def listening_port(port: int | None, command: Sequence[str]) -> int:
    """
    Return where to listen: as asked, or the default port, or a free one with a command.
    """
    if port is not None:
        return port
    return 0 if command else DEFAULT_PORT


command_argument = click.argument(
    "command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]"
)


def _option(setting: Setting) -> Callable[[Function], Function]:
    """
    Make the option of a setting; it gives None where the flag isn't used.

    So click neither fills in a default nor reads the environment: what holds is
    decided in one place.
    """

    def read(_: click.Context, option: click.Parameter, value: Any) -> object:
        if value is None or value == ():
            return None
        try:
            if isinstance(value, str):
                return setting.read_text(value)
            return setting.read(value)
        except UsageError as error:
            raise click.BadParameter(str(error), param=option) from error

    flag = setting.flag
    shape: dict[str, Any] = {"type": str, "metavar": setting.metavar or None}
    if setting.is_switch:
        flag, shape = f"{flag}/--no-{flag.removeprefix('--')}", {}
    elif setting.choices:
        shape = {"type": click.Choice([choice.value for choice in setting.choices])}
    elif setting.is_list:
        shape |= {"multiple": True, "nargs": len(setting.metavar.split())}
    return click.option(
        flag,
        setting.name,
        default=None,
        allow_from_autoenv=False,
        callback=read,
        help=_help(setting),
        **shape,
    )


def _help(setting: Setting) -> str:
    facts = [f"env var: {setting.variable}"]
    if setting.shown_default:
        facts.append(f"default: {setting.shown_default}")
    if setting.is_list:
        facts.append("repeatable")
    return f"{setting.help}  [{'; '.join(facts)}]"
