from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streamtape.cli.ls import ls
from streamtape.core.model import EndReason, Request
from streamtape.errors import CassetteNotFoundError
from streamtape.testing import MODEL
from taping import JSON, hello, start_tape, write_tape

GOLDEN = Path(__file__).parents[1] / "data/cli/ls.txt"
EVIL = "\x1b[2J\x1b]52;c;aGk=\x07\x9b1m\r\u202e"
SAFE = "\\x1b[2J\\x1b]52;c;aGk=\\x07\\x9b1m\\r\\u202e"


def run(*args: str | Path, columns: int | None = None) -> Result:
    env = {"COLUMNS": None if columns is None else str(columns)}
    result = CliRunner().invoke(ls, [str(arg) for arg in args], env=env)
    if result.exception is not None:
        raise result.exception
    return result


def rows_of(*args: str | Path) -> list[dict[str, object]]:
    rows = json.loads(run("--json", *args).stdout)
    assert isinstance(rows, list)
    return rows


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library with one of everything; its names don't depend on where it is."""
    folder = tmp_path / "cassettes"
    stream = hello("Hello", " world")
    error = b'{"type": "error", "error": {"type": "overloaded_error"}}'
    counted = Request(method="POST", target="/v1/messages/count_tokens?beta=true")
    write_tape(folder, stream)
    write_tape(folder, [(301, error)], status=529, headers=(JSON,))
    write_tape(
        folder, [(2500, b"{}")], name="count-5e6f7a8b", request=counted, headers=(JSON,)
    )
    write_tape(
        folder / "chat",
        stream[:3],
        name="poem-0badcafe",
        ending=EndReason.UPSTREAM_TIMEOUT,
        detail="nothing came for 600 s",
        silence_ms=600_000,
    )
    damaged = write_tape(folder, stream, name="noise-9c0d1e2f")
    data = bytearray(damaged.read_bytes())
    data[50] ^= 1
    damaged.write_bytes(data)
    whole = write_tape(folder, stream, name="torn-11223344")
    whole.write_bytes(whole.read_bytes()[:-200])
    killed, _ = start_tape(folder, stream[:-3], name="story-77777777")
    killed.close()
    (folder / "notes.tape").write_text("not a tape")
    (folder / "README.md").write_text("left out by its name")
    return folder


def test_a_listing_says_what_was_asked_and_how_the_answer_came(library: Path) -> None:
    result = run("--cassettes", library)

    assert result.stdout == GOLDEN.read_text(encoding="utf-8")
    assert result.stderr == ""


def test_a_narrow_terminal_shows_fewer_columns_and_whole_names(library: Path) -> None:
    result = run("--cassettes", library, columns=60)

    lines = result.stdout.splitlines()
    assert lines[0].split() == ["name", "status", "time", "end"]
    assert "hello-1a2b3c4d-2" in result.stdout
    assert max(map(len, lines)) <= 60


def test_names_are_folded_where_nothing_else_is_left_to_leave_out(
    tmp_path: Path,
) -> None:
    write_tape(tmp_path, hello("Hi"), name="a-name-much-longer-than-that-1a2b3c4d")

    result = run("--cassettes", tmp_path, columns=44)

    head, (start, *rest), (end,) = (line.split() for line in result.stdout.splitlines())
    assert head == ["name", "time", "end"]
    assert start + end == "a-name-much-longer-than-that-1a2b3c4d"
    assert rest == ["510", "ms", "end_turn"]


def test_a_recording_that_runs_is_told_from_one_that_was_killed(tmp_path: Path) -> None:
    writer, _ = start_tape(tmp_path, hello("Hi")[:3])

    running = rows_of("--cassettes", tmp_path)
    writer.close()
    killed = rows_of("--cassettes", tmp_path)

    assert [row["state"] for row in running] == ["recording"]
    assert [row["state"] for row in killed] == ["truncated"]
    assert killed[0]["events"] == running[0]["events"] == 3
    assert killed[0]["duration_ns"] == 500_000_000


def test_a_recording_without_a_single_frame_is_listed(tmp_path: Path) -> None:
    writer, _ = start_tape(tmp_path, [])
    assert writer.path is not None
    writer.path.write_bytes(b"")

    rows = rows_of("--cassettes", tmp_path)
    writer.close()

    assert [row["state"] for row in rows] == ["recording"]


