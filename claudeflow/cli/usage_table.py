"""Usage as a table that fits: the columns that matter least are left out first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table
from rich.text import Text

from claudeflow.cli.board import columns
from claudeflow.cli.output import count, printable
from claudeflow.domain.money import usd

if TYPE_CHECKING:
    from rich.console import Console

Row = Mapping[str, Any]

GAP = 2
"""Between two columns of `board.columns`."""


class _Column(NamedTuple):
    """`rank` 0 is always shown; of the others the highest goes first when there is no room."""

    name: str
    show: Callable[[Row], str]
    rank: int = 0


def _tokens(*names: str) -> Callable[[Row], str]:
    return lambda row: count(sum(row[name] for name in names))


def _money(name: str) -> Callable[[Row], str]:
    return lambda row: usd(row[name])


def _share(name: str) -> Callable[[Row], str]:
    return lambda row: "-" if row[name] is None else f"{row[name]:.0%}"


_WRITES = ("cache_write_5m_tokens", "cache_write_1h_tokens")
_CALLS = _Column("calls", lambda row: f"{row['calls']:,}", 3)
_UP_TO = _Column("up to", lambda row: usd(row["cost_nanousd"] + row["unknown_bound_nanousd"]), 1)
_MONEY = (
    _CALLS,
    _Column("input", _tokens("input_tokens", *_WRITES, "cache_read_tokens"), 6),
    _Column("cached", _share("cached_share"), 2),
    _Column("output", _tokens("output_tokens"), 7),
    _Column("cost", _money("cost_nanousd")),
    _UP_TO,
    _Column("no cache", _money("uncached_nanousd"), 5),
    _Column("no batch", _money("unbatched_nanousd"), 9),
    _Column("neither", _money("plain_nanousd"), 4),
    _Column("saved", _share("saved_share"), 1),
)
_TOKENS = (
    _CALLS,
    _Column("input", _tokens("input_tokens")),
    _Column("write 5m", _tokens(_WRITES[0]), 4),
    _Column("write 1h", _tokens(_WRITES[1]), 4),
    _Column("read", _tokens("cache_read_tokens"), 1),
    _Column("cached", _share("cached_share"), 6),
    _Column("output", _tokens("output_tokens")),
    _Column("thinking", _tokens("thinking_tokens"), 5),
    _Column("searches", _tokens("web_searches"), 7),
    _Column("cost", _money("cost_nanousd"), 2),
    _UP_TO,
)


def usage_table(found: Row, screen: Console, *, tokens: bool) -> tuple[Table, list[str]]:
    """The table, and the names of columns for which the screen has no room."""
    chosen = [column for column in (_TOKENS if tokens else _MONEY) if column is not _UP_TO or _is_open(found)]
    left_out: list[str] = []
    while sum(_widths(found, chosen)) - GAP > screen.width:
        least = max(chosen, key=lambda column: column.rank)
        if least.rank == 0:
            break
        chosen.remove(least)
        left_out.append(least.name)
    return _table(found, chosen), left_out


def remarks(total: Row) -> list[str]:
    """What the figures alone do not say."""
    said = []
    if total["unknown_calls"]:
        bound = usd(total["unknown_bound_nanousd"])
        said.append(f"{total['unknown_calls']:,} calls of unknown cost: at most {bound} more")
    if total["unsplit_calls"]:
        said.append(
            f"{total['unsplit_calls']:,} calls wrote to the cache without saying for how long: "
            "booked at the longest time that was asked for"
        )
    return said


def _is_open(found: Row) -> bool:
    return bool(found["total"]["unknown_calls"])


def _table(found: Row, chosen: Sequence[_Column]) -> Table:
    table = columns(*found["by"], right=[column.name for column in chosen])
    for row in found["rows"]:
        table.add_row(*_key(found, row), *(column.show(row) for column in chosen))
    if len(found["rows"]) > 1:
        key = ["total", *[""] * (len(found["by"]) - 1)][: len(found["by"])]
        cells = (*key, *(column.show(found["total"]) for column in chosen))
        table.add_row(*(Text(cell, style="bold") for cell in cells))
    return table


def _key(found: Row, row: Row) -> list[str]:
    return [printable(row[dimension] or "-") for dimension in found["by"]]


def _widths(found: Row, chosen: Sequence[_Column]) -> list[int]:
    """How wide each column must be so that nothing is cut, with the gap after it."""
    rows = [[*_key(found, row), *(column.show(row) for column in chosen)] for row in found["rows"]]
    rows.append([*found["by"], *(column.name for column in chosen)])
    rows.append([*[""] * len(found["by"]), *(column.show(found["total"]) for column in chosen)])
    return [max(len(cell) for cell in column) + GAP for column in zip(*rows, strict=True)]
