"""``streamtape explain``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from streamtape.cli._options import command_options, pass_secrets
from streamtape.cli._render import escape, make_console, print_json
from streamtape.core.matching.key import match_input_of
from streamtape.core.misses.report import describe_request
from streamtape.core.model import Headers, Request, find_header
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import CassetteError, UsageError
from streamtape.library.filenames import TAPE_SUFFIX
from streamtape.library.reader import read_request
from streamtape.library.writer import PART_SUFFIX
from streamtape.server.config import replaying_config
from streamtape.server.misses import MissExplainer
from streamtape.server.scopes import Scope, Scopes, is_scope_name

if TYPE_CHECKING:
    from streamtape.settings import Settings

_PATH: Final = "/v1/messages"
_JSON: Final = ("content-type", "application/json")


@click.command()
@click.argument("request_file", metavar="REQUEST")
@click.option("--path", metavar="PATH", help=f"Asked for.  [default: {_PATH}]")
@click.option("--method", metavar="METHOD", help="Asked with.  [default: POST]")
@click.option(
    "--header",
    "sent_headers",
    metavar="NAME:VALUE",
    multiple=True,
    help="A header of the request.  [repeatable]",
)
@click.option(
    "--scope",
    "scope_name",
    metavar="NAME",
    default="",
    help="The scope that is asked, as in /~NAME.",
)
@command_options("explain")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")
@pass_secrets
def explain(
    secrets: Secrets,
    request_file: str,
    path: str | None,
    method: str | None,
    sent_headers: tuple[str, ...],
    scope_name: str,
    settings: Settings,
    is_json: bool,
) -> None:
    """
    Say which cassettes answer a request, or why none does and what would help.

    REQUEST is a file with the request's JSON body, - for standard input, or a
    cassette whose request is taken. The status is 0 for a hit and 1 for a miss.

    \b
    Examples:
      streamtape explain request.json
      streamtape explain --ignore temperature request.json
    """
    is_told = path is not None or method is not None or bool(sent_headers)
    if Path(request_file).suffix in (TAPE_SUFFIX, PART_SUFFIX):
        if is_told:
            message = (
                "--path, --method and --header are for a body; a cassette has its own"
            )
            raise UsageError(message)
        try:
            request = read_request(Path(request_file))
        except CassetteError as error:
            raise UsageError(str(error)) from error
    else:
        request = _request(
            _read_body(request_file),
            path=path or _PATH,
            method=method or "POST",
            headers=tuple(map(_read_header, sent_headers)),
        )
    scope = _find_scope(settings, scope_name)
    asked = clean_request(request, secrets)
    match_input = match_input_of(asked, scope.policy.rules)
    if answers := scope.find_answers(match_input.key):
        names = [scope.name_of(path) for path in answers]
        _tell_hit(describe_request(asked, match_input, secrets), names, is_json=is_json)
        return
    report = MissExplainer(secrets).explain(scope, asked, match_input)
    if is_json:
        print_json({"hit": False, **report.as_json()})
    else:
        # As it is: a line of it may be made to be copied.
        make_console().print(str(report), soft_wrap=True)
    sys.exit(1)


def _find_scope(settings: Settings, name: str) -> Scope:
    if name and not is_scope_name(name):
        message = f"--scope: expected a folder within the library, got {name!r}"
        raise UsageError(message)
    scope = Scopes(replaying_config(settings, port=0)).get(name)
    scope.open()
    return scope


def _tell_hit(asked: str, takes: list[str], *, is_json: bool) -> None:
    if is_json:
        print_json({"hit": True, "cassettes": takes})
        return
    console = make_console()
    order = " in this order" if len(takes) > 1 else ""
    console.print(f"{asked}: would hit, answered{order} by", soft_wrap=True)
    for name in takes:
        console.print(f"- {escape(name)}", soft_wrap=True)


def _request(body: bytes, *, path: str, method: str, headers: Headers) -> Request:
    if not path.startswith("/"):
        raise UsageError(f"--path: expected one that begins with /, got {path!r}")
    if find_header(headers, "content-type") is None:
        headers = (_JSON, *headers)
    return Request(method=method.upper(), target=path, headers=headers, body=body)


def _read_body(name: str) -> bytes:
    """Return what is in a file, or came on standard input, if it is JSON."""
    shown = "standard input" if name == "-" else name
    try:
        body = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"{shown}: can't be read: {error.strerror}") from error
    try:
        json.loads(body)
    except (ValueError, RecursionError) as error:
        message = f"{shown}: expected the JSON body of a request: {error}"
        raise UsageError(message) from error
    return body


def _read_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise UsageError(f"--header: expected NAME:VALUE, got {text!r}")
    return name.strip(), value.strip()
