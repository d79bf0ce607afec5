"""A folder that somebody prepared to do harm: links, pipes, devices and names."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

import streamtape
from e2e.here import run_here
from e2e.listening import body
from e2e.processes import run, start_replay
from e2e.wire import Ending, ask
from streamtape import open as read_cassette
from streamtape.errors import CassetteError
from streamtape.testing import INSTANT, FakeUpstream, Reply, stream_reply, text

REPLY = stream_reply(text("Hello."), profile=INSTANT)
SECRET = stream_reply(text("Not yours."), profile=INSTANT)

LONGEST = "x" * (255 - len(".tape")) + ".tape"
HOSTILE = "esc\x1b[2J\x1b]0;title\x07\n\u202eback\x9b.tape"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one cassette, under the longest name there is, and a lot else."""
    folder = tmp_path / "cassettes"
    outside = tmp_path / "outside"
    record(outside, "secret", SECRET)
    record(folder, "hello", REPLY).rename(folder / LONGEST)
    [secret] = outside.iterdir()
    (folder / "out.tape").symlink_to(secret)
    (folder / "out").symlink_to(outside)
    (folder / "loop.tape").symlink_to("loop.tape")
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere.part").symlink_to("nowhere")
    (folder / "zero.tape").symlink_to("/dev/zero")
    os.mkfifo(folder / "fifo.tape")
    os.mkfifo(folder / "fifo.part")
    (folder / "folder.tape").mkdir()
    (folder / HOSTILE).write_text("\x1b[31mjunk")
    (folder / os.fsdecode(b"no text \xff\xfe.tape")).write_text("junk")
    if os.geteuid() == 0:
        # Reading from it would never end; who isn't root can't make one.
        os.mknod(folder / "device.tape", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    return folder


def record(folder: Path, prompt: str, reply: Reply) -> Path:
    with (
        FakeUpstream([reply]) as upstream,
        streamtape.record(folder, upstream=upstream.url) as proxy,
    ):
        ask(proxy.base_url, body=body(prompt))
    [path] = folder.glob("*.tape")
    return path


@pytest.mark.case(31)
def test_a_hostile_folder_is_replayed_without_what_is_no_cassette(
    folder: Path,
) -> None:
    with start_replay(folder) as replay:
        answer = ask(replay.base_url, body=body("hello"))
        outside = ask(replay.base_url, body=body("secret"))
        end = replay.stop()

    assert (answer.body, answer.ending) == (REPLY.body, Ending.WHOLE)
    assert outside.status == 424
    assert end.status == 0
    said = [line for line in end.stderr.splitlines() if "left out" in line]
    assert all(line.startswith("Warning: left out: ") for line in said)
    for name in ("out", "loop", "zero", "fifo", "folder"):
        assert any(f"/{name}.tape: " in line for line in said) is (name != "folder")
    for char in "\x1b\x07\x9b\u202e":
        assert char not in end.stderr


@pytest.mark.case(31)
def test_a_hostile_folder_is_listed_and_its_files_are_shown_or_refused(
    folder: Path,
) -> None:
    listed = run("ls", "--cassettes", folder)
    as_json = run_here("ls", "--json", "--cassettes", folder)

    for char in "\x1b\x07\x9b\u202e":
        assert char not in listed.stdout + listed.stderr
    entries = json.loads(as_json.stdout)
    [whole] = [each for each in entries if each["state"] == "complete"]
    assert whole["path"].endswith(LONGEST)
    for name in ("out.tape", "loop.tape", "zero.tape", "fifo.tape", "folder.tape"):
        with pytest.raises(CassetteError):
            read_cassette(folder / name)
    shown = run_here("show", folder / HOSTILE)
    assert shown.status == 1
    assert shown.stderr.startswith("Error: ")
    assert "\x1b" not in shown.stderr


@pytest.mark.case(31)
def test_a_take_behind_the_longest_name_is_recorded_under_one_of_its_own(
    folder: Path,
) -> None:
    before = {path.name for path in folder.iterdir()}
    with (
        FakeUpstream([REPLY]) as upstream,
        streamtape.record(folder, upstream=upstream.url, mode="all") as proxy,
    ):
        for _ in range(2):
            # The first takes the place of the one that was there.
            ask(proxy.base_url, body=body("hello"))

    [name] = {path.name for path in folder.iterdir()} - before
    assert proxy.summary.counts == {"recorded": 2}
    assert read_cassette(folder / name).body == REPLY.body
    assert read_cassette(folder / LONGEST).body == REPLY.body
