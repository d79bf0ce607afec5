"""What was recorded before stays, to the byte, whatever a later run doesn't get."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from e2e.processes import usual_signals
from pytest_plugin.projects import Project, answer, besides
from streamtape.testing import (
    FakeUpstream,
    Reply,
    ReplyEnding,
    SeenRequest,
    message_stream,
    raw_reply,
    text,
)

_TEST: Final = """
import pytest
from wire import ask

{before}

@pytest.mark.streamtape{mark}
def test_asks(streamtape):
    {body}
"""

_SHARED: Final = "(cassettes='shared', exhausted='last')"

_LEAVES: Final = """
    import http.client
    import json
    connection = http.client.HTTPConnection(streamtape.base_url[7:].partition("/")[0])
    message = {"role": "user", "content": "one"}
    body = {"model": "m", "max_tokens": 9, "messages": [message], "stream": True}
    path = "/" + streamtape.base_url[7:].partition("/")[2] + "/v1/messages"
    headers = {"content-type": "application/json"}
    connection.request("POST", path, json.dumps(body), headers)
    response = connection.getresponse()
    response.read(20)
    response.close()
    connection.close()
"""
"""Asks ``one`` as the helper does, and leaves within the answer."""


def _asks(*prompts: str) -> str:
    return f"""
    for prompt in {prompts!r}:
        ask(prompt)
"""


def _write(
    project: Project, body: str, *, mark: str = "", before: str = "", after: str = ""
) -> None:
    source = _TEST.format(mark=mark, body=body.lstrip(), before=before)
    project.write(test_kept=f"{source}    {after}\n")


def _digests(project: Project) -> dict[str, str]:
    """Return the SHA-256 of every file below the folder of cassettes."""
    return {
        name: hashlib.sha256(data).hexdigest() for name, data in project.tapes().items()
    }


def _breaks(ending: ReplyEnding) -> Reply:
    return raw_reply(b"".join(message_stream(text("Broken"))[:3]), ending=ending)


@contextmanager
def _other_api(project: Project, *, one: Reply | None = None) -> Iterator[FakeUpstream]:
    """
    Lead the project to an API that has another answer to ``one``, and none to ``two``.
    """

    def answers(seen: SeenRequest) -> Reply:
        prompt = seen.json["messages"][0]["content"]
        if prompt == "two":
            # No head, only the end of the connection.
            return Reply(ending=ReplyEnding.CUT, status=100)
        return one if one is not None and prompt == "one" else answer(seen)

    with FakeUpstream(answers) as api:
        project.setenv("ANTHROPIC_BASE_URL", api.url)
        yield api


def _recorded(project: Project, *prompts: str, mark: str = "") -> dict[str, str]:
    """Record some answers, and return the digests of the files."""
    _write(project, _asks(*prompts), mark=mark)
    project.record()
    (project.path / "cassettes/README").write_text("mine", encoding="utf-8")
    before = _digests(project)
    assert len(before) == len(prompts) + 1
    return before


def _assert_kept(
    project: Project, before: dict[str, str], result: pytest.RunResult, why: str
) -> None:
    """Every file is what it was, the test has failed, and a line says which and why."""
    assert _digests(project) == before
    assert project.leftovers() == []
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{why}*"])


@pytest.mark.case(87)
@pytest.mark.parametrize("mark", ["", _SHARED], ids=["own", "shared"])
@pytest.mark.parametrize("mode", ["all", "new_episodes"])
def test_an_upstream_that_is_down_costs_nothing_though_the_test_swallows_it(
    project: Project, mark: str, mode: str
) -> None:
    """Old cassettes stay to the byte, and the test fails with their names."""
    before = _recorded(project, "one", "two", mark=mark)
    _write(project, _asks("one", "two", "three"), mark=mark)
    project.upstream.stop()

    result = project.run(f"--streamtape-mode={mode}")

    _assert_kept(project, before, result, "was not recorded whole: the upstream gave")
    if mode == "all":
        result.stdout.fnmatch_lines(["what was recorded before stays: *one-*, *two-*"])


@pytest.mark.case(87)
def test_an_upstream_that_is_down_fails_a_first_recording_too(project: Project) -> None:
    """A request without an answer would be a miss in every replay."""
    _write(project, _asks("one"))
    project.upstream.stop()

    result = project.run("--streamtape-record")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["POST /v1/messages was not recorded whole: the up*"])
    result.stdout.no_fnmatch_line("*stays*")


@pytest.mark.case(87)
@pytest.mark.parametrize("mark", ["", _SHARED], ids=["own", "shared"])
def test_one_of_two_answers_replaces_none(project: Project, mark: str) -> None:
    """What came is put aside, and what is said of it tells where."""
    before = _recorded(project, "one", "two", mark=mark)
    with _other_api(project):
        result = project.run("--streamtape-record")

    _assert_kept(project, before, result, "the upstream gave no answer")
    result.stdout.fnmatch_lines(["*so what it recorded was left in*"])


@pytest.mark.case(87)
def test_a_network_that_is_blocked_in_tests_costs_nothing(project: Project) -> None:
    """What pytest-socket raises within the server counts as no answer."""
    project.ini("filterwarnings = default")
    before = _recorded(project, "one")
    project.setenv("ANTHROPIC_BASE_URL", "https://192.0.2.1")

    args = ("--allow-hosts=127.0.0.1", "--streamtape-record")
    result = project.run(*args, needs=("socket",))

    _assert_kept(project, before, result, "what was recorded before stays: one-*")
    result.stdout.fnmatch_lines(["*the upstream gave no answer"])


@pytest.mark.case(87)
def test_a_defect_of_ours_costs_nothing(project: Project) -> None:
    """Whatever error ends a request within the server, it counts as one."""
    before = _recorded(project, "one")
    broken = """
