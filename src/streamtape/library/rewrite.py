"""
Files that are written anew beside others: read in pieces, and placed when whole.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from streamtape.core.rewriting.pieces import Piece, PieceReader
from streamtape.errors import CassetteError
from streamtape.library.commit import rename_to_free, sync_folder
from streamtape.library.disk import current_disk
from streamtape.library.opening import open_regular, translated_errors

_BLOCK_BYTES: Final = 256 * 1024
_HELD_BYTES: Final = 1024 * 1024


def read_pieces(
    path: Path, reader: PieceReader, *, tap: Callable[[bytes], object] | None = None
) -> Iterator[Piece]:
    """
    Yield the pieces of a file, as far as they are sound, in bounded memory.

    Args:
        reader: Says afterwards where and why it stopped.
        tap: Is given all bytes of the file, block by block, also those behind the
            place where the pieces stop; None for nobody.

    Raises:
        CassetteError: It can't be opened, is no cassette, or needs a later version.
    """
    with open_regular(path) as file, translated_errors(path):
        try:
            while block := file.read(_BLOCK_BYTES):
                if tap is not None:
                    tap(block)
                yield from reader.feed(block)
            reader.end()
        except CassetteError as error:
            error.path = path
            raise


class NewFile:
    """
    A file that gets its name when it is whole, and is gone if it doesn't.

    Use it in a ``with`` block, which makes it. It waits beside its place under a name
    that no library looks at.

    Args:
        place: Where it is to be.

    Raises:
        CassetteError: On entering: it can't be made; as for all calls, the disk has
            the last word.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        # Not our PID: in a container each run has that of the one that was killed.
        self.path = place.with_name(f".streamtape-{os.urandom(6).hex()}.new")
        self._disk = current_disk()
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._descriptor = -1
        self._is_placed = False

    def write(self, data: bytes) -> None:
        """
        Append bytes.
        """
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _HELD_BYTES:
            self._flush()

    def finish(self, *, mode: int | None = None) -> None:
        """
        Wait until all is on the disk, so that it can be read again.

        Args:
            mode: Permissions; None for those of a recording.
        """
        self._flush()
        with _told(self.place):
            if mode is not None:
                self.path.chmod(mode)
            self._disk.sync(self._descriptor)
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def replace(self) -> None:
        """
        Take the place of the file that is there.
        """
        with _told(self.place):
            self._disk.rename(self.path, self.place)
        self._is_placed = True
        sync_folder(self._disk, self.place)

    def place_new(self) -> None:
        """
        Take the place, in which nothing may be.

        Raises:
            CassetteError: Something is there.
        """
        with _told(self.place):
            rename_to_free(self._disk, self.path, self.place)
        self._is_placed = True
        sync_folder(self._disk, self.place)

    def __enter__(self) -> Self:
        try:
            with _told(self.place):
                self._descriptor = self._disk.create(self.path)
        except BaseException:
            # A signal may come behind the call that made it.
            self._remove()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._is_placed:
            self._remove()

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            if self._descriptor >= 0:
                os.close(self._descriptor)
            self._disk.remove(self.path)

    def _flush(self) -> None:
        data = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        with _told(self.place):
            while data:
                written = self._disk.write(self._descriptor, data)
                if not written:
                    raise OSError(errno.EIO, "the disk takes nothing")
                data = data[written:]


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """
    Name the file in what the system says of it, as an error of ours.
    """
    try:
        yield
    except FileExistsError as error:
        reason = "there is such a file already, and it was left alone"
        raise CassetteError(reason, path=path) from error
    except OSError as error:
        reason = f"can't be written: {error.strerror or error}"
        raise CassetteError(reason, path=path) from error
