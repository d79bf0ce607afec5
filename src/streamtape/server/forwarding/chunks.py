"""
What aiohttp made of a body so far, taken out without waiting for it.
"""

from __future__ import annotations

from aiohttp import ClientResponse

from streamtape.server.forwarding.decoding import DECODED, BodyDecoder, encoding_of


class BodyChunks:
    """
    The chunks of one response's body, freed from their framing and encoding.
    """

    def __init__(self, response: ClientResponse) -> None:
        self.content = response.content
        """Whence they are taken; what it says of errors and its end is true."""
        self._taken_bytes = 0
        encoding = encoding_of(response.headers)
        self._decoder = BodyDecoder(encoding) if encoding in DECODED else None

    @property
    def is_whole(self) -> bool:
        """
        Whether it may end here, as far as its encoding says.
        """
        return self._decoder is None or self._decoder.is_whole

    @property
    def may_have_more(self) -> bool:
        """
        Whether there may be something to take without a further read.
        """
        content = self.content
        return self._decoder is not None or (
            content.exception() is None and self._taken_bytes < content.total_bytes
        )

    def take(self) -> bytes:
        """
        Return what came and was not taken yet; empty if that is all.

        Raises:
            zlib.error: It is not compressed as it says.
        """
        decoder, content = self._decoder, self.content
        while decoder is None or not (chunk := decoder.take()):
            # Taking some may bring more, which aiohttp had held back.
            if content.exception() is not None:
                return b""
            if self._taken_bytes == content.total_bytes:
                return b""
            chunk = content.read_nowait()
            self._taken_bytes += len(chunk)
            if decoder is None:
                break
            decoder.put(chunk)
        return chunk