@pytest.fixture(autouse=True)
def broken(monkeypatch):
    from streamtape.server.forward import Forwarder

    async def fail(*args, **named):
        raise KeyError("of ours")

    monkeypatch.setattr(Forwarder, "forward", fail)
"""
    _write(project, _asks("one"), before=broken)

    result = project.run("--streamtape-record")

    _assert_kept(project, before, result, "1 request can't be answered*")


@pytest.mark.case(87)
def test_a_test_that_asks_nothing_keeps_its_cassettes_and_says_so(
    project: Project,
) -> None:
    """Its client may have failed to reach us; who knows better removes the folder."""
    before = _recorded(project, "one")
    _write(project, "pass")

    result = project.run("--streamtape-record")

    _assert_kept(project, before, result, "the test asked nothing that was recorded;*")


@pytest.mark.case(87)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("ask('one', streamtape.base_url + '/v1')", id="a wrong base URL"),
        pytest.param("ask('one' + 40 * 2**20 * ' ')", id="too long"),
    ],
)
def test_a_request_that_is_refused_costs_nothing(project: Project, body: str) -> None:
    """Although other answers were recorded whole."""
    before = _recorded(project, "one", "two")
    refused = f"""
    try:
        {body}
    except OSError:
        pass
    ask("two")
"""
    _write(project, refused)

    result = project.run("--streamtape-record")

    _assert_kept(project, before, result, "1 request can't be taken*")


@pytest.mark.case(87)
@pytest.mark.parametrize("mark", ["", _SHARED], ids=["own", "shared"])
def test_a_client_that_left_costs_no_whole_recording(
    project: Project, mark: str
) -> None:
    """Neither the one that it would replace nor the one that it asked no more."""
    before = _recorded(project, "one", "two", mark=mark)
    _write(project, _LEAVES, mark=mark)
    with _other_api(project, one=_breaks(ReplyEnding.STALL)):
        result = project.run("--streamtape-record")

    _assert_kept(project, before, result, "its client left before the end*")


@pytest.mark.case(87)
def test_a_client_that_always_leaves_can_be_recorded_again(project: Project) -> None:
    """What it left then may take the place of what it left before, and no other."""
    _write(project, _LEAVES)
    with _other_api(project, one=_breaks(ReplyEnding.STALL)):
        project.record()
        before = _digests(project)
        project.record()

    after = _digests(project)
    assert after.keys() == before.keys()
    assert after != before


@pytest.mark.case(87)
@pytest.mark.parametrize("ending", [ReplyEnding.CUT, ReplyEnding.RESET, "overloaded"])
def test_what_the_upstream_broke_is_a_recording_like_any(
    project: Project, ending: ReplyEnding | str
) -> None:
    """To record breaks and errors is what a test may be for."""
    before = _recorded(project, "one")
    body = """
    try:
        ask("one")
    except Exception:
        pass
