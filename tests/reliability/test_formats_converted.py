"""
Whole cassettes that Git, an editor or a packer has been at, and what is said of them.
"""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import zlib
from pathlib import Path

import pytest

from proofs import Trials
from streamtape.core.format.frames import MAGIC
from streamtape.errors import CassetteError, NotACassetteError
from streamtape.library import read_cassette
from streamtape.library.reader import read_header, read_request
from taping import hello, write_tape

CONVERTED = "a text conversion damaged this cassette; restore it, and mark *.tape as "
HINT = ".gitattributes"


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return write_tape(tmp_path, hello("Grüße\n", "aus", "Zürich"))


def refusal(path: Path, data: bytes) -> str:
    """Return what is said of a file, which no way of reading takes for a cassette."""
    path.write_bytes(data)
    assert read_header(path) is None
    with pytest.raises(CassetteError):
        read_request(path)
    with pytest.raises(NotACassetteError) as caught:
        read_cassette(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: not a cassette") or CONVERTED in message
    return message


@pytest.mark.case(29)
@pytest.mark.parametrize(
    ("from_", "to"),
    [
        pytest.param(b"\n", b"\r\n", id="lf-to-crlf"),
        pytest.param(b"\r\n", b"\n", id="crlf-to-lf"),
        pytest.param(b"\r", b"\n", id="cr-to-lf"),
        pytest.param(b"\n", b"\r", id="lf-to-cr"),
        pytest.param(b"\x1a", b"", id="without-the-end-of-file"),
    ],
)
def test_line_ends_that_were_converted_are_named(
    tape: Path, from_: bytes, to: bytes
) -> None:
    message = refusal(tape, tape.read_bytes().replace(from_, to))

    assert CONVERTED in message
    assert HINT in message


@pytest.mark.case(29)
def test_what_git_converts_is_named(tape: Path, tmp_path: Path) -> None:
    """Real Git, told to take it for text, as autocrlf does with what looks like it."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / ".gitattributes").write_text("*.tape text eol=crlf\n")
    (folder / "a.tape").write_bytes(tape.read_bytes())

    def git(*arguments: str) -> None:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    git("init", "--quiet")
    git("add", ".")
    (folder / "a.tape").unlink()
    git("checkout", "--", "a.tape")

    assert HINT in refusal(tape, (folder / "a.tape").read_bytes())


@pytest.mark.case(29)
@pytest.mark.parametrize("read_as", ["latin-1", "cp1252", "utf-8", "ascii"])
@pytest.mark.parametrize("written_as", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_text_that_was_encoded_again_is_named(
    tape: Path, read_as: str, written_as: str
) -> None:
    text = tape.read_bytes().decode(read_as, errors="replace")

    assert HINT in refusal(tape, text.encode(written_as, errors="replace"))


@pytest.mark.case(30)
def test_a_pointer_of_git_lfs_is_named(tape: Path) -> None:
    data = tape.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    pointer = (
        "version https://git-lfs.github.com/spec/v1\n"
        f"oid sha256:{digest}\nsize {len(data)}\n"
    )

    assert refusal(tape, pointer.encode()).endswith(
        "a Git LFS pointer; run git lfs pull"
    )


@pytest.mark.case(30)
def test_a_conflict_is_named_wherever_its_markers_stand(
    tape: Path, tmp_path: Path, trials: Trials
) -> None:
    """The first line of two cassettes is the same, so it may stand before them."""
    ours = tape.read_bytes()
    other = write_tape(tmp_path, hello("Hallo\n", "aus", "Bern"), name="other")
    theirs = other.read_bytes()
    marked = b"<<<<<<< HEAD\n%b\n=======\n%b\n>>>>>>> theirs\n" % (ours, theirs)

    assert "a merge conflict; check out one of the two" in refusal(tape, marked)

    ends = [at + 1 for at, byte in enumerate(ours) if byte == 0x0A and at > 8]
    for end in ends[:-1]:
        sides = (ours[end:], theirs[end:])
        mixed = b"<<<<<<< HEAD\n%b\n=======\n%b\n>>>>>>> theirs\n" % sides
        tape.write_bytes(ours[:end] + mixed)
        trials.ran += 1
        with pytest.raises(CassetteError, match="check out one of the two files"):
            read_cassette(tape)


@pytest.mark.case(30)
@pytest.mark.parametrize(
    ("packed", "said"),
    [
        pytest.param(gzip.compress(b"a tape"), "gunzip", id="gzip"),
        pytest.param(zlib.compress(b"a tape"), "it begins with", id="zlib"),
        pytest.param(b"", "the file is empty; remove it", id="empty"),
        pytest.param(MAGIC[:1], "it ends after 1 bytes; remove it", id="1-byte"),
        pytest.param(bytes(4096), "it begins with", id="zeros"),
    ],
)
def test_what_is_no_cassette_is_named(tape: Path, packed: bytes, said: str) -> None:
    assert said in refusal(tape, packed)


@pytest.mark.case(30)
def test_no_file_of_one_byte_is_a_cassette(tape: Path, trials: Trials) -> None:
    for byte in range(256):
        message = refusal(tape, bytes([byte]))
        trials.ran += 1

        assert message.isprintable()


@pytest.mark.case(28)
@pytest.mark.parametrize("version", ["2", "9"])
def test_a_later_major_version_is_refused_by_name(tape: Path, version: str) -> None:
    data = tape.read_bytes()
    tape.write_bytes(data[:4] + version.encode() + data[5:])

    with pytest.raises(CassetteError, match=f"format version {version}, .* upgrade"):
        read_cassette(tape)
