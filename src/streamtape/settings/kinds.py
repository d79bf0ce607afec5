"""
Kinds of settings of which there are several.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from streamtape.settings.setting import Setting
from streamtape.settings.texts import parse_bool, parse_list
from streamtape.settings.values import read_bool, read_member


def choice(
    name: str,
    choices: type[StrEnum],
    help: str,
    *,
    default: StrEnum | None = None,
    shown_default: str = "",
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
    )


def switch(name: str, help: str) -> Setting:
    """
    Return a setting that is off unless it is said to be on.
    """
    return Setting(
        name=name,
        help=help,
        expected="true or false",
        convert=read_bool,
        parse=parse_bool,
        is_switch=True,
        default=False,
        shown_default="false",
    )


def list_of(
    name: str, help: str, *, of: str, convert: Callable[[object], object], metavar: str
) -> Setting:
    """
    Return a setting that is a list, empty where nothing is said.

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
    )
