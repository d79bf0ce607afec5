"""
The scan of a whole file for secrets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from streamtape.core.matching.names import find_kinds_in_name
from streamtape.core.rewriting.loose_values import holds_key, unknown_in
from streamtape.core.rewriting.pieces import PieceReader
from streamtape.core.secrecy.leaks import Leak, LeakScanner, RawScanner
from streamtape.errors import CassetteError
from streamtape.library.reader import CassetteReader
from streamtape.library.rewrite import read_pieces

_BLOCK_BYTES: Final = 1024 * 1024


def find_leaks(path: Path) -> list[Leak]:
    """
    Return the secrets in a cassette, or in the prefix of one that is damaged.

    The file's bytes are looked at as they stand, too: what no record accounts for
    is found there. Reads the file three times, in bounded memory.

    Raises:
        CassetteError: It can't be opened, or is none at all.
    """
    scanner = LeakScanner()
    with CassetteReader(path) as reader:
        scanner.request(reader.request)
        if reader.response is not None:
            scanner.response(reader.response)
        try:
            for part in reader.parts():
                scanner.part(part)
        except CassetteError:
            # That it is damaged is for others to say.
            pass
        if reader.end is not None:
            scanner.end(reader.end.ending, reader.end.summary)
    leaks = scanner.leaks()
    for piece in read_pieces(path, PieceReader()):
        if holds_key(unknown_in(piece)):
            leaks.append(Leak("a secret", f"a frame of type {piece.kind}"))
    said = {leak.kind for leak in leaks}
    missed = [kind for kind in find_raw_kinds(path) if kind not in said]
    leaks += [Leak(kind, "the file, outside of what it says") for kind in missed]
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
