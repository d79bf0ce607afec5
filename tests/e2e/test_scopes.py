"""``/~NAME`` in a base URL: a sub-folder of the library, on its own."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anthropic
import pytest

import streamtape
from e2e.here import run_here
from e2e.wire import Answer, ask
from streamtape.errors import UsageError
from streamtape.testing import INSTANT, FakeUpstream, json_reply


def post(base_url: str, prompt: str = "Hello", *, scope: str = "") -> Answer:
    body = {"messages": [{"role": "user", "content": prompt}]}
    return ask(base_url, target=f"{scope}/v1/messages", body=json.dumps(body).encode())


def number_of(answer: Answer) -> object:
    return json.loads(answer.body).get("number", answer.status)


def record(folder: Path, *scopes: str) -> None:
    """Record the same question in each scope; the answers are numbered."""
    replies = [json_reply({"number": number}) for number in range(len(scopes))]
    with (
        FakeUpstream(replies) as upstream,
        streamtape.record(folder, upstream=upstream.url) as recording,
    ):
        for scope in scopes:
            post(recording.base_url, scope=scope)


def files_in(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*.tape")
    )


def test_a_scope_is_a_folder_that_recording_makes(tmp_path: Path) -> None:
    record(tmp_path, "/~chat", "/~chat%2Fdeep", "")

    [stem] = [path.stem for path in tmp_path.glob("*.tape")]
    assert files_in(tmp_path) == sorted(
        [f"chat/{stem}.tape", f"chat/deep/{stem}.tape", f"{stem}.tape"]
    )


def test_a_scope_answers_from_its_own_folder(tmp_path: Path) -> None:
    record(tmp_path, "/~a", "/~b")

    with streamtape.replay(tmp_path, exhausted="error") as replay:
        told = [
            number_of(post(replay.base_url, scope=scope))
            for scope in ("/~b", "/~a", "/~b", "/~c")
        ]

    assert told == [1, 0, 424, 424]


def test_a_hit_is_named_from_the_top_of_the_library(tmp_path: Path) -> None:
    record(tmp_path, "/~chat")

    with streamtape.replay(tmp_path) as replay:
        answer = post(replay.base_url, scope="/~chat")

    [path] = files_in(tmp_path)
    assert f"{answer.header('x-streamtape-cassette')}.tape" == path


def test_the_library_as_a_whole_has_what_is_in_its_scopes(tmp_path: Path) -> None:
    record(tmp_path, "/~chat")

    with streamtape.replay(tmp_path) as replay:
        assert number_of(post(replay.base_url)) == 0


def test_the_upstream_sees_no_scope(tmp_path: Path) -> None:
    with (
        FakeUpstream(profile=INSTANT) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        post(recording.base_url, scope="/~chat")

    assert [request.path for request in upstream.requests] == ["/v1/messages"]


def test_an_sdk_keeps_the_scope_of_its_base_url(tmp_path: Path) -> None:
    def use(base_url: str) -> str:
        with anthropic.Anthropic(base_url=base_url, api_key="unused") as client:
            message = client.messages.create(
                model="claude-demo",
                max_tokens=10,
                messages=[{"role": "user", "content": "Hello"}],
            )
        return message.to_json()

    with (
        FakeUpstream(profile=INSTANT) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        recorded = use(recording.scope("chat/basic").base_url)
    with streamtape.replay(tmp_path) as replay:
        replayed = use(replay.scope("chat/basic").base_url)

    assert replayed == recorded
    assert [path.rpartition("/")[0] for path in files_in(tmp_path)] == ["chat/basic"]


def test_scopes_may_have_modes_and_paces_of_their_own(tmp_path: Path) -> None:
    record(tmp_path, "/~old")
    with (
        FakeUpstream([json_reply({"number": 7})]) as upstream,
        streamtape.record(
            tmp_path, upstream=upstream.url, mode="passthrough"
        ) as recording,
    ):
        old = recording.scope("old", mode="none", speed="instant")
        new = recording.scope("new", mode="new_episodes")
        told = [post(each.base_url).header("x-streamtape") for each in (old, new, new)]

    assert told == ["replayed", "recorded", "replayed"]


def test_scopes_may_have_rules_of_their_own(tmp_path: Path) -> None:
    record(tmp_path, "/~chat")

    with streamtape.replay(tmp_path) as replay:
        chat = replay.scope("chat", replace=[["Hello|Hullo", "<greeting>"]])
        answer = post(chat.base_url, "Hullo")

    assert answer.header("x-streamtape") == "replayed"


def test_a_scope_of_a_replay_can_not_forward(tmp_path: Path) -> None:
    with (
        streamtape.replay(tmp_path) as replay,
        pytest.raises(UsageError, match="only replays"),
    ):
        replay.scope("chat", mode="all")


@pytest.mark.parametrize("name", ["", "..", "a/../b", "/etc", ".git", "a\\b"])
def test_a_scope_is_within_the_library(name: str, tmp_path: Path) -> None:
    with (
        streamtape.replay(tmp_path) as replay,
        pytest.raises(UsageError, match="expected a folder within the library"),
    ):
        replay.scope(name)


def test_a_setting_that_a_scope_does_not_have_is_named(tmp_path: Path) -> None:
    with (
        streamtape.replay(tmp_path) as replay,
        pytest.raises(UsageError, match='did you mean "speed"'),
    ):
        replay.scope("chat", sped=3)


def test_a_name_that_leads_elsewhere_is_refused_and_makes_nothing(
    tmp_path: Path,
) -> None:
    library = tmp_path / "library"
    with (
        FakeUpstream(profile=INSTANT) as upstream,
        streamtape.record(library, upstream=upstream.url) as recording,
    ):
        answer = post(recording.base_url, scope="/~%2e%2e%2Fout")

    assert answer.status == 404
    assert upstream.requests == []
    assert list(tmp_path.rglob("*")) == [library]


@pytest.mark.slow
def test_thousands_of_scopes_at_once_mix_nothing_up(tmp_path: Path) -> None:
    """Each question is asked in 3,000 scopes; only every tenth knows the answer."""
    known = range(0, 3000, 10)
    record(tmp_path, "/~0")
    [first] = (tmp_path / "0").iterdir()
    for number in known:
        (tmp_path / str(number)).mkdir(exist_ok=True)
        (tmp_path / str(number) / first.name).write_bytes(first.read_bytes())

    with (
        streamtape.replay(tmp_path, speed="instant", exhausted="error") as replay,
        ThreadPoolExecutor(16) as pool,
    ):
        answers = pool.map(
            lambda number: post(replay.base_url, scope=f"/~{number}").status,
            range(3000),
        )
        hits = {number for number, status in enumerate(answers) if status == 200}

    assert hits == set(known)


# A new run


@pytest.mark.parametrize(
    ("reset", "told"),
    [
        pytest.param("/_streamtape/reset", [0, 0], id="all"),
        pytest.param("/~a/_streamtape/reset", [0, 424], id="one"),
        pytest.param("/~c/_streamtape/reset", [424, 424], id="another"),
    ],
)
def test_a_reset_begins_with_the_first_take_again(
    reset: str, told: list[int], tmp_path: Path
) -> None:
    record(tmp_path, "/~a")
    (tmp_path / "b").mkdir()
    for path in (tmp_path / "a").iterdir():
        (tmp_path / "b" / path.name).write_bytes(path.read_bytes())

    with streamtape.replay(tmp_path, exhausted="error") as replay:
        for scope in ("/~a", "/~b"):
            post(replay.base_url, scope=scope)
        done = ask(replay.base_url, target=reset)
        again = [
            number_of(post(replay.base_url, scope=scope)) for scope in ("/~a", "/~b")
        ]

    assert done.status == 200
    assert again == told


def test_a_reset_in_python_does_the_same(tmp_path: Path) -> None:
    record(tmp_path, "/~a")

    with streamtape.replay(tmp_path, exhausted="error") as replay:
        scope = replay.scope("a")
        told = []
        for begin_anew in (scope.reset, replay.reset):
            begin_anew()
            told += [number_of(post(scope.base_url)) for _ in range(2)]

    assert told == [0, 424, 0, 424]


def test_after_a_reset_a_recording_takes_the_place_of_the_last_run(
    tmp_path: Path,
) -> None:
    """A test that is run again must not leave the takes of both runs."""
    replies = [json_reply({"number": number}) for number in range(4)]
    with (
        FakeUpstream(replies) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        scope = recording.scope("a")
        for _ in range(2):
            scope.reset()
            for _ in range(2):
                post(scope.base_url)

    with streamtape.replay(tmp_path, exhausted="error") as replay:
        told = [number_of(post(replay.base_url, scope="/~a")) for _ in range(3)]
    assert told == [2, 3, 424]


def test_a_reset_is_asked_for_with_post(tmp_path: Path) -> None:
    with streamtape.replay(tmp_path) as replay:
        answer = ask(replay.base_url, method="GET", target="/_streamtape/reset")

    assert answer.status == 405
    assert b"POST" in answer.body


def test_a_page_of_another_site_can_not_reset(tmp_path: Path) -> None:
    with streamtape.replay(tmp_path) as replay:
        answer = ask(
            replay.base_url,
            target="/_streamtape/reset",
            headers=(("Origin", "https://example.com"),),
        )

    assert answer.status == 403


# What leads elsewhere


@pytest.mark.parametrize(
    "target",
    [
        "/~chat/~deep/v1/messages",
        "/~chat//v1/messages",
        "/~con/v1/messages",
        "/~nul.txt/v1/messages",
        "/~" + "a%2F" * 20 + "a/v1/messages",
        "/~" + "%C3%A4" * 150 + "/v1/messages",
    ],
)
def test_a_target_that_can_not_be_meant_so_goes_nowhere(
    target: str, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    with (
        FakeUpstream(profile=INSTANT) as upstream,
        streamtape.record(library, upstream=upstream.url) as recording,
    ):
        answer = ask(recording.base_url, target=target, body=b"{}")

    assert answer.status in (400, 404)
    assert upstream.requests == []
    assert list(library.iterdir()) == []


def test_an_escaped_mark_is_one(tmp_path: Path) -> None:
    record(tmp_path, "/%7Echat")

    assert [path.partition("/")[0] for path in files_in(tmp_path)] == ["chat"]


def test_a_redirect_stays_in_its_scope(tmp_path: Path) -> None:
    reply = json_reply({}, status=307, headers=(("location", "/v1/elsewhere"),))
    with (
        FakeUpstream([reply]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        recorded = post(recording.base_url, scope="/~chat")
    with streamtape.replay(tmp_path) as replay:
        replayed = post(replay.base_url, scope="/~chat")
        at_root = post(replay.base_url)

    assert recorded.header("location") == "/~chat/v1/elsewhere"
    assert replayed.header("location") == "/~chat/v1/elsewhere"
    assert at_root.header("location") == "/v1/elsewhere"


def test_a_miss_in_a_scope_says_how_to_record_there(tmp_path: Path) -> None:
    with streamtape.replay(tmp_path) as replay:
        answer = post(replay.base_url, scope="/~chat")

    message = json.loads(answer.body)["error"]["message"]
    assert message.endswith(
        f"streamtape record --mode new_episodes --cassettes {tmp_path}"
    )


def test_explain_asks_a_scope_under_its_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    library = tmp_path / "library"
    record(library, "/~chat")
    rules = '[scopes.chat]\nreplace = [["Hello|Hullo", "<greeting>"]]\n'
    (tmp_path / "streamtape.toml").write_text(rules)
    body = {"messages": [{"role": "user", "content": "Hullo"}]}
    (tmp_path / "asked.json").write_text(json.dumps(body))
    shown = [
        run_here("explain", "asked.json", "--cassettes", library, "--scope", name)
        for name in ("chat", "other", "..")
    ]

    assert [each.status for each in shown] == [0, 1, 2]
    assert "- chat/hello-" in shown[0].stdout
    assert "expected a folder within the library" in shown[2].stderr
