"""
The scan of a whole file for secrets.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from streamtape.core.format.records import End
from streamtape.core.matching.names import find_kinds_in_name
from streamtape.core.model import Part, Request, Response
from streamtape.core.rewriting.loose_values import holds_key, unknown_in
from streamtape.core.rewriting.pieces import Piece, PieceReader
from streamtape.core.secrecy.leaks import Leak, LeakScanner, RawScanner
from streamtape.library.rewrite import read_pieces

_BLOCK_BYTES: Final = 1024 * 1024


def find_leaks(
    path: Path, *, watch: Callable[[Piece], object] | None = None
) -> list[Leak]:
    """
    Return the secrets in a cassette, or in the prefix of one that is damaged.

    The file's bytes are looked at as they stand, too: what no record accounts for
    is found there. Reads the file once, in bounded memory.

    Args:
        watch: Is given each sound piece, for whoever wants to look at more than
            secrets and not read all of it again; None for nobody.

    Raises:
        CassetteError: It can't be opened, is no cassette, or needs a later version.
    """
    scanner, raw = LeakScanner(), RawScanner()
    unknown: list[Leak] = []
    for piece in read_pieces(path, PieceReader(), tap=raw.feed):
        _scan(scanner, piece)
        if holds_key(unknown_in(piece)):
            unknown.append(Leak("a secret", f"a frame of type {piece.kind}"))
        if watch is not None:
            watch(piece)
    leaks = scanner.leaks() + unknown
    said = {leak.kind for leak in leaks}
    leaks += [
        Leak(kind, "the file, outside of what it says")
        for kind in raw.kinds
        if kind not in said
    ]
    return leaks + find_name_leaks(path)


def find_name_leaks(path: Path) -> list[Leak]:
    """
    Return the secrets in the name of a file, which tells what was asked.
    """
    return [Leak(kind, "the file's name") for kind in find_kinds_in_name(path.name)]


def find_raw_kinds(path: Path) -> list[str]:
    """
    Name the kinds of key in the bytes of a file, whatever they mean.

    Raises:
        OSError: It can't be read.
    """
    scanner = RawScanner()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            scanner.feed(block)
    return scanner.kinds


def _scan(scanner: LeakScanner, piece: Piece) -> None:
    match piece.record:
        case Part() as part:
            scanner.part(part)
        case Request() as request:
            scanner.request(request)
        case Response() as response:
            scanner.response(response)
        case End() as end:
            scanner.end(end.ending, end.summary)
