"""The marker and the fixtures: which tests get a server, and how it is set."""

from __future__ import annotations

import pytest

from pytest_plugin.projects import HELLO, Project


def test_a_marked_test_is_recorded_once_and_then_needs_no_api(
    project: Project,
) -> None:
    project.write(test_chat=HELLO)
    project.record()
    assert project.folders() == ["test_chat/test_hello"]
    recorded = project.tapes()

    result = project.run()

    result.assert_outcomes(passed=1)
    assert project.upstream.requests == []
    assert project.tapes() == recorded


def test_the_mark_works_on_functions_classes_modules_and_single_parameters(
    project: Project,
) -> None:
    project.write(
        test_module="""
            import pytest
            from wire import ask

            pytestmark = pytest.mark.streamtape

            def test_of_module():
                assert ask("module")[0] == 200
        """,
        test_class="""
            import pytest
            from wire import ask

            @pytest.mark.streamtape
            class TestChat:
                class TestInner:
                    def test_of_class(self):
                        assert ask("class")[0] == 200
        """,
        test_parameters="""
            import os
            import pytest
            from wire import ask

            @pytest.mark.parametrize("name", [
                pytest.param("a", marks=pytest.mark.streamtape),
                "b",
            ])
            def test_of_parameter(name):
                if name == "a":
                    assert ask(name)[0] == 200
                else:
                    assert os.environ["ANTHROPIC_API_KEY"] == "a-real-key"
                    assert "/~" not in os.environ["ANTHROPIC_BASE_URL"]
        """,
    )
    project.record()
    assert project.folders() == [
        "test_class/TestChat.TestInner.test_of_class",
        "test_module/test_of_module",
        "test_parameters/test_of_parameter[a]",
    ]
    project.run().assert_outcomes(passed=4)


def test_marks_are_merged_from_the_module_to_the_function(project: Project) -> None:
    project.write(
        test_marks="""
            import pytest

            pytestmark = pytest.mark.streamtape(mode="once", speed=3, cassettes="m")

            @pytest.mark.streamtape(speed=2, cassettes="c")
            class TestChat:
                @pytest.mark.streamtape("f")
                def test_all_three(self, streamtape):
                    assert streamtape.mode == "once"
                    assert streamtape.cassettes.parts[-2:] == ("cassettes", "f")
                    assert streamtape._scope.policy.pacing.speed == 2

                @pytest.mark.streamtape(mode=None)
                def test_none_says_nothing(self, streamtape):
                    assert streamtape.mode == "once"
                    assert streamtape.cassettes.name == "c"
        """
    )
    project.run().assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        pytest.param(
            "mod='all'", "*unknown word 'mod'; did you mean mode?*", id="near"
        ),
        pytest.param(
            "qqq=1", "*unknown word 'qqq'; cassettes, upstream, mode, speed,*", id="far"
        ),
        pytest.param("'a', 'b'", "*expected one folder, got ('a', 'b')*", id="two"),
        pytest.param("mode='sometimes'", "*expected one of none, once,*", id="mode"),
        pytest.param("speed='fast'", "*speed*'fast'*", id="speed"),
        pytest.param("ignore='$.x'", "*ignore*list of JSON paths*", id="ignore"),
        pytest.param("exhausted='never'", "*exhausted*one of*", id="exhausted"),
        pytest.param(
            "mode='once', upstream='ftp://a'", "*upstream*ftp://a*", id="upstream"
        ),
    ],
)
def test_a_mark_that_makes_no_sense_fails_its_test_with_a_sentence(
    project: Project, mark: str, said: str
) -> None:
    project.write(
        test_wrong=f"""
            import pytest

            @pytest.mark.streamtape({mark})
            def test_wrong():
                pass

            @pytest.mark.streamtape
            def test_right():
                pass
        """
    )
    result = project.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([said])
    result.stdout.no_fnmatch_line("*Traceback*")
    # A frame of a traceback ends so.
    result.stdout.no_fnmatch_line("*.py:[0-9]*: *Error*")


def test_the_fixture_alone_is_enough(project: Project) -> None:
    project.write(
        test_fixture="""
            from wire import ask

            def test_url(streamtape):
                assert ask("hello", streamtape.base_url)[0] == 200
        """
    )
    project.record()
    assert project.folders() == ["test_fixture/test_url"]
    project.run().assert_outcomes(passed=1)


