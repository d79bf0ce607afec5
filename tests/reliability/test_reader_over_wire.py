"""What a client gets of a cassette that was damaged, before its replay or during it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

import streamtape
from e2e.wire import Answer, Ending, ask, authority, raw_request, read_answer
from proofs import Trials
from streamtape.core.format.frames import MAGIC
from streamtape.core.format.reader import FrameReader
from streamtape.core.format.records import Header
from streamtape.core.format.writer import RecordWriter
from streamtape.core.model import Ending as RecordedEnding
from streamtape.core.model import EndReason, Request, Response
from streamtape.core.redaction.headers import clean_request, clean_response
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import CleanBytes
from streamtape.testing import api_event
from taping import JSON, STREAM, hello, write_tape

BODY = b'{"stream": true}'
ASKED = Request(method="POST", target="/v1/messages", headers=(JSON,), body=BODY)
WORDS = ("Grüße", " from", " a", " model")


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """A cassette of 2 kB in a folder of its own."""
    folder = tmp_path / "library"
    return write_tape(folder, hello(*WORDS), request=ASKED)


class Client:
    """
    Asks a replay for what is in one file, however that is, and counts what is wrong.
    """

    def __init__(self, base_url: str, tape: Path, trials: Trials) -> None:
        self._base_url = base_url
        self._tape = tape
        self._trials = trials
        self._whole = ask(base_url, body=BODY)
        assert (self._whole.status, self._whole.ending) == (200, Ending.WHOLE)
        self.statuses: set[int] = set()

    def ask(self, damaged: bytes) -> None:
        """
        Ask for the file in another form.

        It is the answer as it was, or the beginning of it and a break, or an error
        that names the file, which was known to hold it.
        """
        self._tape.unlink()
        self._tape.write_bytes(damaged)
        answer = ask(self._base_url, body=BODY)
        self._trials.ran += 1
        self._trials.wrong += not self._is_right(answer)
        self.statuses.add(answer.status)

    def _is_right(self, answer: Answer) -> bool:
        match answer.status:
            case 200 if answer.ending is Ending.WHOLE:
                return answer.body == self._whole.body
            case 200:
                return self._whole.body.startswith(answer.body)
            case 500:
                error = json.loads(answer.body)["error"]
                is_named = f"{self._tape}: " in error["message"]
                return is_named and answer.header("x-should-retry") == "false"
        return False


@pytest.fixture
def client(tape: Path, trials: Trials) -> Iterator[Client]:
    with streamtape.replay(tape.parent, speed="instant") as replay:
        yield Client(replay.base_url, tape, trials)


@pytest.mark.case(19)
def test_a_client_of_a_cut_cassette_gets_its_beginning_and_a_break(
    client: Client, tape: Path, trials: Trials
) -> None:
    data = tape.read_bytes()
    step = trials.many(quick=29, long=1)

    for size in range(len(data) - 1, -1, -step):
        client.ask(data[:size])

    assert trials.wrong == 0
    # One that ends before its response is an error, before its request too.
    assert client.statuses == {200, 500}


@pytest.mark.case(20)
def test_a_client_of_a_flipped_bit_gets_no_other_answer(
    client: Client, tape: Path, trials: Trials
) -> None:
    data = tape.read_bytes()
    step = trials.many(quick=29, long=1)

    for place in range(0, len(data), step):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        client.ask(bytes(flipped))

    assert trials.wrong == 0
    assert client.statuses == {500}


@pytest.mark.case(22)
def test_a_client_of_lost_or_added_bytes_gets_no_other_answer(
    client: Client, tape: Path, trials: Trials
) -> None:
    data = tape.read_bytes()
    step = trials.many(quick=97, long=2)

    for at in range(0, len(data), step):
        client.ask(data[:at] + bytes(64) + data[at + 64 :])
        client.ask(data[:at] + data[at + 17 :])
    for junk in (b"\0", bytes(4096), b"x", data):
        client.ask(data + junk)

    assert trials.wrong == 0
    assert 500 in client.statuses


@pytest.mark.case(23)
def test_a_client_of_frames_out_of_place_gets_an_error(
    client: Client, tape: Path, trials: Trials
) -> None:
    data = tape.read_bytes()
    bounds = [frame.offset for frame in FrameReader().feed(data)][3:]

    for start, end in pairwise(bounds):
        client.ask(data[:start] + data[end:])
        client.ask(data[:end] + data[start:])

    assert trials.wrong == 0
    assert client.statuses == {500}


def test_the_error_says_the_file_the_place_and_not_to_try_again(tape: Path) -> None:
    data = bytearray(tape.read_bytes())
    (_, _, _, first, *_) = FrameReader().feed(bytes(data))
    data[first.offset + 20] ^= 1
    tape.write_bytes(data)

    with streamtape.replay(tape.parent, speed="instant") as replay:
        answer = ask(replay.base_url, body=BODY)

    assert (answer.status, answer.header("x-should-retry")) == (500, "false")
    assert json.loads(answer.body) == {
        "type": "error",
        "error": {
            "type": "api_error",
            "message": f"streamtape can't replay this: {tape}: damaged at byte "
            f"{first.offset}: a checksum is wrong",
        },
    }


@pytest.fixture(scope="module")
def long_bytes() -> bytes:
    """
    A cassette that no buffer of a connection holds, so that it is read as it is sent.
    """
    tape = RecordWriter()
    delta = {"type": "text_delta", "text": "x" * 8000}
    event = api_event({"type": "content_block_delta", "index": 0, "delta": delta})
    stop = api_event({"type": "message_stop"})
    head = Response(status=200, reason="OK", headers=(STREAM,), offset_ns=5)
    packed = [
        MAGIC,
        tape.header(Header()),
        tape.request(clean_request(ASKED, Secrets())),
        tape.response(clean_response(head, Secrets())),
        *(tape.parts(number, [CleanBytes(event)]) for number in range(3000)),
        tape.parts(3000, [CleanBytes(stop)]),
        tape.end(RecordedEnding(reason=EndReason.COMPLETE, offset_ns=3001), {}),
    ]
    return b"".join(packed)


@pytest.fixture
def long_tape(tmp_path: Path, long_bytes: bytes) -> Path:
    tape = tmp_path / "library" / "long.tape"
    tape.parent.mkdir()
    tape.write_bytes(long_bytes)
    return tape


@contextmanager
def half_read(tape: Path) -> Iterator[tuple[socket.socket, bytes, str]]:
    """Begin to read an answer, whose rest waits for what is done to the file."""
    with (
        streamtape.replay(tape.parent, speed="instant") as replay,
        socket.socket() as connection,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.settimeout(20)
        host, _, port = authority(replay.base_url).rpartition(":")
        connection.connect((host, int(port)))
        line = "POST /v1/messages HTTP/1.1"
        head = raw_request(replay.base_url, line, f"Content-Length: {len(BODY)}")
        connection.sendall(head + BODY)
        yield connection, connection.recv(1000), replay.base_url


def whole_body(tape: Path) -> bytes:
    return b"".join(part.raw for part in streamtape.open(tape).parts)


@pytest.mark.case(32)
def test_a_cassette_cut_during_its_replay_breaks_visibly(long_tape: Path) -> None:
    whole = whole_body(long_tape)

    with half_read(long_tape) as (connection, received, base_url):
        os.truncate(long_tape, long_tape.stat().st_size * 3 // 4)
        answer = read_answer(connection, received)
        again = ask(base_url, body=BODY)

    assert len(answer.body) > len(whole) // 2
    for each in (answer, again):
        assert each.ending is not Ending.WHOLE
        assert whole.startswith(each.body)


@pytest.mark.case(32)
def test_a_cassette_unlinked_during_its_replay_is_played_to_its_end(
    long_tape: Path,
) -> None:
    whole = whole_body(long_tape)

    with half_read(long_tape) as (connection, received, base_url):
        long_tape.unlink()
        answer = read_answer(connection, received)
        again = ask(base_url, body=BODY)

    assert (answer.body == whole, answer.ending) == (True, Ending.WHOLE)
    assert again.status == 424


@pytest.mark.case(32)
def test_a_cassette_replaced_during_its_replay_is_played_to_its_end(
    long_tape: Path, tmp_path: Path
) -> None:
    """And the new one answers the next request."""
    whole = whole_body(long_tape)
    new = write_tape(tmp_path / "new", hello("new"), request=ASKED)

    with half_read(long_tape) as (connection, received, base_url):
        new.replace(long_tape)
        answer = read_answer(connection, received)
        again = ask(base_url, body=BODY)

    assert (answer.body == whole, answer.ending) == (True, Ending.WHOLE)
    assert again.body == whole_body(long_tape)


@pytest.mark.case(20, 32)
@pytest.mark.parametrize("fails", ["damage", "disk"])
def test_damage_met_in_mid_stream_is_an_error_event_and_a_break(
    long_tape: Path, fails: str
) -> None:
    """What came before it stays sent; the end is never a clean one."""
    whole = whole_body(long_tape)
    break_file: Callable[[Path], None] = damage if fails == "damage" else fail_disk
    if fails == "disk" and not Path("/proc/self/mem").exists():
        pytest.skip("needs a file that can't be read")

    with half_read(long_tape) as (connection, received, base_url):
        break_file(long_tape)
        answer = read_answer(connection, received)
        again = ask(base_url, body=BODY)

    assert answer.ending is not Ending.WHOLE
    sent, name, data = answer.body.partition(b"event: error\ndata: ")
    assert name
    assert whole.startswith(sent)
    message = json.loads(data)["error"]["message"]
    assert message.startswith(f"streamtape can't replay this: {long_tape}: ")
    assert ("damaged at byte" in message) == (fails == "damage")
    assert again.status == (500 if fails == "damage" else 200)


def damage(tape: Path) -> None:
    with tape.open("r+b") as file:
        file.seek(tape.stat().st_size * 3 // 4)
        file.write(b"other")


def fail_disk(tape: Path) -> None:
    """Put a file that can't be read in the place of the open one."""
    unreadable = os.open("/proc/self/mem", os.O_RDONLY)
    for link in Path("/proc/self/fd").iterdir():
        if link.is_symlink() and link.readlink() == tape:
            os.dup2(unreadable, int(link.name))
    os.close(unreadable)
