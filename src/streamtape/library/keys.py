"""
The match key of a cassette: read off its first bytes, or computed from its request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streamtape.core.matching.key import KEY_VERSION
from streamtape.core.model import Request
from streamtape.errors import CassetteError, UsageError
from streamtape.library.excerpts import read_header, read_request


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySource:
    """
    Finds the key of a file, as cheaply as it can.

    Args:
        key_of: Computes the key of a redacted request.
        uses_stored: Whether keys that stand in the files are those of `key_of`.
    """

    key_of: Callable[[Request], str]
    uses_stored: bool

    def find_stored(self, path: Path) -> str | None:
        """
        Return the key that a file says it has, without reading its request.

        It is what some recorder or editor wrote, so check it before it counts.

        Raises:
            CassetteError: The file can't be opened.
        """
        header = read_header(path) if self.uses_stored else None
        if header is None or header.match is None or header.match[0] != KEY_VERSION:
            return None
        return header.match[1].hex()

    def compute(self, path: Path, *, alike: Request | None, key: str | None) -> str:
        """
        Return the key of the request in a file.

        Args:
            alike: A request whose key is known; for an equal one none is computed.
            key: Of `alike`.

        Raises:
            CassetteError: There is no request to be read, or the project's rules can't
                be applied to it.
        """
        request = read_request(path)
        if key is not None and request == alike:
            return key
        try:
            return self.key_of(request)
        except UsageError as error:
            raise CassetteError(str(error), path=path) from error
