"""
Every exception that streamtape raises on purpose, split by whose fault it is.

* :exc:`StreamtapeError`

  * :exc:`CassetteError`: the file

    * :exc:`CassetteNotFoundError`
    * :exc:`NotACassetteError`
    * :exc:`UnsupportedVersionError`
    * :exc:`DamagedCassetteError`

  * :exc:`RequestError`: the client's request

    * :exc:`RefusedRequestError`
    * :exc:`MissError`

  * :exc:`UpstreamError`: the network or the API behind us

    * :exc:`UpstreamUnreachableError`
    * :exc:`UpstreamTimeoutError`
    * :exc:`UpstreamIsStreamtapeError`

  * :exc:`UsageError`: flags, folders and ports

Each takes facts, keeps them as attributes and makes one sentence of them: what
it is about, expected against got, and what to do.
"""

from __future__ import annotations

from pathlib import Path


class StreamtapeError(Exception):
    """Base of every error in this module."""


class CassetteError(StreamtapeError):
    """
    A cassette can't be used.

    Args:
        path: The file, or None while its bytes have no name yet.
        reason: The rest of the sentence, without the path.
    """

    def __init__(self, reason: str, *, path: Path | None = None) -> None:
        self.reason = reason
        self.path = path
        super().__init__(reason)

    def __str__(self) -> str:
        return self.reason if self.path is None else f"{self.path}: {self.reason}"


class CassetteNotFoundError(CassetteError):
    """There is no file or folder of that name."""


class NotACassetteError(CassetteError):
    """The file was never a cassette, or something converted it as if it were text."""


class UnsupportedVersionError(CassetteError):
    """A newer streamtape wrote this file."""


class DamagedCassetteError(CassetteError):
    """
    A part of the file does not verify although the file goes on after it.

    Args:
        offset: Position of the first bad byte range in the file, in bytes.
    """

    def __init__(self, reason: str, *, offset: int, path: Path | None = None) -> None:
        self.offset = offset
        super().__init__(f"damaged at byte {offset}: {reason}", path=path)


class RequestError(StreamtapeError):
    """
    A request that gets an answer of ours instead of an upstream's.

    Args:
        message: The sentence for the client.
        status: The HTTP status of the answer.
        error_type: The ``error.type`` of the API's error envelope.
    """

    def __init__(self, message: str, *, status: int, error_type: str) -> None:
        self.status = status
        self.error_type = error_type
        super().__init__(message)


class RefusedRequestError(RequestError):
    """The request breaks a rule of the proxy: its host, origin, target or size."""


class MissError(RequestError):
    """
    Nothing recorded answers the request.

    424 because other statuses make some client retry, hang or mislead.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, status=424, error_type="invalid_request_error")


class UpstreamError(RequestError):
    """The upstream gave no usable answer."""


class UpstreamUnreachableError(UpstreamError):
    """No connection, or what came over it was not HTTP."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=502, error_type="api_error")


class UpstreamTimeoutError(UpstreamError):
    """The upstream took longer than the limit to connect or to answer."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=504, error_type="timeout_error")


class UpstreamIsStreamtapeError(UpstreamError):
    """
    The upstream is a streamtape, whose answers are not those of the API.

    424, as for a miss: asking again can't help, and no client takes it for the API's.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, status=424, error_type="invalid_request_error")


class UsageError(StreamtapeError):
    """An option, a folder or a port that can't be used as asked."""
