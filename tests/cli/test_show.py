from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streamtape.cli.show import show
from streamtape.core.model import EndReason, Request
from streamtape.errors import CassetteNotFoundError, UsageError
from streamtape.testing import (
    INSTANT,
    api_event,
    message_json,
    stream_reply,
    text,
    thinking,
    tool_use,
)
from taping import ASKED, JSON, MS, STREAM, hello, start_tape, write_tape

GOLDEN = Path(__file__).parents[1] / "data/cli/show.txt"
EVIL = "\x1b[2J\x1b]52;c;aGk=\x07\x9b1m\r\u202e"
SAFE = "\\x1b[2J\\x1b]52;c;aGk=\\x07\\x9b1m\\r\\u202e"
HELLO = hello("Hello", " world")
BODY = b"".join(raw for _, raw in HELLO)


def run(*args: str | Path, columns: int | None = None) -> Result:
    env = {"COLUMNS": None if columns is None else str(columns)}
    result = CliRunner().invoke(show, [str(arg) for arg in args], env=env)
    if result.exception is not None:
        raise result.exception
    return result


def run_on_terminal(*args: str | Path, **env: str) -> tuple[int, str, str]:
    """Run the program with a terminal for stdout; returns status, stdout and stderr."""
    ours, theirs = os.openpty()
    kept = {name: text for name, text in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen(
        [sys.executable, "-m", "streamtape", *args],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**kept, "TERM": "xterm", "COLUMNS": "80", **env},
    ) as process:
        os.close(theirs)
        shown = b""
        # Linux fails where others say that nothing more comes.
        with contextlib.suppress(OSError):
            while data := os.read(ours, 65536):
                shown += data
        os.close(ours)
        assert process.stderr is not None
        err = process.stderr.read().decode()
    return process.returncode, shown.decode(), err


needs_terminal = pytest.mark.skipif(
    not hasattr(os, "openpty"), reason="the system has no pseudo-terminals"
)


def section(shown: str, title: str) -> list[str]:
    """The lines of one section, without its heading."""
    lines = shown.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(title)) + 1
    ends = (i for i in range(start, len(lines)) if re.match("[A-Z]", lines[i]))
    return [line.strip() for line in lines[start : next(ends, None)] if line]


def test_a_cassette_is_shown_as_a_story(tmp_path: Path) -> None:
    chunks = [*HELLO[:4], *((at + 1900, raw) for at, raw in HELLO[4:])]
    path = write_tape(
        tmp_path,
        chunks[:5],
        ending=EndReason.UPSTREAM_RESET,
        detail="connection reset by peer",
        headers=(STREAM, ("request-id", "req_1"), ("date", "Mon"), ("server", "x")),
        silence_ms=100,
    )

    result = run(path, columns=80)

    assert result.stdout == GOLDEN.read_text(encoding="utf-8")
    assert result.stderr == ""


@pytest.mark.parametrize(
    "name",
    ["chat/hello-1a2b3c4d", "chat/hello-1a2b3c4d.tape"],
    ids=["without-its-ending", "with-its-ending"],
)
def test_a_cassette_is_found_by_its_name_in_the_library(
    tmp_path: Path, name: str
) -> None:
    path = write_tape(tmp_path / "chat", HELLO)

    by_name = run("--cassettes", tmp_path, name)

    assert by_name.stdout == run(path).stdout
    assert by_name.stdout == run(path.with_suffix("")).stdout


def test_a_name_that_is_not_there_says_which_comes_nearest(tmp_path: Path) -> None:
    write_tape(tmp_path / "chat", HELLO)

    with pytest.raises(CassetteNotFoundError, match="did you mean chat/hello-1a2b3c4d"):
        run("--cassettes", tmp_path, "hello")
    with pytest.raises(CassetteNotFoundError, match="streamtape ls lists"):
        run("--cassettes", tmp_path, "zzzz")


def test_what_each_event_adds_is_shown(tmp_path: Path) -> None:
    unknown = b'event: later\ndata: {"type": "later", "x": 1}\n\n'
    error = {"type": "error", "error": {"type": "api_error", "message": "Oh."}}
    reply = stream_reply(
        thinking("Hm."),
        tool_use("get_weather", {"city": "Paris"}),
        profile=INSTANT,
        pings=0,
    )
    raws = [*reply.body.split(b"\n\n")[:-1], b": keep-alive", unknown.rstrip()]
    chunks = [(500, raw + b"\n\n") for raw in raws]
    path = write_tape(tmp_path, [*chunks, (500, api_event(error))])

    result = run(path, "--full")

    lines = [re.split(" {2,}", line)[-2:] for line in section(result.stdout, "Events")]
    adds = [adds for _, adds in lines]
    assert "thinking" in adds
    assert 'thinking "Hm."' in adds
    assert "signature" in adds
    assert "tool_use get_weather" in adds
    assert any(one.startswith("input {") for one in adds)
    assert any(re.fullmatch(r"tool_use, \d+ tokens", one) for one in adds)
    assert ["later", '{"type": "later", "x": 1}'] in lines
    assert "(no data)" in adds
    assert ["error", "api_error: Oh."] in lines


