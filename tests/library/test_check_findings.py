from __future__ import annotations

from pathlib import Path

import pytest

from streamtape.library.check import command_for


@pytest.mark.parametrize(
    ("name", "command"),
    [
        pytest.param("a/b.tape", "streamtape recover a/b.tape", id="plain"),
        pytest.param("a b.tape", "streamtape recover 'a b.tape'", id="blank"),
        pytest.param("$(x).tape", "streamtape recover '$(x).tape'", id="shell"),
        pytest.param("-x.tape", "streamtape recover ./-x.tape", id="dash"),
        pytest.param("-/x.tape", "streamtape recover ./-/x.tape", id="dash-folder"),
    ],
)
def test_a_command_can_be_copied_whatever_the_file_is_called(
    name: str, command: str
) -> None:
    assert command_for("recover", Path(name)) == command
