"""Where the cassettes of a test lie: no two tests share a folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_plugin.projects import Project
from streamtape.pytest_plugin.folders import folder_of, name_in_module, safe_name


@pytest.mark.parametrize(
    "name",
    [
        "test_a",
        "TestA.test_b",
        "console",
        "test_a[x-1]",
        "test_a[ä€]",
        "test_a[0.5]",
        "a" * 150,
    ],
)
def test_a_plain_name_stays(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("test_a[a/b]", "test_a[a-b]"),
        ("test_a[..\\..\\x]", "test_a[..-..-x]"),
        ('test_a[<>:"|?*]', "test_a[-------]"),
        ("test_a[\x00\x1f]", "test_a[--]"),
        (".hidden", "-hidden"),
        ("~scope", "-scope"),
        ("test_a.", "test_a-"),
        ("test_a[A]", "test_a[A]"),
        ("test_A", "test_A"),
        ("TestA.testB", "TestA.testB"),
        ("test_a[e\u0301]", "test_a[e\u0301]"),
        ("test_a[\ud800]", "test_a[]"),
        ("CON", "-CON"),
        ("nul.tape", "-nul.tape"),
        ("a" * 151, "a" * 150),
        ("ä" * 76, "ä" * 75),
    ],
)
def test_a_changed_name_has_a_hash_of_the_whole(name: str, plain: str) -> None:
    safe = safe_name(name)
    assert re.fullmatch(rf"{re.escape(plain)}-[0-9a-f]{{8}}", safe)
    assert safe_name(name) == safe
    assert len(safe.encode()) <= 159


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("test_a[a/b]", "test_a[a-b]"),
        ("test_a[a/b]", "test_a[a\\b]"),
        ("test_a[A]", "test_a[a]"),
        ("test_A", "test_a"),
        ("TestA.test_b", "TestA.test_B"),
        ("test_a[\u00df]", "test_a[ss]"),
        ("test_a[\u00e9]", "test_a[e\u0301]"),
        ("a" * 151, "a" * 152),
        ("test_a[ä" + "a" * 150, "test_a[ä" + "a" * 151),
    ],
)
def test_different_names_never_meet(one: str, other: str) -> None:
    folders = {safe_name(name).casefold() for name in (one, other)}
    assert len(folders) == 2


@pytest.mark.parametrize(
    ("nodeid", "name"),
    [
        ("a/test_x.py::test_a", "test_a"),
        ("test_x.py::TestA::TestB::test_a", "TestA.TestB.test_a"),
        ("test_x.py::TestA::test_a[b::c]", "TestA.test_a[b::c]"),
        ("test_x.py::test_a[[x]::[y]]", "test_a[[x]::[y]]"),
    ],
)
def test_the_name_of_a_test_keeps_its_parameters_as_they_are(
    nodeid: str, name: str
) -> None:
    assert name_in_module(nodeid) == name


def test_the_folder_is_that_of_the_module_and_the_test() -> None:
    folder = folder_of(Path("cassettes"), "test_chat", "TestA.test_b[1]")
    assert folder == Path("cassettes/test_chat/TestA.test_b[1]")


def test_tests_with_odd_parameters_each_have_their_own_cassettes(
    project: Project,
) -> None:
    project.ini(
        "disable_test_id_escaping_and_forfeit_all_rights_to_community_support = true"
    )
    project.write(
        test_odd="""
            import pytest
            from wire import ask

            IDS = [
                "a/b", "a-b", "a\\\\b", "A", "a", "a::b", "a.b", "../../x", "ü", "語",
                "x" * 300, "x" * 301, "  ", "[", "]", "a b", "é",
            ]

            @pytest.mark.streamtape
            @pytest.mark.parametrize("number", range(len(IDS)), ids=IDS)
            def test_odd(number):
                assert f"Re: number {number}" in ask(f"number {number}")[1]
        """
    )
    project.record()
    folders = project.folders()
    assert len(folders) == len({folder.casefold() for folder in folders}) == 17
    assert len(list((project.path / "cassettes").iterdir())) == 1
    project.run().assert_outcomes(passed=17)
    assert project.upstream.requests == []


def test_ids_that_pytest_escapes_have_folders_too(project: Project) -> None:
    project.write(
        test_escaped="""
            import pytest
            from wire import ask

            @pytest.mark.streamtape
            @pytest.mark.parametrize("word", ["ü", "語", "\\0", "\\ud800"])
            def test_escaped(word):
                assert ask(ascii(word))[0] == 200
        """
    )
    project.record()
    assert len(project.folders()) == 4
    project.run().assert_outcomes(passed=4)


def test_tests_of_one_name_in_two_modules_and_folders_are_apart(
    project: Project,
) -> None:
    project.ini("pythonpath = .")
    for folder in ("one", "two"):
        (project.path / folder).mkdir()
        for module in ("test_a", "test_b"):
            source = f"""
                import pytest
                from wire import ask

                @pytest.mark.streamtape
                def test_hello():
                    assert "Re: {folder}" in ask("{folder} {module}")[1]
            """
            project.write(**{f"{folder}/{module}": source})
    project.record("--import-mode=importlib")
    for folder in ("one", "two"):
        assert project.folders(f"{folder}/cassettes") == [
            "test_a/test_hello",
            "test_b/test_hello",
        ]
    project.run("--import-mode=importlib").assert_outcomes(passed=4)
