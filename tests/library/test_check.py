from __future__ import annotations

from pathlib import Path

import pytest

from crafting import write_full
from forging import KEY, PRIVATE, forge, request_frame, response_frame
from streamtape.core.format.records import Kind
from streamtape.core.model import EndReason
from streamtape.core.redaction.secrets import Secrets
from streamtape.library.check import MOST_FINDINGS, Finding, Severity, check_file
from taping import hello, start_tape, write_tape

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
HELLO = hello("Hello", " world")


def check(path: Path, *, is_given: bool = False) -> list[Finding]:
    return list(check_file(path, Secrets(), is_given=is_given))


def the_finding(path: Path, *, is_given: bool = False) -> Finding:
    (finding,) = check(path, is_given=is_given)
    return finding


def write(folder: Path, data: bytes, *, name: str = "a.tape") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_a_sound_cassette_has_no_finding(tmp_path: Path) -> None:
    assert check(write_tape(tmp_path, HELLO)) == []


def test_damage_is_an_error_with_its_place(tmp_path: Path) -> None:
    path = write_tape(tmp_path, HELLO)
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)

    finding = the_finding(path)

    assert (finding.severity, finding.what) == (ERROR, "damaged: a checksum is wrong")
    assert finding.where.startswith("byte 4")
    assert f"streamtape recover {path}" in finding.todo


@pytest.mark.parametrize(
    ("data", "what", "todo"),
    [
        (b"", "the file is empty", "record it again"),
        (b"version https://git-lfs.github.com/spec/v1\n", "LFS", "git lfs pull"),
        (b"<<<<<<< ours\n", "a merge conflict", "check out one of the two files"),
        (b"\xef\xbf\xbdSTP1\r\n\x1a\n", "a text conversion", ".gitattributes"),
        (b"\x89STP2\r\n\x1a\n", "format version 2", "upgrade streamtape"),
        (
            forge([(PRIVATE, b""), request_frame()], has_end=False)[:30],
            "it ends before its request does",
            "record it again",
        ),
    ],
    ids=["empty", "lfs", "conflict", "converted", "later", "headless"],
)
def test_what_is_no_cassette_is_an_error_that_says_what_it_is(
    tmp_path: Path, data: bytes, what: str, todo: str
) -> None:
    finding = the_finding(write(tmp_path, data))

    assert finding.severity is ERROR
    assert what in finding.what
    assert todo in finding.todo


def test_a_later_frame_says_to_upgrade(tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "data/v1/critical-frame.tape"

    finding = the_finding(golden)

    assert finding.what == "it needs a later streamtape: frame type 77"
    assert finding.todo == "upgrade streamtape"


def test_a_secret_is_an_error_that_does_not_say_it(tmp_path: Path) -> None:
    request = request_frame(headers=[["x-api-key", KEY]])
    path = write(tmp_path, forge([request, response_frame()]))

    finding = the_finding(path)

    assert (finding.severity, finding.what) == (ERROR, "an Anthropic key")
    assert finding.where == "request header x-api-key"
    assert f"streamtape redact {path}" in finding.todo
    assert "Ab1_" not in repr(finding)


def test_a_secret_in_a_damaged_file_is_found_too(tmp_path: Path) -> None:
    data = forge([request_frame(), (Kind.NOTE, KEY), response_frame()])
    damaged = bytearray(data)
    damaged[30] ^= 1

    damage, leak = check(write(tmp_path, bytes(damaged)))

    assert damage.what.startswith("damaged")
    assert leak.what == "an Anthropic key"


def test_odd_events_are_warnings(tmp_path: Path) -> None:
    path = write_tape(tmp_path, [*HELLO[:2], *HELLO[3:], (999, HELLO[0][1])])

    finding = the_finding(path)

    assert finding == Finding(
        path=path,
        severity=WARNING,
        what="message_start after the last word, message_stop",
        where="event 7",
        todo="it is replayed as it came; record it again if a client stumbles over it",
    )


def test_many_findings_of_one_sort_are_counted(tmp_path: Path) -> None:
    path = write_tape(tmp_path, [*HELLO, *[HELLO[-1]] * 1234])

    findings = check(path)

    assert len(findings) == MOST_FINDINGS + 1
    assert findings[-1].what == f"and {1234 - MOST_FINDINGS:,} more like these"


def test_an_answer_that_broke_off_is_noted(tmp_path: Path) -> None:
    path = write_tape(tmp_path, HELLO[:4], ending=EndReason.UPSTREAM_RESET)

    finding = the_finding(path)

    assert finding.severity is NOTE
    assert finding.what == "the answer broke off, upstream reset"


def test_a_cassette_without_an_end_is_a_warning(tmp_path: Path) -> None:
    path = write_tape(tmp_path, HELLO)
    path.write_bytes(path.read_bytes()[:-100])

    finding = the_finding(path)

    assert finding.severity is WARNING
    assert finding.what.startswith("it has no end")
    assert f"streamtape recover {path}" in finding.todo


@pytest.mark.case(13)
@pytest.mark.parametrize("is_given", [False, True], ids=["found", "given"])
def test_an_orphan_is_told_from_a_recording_that_runs(
    tmp_path: Path, is_given: bool
) -> None:
    writer, _ = start_tape(tmp_path, [*HELLO[:2], (330, HELLO[0][1])])
    part = writer.path
    assert part is not None

    running = the_finding(part, is_given=is_given)
    writer.close()
    orphan, odd = check(part, is_given=is_given)

    assert running.what == "still being recorded, and not checked"
    assert running.severity is (ERROR if is_given else NOTE)
    assert orphan.what == "a recording that was not finished"
    assert orphan.severity is (ERROR if is_given else WARNING)
    assert f"streamtape recover {part}" in orphan.todo
    # What is still to come may make sense of it, so it was not looked at before.
    assert odd.what == "a second message_start"


def test_an_orphan_with_a_secret_is_an_error(tmp_path: Path) -> None:
    data = forge([request_frame(target=f"/?x={KEY}"), response_frame()], has_end=False)

    findings = check(write(tmp_path, data, name="a.1.part"))

    assert [each.severity for each in findings] == [WARNING, ERROR]


def test_an_orphan_that_holds_nothing_is_a_warning(tmp_path: Path) -> None:
    findings = check(write(tmp_path, b"", name="a.1.part"))

    assert [each.severity for each in findings] == [WARNING, WARNING]


def test_a_command_can_be_copied_whatever_the_name(tmp_path: Path) -> None:
    part = write(tmp_path, write_full()[:200], name="a $(b) c.1.part")

    finding, *_ = check(part)

    assert f"streamtape recover '{part}' makes" in finding.todo


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    link = tmp_path / "link.tape"
    link.symlink_to(write_tape(tmp_path, HELLO))

    finding = the_finding(link)

    assert finding.severity is ERROR
    assert finding.what == "a symbolic link, which is not followed"
    assert finding.todo == "name the file itself"
