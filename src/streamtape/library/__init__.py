"""
Files and folders: reading cassettes, writing them so that nothing is lost, names.
"""

from streamtape.library.folder import Entry, Library
from streamtape.library.reader import CassetteReader, read_cassette
from streamtape.library.writer import CassetteWriter

__all__ = ["CassetteReader", "CassetteWriter", "Entry", "Library", "read_cassette"]
