from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from forging import KEY, forge, request_frame, response_frame
from streamtape.cli import main
from streamtape.core.format.records import Kind
from streamtape.library import read_cassette
from taping import hello, start_tape, write_tape

HELLO = hello("Hello", " world")


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(main, ["recover", *map(str, args)])


def orphan(folder: Path, count: int = len(HELLO)) -> Path:
    writer, _ = start_tape(folder, HELLO[:count])
    writer.close()
    assert writer.path is not None
    return writer.path


def test_a_part_becomes_a_cassette_of_its_name(tmp_path: Path) -> None:
    part = orphan(tmp_path)

    result = run(part)

    place = tmp_path / "hello-1a2b3c4d.tape"
    assert (result.exit_code, result.stdout) == (0, f"{place}\n")
    assert result.stderr == (
        "7 events kept; nothing of the answer is lost.\n"
        f"{part} is as it was; remove it when you need it no more.\n"
    )
    assert read_cassette(place).ending.is_complete


@pytest.mark.case(34)
def test_a_loss_has_a_status_of_its_own(tmp_path: Path) -> None:
    path = write_tape(tmp_path, HELLO)
    data = bytearray(path.read_bytes())
    at = data.index(b" world")
    data[at] ^= 1
    path.write_bytes(data)

    result = run(path)

    place = tmp_path / "hello-1a2b3c4d-recovered.tape"
    assert (result.exit_code, result.stdout) == (3, f"{place}\n")
    kept, left_out = result.stderr.splitlines()
    assert kept == "3 events kept; what came after them is lost."
    start = len(data) - int(left_out.split()[2].replace(",", ""))
    assert left_out.endswith(f"bytes from byte {start} on: a checksum is wrong.")
    assert start < at
    assert path.read_bytes() == data


def test_what_was_redacted_is_said(tmp_path: Path) -> None:
    path = tmp_path / "old.1.part"
    events = [(Kind.EVENT, [at, raw]) for at, raw in HELLO]
    frames = [request_frame(headers=[["x-api-key", KEY]]), response_frame(), *events]
    path.write_bytes(forge(frames, has_end=False))

    result = run(path)

    assert result.exit_code == 0
    assert "Redacted: an Anthropic key in request header x-api-key." in result.stderr


def test_the_place_can_be_named(tmp_path: Path) -> None:
    place = tmp_path / "other.tape"

    assert run(orphan(tmp_path), "-o", place).exit_code == 0

    assert place.exists()


@pytest.mark.case(34)
@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("hello-1a2b3c4d.1.part", "expected a name that ends in .tape"),
        ("other.txt", "expected a name that ends in .tape"),
        ("there.tape", "there is such a file already; name another with -o"),
        ("link.tape", "there is such a file already; name another with -o"),
    ],
)
def test_no_file_is_written_over(tmp_path: Path, output: str, said: str) -> None:
    part = orphan(tmp_path)
    (tmp_path / "there.tape").write_bytes(b"mine")
    (tmp_path / "link.tape").symlink_to("nowhere")
    before = part.read_bytes()

    result = run(part, "-o", tmp_path / output)

    assert result.exit_code == 2
    assert said in result.stderr
    assert part.read_bytes() == before
    assert (tmp_path / "there.tape").read_bytes() == b"mine"


@pytest.mark.case(34)
def test_a_cassette_is_never_recovered_onto_itself(tmp_path: Path) -> None:
    path = write_tape(tmp_path, HELLO)

    assert run(path, "-o", path).exit_code == 2
    assert run(path, "-o", tmp_path / "." / path.name).exit_code == 2


def test_a_take_that_is_there_keeps_its_name(tmp_path: Path) -> None:
    write_tape(tmp_path, HELLO)

    result = run(orphan(tmp_path))

    assert result.exit_code == 2
    assert "hello-1a2b3c4d.tape: there is such a file already" in result.stderr


def test_what_holds_nothing_has_status_1(tmp_path: Path) -> None:
    path = tmp_path / "a.tape"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")

    result = run(path)

    assert result.exit_code == 1
    assert "a Git LFS pointer; run git lfs pull" in result.stderr


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    assert run(tmp_path / "a.tape").exit_code == 2


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_a_folder_can_not_be_recovered(name: str) -> None:
    end = CliRunner().invoke(main, ["recover", name])

    assert end.exit_code == 2
    assert end.stderr == f"Error: {name}: expected a file, got a folder\n"


def test_the_new_file_needs_a_folder(tmp_path: Path) -> None:
    path = write_tape(tmp_path, HELLO)
    place = tmp_path / "gone" / "a.tape"

    end = CliRunner().invoke(main, ["recover", str(path), "-o", str(place)])

    assert end.exit_code == 2
    assert end.stderr == f"Error: --output: there is no folder {place.parent}\n"
