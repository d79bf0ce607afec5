"""
What would fail in the middle of a run, found out at its start.
"""

from __future__ import annotations

import os
import shlex
import ssl
import tempfile
from pathlib import Path

from streamtape.core.modes import RecordMode
from streamtape.errors import UsageError


def check_folder(folder: Path, mode: RecordMode) -> None:
    """
    Make sure that a library can be used as a mode needs it.

    Raises:
        UsageError: The library is no folder, isn't there to replay from, or can't
            be read or written to.
    """
    try:
        if folder.exists() and not folder.is_dir():
            message = f"{folder}: expected a folder of cassettes, and this is a file"
            raise UsageError(message)
        if mode is RecordMode.NONE and not folder.is_dir():
            message = (
                f"{folder}: there is no such folder; record first, with "
                f"streamtape record --cassettes {shlex.quote(str(folder))}"
            )
            raise UsageError(message)
        if mode not in (RecordMode.NONE, RecordMode.PASSTHROUGH):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # It has no name, so that recorders in one folder don't meet in it.
            with tempfile.TemporaryFile(dir=folder):
                pass
        if folder.is_dir():
            os.scandir(folder).close()
    except OSError as error:
        needs = "read" if mode is RecordMode.NONE else "written to"
        message = f"{folder}: can't be {needs}: {error.strerror}"
        raise UsageError(message) from error


def check_authorities(upstream: str) -> None:
    """
    Make sure that the certificates which a person named to trust can be read.

    OpenSSL passes over a file that it can't read, and then every request fails.

    Args:
        upstream: A base URL; only one of https needs certificates.

    Raises:
        UsageError: ``SSL_CERT_FILE`` names no file of certificates.
    """
    path = os.environ.get("SSL_CERT_FILE")
    if not path or not upstream.startswith("https:"):
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        message = f"SSL_CERT_FILE: {path}: expected certificates in PEM, found none"
        raise UsageError(message) from error
    except OSError as error:
        message = f"SSL_CERT_FILE: {path}: can't be read: {error.strerror}"
        raise UsageError(message) from error
