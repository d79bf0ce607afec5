"""Files and folders: reading cassettes, writing them so that nothing is lost, names."""

from streamtape.library.filenames import Entry
from streamtape.library.index import CassetteInfo
from streamtape.library.library import Library
from streamtape.library.reader import CassetteReader, read_cassette
from streamtape.library.writer import CassetteWriter

__all__ = [
    "CassetteInfo",
    "CassetteReader",
    "CassetteWriter",
    "Entry",
    "Library",
    "read_cassette",
]
