"""A project's own patterns can't hold up the streams of others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import streamtape
from e2e.wire import ask

PATTERN = "(a|aa)+$"
TEXT = "a" * 23 + "!"
"""Some hundredths of a second with this pattern, far from what one text may take."""


@pytest.mark.case(80)
def test_many_texts_just_under_the_limit_of_one_end_in_an_error(
    tmp_path: Path,
) -> None:
    # No two are equal, for a short text is looked at once.
    content = [{"type": "text", "text": f"{TEXT}{number}"} for number in range(400)]
    asked = {"messages": [{"role": "user", "content": content}]}

    with streamtape.replay(tmp_path, replace=[[PATTERN, "x"]]) as replay:
        refused = ask(replay.base_url, body=json.dumps(asked).encode())
        missed = ask(replay.base_url, body=b"{}")

    assert refused.status == 500
    assert b"the patterns take longer than" in refused.body
    assert PATTERN.encode() in refused.body
    assert missed.status == 424
