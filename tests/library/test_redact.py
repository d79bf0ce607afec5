from __future__ import annotations

import errno
import json
import stat
from pathlib import Path
from random import Random
from typing import Any

import pytest

from forging import KEY, forge, request_frame, response_frame
from planting import KEYS, find_leaks_in, in_pieces
from proofs import Trials
from reliability.failing_disk import CountingDisk
from streamtape.core.format.records import Kind
from streamtape.core.matching.key import request_key
from streamtape.core.model import EndReason, Request
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import CassetteError, DamagedCassetteError
from streamtape.library import Library, read_cassette
from streamtape.library.check import find_leaks
from streamtape.library.disk import Disk
from streamtape.library.redact import redact_file
from taping import hello, start_tape, write_tape

SPLIT = hello("Here: ", KEY[:9], KEY[9:40], KEY[40:], " and no more")
HELLO = hello("Hello", " world")


def forge_split(**kwargs: Any) -> bytes:
    """Make a cassette with a key in its header, and one over three deltas."""
    events = [(Kind.EVENT, [at, raw]) for at, raw in SPLIT]
    request = request_frame(headers=[["x-api-key", KEY]])
    return forge([request, response_frame(), *events], **kwargs)


def write(folder: Path, data: bytes, *, name: str = "a.tape") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_secrets_are_taken_out_and_all_else_stays(tmp_path: Path) -> None:
    path = write(tmp_path, forge_split())
    path.chmod(0o644)
    before = read_cassette(path)

    redacted = redact_file(path, Secrets())

    after = read_cassette(path)
    assert find_leaks(path, Secrets()) == []
    assert b"Ab1_" not in path.read_bytes()
    assert after.text == "Here: sk-ant-[redacted] and no more"
    assert [part.offset_ns for part in after.parts] == [at for at, _ in SPLIT]
    assert after.ending == before.ending
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert redacted.count == len(redacted.leaks) == 4
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.case(35)
def test_a_cassette_without_secrets_is_not_touched(tmp_path: Path) -> None:
    path = write_tape(tmp_path, HELLO)
    before, data = path.stat(), path.read_bytes()

    assert redact_file(path, Secrets()).count == 0

    after = path.stat()
    assert path.read_bytes() == data
    assert (before.st_ino, before.st_mtime_ns, before.st_ctime_ns) == (
        (after.st_ino, after.st_mtime_ns, after.st_ctime_ns)
    )


def test_what_was_redacted_once_stays_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, forge_split())
    redact_file(path, Secrets())
    inode = path.stat().st_ino

    assert redact_file(path, Secrets()).count == 0
    assert path.stat().st_ino == inode


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, forge_split())
    data, inode = path.read_bytes(), path.stat().st_ino

    assert redact_file(path, Secrets(), is_dry=True).count == 4

    assert (path.read_bytes(), path.stat().st_ino) == (data, inode)
    assert list(tmp_path.iterdir()) == [path]


def test_a_redacted_cassette_answers_what_is_asked_today(tmp_path: Path) -> None:
    request = request_frame(body=f'{{"a":"{KEY}"}}'.encode())
    match = [1, bytes(32)]
    write(tmp_path, forge([request, response_frame()], header={"match": match}))
    library = Library(tmp_path)
    fields = request[1]
    asked = clean_request(
        Request(
            method=fields["method"],
            target=fields["target"],
            headers=tuple(map(tuple, fields["headers"])),
            body=fields["body"],
        ),
        Secrets(),
    )
    library.refresh()
    assert library.takes(request_key(asked)) == []

    redact_file(tmp_path / "a.tape", Secrets())

    assert Library(tmp_path).takes(request_key(asked)) == [tmp_path / "a.tape"]


def test_a_secret_that_is_told_is_taken_out(tmp_path: Path) -> None:
    secrets = Secrets()
    path = write_tape(tmp_path, hello("The word is xyzzy", "-plugh-42", "."))
    secrets.add("xyzzy-plugh-42")

    assert redact_file(path, secrets).count

    assert b"plugh" not in path.read_bytes()
    assert read_cassette(path).text == "The word is [redacted]."


@pytest.mark.parametrize("tail", [b"", b"\1\0\0", bytes(100)], ids=["no", "head", "0s"])
def test_a_truncated_file_is_redacted_and_stays_truncated(
    tmp_path: Path, tail: bytes
) -> None:
    path = write(tmp_path, forge_split(has_end=False) + tail, name="a.1.part")

    assert redact_file(path, Secrets()).count == 4

    cassette = read_cassette(path)
    assert cassette.ending.reason is EndReason.TRUNCATED
    assert len(cassette.parts) == len(SPLIT)
    assert find_leaks(path, Secrets()) == []


def test_a_secret_in_what_was_cut_off_goes_with_it(tmp_path: Path) -> None:
    head = [request_frame(), response_frame(), (Kind.EVENT, [1, b"data: 1\n\n"])]
    cut = [*head, (Kind.EVENT, [2, f"data: {KEY} and more".encode()])]
    path = write(tmp_path, forge(cut, has_end=False)[:-9])

    (leak,) = redact_file(path, Secrets()).leaks

    assert path.read_bytes() == forge(head, has_end=False)
    assert str(leak) == "a secret in what was cut off, which was left out"


def test_a_damaged_file_is_an_error_and_left_alone(tmp_path: Path) -> None:
    damaged = bytearray(forge_split())
    damaged[-200] ^= 1
    path = write(tmp_path, bytes(damaged))

    with pytest.raises(DamagedCassetteError, match=r"a\.tape"):
        redact_file(path, Secrets())

    assert path.read_bytes() == damaged
    assert list(tmp_path.iterdir()) == [path]