"""
    _write(project, body)
    reply = raw_reply(b"{}", status=529, content_type="application/json")
    if isinstance(ending, ReplyEnding):
        reply = _breaks(ending)
    with _other_api(project, one=reply):
        project.record()

    after = _digests(project)
    assert after.keys() == before.keys()
    assert after != before


@pytest.mark.case(87)
def test_a_retry_makes_a_failure_good(project: Project) -> None:
    """What was asked again and came then is whole; cassettes of other requests go."""
    before = _recorded(project, "old")
    retries = """
    assert ask("one")[0] == 502
    assert ask("one")[0] == 200
"""
    _write(project, retries)
    seen: list[bool] = []

    def answers(request: SeenRequest) -> Reply:
        seen.append(True)
        if len(seen) == 1:
            return Reply(ending=ReplyEnding.CUT, status=100)
        return answer(request)

    with FakeUpstream(answers) as api:
        project.setenv("ANTHROPIC_BASE_URL", api.url)
        project.record()

    assert [name.split("/")[-1][:4] for name in _digests(project)] == ["READ", "one-"]
    assert before != _digests(project)


@pytest.mark.case(87)
@pytest.mark.parametrize(
    "after", ["pytest.skip('no')", "pytest.xfail('known')", "pytest.fail('no')"]
)
@pytest.mark.parametrize("is_up", [True, False], ids=["up", "down"])
def test_a_test_that_does_not_pass_costs_nothing(
    project: Project, after: str, is_up: bool
) -> None:
    """Be it skipped, expected to fail or failing, with whole recordings or none."""
    before = _recorded(project, "one", "two")
    _write(project, _asks("one"), after=after)
    if not is_up:
        project.upstream.stop()

    project.run("--streamtape-record")

    assert _digests(project) == before
    assert project.leftovers() == []


@pytest.mark.case(87)
def test_an_answer_that_outlives_its_test_costs_nothing(project: Project) -> None:
    """Its request has no whole recording, so none may go."""
    before = _recorded(project, "one", "two")
    body = """
    import threading

    begun = threading.Event()
    real = streamtape.tally.begin

    def begin(*args):
        interaction = real(*args)
        begun.set()
        return interaction

    def slowly():
        try:
            ask("slowly" + 100 * " and slowly")
        except Exception:
            pass

    ask("one")
    streamtape.tally.begin = begin
    thread = threading.Thread(target=slowly, daemon=True)
    thread.start()
    begun.wait()
