"""Cassettes on their way to a replay: verified whole, and small ones kept in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from streamtape.core.model import Ending, Part, Request, Response
from streamtape.errors import CassetteNotFoundError
from streamtape.library.reader import CassetteReader, read_cassette
from streamtape.library.signature import Signature, WallClock, is_settled, signature_of

_KEPT_FILE_BYTES: Final = 1024 * 1024
"""A longer file is read from the disk as it is played, in constant memory."""

_KEPT_BYTES: Final = 64 * 1024 * 1024
"""Bound on all files in memory: hundreds of answers of an agent."""

_PART_BYTES: Final = 150
_CASSETTE_BYTES: Final = 5_000
"""What the objects take besides the bytes that they hold; measured with CPython."""


class Playable(Protocol):
    """What a replay needs of a cassette that is sound to its end, or truncated."""

    @property
    def request(self) -> Request:
        """The redacted request that it answers."""

    @property
    def response(self) -> Response | None:
        """The head; None where the recorder was killed before it came."""

    @property
    def ending(self) -> Ending:
        """How the response ended; call it when all parts were read."""

    def parts(self) -> Iterator[Part]:
        """Yield the parts of the body, once."""


@dataclass(frozen=True, slots=True)
class _Kept:
    request: Request
    response: Response | None
    body: tuple[Part, ...]
    ending: Ending
    memory_bytes: int

    def parts(self) -> Iterator[Part]:
        return iter(self.body)


class CassetteCache:
    """
    Opens cassettes; each file is read whole once, and again only if it has changed.

    For use by one thread, but for :meth:`verify`.

    Args:
        wall_ns: Wall clock in ns since 1970, by which a file that was changed just
            now is told from others. None to read each file whenever it is opened.
    """

    def __init__(self, wall_ns: WallClock | None = None) -> None:
        self._wall_ns = wall_ns
        self._kept: OrderedDict[Path, tuple[Signature, _Kept]] = OrderedDict()
        self.kept_bytes = 0
        """Memory that the files take which are kept now."""
        self._verified: dict[Path, Signature] = {}

    def is_long(self, path: Path) -> bool:
        """
        Whether a cassette is to be verified before it is opened, which takes a while.
        """
        signature = signature_of(path)
        is_long = bool(signature) and signature[-1] > _KEPT_FILE_BYTES
        return is_long and self._verified.get(path) != signature

    def verify(self, path: Path) -> None:
        """
        Read a whole cassette and keep nothing of it. May be called from any thread.

        Raises:
            CassetteError: It is damaged, or is no cassette.
        """
        signature = signature_of(path)
        with CassetteReader(path) as reader:
            reader.read_to_end()
        if is_settled(signature, self._now_ns()):
            self._verified[path] = signature

    def open(self, path: Path) -> AbstractContextManager[Playable]:
        """
        Return a cassette to play within a ``with`` block.

        One that :meth:`is_long` is taken as it is: call :meth:`verify` first.

        Raises:
            CassetteError: It is damaged, or is no cassette.
        """
        signature = signature_of(path)
        if not signature:
            raise CassetteNotFoundError("there is no such cassette", path=path)
        if signature[-1] > _KEPT_FILE_BYTES:
            return CassetteReader(path)
        signature_then, kept = self._kept.get(path, (None, None))
        if kept is None or signature_then != signature:
            cassette = read_cassette(path)
            objects_bytes = _CASSETTE_BYTES + _PART_BYTES * len(cassette.parts)
            kept = _Kept(
                request=cassette.request,
                response=cassette.response,
                body=cassette.parts,
                ending=cassette.ending,
                memory_bytes=signature[-1] + objects_bytes,
            )
            if not is_settled(signature, self._now_ns()):
                return nullcontext(kept)
            self._keep(path, signature, kept)
        self._kept.move_to_end(path)
        return nullcontext(kept)

    def _keep(self, path: Path, signature: Signature, kept: _Kept) -> None:
        if path in self._kept:
            self._drop(path)
        self._kept[path] = signature, kept
        self.kept_bytes += kept.memory_bytes
        while self.kept_bytes > _KEPT_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, path: Path) -> None:
        _, kept = self._kept.pop(path)
        self.kept_bytes -= kept.memory_bytes

    def _now_ns(self) -> int:
        return 0 if self._wall_ns is None else self._wall_ns()