def test_a_body_that_is_no_stream_is_redacted(tmp_path: Path) -> None:
    head = response_frame(headers=[["content-type", "application/json"]])
    chunks = [b'{"a": "', KEY[:20].encode(), KEY[20:].encode(), b'"}']
    bodies = [(Kind.BODY, [i, chunk]) for i, chunk in enumerate(chunks)]
    path = write(tmp_path, forge([request_frame(), head, *bodies]))

    redact_file(path, Secrets())

    assert read_cassette(path).body == b'{"a": "[redacted]"}'


@pytest.mark.case(75)
@pytest.mark.parametrize("kind", KEYS)
def test_no_kind_of_key_is_left(tmp_path: Path, kind: str, trials: Trials) -> None:
    dice = Random(kind)
    for _ in range(trials.many(quick=8, long=100)):
        trials.ran += 1
        key = KEYS[kind](dice)
        told = json.dumps({"said": f"It is {key.text}"}).encode()
        chunks = hello("It is ", *in_pieces(key.text, dice), " as I said.")
        events = [(Kind.EVENT, [at, raw]) for at, raw in chunks]
        frames = [request_frame(body=told), (Kind.NOTE, key.text), response_frame()]
        path = write(tmp_path, forge([*frames, *events]))

        redact_file(path, Secrets())

        after = read_cassette(path)
        data = path.read_bytes()
        trials.leaked += any(find_leaks_in(data, secret) for secret in key.secrets)
        trials.leaked += key.shown_in(after.text, size=16)
        trials.lost += [part.offset_ns for part in after.parts] != [
            at for at, _ in chunks
        ]
        trials.wrong += not after.text.endswith(" as I said.")
        trials.wrong += not json.loads(after.request.body)["said"].startswith("It is ")
    assert (trials.lost, trials.wrong, trials.leaked) == (0, 0, 0)


def test_a_disk_that_fails_at_any_call_leaves_the_file_whole(tmp_path: Path) -> None:
    data = forge_split()
    for failing in range(1, 20):
        path = write(tmp_path, data)
        disk = CountingDisk(failing, errno.ENOSPC)
        try:
            redact_file(path, Secrets(), disk=disk)
            said = None
        except CassetteError as error:
            said = str(error)
        if said is not None:
            assert path.read_bytes() == data
            assert "can't be written" in said
        else:
            assert find_leaks(path, Secrets()) == []
        assert list(tmp_path.iterdir()) == [path]
        if not disk.has_failed:
            break
    assert failing > 4


class _TouchingDisk(Disk):
    """While a file is written, somebody else changes another."""

    def __init__(self, touched: Path) -> None:
        self._touched = touched

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        with self._touched.open("ab") as file:
            file.write(b"\0")


def test_a_file_that_changes_meanwhile_is_left_alone(tmp_path: Path) -> None:
    data = forge_split(has_end=False)
    path = write(tmp_path, data)

    with pytest.raises(CassetteError, match="changed meanwhile; try again"):
        redact_file(path, Secrets(), disk=_TouchingDisk(path))

    assert path.read_bytes() == data + b"\0"
    assert list(tmp_path.iterdir()) == [path]


class _FalseDisk(Disk):
    """What is written becomes another sound cassette."""

    def write(self, descriptor: int, data: bytes) -> int:
        events = [(Kind.EVENT, [at, raw]) for at, raw in HELLO]
        super().write(descriptor, forge([request_frame(), response_frame(), *events]))
        return len(data)


def test_a_new_file_that_says_something_else_is_not_used(tmp_path: Path) -> None:
    data = forge_split()
    path = write(tmp_path, data)

    with pytest.raises(CassetteError, match="would not be what they were"):
        redact_file(path, Secrets(), disk=_FalseDisk())

    assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_a_recording_of_today_has_nothing_to_redact(tmp_path: Path) -> None:
    writer, recording = start_tape(tmp_path, SPLIT, name="b-1a2b3c4d")
    writer.write(recording.end(EndReason.COMPLETE, 10**10))
    writer.close()
    assert writer.path is not None

    assert redact_file(writer.path, Secrets()).count == 0


@pytest.mark.parametrize(
    ("suffix", "taken", "expected"),
    [
        (".tape", (), "it-is-redacted-{}.tape"),
        (".tape", ("it-is-redacted-{}.tape",), "it-is-redacted-{}-2.tape"),
        (".part", (), "it-is-redacted-{}.1.part"),
    ],
    ids=["free", "taken", "part"],
)
def test_a_name_that_tells_a_secret_becomes_another(
    suffix: str, taken: tuple[str, ...], expected: str, tmp_path: Path
) -> None:
    secrets = Secrets()
    secret = "pass word-xyz/99"
    body = json.dumps({"messages": [{"role": "user", "content": f"It is {secret}."}]})
    data = forge([request_frame(body=body.encode()), response_frame()])
    path = write(tmp_path, data, name=f"it-is-pass-word-xyz-99-1a2b3c4d{suffix}")
    assert find_leaks(path, secrets) == []
    secrets.add(secret)
    clean = clean_request(read_cassette(path).request, secrets)
    key = request_key(clean)[:8]
    for name in taken:
        write(tmp_path, b"", name=name.format(key))
    assert redact_file(path, secrets, is_dry=True).place == path

    redacted = redact_file(path, secrets)

    assert redacted.place == tmp_path / expected.format(key)
    assert find_leaks(redacted.place, secrets) == []
    assert not path.exists()
    assert [leak.where for leak in redacted.leaks][-1] == "the file's name"


def test_a_name_without_a_secret_stays(tmp_path: Path) -> None:
    path = write(tmp_path, forge_split(), name="mine.tape")

    assert redact_file(path, Secrets()).place == path