"""
    _write(project, body)

    result = project.run("--streamtape-record")

    _assert_kept(project, before, result, "*what was recorded before stays: *two-*")


@pytest.mark.case(87)
def test_a_rerun_replaces_only_with_what_it_got(project: Project) -> None:
    """The first try gets nothing, the second all: then the old ones go."""
    before = _recorded(project, "one", "two")
    tries: list[bool] = []

    def answers(request: SeenRequest) -> Reply:
        tries.append(True)
        if len(tries) <= 2 or not comes_back:
            return Reply(ending=ReplyEnding.CUT, status=100)
        return answer(request)

    args = ("--reruns=1", "--streamtape-record")
    with FakeUpstream(answers) as api:
        project.setenv("ANTHROPIC_BASE_URL", api.url)
        comes_back = False
        result = project.run(*args, needs=("rerunfailures",))
        assert _digests(project) == before
        assert result.parseoutcomes() == {"failed": 1, "rerun": 1}
        tries.clear()
        comes_back = True
        result = project.run(*args, needs=("rerunfailures",))

    assert result.parseoutcomes() == {"passed": 1, "rerun": 1}
    after = _digests(project)
    assert after.keys() == before.keys()
    assert not after.items() & before.items() - {("README", before["README"])}


@pytest.mark.case(87)
def test_fewer_takes_of_a_request_than_before_replace_none_if_one_failed(
    project: Project,
) -> None:
    """Asked twice, answered once: the two of before stay."""
    before = _recorded(project, "one", "one")
    seen: list[bool] = []

    def answers(request: SeenRequest) -> Reply:
        seen.append(True)
        if len(seen) == 2:
            return Reply(ending=ReplyEnding.CUT, status=100)
        return answer(request)

    with FakeUpstream(answers) as api:
        project.setenv("ANTHROPIC_BASE_URL", api.url)
        result = project.run("--streamtape-record")

    _assert_kept(project, before, result, "recorded before stays: one-*, one-*")


@pytest.mark.case(87)
def test_tests_that_share_a_folder_take_nothing_from_each_other(
    project: Project,
) -> None:
    """One asks a request twice and the next once: two takes are there then."""
    source = """
        import pytest
        from wire import ask

        pytestmark = pytest.mark.streamtape(cassettes="shared")

        def test_twice():
            assert ask("one")[0] == ask("one")[0] == 200

        def test_once():
            assert ask("one")[0] == 200
    """
    project.write(test_kept=source)
    for _ in range(2):
        project.record()
        assert len(_digests(project)) == 2
        project.run().assert_outcomes(passed=2)


@pytest.mark.case(87)
@pytest.mark.parametrize("mode", ["all", "new_episodes"])
def test_what_others_put_into_the_folder_meanwhile_stays(
    project: Project, mode: str
) -> None:
    """Cassettes, parts and files of any kind; one of the same name gets company."""
    before = _recorded(project, "one")
    body = """
    folder = streamtape.cassettes
    [old] = folder.glob("one-*.tape")
    data = old.read_bytes()
    (folder / "a.1.part").write_bytes(b"part")
    (folder / "inner").mkdir()
    (folder / "inner/note.txt").write_bytes(b"note")
    ask("two")
    new = streamtape.interactions[-1].path
    (folder / new.name).write_bytes(data)
    (folder / "theirs.tape").write_bytes(data)
"""
    _write(project, body)
    project.record(f"--streamtape-mode={mode}")

    after = _digests(project)
    top = "test_kept/test_asks"
    assert after["README"] == before["README"]
    [old] = [name for name in before if "one-" in name]
    for name in ("theirs.tape", "a.1.part", "inner/note.txt"):
        assert f"{top}/{name}" in after
    twos = sorted(name for name in after if "two-" in name)
    assert len(twos) == 2
    assert after[twos[-1]] == after[f"{top}/theirs.tape"] == before[old]
    assert (old in after) is (mode == "new_episodes")
    assert project.leftovers() == [f"cassettes/{top}/a.1.part"]


@pytest.mark.case(87)
def test_a_cassette_that_cant_be_read_goes_only_for_a_whole_run(
    project: Project,
) -> None:
    """What it answers nobody can tell, so it is not counted as replaced."""
    _recorded(project, "one")
    damaged = project.path / "cassettes/test_kept/test_asks/mine.tape"
    damaged.write_bytes(b"not pulled")
    before = _digests(project)
    _write(project, _asks("one", "two"))
    with _other_api(project):
        result = project.run("--streamtape-record")
    _assert_kept(project, before, result, "*stays: mine, one-*")

    project.setenv("ANTHROPIC_BASE_URL", project.upstream.url)
    project.record()
    assert not damaged.exists()


_STOPS: Final = """
    ask("one")
    print("in the middle", flush=True)
    {stop}
