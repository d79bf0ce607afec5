"""A server that runs out of file descriptors."""

from __future__ import annotations

import contextlib
import errno
import os
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import pytest

import streamtape
from e2e.listening import body
from e2e.processes import COMMAND, Program, start_replay
from e2e.wire import Ending, ask, authority, connect
from reliability.failing_disk import record_on
from streamtape.library.disk import Disk
from streamtape.testing import INSTANT, FakeUpstream, stream_reply, text

LIMITED: Final = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh", *COMMAND)
"""The program, which can't open more than 64 files and connections."""

REPLY: Final = stream_reply(text("Hello."), profile=INSTANT)


@pytest.mark.case(17)
def test_more_connections_than_descriptors_are_borne_in_few_words(
    tmp_path: Path,
) -> None:
    with (
        FakeUpstream([REPLY]) as upstream,
        Program(
            *("record", "--upstream", upstream.url, "--cassettes", tmp_path),
            *("--port", "0"),
            program=LIMITED,
        ) as recorder,
    ):
        base_url = recorder.base_url
        with contextlib.ExitStack() as stack:
            for _ in range(150):
                stack.enter_context(connect(base_url))
            answer = ask(base_url, body=body("hello"))
        end = recorder.stop()

    assert (answer.body, answer.ending) == (REPLY.body, Ending.WHOLE)
    assert end.status == 0
    # The address, the hint, the answer and the end, and maybe that it was too much.
    assert len(end.stderr.splitlines()) <= 5


class ExhaustedDisk(Disk):
    """A disk on which no file can be opened, for want of descriptors."""

    def create(self, path: Path) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.mark.case(18)
def test_traffic_passes_unrecorded_where_no_file_can_be_opened(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        FakeUpstream([REPLY]) as upstream,
        record_on(ExhaustedDisk(), tmp_path, upstream=upstream.url) as proxy,
    ):
        answer = ask(proxy.base_url, body=body("hello"))

    assert (answer.body, answer.ending) == (REPLY.body, Ending.WHOLE)
    assert proxy.summary.counts == {"lost": 1}
    [line] = [each for each in caplog.messages if "Too many open files" in each]
    assert str(tmp_path) in line
    assert "not recorded further" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.case(18)
def test_a_replay_that_can_open_no_file_says_so_and_answers_when_it_can(
    tmp_path: Path,
) -> None:
    resource = pytest.importorskip("resource")
    with (
        FakeUpstream([REPLY]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as proxy,
    ):
        for prompt in ("one", "two"):
            ask(proxy.base_url, body=body(prompt))
    with (
        start_replay(tmp_path) as replay,
        contextlib.closing(HTTPConnection(authority(replay.base_url))) as connection,
    ):
        # From now on the connection is served without a further descriptor.
        assert say(connection, body("one")) == (200, REPLY.body)
        usual = resource.prlimit(replay.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(replay.pid, resource.RLIMIT_NOFILE, (4, usual[1]))
        refused = say(connection, body("two"))
        resource.prlimit(replay.pid, resource.RLIMIT_NOFILE, usual)
        answer = say(connection, body("two"))
        replay.stop()

    assert refused[0] == 500
    assert b"Too many open files" in refused[1]
    assert answer == (200, REPLY.body)


def say(connection: HTTPConnection, asked: bytes) -> tuple[int, bytes]:
    """Return the status and body of the answer to a request on an open connection."""
    connection.request("POST", "/v1/messages", asked)
    response = connection.getresponse()
    return response.status, response.read()
