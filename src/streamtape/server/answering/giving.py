"""
What every answer of a cassette or an upstream is given here: the headers that say what
became of the request, the way back to us, and a line in the log.
"""

from __future__ import annotations

import logging

from streamtape.core.model import EndReason, Request, Response
from streamtape.server.answering.outlet import Outlet, head
from streamtape.server.answers import TOLD, add_cors
from streamtape.server.asked import Asked
from streamtape.server.forwarding.rewrite import find_rewrite, in_scope

log = logging.getLogger(__name__)


def open_outlet(asked: Asked, answer: Response, told: str) -> Outlet:
    """
    Return the client's side of an answer, of which nothing is sent yet.

    Args:
        told: What becomes of the request, in a word.
    """
    headers = in_scope(answer.headers, asked.own_url)
    response = head(answer.status, answer.reason, headers)
    response.headers[TOLD] = told
    add_cors(response, asked.web_request.headers.get("Origin"))
    rewrite = find_rewrite(asked.request.path, answer.headers, own_url=asked.own_url)
    return Outlet(asked.web_request, response, rewrite=rewrite)


def tell(told: str, name: str, request: Request, status: int, ended: EndReason) -> None:
    """
    Log what became of a request.

    Args:
        name: Of the cassette, if there is one.
        request: Redacted.
    """
    # A file's name may hold bytes that are no text, which not every log can take.
    printable = name.encode(errors="backslashreplace").decode()
    log.info(
        "%s: %s %s %s%s",
        f"{told} {printable}".rstrip(),
        request.method,
        request.path,
        status,
        "" if ended is EndReason.COMPLETE else f", {ended.replace('_', ' ')}",
    )