def test_a_marked_test_has_its_environment_before_fixtures_make_clients(
    project: Project,
) -> None:
    project.write(
        conftest="""
            import os
            import pytest

            @pytest.fixture
            def client_url():
                return os.environ["ANTHROPIC_BASE_URL"]

            @pytest.fixture(autouse=True)
            def autouse_url():
                return os.environ["ANTHROPIC_BASE_URL"]
        """,
        test_order="""
            import pytest

            @pytest.mark.streamtape
            def test_marked(client_url, autouse_url):
                assert "/~" in client_url and client_url == autouse_url

            @pytest.mark.streamtape
            def test_marked_and_asked_for(client_url, autouse_url, streamtape):
                assert client_url == autouse_url == streamtape.base_url
        """,
    )
    project.run().assert_outcomes(passed=2)


def test_the_environment_is_set_for_the_test_only(project: Project) -> None:
    project.setenv("NO_PROXY", "intra.example")
    project.write(
        test_env="""
            import os
            import pytest

            NAMES = (
                "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL",
                "OPENAI_API_KEY", "NO_PROXY", "no_proxy",
            )
            BEFORE = {name: os.environ.get(name) for name in NAMES}

            @pytest.mark.streamtape
            def test_within(streamtape):
                now = {name: os.environ.get(name) for name in NAMES}
                assert now == {name: streamtape.env[name] for name in NAMES}
                assert now["ANTHROPIC_BASE_URL"] == streamtape.base_url
                assert now["OPENAI_BASE_URL"] == streamtape.base_url + "/v1"
                assert now["ANTHROPIC_API_KEY"] != BEFORE["ANTHROPIC_API_KEY"]
                assert now["NO_PROXY"] == "intra.example,127.0.0.1,localhost"

            @pytest.mark.streamtape(mode="once")
            def test_a_real_key_where_something_may_be_recorded(streamtape):
                assert os.environ["ANTHROPIC_API_KEY"] == "a-real-key"
                assert "ANTHROPIC_API_KEY" not in streamtape.env

            @pytest.mark.streamtape
            def test_that_fails():
                assert False

            def test_after_it():
                assert BEFORE == {name: os.environ.get(name) for name in NAMES}
        """
    )
    project.run().assert_outcomes(passed=3, failed=1)


def test_streamtape_env_false_leaves_the_environment_alone(project: Project) -> None:
    project.ini("streamtape_env = false")
    project.write(
        test_env="""
            import os
            import pytest

            @pytest.mark.streamtape
            def test_alone(streamtape):
                assert os.environ["ANTHROPIC_API_KEY"] == "a-real-key"
                assert os.environ["ANTHROPIC_BASE_URL"] != streamtape.base_url
                assert streamtape.env["ANTHROPIC_BASE_URL"] == streamtape.base_url
        """
    )
    project.run().assert_outcomes(passed=1)


def test_the_config_fixture_can_be_overridden_at_each_level(project: Project) -> None:
    project.write(
        conftest="""
            import pytest

            @pytest.fixture
            def streamtape_config():
                return {"mode": "once", "speed": 5}
        """,
        test_conftest="""
            def test_of_conftest(streamtape):
                assert streamtape.mode == "once"
        """,
        test_module="""
            import pytest

            @pytest.fixture
            def streamtape_config(streamtape_config):
                return {**streamtape_config, "mode": "rewrite"}

            @pytest.mark.streamtape
            def test_of_module(streamtape):
                assert streamtape.mode == "all"
                assert streamtape._scope.policy.pacing.speed == 5

            class TestChat:
                @pytest.fixture
                def streamtape_config(self):
                    return {"mode": "new_episodes"}

                @pytest.mark.streamtape
                def test_of_class(self, streamtape):
                    assert streamtape.mode == "new_episodes"
        """,
        test_wrong="""
            import pytest

            @pytest.fixture
            def streamtape_config():
                return {"sped": 5}

            def test_wrong(streamtape):
                pass
        """,
    )
    result = project.run()
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(
        ["*fixture streamtape_config: unknown word 'sped'; did you mean speed?*"]
    )


@pytest.mark.parametrize("kind", ["Path", "str"])
def test_the_cassettes_can_lie_elsewhere(project: Project, kind: str) -> None:
    project.write(
        conftest=f"""
            import pytest
            from pathlib import Path

            @pytest.fixture
            def streamtape_cassette_dir(request):
                return {kind}(request.config.rootpath / "tapes")
        """,
        test_chat=HELLO,
    )
    project.record()
    assert project.folders("tapes") == ["test_chat/test_hello"]
    assert not (project.path / "cassettes").exists()
    project.run().assert_outcomes(passed=1)


