"""
Cassettes written, damaged, deleted and renamed in any order, against simple models.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from proofs import Trials
from streamtape.core.format.frames import MAGIC
from streamtape.core.format.records import Header
from streamtape.core.format.writer import RecordWriter
from streamtape.core.matching.key import request_key
from streamtape.core.model import Ending, EndReason, Part, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import clean_request, clean_response
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import clean_bytes
from streamtape.errors import CassetteError
from streamtape.library import CassetteReader, CassetteWriter, Library, read_cassette
from taping import STREAM

REASONS = [reason for reason in EndReason if reason is not EndReason.TRUNCATED]


class Formatting(RuleBasedStateMachine):
    """
    Records are written, and after each what is there is read; then it gets damaged.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "a.tape"

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @initialize(
        body=st.binary(max_size=40),
        texts=st.lists(st.text("aé-", min_size=1), max_size=3),
        status=st.integers(200, 999),
        offset_ns=st.integers(0, 2**60),
    )
    def start(self, body: bytes, texts: list[str], status: int, offset_ns: int) -> None:
        self.tape = RecordWriter()
        headers = tuple(("accept", text) for text in texts)
        request = Request(method="POST", target="/v1", headers=headers, body=body)
        head = Response(
            status=status, reason="", headers=(STREAM,), offset_ns=offset_ns
        )
        self.records: list[object] = [clean_request(request, Secrets()), head]
        self.offset_ns = offset_ns
        self.ending = EndReason.TRUNCATED
        self.data = MAGIC + self.tape.header(Header())
        self.data += self.tape.request(clean_request(request, Secrets()))
        self.data += self.tape.response(clean_response(head, Secrets()))

    @precondition(lambda self: self.ending is EndReason.TRUNCATED)
    @rule(raws=st.lists(st.binary(max_size=30), max_size=4), gap=st.integers(0, 2**40))
    def write(self, raws: list[bytes], gap: int) -> None:
        self.offset_ns += gap
        parts = [Part(self.offset_ns, clean_bytes(raw, Secrets())) for raw in raws]
        self.data += self.tape.parts(
            self.offset_ns, [clean_bytes(raw, Secrets()) for raw in raws]
        )
        self.records += parts

    @precondition(lambda self: self.ending is EndReason.TRUNCATED)
    @rule(reason=st.sampled_from(REASONS))
    def end(self, reason: EndReason) -> None:
        self.ending = reason
        ending = Ending(reason=reason, offset_ns=self.offset_ns)
        self.data += self.tape.end(ending, {})

    @invariant()
    def what_was_written_is_read(self) -> None:
        records, ending = self.read(self.data)
        assert records == self.records
        assert isinstance(ending, Ending)
        assert ending.reason is self.ending

    @rule(
        start=st.integers(0, 2000), new=st.binary(max_size=20), size=st.integers(0, 99)
    )
    def damage(self, start: int, new: bytes, size: int) -> None:
        start %= len(self.data)
        damaged = self.data[:start] + new + self.data[start + size :]
        records, ending = self.read(damaged)
        assert records == self.records[: len(records)]
        is_clean = (
            isinstance(ending, Ending) and ending.reason is not EndReason.TRUNCATED
        )
        assert not is_clean or (records, ending.reason) == (self.records, self.ending)

    def read(self, data: bytes) -> tuple[list[object], Ending | CassetteError]:
        self.path.unlink(missing_ok=True)
        self.path.write_bytes(data)
        records: list[object] = []
        try:
            with CassetteReader(self.path) as reader:
                records.append(reader.request)
                if reader.response is not None:
                    records.append(reader.response)
                records.extend(reader.parts())
                return records, reader.ending
        except CassetteError as error:
            return records, error


class Keeping(RuleBasedStateMachine):
    """
    Two libraries of one folder record, while somebody else adds, deletes and renames.

    The model says, for every request, which answers are there, oldest first.
    """

    PROMPTS = st.sampled_from(["one", "two"])
    PLACES = st.integers(0, 10)

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.libraries = [Library(self.folder), Library(self.folder)]
        self.model: dict[str, dict[Path, bytes]] = {"one": {}, "two": {}}
        self.count = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule(prompt=PROMPTS, who=st.integers(0, 1))
    def record(self, prompt: str, who: int) -> None:
        self.count += 1
        answer = b"data: %d\n\n" % self.count
        path = self.write(prompt, answer, self.libraries[who])
        assert path not in self.model["one"] | self.model["two"]
        self.model[prompt][path] = answer

    @rule(prompt=PROMPTS, place=PLACES)
    def delete(self, prompt: str, place: int) -> None:
        if takes := self.model[prompt]:
            path = list(takes)[place % len(takes)]
            path.unlink()
            del takes[path]

    @rule(prompt=PROMPTS, place=PLACES)
    def rename(self, prompt: str, place: int) -> None:
        if takes := self.model[prompt]:
            path = list(takes)[place % len(takes)]
            self.count += 1
            new = self.folder / f"mine{self.count}.tape"
            path.rename(new)
            takes[new] = takes.pop(path)

    @rule(prompt=PROMPTS)
    def add(self, prompt: str) -> None:
        self.count += 1
        answer = b"data: %d\n\n" % self.count
        path = self.folder / f"added{self.count}.tape"
        path.write_bytes(b"".join(pack(prompt, answer)))
        self.model[prompt][path] = answer

    @rule(prompt=PROMPTS)
    def break_one(self, prompt: str) -> None:
        """One that can't be read any more answers nothing."""
        if takes := self.model[prompt]:
            path, _ = takes.popitem()
            path.write_bytes(b"<html>")

    @invariant()
    def every_library_finds_what_is_there(self) -> None:
        for library in self.libraries:
            for prompt, takes in self.model.items():
                asked = request_of(prompt)
                found = library.takes(request_key(clean_request(asked, Secrets())))
                assert set(found) == set(takes)
                for path in found:
                    assert (
                        b"".join(p.raw for p in read_cassette(path).parts)
                        == (takes[path])
                    )

    def write(self, prompt: str, answer: bytes, library: Library) -> Path:
        writer = CassetteWriter(self.folder, prompt)
        for packed in pack(prompt, answer):
            writer.write(packed)
        key = request_key(clean_request(request_of(prompt), Secrets()))
        path = library.commit(writer, key, replace=False)
        assert path is not None
        return path


def request_of(prompt: str) -> Request:
    body = b'{"messages": [{"role": "user", "content": "%b"}]}' % prompt.encode()
    return Request(method="POST", target="/v1/messages", body=body)


def pack(prompt: str, answer: bytes) -> list[bytes]:
    recording = Recording(
        clean_request(request_of(prompt), Secrets()),
        recorded_at=None,
        secrets=Secrets(),
    )
    head = Response(status=200, reason="OK", headers=(STREAM,), offset_ns=5)
    return [
        recording.begin(head),
        recording.feed(answer, 6),
        recording.end(EndReason.COMPLETE, 7),
    ]


def run(machine: type[RuleBasedStateMachine], trials: Trials, examples: int) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=15)
    )
    trials.ran += examples


@pytest.mark.case(19, 20, 22)
def test_what_is_written_is_read_and_damage_gives_no_wrong_record(
    trials: Trials,
) -> None:
    run(Formatting, trials, trials.many(quick=40, long=800))


def test_libraries_of_one_folder_agree_with_what_is_in_it(trials: Trials) -> None:
    run(Keeping, trials, trials.many(quick=12, long=150))
