"""Fitting: which columns of a table a screen has room for. What matters least goes first, and is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

Row = Mapping[str, Any]
Cell = str | Text

GAP = 2
"""Between two columns."""


class Column(NamedTuple):
    """`rank` 0 is always shown; of the others the highest goes first when there is no room.

    Columns of the same rank go together. Words are folded, down to `narrowest` cells, before any column goes.
    """

    name: str
    show: Callable[[Row], Cell]
    rank: int = 0
    is_words: bool = False
    narrowest: int = 30


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that fit, each with its width in cells, and the names of those that do not."""

    columns: tuple[Column, ...]
    widths: tuple[int, ...]
    left_out: tuple[str, ...]

    def table(self, rows: Iterable[Row], *, header: bool = True) -> Table:
        """The rows as a table: words to the left and folded, numbers to the right, nothing cut."""
        table = Table(
            box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold", show_header=header
        )
        for column, width in zip(self.columns, self.widths, strict=True):
            table.add_column(
                column.name, justify="left" if column.is_words else "right", width=width, overflow="fold"
            )
        for row in rows:
            table.add_row(*self.cells(row))
        return table

    def cells(self, row: Row) -> list[Cell]:
        """What a row shows."""
        return [column.show(row) for column in self.columns]

    def remark(self, way_out: str) -> str:
        """What was left out and how to see it; empty when all is shown."""
        return f"no room for {', '.join(self.left_out)}: {way_out}" if self.left_out else ""


def fitted(columns: Sequence[Column], rows: Sequence[Row], width: int) -> Layout:
    """Chooses columns, and folds words, so that `rows` fit into `width` cells."""
    needed = {column: _widest(column, rows) for column in columns}
    chosen = list(columns)
    while _sum(_least(column, needed[column]) for column in chosen) > width:
        rank = max(column.rank for column in chosen)
        if rank == 0:
            break
        chosen = [column for column in chosen if column.rank != rank]
    left_out = sorted((column for column in columns if column not in chosen), key=lambda column: -column.rank)
    names = tuple(dict.fromkeys(column.name for column in left_out))
    return Layout(tuple(chosen), tuple(_folded(chosen, needed, width)), names)


def _folded(chosen: Sequence[Column], needed: Mapping[Column, int], width: int) -> list[int]:
    """The width of each column once the widest words have given way."""
    widths = [needed[column] for column in chosen]
    words = [place for place, column in enumerate(chosen) if column.is_words]
    while _sum(widths) > width and any(widths[place] > 1 for place in words):
        widths[max(words, key=lambda place: widths[place])] -= 1
    return widths


def _widest(column: Column, rows: Sequence[Row]) -> int:
    cells = (column.show(row) for row in rows)
    lengths = (cell.cell_len if isinstance(cell, Text) else cell_len(cell) for cell in cells)
    return max((cell_len(column.name), *lengths))


def _least(column: Column, needed: int) -> int:
    return min(needed, column.narrowest) if column.is_words else needed


def _sum(widths: Iterable[int]) -> int:
    found = list(widths)
    return sum(found) + GAP * (len(found) - 1)
