"""
A million events and 1 GiB in one stream: recorded, replayed and read in little memory.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

import pytest

from e2e.processes import (
    PATIENCE_S,
    Program,
    plain_environment,
    run,
    start_recorder,
    wait_until,
)
from reliability.big_streams import BigStream, BigUpstream, hear_digest
from taping import hello, write_tape
from usage import IS_TOLD, MIB, forget_peak, peak_rss_bytes

MOST_BYTES: Final = 64 * MIB
"""Over what the process has when it is idle."""

MOST_READ_BYTES: Final = 1 * MIB
"""By a listing, whatever the size of the cassette."""

_TELLING: Final = """
import atexit, sys
from pathlib import Path

def tell():
    for name in ("status", "io"):
        print(Path("/proc/self", name).read_text(), file=sys.stderr)

atexit.register(tell)
from streamtape.cli import main
main()
"""

pytestmark = pytest.mark.skipif(not IS_TOLD, reason="only Linux tells memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The long stream on disk, and what it took to get there."""

    stream: BigStream
    digest: str
    """The hash of the stream's body."""
    heard: str
    """The hash of what the client heard while it was recorded."""
    folder: Path
    path: Path
    growth_bytes: int
    """Of the recorder, until the cassette had its name."""

    @property
    def most_bytes(self) -> int:
        """How much a process may grow: far less than the stream has."""
        return min(MOST_BYTES, self.stream.size // 2)


@pytest.fixture(scope="module")
def recorded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Recorded:
    """1 GiB in a million events under ``--long``, else 24 MiB in 7,500."""
    stream = BigStream(events=7_500, event_bytes=3360)
    if request.config.getoption("--long"):
        stream = BigStream(events=1_000_000, event_bytes=1074)
    folder = tmp_path_factory.mktemp("long")
    with BigUpstream(stream) as upstream, start_recorder(upstream.url, folder) as proxy:
        assert proxy.base_url
        idle_bytes = forget_peak(proxy.pid)
        heard = hear_digest(proxy.base_url)
        wait_until(lambda: any(folder.glob("*.tape")), "the cassette has its name")
        growth_bytes = peak_rss_bytes(proxy.pid) - idle_bytes
        assert proxy.stop().status == 0
    (path,) = folder.iterdir()
    return Recorded(
        stream=stream,
        digest=stream.digest(),
        heard=heard,
        folder=folder,
        path=path,
        growth_bytes=growth_bytes,
    )


@pytest.mark.case(36)
def test_a_long_stream_is_recorded_in_little_memory(recorded: Recorded) -> None:
    assert recorded.heard == recorded.digest
    assert recorded.growth_bytes <= recorded.most_bytes
    (listed,) = json.loads(run("ls", "--json", recorded.path).stdout)
    assert listed["events"] == recorded.stream.events + 4
    assert listed["state"] == "complete"


@pytest.mark.case(36)
def test_a_long_stream_is_replayed_in_little_memory(recorded: Recorded) -> None:
    where = ("--cassettes", recorded.folder, "--port", "0")
    with Program("replay", *where, "--speed", "instant") as replay:
        assert replay.base_url
        idle_bytes = forget_peak(replay.pid)
        replayed = hear_digest(replay.base_url)
        growth_bytes = peak_rss_bytes(replay.pid) - idle_bytes
        assert replay.stop().status == 0

    assert replayed == recorded.digest
    assert growth_bytes <= recorded.most_bytes


@pytest.mark.case(36)
def test_a_listing_of_a_long_stream_reads_only_its_ends(
    recorded: Recorded, tmp_path: Path
) -> None:
    short = write_tape(tmp_path, hello("Hi."))

    usual, long = tell(short, "ls", "--json"), tell(recorded.path, "ls", "--json")

    assert long.read_bytes - usual.read_bytes <= MOST_READ_BYTES
    assert long.peak_bytes - usual.peak_bytes <= MOST_READ_BYTES


@pytest.mark.case(36)
def test_a_long_stream_is_printed_in_little_memory(
    recorded: Recorded, tmp_path: Path
) -> None:
    short = write_tape(tmp_path, hello("Hi."))

    usual, long = tell(short, "show", "--raw"), tell(recorded.path, "show", "--raw")

    assert long.digest == recorded.digest
    assert long.peak_bytes - usual.peak_bytes <= recorded.most_bytes


@pytest.mark.case(36)
def test_a_long_stream_is_checked_in_little_memory(
    recorded: Recorded, tmp_path: Path
) -> None:
    short = write_tape(tmp_path, hello("Hi."))

    usual, long = tell(short, "check"), tell(recorded.path, "check")

    assert long.read_bytes > recorded.stream.size
    assert long.peak_bytes - usual.peak_bytes <= recorded.most_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a command printed, and what it took."""

    digest: str
    """The hash of its output."""
    peak_bytes: int
    read_bytes: int
    """Of all files, its own modules among them."""


def tell(path: Path, *command: str) -> Told:
    """Run a command on a cassette to its end, which must be a good one."""
    with TemporaryFile() as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", _TELLING, *command, path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=plain_environment(),
        )
        assert process.stdout is not None
        digest = hashlib.sha256()
        with process.stdout as stdout:
            while output := stdout.read(1 << 16):
                digest.update(output)
        status = process.wait(PATIENCE_S)
        stderr.seek(0)
        said = stderr.read().decode()
    assert status == 0, said
    return Told(
        digest=digest.hexdigest(),
        peak_bytes=_told(said, r"^VmHWM:\s+(\d+) kB$") * 1024,
        read_bytes=_told(said, r"^rchar: (\d+)$"),
    )


def _told(stderr: str, pattern: str) -> int:
    match = re.search(pattern, stderr, re.MULTILINE)
    assert match is not None, stderr
    return int(match[1])