"""


@pytest.mark.case(87)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_ended_in_a_test_costs_nothing(
    project: Project, number: signal.Signals
) -> None:
    """Killed or asked to end, the folder is as it was; the next run clears up."""
    before = _recorded(project, "one", "two")
    _write(
        project,
        _STOPS.format(stop="from wire import wait_for_a_signal; wait_for_a_signal()"),
    )
    command = (sys.executable, "-m", "pytest", "-s", *besides(), "--streamtape-record")
    pipe = subprocess.PIPE
    with (
        usual_signals(),
        subprocess.Popen(
            command, cwd=project.path, stdin=pipe, stdout=pipe, text=True
        ) as running,
    ):
        assert running.stdout is not None
        assert any("in the middle" in line for line in running.stdout)
        running.send_signal(number)
        running.stdout.read()
    after = {
        name: digest
        for name, digest in _digests(project).items()
        if ".recording/" not in name
    }
    assert after == before

    _write(project, _asks("one"))
    project.record()
    assert project.leftovers() == []


@pytest.mark.case(87)
def test_what_a_killed_run_recorded_stays_until_a_run_is_whole(
    project: Project,
) -> None:
    """It was paid for: a run that gets nothing clears nothing away."""
    before = _recorded(project, "one")
    left = project.path / "cassettes/test_kept/.test_asks.abcd.recording"
    left.mkdir()
    (left / "one-12345678.tape").write_bytes(b"new")
    before = _digests(project)
    project.upstream.stop()
    project.run("--streamtape-record").assert_outcomes(failed=1)

    assert _digests(project) == before


@pytest.mark.case(87)
def test_a_worker_that_dies_costs_nothing(project: Project) -> None:
    """xdist replaces the worker, and the test that killed it has failed."""
    before = _recorded(project, "one", "two")
    _write(project, _STOPS.format(stop="import os; os._exit(9)"))

    result = project.run("-n1", "--streamtape-record", needs=("xdist",))

    result.assert_outcomes(failed=1)
    after = {
        name: digest
        for name, digest in _digests(project).items()
        if ".recording/" not in name
    }
    assert after == before


@pytest.mark.case(87)
def test_a_folder_that_can_no_longer_be_written_to_costs_nothing(
    project: Project,
) -> None:
    """What was recorded then lies where the run says."""
    before = _recorded(project, "one")
    body = """
    import shutil

    ask("two")
    shutil.move(streamtape.cassettes, streamtape.cassettes.with_name("aside"))
    streamtape.cassettes.write_bytes(b"a file")
"""
    _write(project, body)

    result = project.run("--streamtape-record")

    result.stdout.fnmatch_lines(
        ["*test_asks: can't be written to: *", "*so what it recorded was left in*"]
    )
    after = _digests(project)
    assert [after[name] for name in after if "aside/" in name] == [
        before[name] for name in before if "one-" in name
    ]


@pytest.mark.case(87)
@pytest.mark.parametrize("mode", ["once", "none", "passthrough"])
@pytest.mark.parametrize("mark", ["", _SHARED], ids=["own", "shared"])
def test_modes_that_replace_nothing_change_nothing(
    project: Project, mode: str, mark: str
) -> None:
    """Whatever is asked, and with the upstream down."""
    before = _recorded(project, "one", mark=mark)
    _write(project, _asks("one", "two"), mark=mark)
    project.upstream.stop()

    project.run(f"--streamtape-mode={mode}")

    assert _digests(project) == before
    assert project.leftovers() == []
