from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from asking import changed
from streamtape.core.matching.key import match_input_of
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.server.config import Config
from streamtape.server.misses import MissExplainer
from streamtape.server.scopes import Scope, Scopes
from taping import write_tape


def opened(folder: Path) -> Scope:
    for number in range(20):
        request = changed(temperature=number, system=f"Say {number}.")
        write_tape(folder, [], name=f"hello-{number:08x}", request=request)
    scope = Scopes(Config(cassettes=folder)).get("")
    scope.open()
    return scope


def report(scope: Scope, number: int, explainer: MissExplainer | None = None) -> str:
    context = clean_request(changed(temperature=number, system="Say more."), Secrets())
    explainer = explainer or MissExplainer(Secrets())
    return str(explainer.explain(scope, context, match_input_of(context)))


def test_misses_at_once_say_what_each_says_alone(tmp_path: Path) -> None:
    scope, explainer = opened(tmp_path), MissExplainer(Secrets())
    detached = [report(scope, number) for number in range(20)]

    with ThreadPoolExecutor(20) as threads:
        at_once = list(
            threads.map(lambda number: report(scope, number, explainer), range(20))
        )

    assert at_once == detached
    assert len(set(detached)) == 20


def test_a_miss_is_compared_with_what_came_meanwhile(tmp_path: Path) -> None:
    scope, explainer = opened(tmp_path), MissExplainer(Secrets())
    assert "hello-00000004" in report(scope, 4, explainer)

    request = changed(temperature=4, system="Say much.")
    write_tape(tmp_path, [], name="a-99999999", request=request)
    scope.library.refresh()

    assert "The nearest is a-99999999" in report(scope, 4, explainer)


def test_nothing_is_kept_of_a_scope_whose_misses_were_told(tmp_path: Path) -> None:
    scope, explainer = opened(tmp_path), MissExplainer(Secrets())
    report(scope, 1, explainer)
    gone = weakref.ref(scope)

    del scope
    gc.collect()

    assert gone() is None
