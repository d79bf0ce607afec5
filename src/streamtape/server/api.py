"""
The Python interface: a proxy for the length of a ``with`` block.
"""

from __future__ import annotations

from pathlib import Path

from streamtape.core.modes import RecordMode
from streamtape.core.pacing import Pacing, parse_speed
from streamtape.core.takes import Exhausted
from streamtape.server.config import Config
from streamtape.server.serve import RunningServer


def record(
    cassettes: Path | str = "cassettes",
    *,
    upstream: str | None = None,
    mode: RecordMode | str = RecordMode.ALL,
    port: int = 0,
) -> RunningServer:
    """
    Make a proxy that forwards requests and records the answers.

    Args:
        cassettes: The library's folder; made if it isn't there.
        upstream: Base URL to forward to; None for what ``ANTHROPIC_BASE_URL`` says,
            or else the public API.
        mode: When to record and when to replay; see docs/cli.md for the table.
        port: On the loopback interface; 0 picks a free one.

    Returns:
        A context manager with ``base_url`` for the client, and ``env``.
    """
    config = Config(
        cassettes=Path(cassettes), upstream=upstream, mode=RecordMode(mode), port=port
    )
    return RunningServer(config)


def replay(
    cassettes: Path | str = "cassettes",
    *,
    speed: float | str = 1.0,
    max_gap_s: float | None = None,
    exhausted: Exhausted | str = Exhausted.CYCLE,
    port: int = 0,
) -> RunningServer:
    """
    Make a proxy that answers from cassettes alone, and never opens a connection.

    Args:
        cassettes: The library's folder.
        speed: 1 for the recorded pace, 10 for ten times as fast, or ``"instant"``.
        max_gap_s: Longest silence in seconds, cut before the speed applies; None
            leaves all as recorded.
        exhausted: What follows the last take of a request.
        port: On the loopback interface; 0 picks a free one.

    Returns:
        A context manager with ``base_url`` for the client, and ``env``.

    Raises:
        UsageError: The speed is none.
    """
    gap_ns = None if max_gap_s is None else round(max_gap_s * 1e9)
    config = Config(
        cassettes=Path(cassettes),
        pacing=Pacing(speed=parse_speed(str(speed)), max_gap_ns=gap_ns),
        exhausted=Exhausted(exhausted),
        port=port,
    )
    return RunningServer(config)
