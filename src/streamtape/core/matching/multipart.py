"""
The parts of a form.
"""

from __future__ import annotations

from email.message import Message
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Final

from streamtape.core.model import find_header

if TYPE_CHECKING:
    from streamtape.core.model import Request

_MAX_HEAD_BYTES: Final = 16_384
"""The parser's time grows with the square of it."""


def find_parts(request: Request) -> list[bytes] | None:
    """
    Cut a multipart body at its boundary, or return None if it isn't one.

    What precedes the first part and follows the last is left out; see RFC 2046
    section 5.1.1.
    """
    if not request.content_type.startswith("multipart/"):
        return None
    described = Message()
    described["content-type"] = find_header(request.headers, "content-type") or ""
    boundary = described.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        return None
    delimiter = b"\r\n--" + boundary.encode(errors="replace")
    # The first delimiter has no line before it that would end in CRLF.
    pieces = (b"\r\n" + request.body).split(delimiter)
    # A form without parts is its last delimiter alone.
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        return None
    return [piece.partition(b"\r\n")[2] for piece in pieces[1:-1]]


def read_part(part: bytes) -> tuple[dict[str, object], bytes]:
    """
    Return what a part says about itself, and its content.
    """
    # A part without headers begins with the blank line.
    head, blank, content = (b"\r\n" + part).partition(b"\r\n\r\n")
    if not blank or len(head) > _MAX_HEAD_BYTES:
        return {}, part
    headers = HeaderParser().parsestr(_header_text(head.removeprefix(b"\r\n")))
    fields = {
        "name": headers.get_param("name", header="content-disposition"),
        "filename": headers.get_filename(),
        "content_type": headers.get_content_type()
        if "content-type" in headers
        else None,
    }
    return {k: value for k, value in fields.items() if value is not None}, content


def _header_text(head: bytes) -> str:
    # Names of files come as they are, in UTF-8 from every client of today.
    try:
        return head.decode()
    except UnicodeDecodeError:
        return head.decode("latin-1")
