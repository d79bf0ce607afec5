"""The Python interface: a proxy for the length of a ``with`` block."""

from __future__ import annotations

from pathlib import Path

from streamtape.core.matching.takes import Exhausted
from streamtape.core.modes import RecordMode
from streamtape.server.config import recording_config, replaying_config
from streamtape.server.server import RunningServer
from streamtape.settings import resolve


def record(
    cassettes: Path | str | None = None,
    *,
    upstream: str | None = None,
    mode: RecordMode | str | None = None,
    port: int = 0,
    **settings: object,
) -> RunningServer:
    """
    Make a proxy that forwards requests and records the answers.

    What is None here, or not said, is as the project's settings say.

    Args:
        cassettes: The library's folder, ``cassettes`` unless set otherwise; made if
            it isn't there.
        upstream: Base URL to forward to: unless set otherwise what
            ``ANTHROPIC_BASE_URL`` says, or else the public API.
        mode: When to record and when to replay, ``all`` unless set otherwise; see
            docs/cli.md for the table.
        port: On the loopback interface; 0 picks a free one.
        settings: Others by their names in docs/configuration.md, such as ``ignore``.

    Returns:
        A context manager with ``base_url`` for the client, and ``env``.

    Raises:
        UsageError: Something is set to what it can't be.
    """
    given = {"cassettes": cassettes, "upstream": upstream, "mode": mode, **settings}
    return RunningServer(recording_config(resolve(given), port=port))


def replay(
    cassettes: Path | str | None = None,
    *,
    speed: float | str | None = None,
    max_gap_s: float | None = None,
    exhausted: Exhausted | str | None = None,
    port: int = 0,
    **settings: object,
) -> RunningServer:
    """
    Make a proxy that answers from cassettes alone, and never opens a connection.

    What is None here, or not said, is as the project's settings say.

    Args:
        cassettes: The library's folder, ``cassettes`` unless set otherwise.
        speed: 1, unless set otherwise, for the recorded pace, 10 for ten times as
            fast, or ``"instant"``.
        max_gap_s: Longest silence in seconds, cut before the speed applies; unless
            set otherwise all are as recorded.
        exhausted: What follows the last take of a request, ``cycle`` unless set
            otherwise.
        port: On the loopback interface; 0 picks a free one.
        settings: Others by their names in docs/configuration.md, such as ``ignore``.

    Returns:
        A context manager with ``base_url`` for the client, and ``env``.

    Raises:
        UsageError: Something is set to what it can't be.
    """
    given = {
        "cassettes": cassettes,
        "speed": speed,
        "max_gap": max_gap_s,
        "exhausted": exhausted,
        **settings,
    }
    return RunningServer(replaying_config(resolve(given), port=port))