def test_the_bar_is_longest_where_the_wait_was(tmp_path: Path) -> None:
    chunks = [(300, b"data: 1\n\n"), (400, b"data: 2\n\n"), (1200, b"data: 3\n\n")]

    result = run(write_tape(tmp_path, chunks), columns=80)

    bars = [line.count("━") for line in section(result.stdout, "Events")[1:]]
    assert bars == [3, 0, 1, 8, 0]


def test_a_long_stream_shows_its_ends_and_where_the_time_went(tmp_path: Path) -> None:
    chunks = hello(*["piece"] * 100)
    slow = [
        (at + (5000 if number >= 50 else 0), raw)
        for number, (at, raw) in enumerate(chunks)
    ]
    path = write_tape(tmp_path, slow)

    lines = section(run(path).stdout, "Events")
    full = section(run(path, "--full").stdout, "Events")

    assert len(full) == 108
    assert len(lines) < 40
    assert any(re.match(r"50 .*5\.05 s .*━{8} ", line) for line in lines)
    hidden = [line for line in lines if line.startswith("⋮")]
    counts = [int(line.split()[1]) for line in hidden]
    assert sum(counts) + len(lines) - len(hidden) == len(full)


def test_an_answer_that_is_no_stream_shows_its_body(tmp_path: Path) -> None:
    body = message_json(text("Bonjour"))
    path = write_tape(tmp_path, [(400, body)], headers=(JSON,))

    shown = run(path).stdout

    assert '"stop_reason": "end_turn",' in section(shown, "Response")
    assert section(shown, "Text") == ["Bonjour"]
    assert "Events" not in shown


def test_a_body_that_is_no_json_is_shown_as_text(tmp_path: Path) -> None:
    request = Request(method="POST", target="/v1/files", body=b"--x\r\n\xff\n")
    path = write_tape(tmp_path, [], request=request)

    assert section(run(path).stdout, "Request") == ["--x\\r", "\\xff"]


def test_a_long_body_is_cut_unless_all_is_asked_for(tmp_path: Path) -> None:
    request = Request(method="POST", target="/", body=json.dumps([*range(99)]).encode())
    path = write_tape(tmp_path, HELLO, request=request)

    shown = section(run(path).stdout, "Request")
    full = section(run(path, "--full").stdout, "Request")

    assert len(shown) == 25
    assert shown[-1] == "… and more: --full shows all"
    assert len(full) == 101


def test_the_message_is_a_summary_unless_all_is_asked_for(tmp_path: Path) -> None:
    reply = stream_reply(text("Yes."), tool_use("go", {"to": "é"}), profile=INSTANT)
    path = write_tape(tmp_path, [(500, reply.body)])

    shown = section(run(path).stdout, "Message")
    full = "".join(section(run(path, "--full").stdout, "Message"))

    assert shown[:2] == ["text, 4 characters", 'tool_use go {"to": "é"}']
    assert json.loads(full)["content"][1]["input"] == {"to": "é"}


def test_the_timeline_can_be_left_out(tmp_path: Path) -> None:
    path = write_tape(tmp_path, HELLO)

    assert "Events" not in run(path, "--no-events").stdout


def test_a_recording_that_was_killed_at_once_is_shown(tmp_path: Path) -> None:
    writer, _ = start_tape(tmp_path, [])
    writer.close()
    assert writer.path is not None

    result = run(writer.path)

    assert section(result.stdout, "Ending")[0] == "The file has no end."
    assert result.stderr == ""


def test_a_file_that_ends_before_the_response_is_shown(tmp_path: Path) -> None:
    path = write_tape(tmp_path, HELLO)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"offset_ns")])

    result = run(path)

    assert "Response  none came" in result.stdout
    assert "incomplete" in result.stdout.splitlines()[0]


def test_a_recording_that_runs_is_shown_so_far(tmp_path: Path) -> None:
    writer, _ = start_tape(tmp_path, HELLO[:3])
    assert writer.path is not None

    result = run(writer.path)
    writer.close()

    assert section(result.stdout, "Text") == ["Hello"]
    assert result.stderr == "Still being recorded: this is what came so far.\n"


