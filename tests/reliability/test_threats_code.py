"""
What shared files could be made to do: nothing, because nothing of them is executed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import streamtape
from streamtape.settings.resolve import find_settings_files

SOURCE: Final = Path(streamtape.__file__).parent

EXECUTING_MODULES: Final = frozenset(
    {
        *("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"),
        *("yaml", "ruamel", "jsonpickle", "joblib", "code", "codeop", "runpy", "imp"),
        *("importlib", "pkgutil", "zipimport", "ctypes", "xml", "lxml"),
    }
)
"""They make objects, code or modules of data, or expand it without end."""

EXECUTING_NAMES: Final = frozenset(
    {"eval", "exec", "compile", "__import__", "import_module", "literal_eval"}
)

LAZY: Final = (SOURCE / "__init__.py", SOURCE / "cli" / "__init__.py")
"""They import by name, each of a table of its own."""

ALLOWED: Final = frozenset({"importlib.metadata", "importlib.resources"})
"""What is installed, not what a file names."""


def find_execution(source: str) -> Iterator[str]:
    """Give what in some Python code could execute data."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom(module=str(module)):
                names = [module]
            case ast.Call(func=ast.Name(id=name)) if name in EXECUTING_NAMES:
                yield name
            case ast.Call(func=ast.Attribute(attr=name)) if name in (
                EXECUTING_NAMES - {"compile"}
            ):
                yield name
            case ast.keyword(arg="shell"):
                yield "shell"
            case ast.Attribute(value=ast.Name(id="os"), attr="system" | "popen"):
                yield f"os.{node.attr}"
        for name in names:
            if name.split(".")[0] in EXECUTING_MODULES and name not in ALLOWED:
                yield name


@pytest.mark.case(81)
def test_nothing_of_a_file_is_executed() -> None:
    paths = sorted(SOURCE.rglob("*.py"))
    found = [
        (str(path.relative_to(SOURCE)), name)
        for path in paths
        if path not in LAZY
        for name in find_execution(path.read_text(encoding="utf-8"))
    ]

    assert len(paths) > 50
    assert found == []
    for path in LAZY:
        names = list(find_execution(path.read_text(encoding="utf-8")))
        assert names == ["importlib", "import_module"]
    places = vars(streamtape)["_PLACES"].values()
    assert all(module.startswith("streamtape.") for module, _ in places)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from yaml import load",
        "import xml.etree.ElementTree",
        "eval('1')",
        "builtins.exec(x)",
        "importlib.import_module(x)",
        "__import__('os')",
        "compile(x, y, z)",
        "subprocess.run(x, shell=True)",
        "os.system(x)",
    ],
)
def test_each_way_to_execute_data_is_found(source: str) -> None:
    assert list(find_execution(source)) != []


@pytest.mark.parametrize(
    "source", ["import importlib.metadata", "re.compile(x)", "import json, tomllib"]
)
def test_what_only_reads_is_let_be(source: str) -> None:
    assert list(find_execution(source)) == []


def test_settings_are_read_as_toml() -> None:
    assert "tomllib" in find_settings_files.__globals__
