"""Which files are found, and what is said of those that can't be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamtape.errors import UsageError
from streamtape.settings.resolve import find_settings_files

OURS = "[tool.streamtape]\nspeed = 2\n"
OTHERS = "[tool.ruff]\nline-length = 88\n"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A folder with a repository's mark, so that nothing above it is looked at."""
    (tmp_path / ".git").mkdir()
    return tmp_path.resolve()


def found(folder: Path, home: Path | None = None) -> list[Path]:
    return [file.path for file in find_settings_files(folder, home=home)]


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_nothing_is_found(top: Path) -> None:
    assert found(top) == []


def test_both_files_of_a_folder_count_and_our_own_is_the_stronger(top: Path) -> None:
    own = write(top / "streamtape.toml")
    project = write(top / "pyproject.toml", OURS)

    assert found(top) == [project, own]


def test_the_search_goes_upwards_and_ends_with_the_first_that_has_any(
    top: Path,
) -> None:
    write(top / "streamtape.toml")
    project = write(top / "a/pyproject.toml", OURS)
    (top / "a/b/c").mkdir(parents=True)

    assert found(top / "a/b/c") == [project]


def test_a_pyproject_without_our_table_does_not_end_the_search(top: Path) -> None:
    own = write(top / "streamtape.toml")
    write(top / "a/pyproject.toml", OTHERS)

    assert found(top / "a") == [own]


def test_an_empty_file_of_our_own_ends_the_search(top: Path) -> None:
    write(top / "streamtape.toml", "speed = 2")
    empty = write(top / "a/streamtape.toml")

    assert found(top / "a") == [empty]


@pytest.mark.parametrize("is_file", [True, False], ids=["worktree", "repository"])
def test_the_search_ends_behind_a_repository(top: Path, is_file: bool) -> None:
    write(top / "streamtape.toml")
    inner = top / "vendored/inner"
    (inner / "src").mkdir(parents=True)
    if is_file:
        write(inner / ".git", "gitdir: elsewhere")
    else:
        (inner / ".git").mkdir()

    assert found(inner / "src") == []
    own = write(inner / "streamtape.toml")
    assert found(inner / "src") == [own]


def test_the_home_folder_is_the_last_one_looked_at(top: Path) -> None:
    write(top / "streamtape.toml")
    home = top / "me"
    (home / "work").mkdir(parents=True)

    assert found(home / "work", home) == []
    own = write(home / "streamtape.toml")
    assert found(home / "work", home) == [own]


def test_a_home_folder_further_down_ends_nothing(top: Path) -> None:
    own = write(top / "streamtape.toml")
    (top / "a/me").mkdir(parents=True)

    assert found(top / "a", home=top / "a/me") == [own]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param(
            "streamtape.toml",
            b"speed = 1\nport == 2\n",
            r"^streamtape\.toml: is no TOML: .*line 2, column 7",
            id="own",
        ),
        pytest.param(
            "pyproject.toml",
            b"[tool.streamtape\n",
            r"^pyproject\.toml: is no TOML: .*line 1, column 17",
            id="project",
        ),
        pytest.param("streamtape.toml", b"a = '\xff'", "is not UTF-8", id="not-utf-8"),
        pytest.param(
            "streamtape.toml", b"a = " + b"[" * 100_000, "is nested too", id="deep"
        ),
        pytest.param(
            "streamtape.toml", b"port = " + b"9" * 5000, "is no TOML", id="number"
        ),
        pytest.param(
            "pyproject.toml",
            b"tool.streamtape = 3",
            r"^pyproject\.toml \[tool\.streamtape\]: expected a table, got 3$",
            id="no-table",
        ),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_in_words(
    name: str, text: bytes, said: str, top: Path
) -> None:
    (top / name).write_bytes(text)

    with pytest.raises(UsageError, match=said):
        found(top)


def test_a_file_of_a_folder_above_is_told_by_its_path(top: Path) -> None:
    path = write(top / "streamtape.toml", "=")
    (top / "a").mkdir()

    with pytest.raises(UsageError) as caught:
        found(top / "a")

    assert str(caught.value).startswith(f"{path}: is no TOML: ")


def test_a_pyproject_with_another_kind_of_tool_is_not_ours(top: Path) -> None:
    write(top / "pyproject.toml", "tool = 3")

    assert found(top) == []


def test_what_is_there_but_no_file_is_refused(top: Path) -> None:
    (top / "streamtape.toml").mkdir()

    with pytest.raises(UsageError, match=r"^streamtape\.toml: can't be read: "):
        found(top)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is closed to root"
)
def test_a_folder_that_is_closed_to_us_ends_nothing(top: Path) -> None:
    own = write(top / "streamtape.toml")
    closed = top / "closed"
    closed.mkdir(mode=0)

    assert found(closed) == [own]