def test_json_has_everything_and_times_in_ns(tmp_path: Path) -> None:
    path = write_tape(tmp_path, hello("Hello", " world"))

    assert rows_of("--cassettes", tmp_path) == [
        {
            "name": "hello-1a2b3c4d",
            "path": str(path),
            "state": "complete",
            "reason": None,
            "recorded_at": "2026-01-02T03:04:05Z",
            "method": "POST",
            "target": "/v1/messages",
            "model": MODEL,
            "status": 200,
            "events": 7,
            "body_bytes": sum(len(raw) for _, raw in hello("Hello", " world")),
            "time_to_headers_ns": 300_000_000,
            "ttft_ns": 500_000_000,
            "duration_ns": 560_000_000,
            "stop_reason": "end_turn",
            "error_type": None,
            "output_tokens": 12,
        }
    ]


def test_a_bad_file_is_a_row_with_its_reason(library: Path) -> None:
    rows = {row["name"]: row for row in rows_of("--cassettes", library)}

    assert rows["noise-9c0d1e2f"]["state"] == "damaged"
    assert rows["noise-9c0d1e2f"]["method"] is None
    assert str(rows["noise-9c0d1e2f"]["reason"]).startswith("damaged at byte ")
    assert rows["notes"]["state"] == "not_a_cassette"
    assert str(rows["notes"]["reason"]).startswith("not a cassette")


def test_a_file_of_a_later_version_is_told_from_a_bad_one(tmp_path: Path) -> None:
    path = write_tape(tmp_path, hello("Hi"))
    path.write_bytes(path.read_bytes().replace(b"STP1", b"STP9", 1))

    rows = rows_of("--cassettes", tmp_path)

    assert [row["state"] for row in rows] == ["unsupported"]


def test_the_body_of_a_finished_file_is_not_read(tmp_path: Path) -> None:
    path = write_tape(tmp_path, hello(*["piece"] * 100))
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes(100) + data[middle + 100 :])

    rows = rows_of("--cassettes", tmp_path)

    assert [(row["state"], row["events"]) for row in rows] == [("complete", 105)]


def test_tokens_of_an_answer_that_was_cut_are_not_known(tmp_path: Path) -> None:
    write_tape(tmp_path, hello("Hi")[:3], ending=EndReason.UPSTREAM_CUT)

    [row] = rows_of("--cassettes", tmp_path)

    assert (row["state"], row["output_tokens"]) == ("upstream_cut", None)


def test_paths_are_listed_by_their_paths(library: Path) -> None:
    file = library / "hello-1a2b3c4d.tape"

    rows = rows_of(library / "chat", file)

    assert [row["name"] for row in rows] == [
        (library / "chat/poem-0badcafe").as_posix(),
        (library / "hello-1a2b3c4d").as_posix(),
    ]


def test_a_link_is_a_row_that_says_that_it_is_not_followed(tmp_path: Path) -> None:
    link = tmp_path / "link.tape"
    link.symlink_to(tmp_path / "gone.tape")

    [row] = rows_of(link)

    assert row["state"] == "not_a_cassette"
    assert str(row["reason"]).startswith("a symbolic link")


def test_a_path_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CassetteNotFoundError, match="no such file or folder"):
        run(tmp_path, tmp_path / "gone.tape")


@pytest.mark.parametrize("is_made", [True, False], ids=["empty", "missing"])
def test_an_empty_library_says_how_to_record(tmp_path: Path, is_made: bool) -> None:
    folder = tmp_path / "cassettes"
    if is_made:
        folder.mkdir()

    result = run("--cassettes", folder)

    assert result.stdout == ""
    assert result.stderr == (
        f"No cassettes in {folder} yet. To make some: streamtape record\n"
    )
    assert json.loads(run("--cassettes", folder, "--json").stdout) == []


def test_the_library_is_found_by_the_environment(library: Path) -> None:
    env = {"STREAMTAPE_CASSETTES": str(library)}

    result = CliRunner().invoke(ls, ["--json"], env=env)

    assert len(json.loads(result.stdout)) == 8


def test_recorded_text_in_a_row_cannot_move_the_cursor(tmp_path: Path) -> None:
    evil = Request(method="POST", target=f"/{EVIL}")
    chunks = hello("Hi", model=f"[red]{EVIL}")
    path = write_tape(tmp_path, chunks, request=evil)
    named = tmp_path / f"[b]{EVIL}\udcff.tape"
    shutil.move(path, named)
    (tmp_path / f"{EVIL}.tape").write_text("")

    result = run("--cassettes", tmp_path)

    assert f"[b]{SAFE}\\udcff" in result.stdout
    assert "[red]\\x1b[2J" in result.stdout
    assert "POST /\\x1b[2J" in result.stdout
    assert result.stdout.replace("\n", "").isprintable()
