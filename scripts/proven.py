"""Which test proves which case: read off the marks in the source of the tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cases import NUMBERS, UNTESTED


@dataclass(frozen=True, slots=True, order=True)
class Proof:
    """A test, or all tests of a file, with the mark of a case."""

    path: Path
    line: int
    """Of the test; 1 for a whole file."""
    name: str
    """Of the test's function; the file's name for a whole file."""

    @property
    def is_file(self) -> bool:
        """Whether it stands for all tests of its file."""
        return self.line == 1

    @property
    def words(self) -> str:
        """The name as a sentence without its first capital letter."""
        return re.sub(r"^test_", "", self.name).replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What the tests say, and what is wrong with that."""

    proofs: dict[int, list[Proof]]
    """Of every case that has any."""
    faults: list[str]


def find_proofs(tests: Path) -> Proven:
    """
    Read the marks of all test files below a folder.

    A case that has neither a test nor a reason is a fault, and so are a number that
    no case has, one that isn't written out, and a reason for a case that is tested.
    """
    proofs: dict[int, list[Proof]] = {}
    faults = []
    for path in sorted(tests.rglob("*.py")):
        for number, proof in _read_marks(path):
            where = f"{path.relative_to(tests.parent)}:{proof.line}"
            if number in NUMBERS:
                proofs.setdefault(number, []).append(proof)
            else:
                known = f"{min(NUMBERS)} to {max(NUMBERS)}"
                faults.append(f"{where}: expected a case from {known}, got {number}")
    faults += [
        f"case {number} has neither a test nor a reason in scripts/cases.py"
        for number in sorted(NUMBERS - proofs.keys() - UNTESTED.keys())
    ]
    faults += [
        f"case {number} has a test, and in scripts/cases.py a reason for having none"
        for number in sorted(proofs.keys() & UNTESTED.keys())
    ]
    return Proven(
        proofs={number: sorted(set(proofs[number])) for number in sorted(proofs)},
        faults=faults,
    )


def _read_marks(path: Path) -> Iterator[tuple[int | str, Proof]]:
    """
    Give the cases of a file's tests; a number that isn't written out as its source.
    """
    module = ast.parse(path.read_text(encoding="utf-8"))
    tables: dict[str, list[int | str]] = {}
    for statement in module.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                tables[name] = list(_numbers_in(value))
    for number in tables.get("pytestmark", ()):
        yield number, Proof(path, 1, path.stem)
    for node in ast.walk(module):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                proof = Proof(path, node.lineno, node.name)
                # Parameters stand there too, or in a table of the module.
                for decorator in node.decorator_list:
                    for number in _numbers_in(decorator):
                        yield number, proof
                    for named in ast.walk(decorator):
                        if isinstance(named, ast.Name):
                            for number in tables.get(named.id, ()):
                                yield number, proof


def _numbers_in(expression: ast.expr) -> Iterator[int | str]:
    for node in ast.walk(expression):
        match node:
            case ast.Call(func=ast.Attribute(attr="case", value=mark), args=numbers):
                if ast.unparse(mark) == "pytest.mark":
                    yield from map(_number, numbers)


def _number(node: ast.expr) -> int | str:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case _:
            return ast.unparse(node)
