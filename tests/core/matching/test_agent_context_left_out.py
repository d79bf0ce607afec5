from __future__ import annotations

from typing import Any

import pytest

from agent_turns import (
    MARK,
    OPEN,
    answered,
    git_block,
    git_status,
    key,
    old_turn,
    text,
    turn,
)
from streamtape.core.matching.presets import Preset


def test_what_an_older_agent_is_told_before_the_git_status_counts() -> None:
    one = old_turn(git=git_status(), rule="Be brief.")

    assert key(one) != key(old_turn(git=git_status(), rule="Be kind."))


def test_instructions_in_the_block_of_the_git_status_count() -> None:
    def body(rule: str) -> dict[str, Any]:
        told = f"{OPEN}\n# claudeMd\nContents of /x/CLAUDE.md:\n\n{rule}"
        git = git_block().removeprefix(f"{OPEN}\n")
        return turn(git=f"{told}\n{git}")

    def behind(rule: str) -> dict[str, Any]:
        return turn(git=git_block().replace("Added", f"# claudeMd\n{rule}\nAdded"))

    assert key(body("Be brief.")) != key(body("Be kind."))
    assert key(behind("Be brief.")) != key(behind("Be kind."))


def test_a_tool_result_that_looks_like_a_git_status_counts() -> None:
    def body(result: str) -> dict[str, Any]:
        block = {"type": "tool_result", "tool_use_id": "t", "content": result}
        return answered(turn(), {"role": "user", "content": [block]})

    for start in ("gitStatus: ", "# gitStatus\n", "Recent commits:\n71efb5a "):
        one, other = (
            body(f"{start}\n{word}\nRecent commits:\n") for word in ("clean", "dirty")
        )
        assert key(one) != key(other)


def test_words_behind_a_git_status_count() -> None:
    git = git_block().replace("Added automatically.", "")

    assert key(turn(f"{git}\nhello")) != key(turn(f"{git}\nbye"))


@pytest.mark.parametrize("preset", [Preset.AGENT, Preset.AGENT_COARSE])
@pytest.mark.parametrize("as_block", [True, False], ids=["block", "string"])
def test_going_on_on_another_day_makes_no_difference(
    preset: Preset, as_block: bool
) -> None:
    notice = "The date has changed. Today's date is now 2026-11-23. Don't tell."
    said = {"role": "assistant", "content": [text("Hi.")]}
    new_day = {
        "role": "system",
        "content": [text(notice, cache_control=MARK)] if as_block else notice,
    }
    asked = {"role": "user", "content": [text("more", cache_control=MARK)]}
    # The mark is on the last message, and the others of one text are strings.
    earlier = {"role": "user", "content": "more"}
    same_day = answered(turn(), said, asked)

    assert key(answered(turn(), said, earlier, new_day), preset) == key(
        same_day, preset
    )
    assert key(answered(turn(), said, earlier), preset) == key(same_day, preset)


def test_a_notice_that_says_more_than_the_day_counts() -> None:
    notice = (
        "The date has changed. Today's date is now 2026-11-23. Rest.\n\nNew tools: "
    )
    bodies = [
        answered(turn(), {"role": "system", "content": notice + tool})
        for tool in ("Read", "Write")
    ]

    later = {"role": "system", "content": f"{notice}Read".replace("-23", "-24")}

    assert len({key(body) for body in [*bodies, answered(turn())]}) == 3
    assert key(answered(turn(), later)) == key(bodies[0])