def test_json_has_everything(tmp_path: Path) -> None:
    path = write_tape(
        tmp_path,
        [*HELLO[:3], (600, b"event: x\ndata: \xff")],
        ending=EndReason.UPSTREAM_CUT,
    )

    shown = json.loads(run(path, "--json").stdout)

    assert list(shown) == [
        "name",
        "recorded_at",
        "request",
        "response",
        "events",
        "chunks",
        "text",
        "message",
        "timing",
        "ending",
    ]
    assert shown["request"] == {
        "method": "POST",
        "target": "/v1/messages",
        "headers": [[*JSON], ["x-api-key", "[redacted]"]],
        "body": ASKED.body.decode(),
    }
    assert shown["response"]["status"] == 200
    assert shown["events"][2] == {
        "offset_ns": 500 * MS,
        "gap_ns": 180 * MS,
        "raw": HELLO[2][1].decode(),
        "name": "content_block_delta",
        "data": {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "Hello"},
        },
    }
    assert shown["events"][3] == {
        "offset_ns": 600 * MS,
        "gap_ns": 100 * MS,
        "raw_base64": base64.b64encode(b"event: x\ndata: \xff").decode(),
        "name": "x",
        "data": "\ufffd",
    }
    assert shown["events"][0]["gap_ns"] == 20 * MS
    assert shown["text"] == "Hello"
    assert shown["message"]["content"] == [{"type": "text", "text": "Hello"}]
    assert shown["timing"]["ttft_ns"] == 500 * MS
    assert shown["ending"] == {
        "reason": "upstream_cut",
        "offset_ns": 600 * MS,
        "detail": "",
        "is_complete": False,
    }


def test_json_of_an_answer_that_is_no_stream_has_chunks(tmp_path: Path) -> None:
    path = write_tape(tmp_path, [(400, b"{}")], headers=(JSON,))

    shown = json.loads(run(path, "--json").stdout)

    assert shown["events"] == []
    assert shown["chunks"] == [{"offset_ns": 400 * MS, "gap_ns": 100 * MS, "raw": "{}"}]


def test_raw_is_the_body_byte_for_byte(tmp_path: Path) -> None:
    path = write_tape(tmp_path, [(500, BODY + b"\x1b[2J\xff\r\n")])

    assert run(path, "--raw").stdout_bytes == BODY + b"\x1b[2J\xff\r\n"


def test_raw_and_json_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--json and --raw"):
        run(tmp_path, "--raw", "--json")


def evil_tape(folder: Path) -> Path:
    """A cassette with control characters and markup wherever text can be."""
    evil = f"[red]{EVIL}"
    event = {"type": evil, "error": {"type": evil, "message": evil}}
    named = b"event: %b\ndata: x\n\n" % evil.replace("\r", "").encode()
    path = write_tape(
        folder,
        [
            *hello(evil, model=evil),
            (600, api_event(event | {"type": "error"})),
            (600, named),
            (700, f"data: {evil}".encode()),
        ],
        request=Request(
            method=evil,
            target=f"/{evil}",
            headers=(("accept", evil.replace("\r", "")),),
            body=evil.encode(),
        ),
        reason=evil.replace("\r", ""),
        headers=(STREAM, (evil.replace("\r", ""), "x"), ("request-id", "\x9b\u2066")),
        ending=EndReason.UPSTREAM_CUT,
        detail=evil,
    )
    return path.rename(path.with_name(f"{evil}.tape"))


@pytest.mark.parametrize("option", ["--full", "--events"])
def test_recorded_text_cannot_move_the_cursor(tmp_path: Path, option: str) -> None:
    result = run(evil_tape(tmp_path), option)

    assert result.stdout.replace("\n", "").isprintable()
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"[red]{SAFE}  recorded")
    assert f"Request   [red]{SAFE} /[red]{SAFE}" in lines
    assert f"  [red]{SAFE}" in lines
    assert "  request-id: \\x9b\\u2066" in lines
    assert section(result.stdout, "Text") == [f"[red]{SAFE}"]
    assert section(result.stdout, "Ending")[1] == f"[red]{SAFE}"


def test_json_cannot_move_the_cursor_either(tmp_path: Path) -> None:
    out = run(evil_tape(tmp_path), "--json").stdout

    assert out.isascii()
    assert out.replace("\n", "").isprintable()
    assert json.loads(out)["text"] == f"[red]{EVIL}"


@needs_terminal
def test_raw_refuses_a_terminal(tmp_path: Path) -> None:
    path = write_tape(tmp_path, HELLO)

    status, shown, err = run_on_terminal("show", "--raw", path)

    assert (status, shown) == (2, "")
    assert err.startswith("Error: --raw writes recorded bytes")


@needs_terminal
def test_a_terminal_gets_styles_and_nothing_else(tmp_path: Path) -> None:
    status, shown, _ = run_on_terminal("show", evil_tape(tmp_path))

    assert status == 0
    assert "\x1b[31mupstream cut" in shown
    styles = re.compile(r"\x1b\[[0-9;]*m")
    assert styles.sub("", shown).replace("\r\n", "").isprintable()


@needs_terminal
def test_no_color_is_honoured(tmp_path: Path) -> None:
    _, shown, _ = run_on_terminal("show", evil_tape(tmp_path), NO_COLOR="1")

    assert "\x1b[31m" not in shown
