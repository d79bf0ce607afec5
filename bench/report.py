"""One table per benchmark, or the same figures as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one benchmark found; every figure is a median over rounds."""

    title: str
    columns: Mapping[str, str]
    """Key of each figure and the heading that people see, unit included."""
    rows: Mapping[str, Mapping[str, float]]
    """Name of each row and its figures; those that make no sense there are missing."""
    notes: Sequence[str] = field(default_factory=tuple)
    failures: Sequence[str] = field(default_factory=tuple)
    """What was wrong with what was served; figures never count as wrong."""

    def as_json(self) -> dict[str, object]:
        """The figures as they were measured, unrounded."""
        rows = {name: dict(figures) for name, figures in self.rows.items()}
        return {"rows": rows, "failures": list(self.failures)}

    def print(self, console: Console) -> None:
        """Print the table, what to know about it, and what went wrong."""
        table = Table(title=self.title, title_justify="left")
        table.add_column("")
        for heading in self.columns.values():
            table.add_column(heading, justify="right")
        for name, figures in self.rows.items():
            table.add_row(name, *(_cell(figures.get(key)) for key in self.columns))
        console.print(table)
        for note in self.notes:
            console.print(note)
        for failure in self.failures:
            console.print(f"WRONG: {failure}", style="bold red")


def _cell(figure: float | None) -> str:
    if figure is None:
        return "-"
    if abs(figure) >= 1000:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.2f}"
