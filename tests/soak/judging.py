"""What a client must have heard, of the recorder and of a replay."""

from __future__ import annotations

from typing import Final

from soak.clients import Heard
from streamtape.core.model import Response
from streamtape.core.sse import EventSplitter
from streamtape.testing import Framing, Reply, ReplyEnding

MISSED: Final = 424
"""The status of what was not recorded, which no upstream of a soak gives."""

_MOST_SHOWN: Final = 200


def judge_live(heard: Heard, reply: Reply, *, was_killed: bool) -> list[str]:
    """
    Return what is wrong with an answer that came through the recorder.

    Args:
        was_killed: Whether the recorder was killed since the client asked.
    """
    name = f"number {heard.number}, recorded"
    if heard.stray:
        return [f"{name}: {_stray(heard)}"]
    if was_killed and not heard.is_whole:
        return []
    if heard.status != reply.status:
        return [f"{name}: expected status {reply.status}, got {heard.status}"]
    if heard.has_left:
        return []
    if heard.is_whole != _looks_whole(reply):
        ends = "as whole" if heard.is_whole else "as broken"
        return [f"{name}: ended {ends} after {heard.length} bytes, {reply.ending}"]
    if heard.length != len(reply.body) and reply.ending is not ReplyEnding.RESET:
        return [f"{name}: {heard.length} bytes of {len(reply.body)}"]
    return []


def judge_replay(
    heard: Heard, again: Heard, reply: Reply, *, safe_length: int | None
) -> tuple[list[str], list[str]]:
    """
    Return what is lost in a replay, and what is wrong with it.

    Args:
        heard: What a client heard while it was recorded.
        again: What came of the same request in the replay.
        safe_length: How much that client had heard long enough before the recorder
            was killed; None if it was not.
    """
    name = f"number {heard.number}, replayed"
    if again.status == MISSED:
        again = Heard(number=again.number)
    if again.stray:
        return [], [f"{name}: {_stray(again)}"]
    was_killed = safe_length is not None
    least = heard.length if safe_length is None else _kept_length(safe_length, reply)
    if again.length < least:
        why = " before a kill" if was_killed else " by who left" * heard.has_left
        return [f"{name}: {again.length} bytes, {least} were heard{why}"], []
    if was_killed or heard.has_left:
        # How far it was recorded is nobody's promise, but the end must not look whole.
        if again.is_whole and again.status == reply.status:
            is_cut = again.length < len(reply.body)
            return [], [f"{name}: cut, and ended as whole"] if is_cut else []
        return [], []
    said = (again.status, again.length, again.is_whole)
    expected = (heard.status, heard.length, heard.is_whole)
    if said != expected:
        return [], [f"{name}: expected {expected}, got {said}"]
    return [], []


def _stray(heard: Heard) -> str:
    stray = heard.stray[:_MOST_SHOWN]
    return f"not what the upstream sent (status {heard.status}): {stray!r}"


def _looks_whole(reply: Reply) -> bool:
    match reply.ending:
        case ReplyEnding.COMPLETE | ReplyEnding.EOF:
            return True
        case ReplyEnding.CUT:
            # Nothing else tells such an end.
            return reply.framing is Framing.CLOSE
        case ReplyEnding.RESET | ReplyEnding.STALL:
            return False


def _kept_length(safe_length: int, reply: Reply) -> int:
    """Return how much of that must have been on the disk at a kill: whole events."""
    head = Response(status=reply.status, reason="", headers=reply.headers, offset_ns=0)
    if not head.is_event_stream:
        # Such a body is held back as long as a key could be in it.
        return 0
    events = EventSplitter().feed(reply.body[:safe_length])
    return sum(map(len, events))
