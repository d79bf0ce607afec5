from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from streamtape.core.matching.key import DEFAULT_RULES
from streamtape.core.matching.presets import Preset
from streamtape.core.matching.rules import Rules
from streamtape.core.misses.suggest import write_settings


@given(
    st.builds(
        Rules,
        ignore=st.lists(
            st.text(st.characters(exclude_categories=["Cs"])).map("?{}".format)
        ).map(tuple),
        replace=st.lists(
            st.tuples(
                st.sampled_from([r"a'b\d", '"', r"\n", "\t", "é\\\\"]),
                st.text(st.characters(exclude_categories=["Cs"])),
            )
        ).map(tuple),
        rename_ids=st.booleans(),
        preset=st.sampled_from(Preset),
    )
)
def test_settings_are_written_as_toml_that_reads_the_same(rules: Rules) -> None:
    read = tomllib.loads(write_settings(rules, DEFAULT_RULES))

    assert read.get("ignore", []) == list(rules.ignore)
    assert read.get("replace", []) == [list(pair) for pair in rules.replace]
    assert read.get("rename_ids", False) == rules.rename_ids
    assert read.get("preset", "auto") == rules.preset