def test_the_folder_can_have_another_name(project: Project) -> None:
    project.ini("streamtape_dir = taped/answers")
    project.write(test_chat=HELLO)
    project.record()
    assert project.folders("taped/answers") == ["test_chat/test_hello"]
    project.run().assert_outcomes(passed=1)


def test_methods_of_unittest_can_be_marked(project: Project) -> None:
    project.write(
        test_case="""
            import unittest
            import pytest
            from wire import ask

            class TestChat(unittest.TestCase):
                def setUp(self):
                    if "marked" in self._testMethodName:
                        self.before = ask("set up")

                @pytest.mark.streamtape
                def test_marked(self):
                    self.assertIn("Re: set up", self.before[1])
                    self.assertIn("Re: hello", ask("hello")[1])

                @pytest.mark.streamtape
                def test_marked_swallows_a_miss(self):
                    pass

                def test_other(self):
                    pass
        """
    )
    project.record()
    assert project.folders() == [
        "test_case/TestChat.test_marked",
        "test_case/TestChat.test_marked_swallows_a_miss",
    ]
    project.run().assert_outcomes(passed=3)


def test_a_second_recorder_is_refused(project: Project) -> None:
    project.ini("markers = vcr: another recorder")
    project.write(
        test_both="""
            import pytest

            @pytest.mark.vcr
            @pytest.mark.streamtape
            def test_both():
                pass

            @pytest.mark.vcr
            def test_other():
                pass
        """
    )
    result = project.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*marked vcr too; two recorders*"])


def test_the_tape_says_what_was_asked_and_answered(project: Project) -> None:
    project.write(
        test_tape="""
            import pytest
            from wire import ask

            @pytest.mark.streamtape
            def test_tape(streamtape, request):
                mode = request.config.getoption("streamtape_mode") or "none"
                assert (streamtape.requests, streamtape.interactions) == ([], [])
                ask("one")
                ask("two")
                if mode == "none":
                    assert ask("one")[0] == 424
                assert streamtape.mode == mode
                prompts = [
                    asked.json["messages"][0]["content"]
                    for asked in streamtape.requests
                ]
                one, two = streamtape.interactions
                asked = two.request
                assert (asked.method, asked.path) == ("POST", "/v1/messages")
                assert asked.json["messages"][0]["content"] == "two"
                assert "a-secret-key" not in str(asked.headers)
                assert (one.text, two.text) == ("Re: one", "Re: two")
                assert two.status == 200
                assert two.final_message["content"][0]["text"] == "Re: two"
                assert two.timing.ttft_ns > 0
                assert len(two.events) > 3
                if mode == "none":
                    assert prompts == ["one", "two", "one"]
                    (miss,) = streamtape.misses
                    assert "the only recorded take of one" in str(miss)
                    assert two.path.parent == streamtape.cassettes
                    assert {one.told, two.told} == {"replayed"}
                else:
                    assert prompts == ["one", "two"]
                    assert streamtape.misses == []
                    assert {one.told, two.told} == {"recorded"}
                    assert two.path.name.startswith("two-")
        """
    )
    project.record()
    # The miss that the test looks at fails it all the same.
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*AssertionError*")


def test_the_speed_can_be_changed_within_a_test(project: Project) -> None:
    project.write(
        test_speed="""
            import pytest
            from wire import ask

            @pytest.mark.streamtape
            def test_speed(streamtape):
                assert streamtape._scope.policy.pacing.speed == float("inf")
                streamtape.set_speed(1000)
                assert streamtape._scope.policy.pacing.speed == 1000
                assert ask("hello")[0] == 200
                streamtape.set_speed("instant")
                assert streamtape._scope.policy.pacing.speed == float("inf")
                with pytest.raises(Exception, match="speed"):
                    streamtape.set_speed("fast")
        """
    )
    project.record()
    project.run().assert_outcomes(passed=1)


def test_markers_and_fixtures_are_listed(project: Project) -> None:
    project.run("--markers").stdout.fnmatch_lines(
        ["@pytest.mark.streamtape(cassettes=None, mode=None, speed=None,*"]
    )
    project.run("--fixtures").stdout.fnmatch_lines(
        [
            "streamtape_config -- *",
            "streamtape_cassette_dir -- *",
            "streamtape -- *",
            "*answers this test's requests*",
        ]
    )
    project.run("--help").stdout.fnmatch_lines(
        ["*--streamtape-mode=*", "*--streamtape-record*", "*streamtape_dir*"]
    )


def test_the_mark_is_known_where_marks_are_strict(project: Project) -> None:
    project.write(test_chat=HELLO)
    project.record("--strict-markers")
