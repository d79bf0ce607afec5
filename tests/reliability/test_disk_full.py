"""A recorder whose folder fills up, turns read-only or goes away while it records."""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

import streamtape
from e2e.listening import Listening, body
from e2e.processes import COMMAND, Program, start_recorder, wait_until
from e2e.wire import Ending, ask
from streamtape.core.model import EndReason
from streamtape.errors import UsageError
from streamtape.testing import (
    INSTANT,
    FakeUpstream,
    Profile,
    events_reply,
    stream_reply,
    text,
)
from taping import hello

LOST: Final = 3
"""The status of a run that recorded less than it served."""

LONG: Final = events_reply(
    [raw for _, raw in hello(*["It was a long night. " * 500] * 125)], profile=INSTANT
)
"""
More than the disk takes, and that is more than a recorder reads at once, however long
it had no time to: so it writes some events before it writes what fails.
"""

SLOW: Final = stream_reply(
    text("It was a long night at the harbour. " * 5),
    profile=Profile(ttft_ns=0, gap_ns=10_000_000, pause_ns=0),
)
SHORT: Final = stream_reply(text("Hello."), profile=INSTANT)

LIMITED: Final = ("sh", "-c", 'ulimit -f 1024; exec "$@"', "sh", *COMMAND)
"""The program, which can't make a file larger than 512 KiB or 1 MiB."""


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """Mount a small file system in memory; skips the test where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        made = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"there is no mount: {error}")
    if made.returncode:
        pytest.skip(f"nothing can be mounted here: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def check_lost(stderr: str, where: Path, reason: str) -> None:
    """
    One line says which file and why, and what to do if there is some of it; the last
    one counts it.
    """
    [line] = [line for line in stderr.splitlines() if line.startswith("Error")]
    assert str(where) in line
    assert reason in line
    assert ("`streamtape recover`" in line) is (where.suffix == ".part")
    assert "1 lost" in stderr


def check_prefix(folder: Path) -> None:
    """What was written plays up to where the disk failed, and nothing has a name."""
    [part] = folder.iterdir()
    assert part.suffix == ".part"
    cassette = streamtape.open(part)
    assert cassette.ending.reason is EndReason.TRUNCATED
    assert len(cassette.events) > 5
    assert LONG.body.startswith(cassette.body)


@pytest.mark.case(5)
def test_a_file_that_may_not_grow_costs_its_recording_and_no_client(
    tmp_path: Path,
) -> None:
    with (
        FakeUpstream([LONG, SHORT]) as upstream,
        Program(
            "record",
            "--upstream",
            upstream.url,
            "--cassettes",
            tmp_path,
            "--port",
            "0",
            program=LIMITED,
        ) as recorder,
    ):
        answer = ask(recorder.base_url, body=body("hello"))
        recorder.wait_for("not recorded further")
        [part] = tmp_path.iterdir()
        check_prefix(tmp_path)
        next_answer = ask(recorder.base_url, body=body("and then?"))
        end = recorder.stop()

    assert (answer.body, answer.ending) == (LONG.body, Ending.WHOLE)
    assert (next_answer.body, next_answer.ending) == (SHORT.body, Ending.WHOLE)
    assert end.status == LOST
    check_lost(end.stderr, part, "File too large")
    assert len([*tmp_path.glob("*.tape")]) == 1


@pytest.mark.case(5, 10)
def test_a_full_device_costs_its_recording_and_no_client(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    with mounted(folder, "size=640k"):
        with (
            FakeUpstream([LONG]) as upstream,
            start_recorder(upstream.url, folder) as recorder,
        ):
            answer = ask(recorder.base_url, body=body("hello"))
            end = recorder.stop()
        [part] = folder.iterdir()
        check_prefix(folder)

    assert (answer.body, answer.ending) == (LONG.body, Ending.WHOLE)
    assert end.status == LOST
    check_lost(end.stderr, part, "No space left on device")


@pytest.mark.case(10)
def test_a_device_without_inodes_costs_the_recordings_that_need_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The folder has one. A recording needs one, and another while it gets its name:
    the first finds both, the second one, the third none.
    """
    folder = tmp_path / "small"
    with mounted(folder, "nr_inodes=3"):
        with (
            FakeUpstream([SHORT]) as upstream,
            streamtape.record(folder, upstream=upstream.url) as proxy,
        ):
            answers = []
            for prompt in ("one", "two", "three"):
                answers.append(ask(proxy.base_url, body=body(prompt)))
                proxy.settle()
        left = sorted(folder.iterdir())
        assert [path.suffix for path in left] == [".tape", ".part"]
        assert all(streamtape.open(path).ending.is_complete for path in left)
        check_refused(folder, "No space left on device")

    assert {(each.body, each.ending) for each in answers} == {
        (SHORT.body, Ending.WHOLE)
    }
    assert proxy.summary.counts == {"recorded": 1, "lost": 2}
    check_said(caplog, folder, "No space left on device", count=2)


@pytest.mark.case(8)
def test_a_folder_that_turns_read_only_costs_its_recordings_and_no_client(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "small"
    with mounted(folder, "size=1m"):
        with (
            FakeUpstream([SHORT]) as upstream,
            streamtape.record(folder, upstream=upstream.url) as proxy,
        ):
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
            answer = ask(proxy.base_url, body=body("hello"))
        check_refused(folder, "Read-only file system")

    assert (answer.body, answer.ending) == (SHORT.body, Ending.WHOLE)
    assert proxy.summary.counts == {"lost": 1}
    check_said(caplog, folder, "Read-only file system")


def check_refused(folder: Path, reason: str) -> None:
    """No recorder starts there."""
    message = f"{folder}: can't be written to: {reason}"
    with pytest.raises(UsageError, match=re.escape(message)):
        streamtape.record(folder, upstream="http://127.0.0.1:9").__enter__()


def check_said(
    caplog: pytest.LogCaptureFixture, where: Path, reason: str, *, count: int = 1
) -> None:
    """For each loss a line says which file and why."""
    errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert len(errors) == count
    for error in errors:
        assert str(where) in error.getMessage()
        assert reason in error.getMessage()


def replace_by_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("a file")


@pytest.mark.case(9)
@pytest.mark.parametrize(
    ("take_away", "reason"),
    [
        pytest.param(shutil.rmtree, "No such file or directory", id="gone"),
        pytest.param(replace_by_a_file, "Not a directory", id="a-file-now"),
    ],
)
def test_a_folder_that_goes_away_costs_its_recording_and_no_client(
    take_away: Callable[[Path], None],
    reason: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "cassettes"
    with (
        FakeUpstream([SLOW]) as upstream,
        streamtape.record(folder, upstream=upstream.url) as proxy,
        Listening(proxy.base_url, "hello") as client,
    ):
        seen = client.take(1)
        wait_until(lambda: any(folder.glob("*.part")), "the recording has begun")
        take_away(folder)
        rest, is_whole = client.rest()

    assert is_whole
    assert b"".join([*seen, *rest]) == SLOW.body
    assert proxy.summary.counts == {"lost": 1}
    check_said(caplog, folder, reason)


@pytest.mark.case(9)
def test_a_folder_that_went_away_is_made_again_for_the_next_recording(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "cassettes"
    with (
        FakeUpstream([SHORT]) as upstream,
        streamtape.record(folder, upstream=upstream.url) as proxy,
    ):
        shutil.rmtree(folder)
        answer = ask(proxy.base_url, body=body("hello"))

    assert (answer.body, proxy.summary.counts) == (SHORT.body, {"recorded": 1})
    [path] = folder.iterdir()
    assert streamtape.open(path).body == SHORT.body
