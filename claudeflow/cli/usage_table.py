"""Usage as a table that fits: the columns that matter least are left out first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rich.table import Table
from rich.text import Text

from claudeflow.cli.fitting import Column, Row, fitted
from claudeflow.cli.output import count, printable
from claudeflow.domain.money import usd
from claudeflow.domain.words import plural


def _tokens(*names: str) -> Callable[[Row], str]:
    return lambda row: count(sum(row[name] for name in names))


def _money(name: str) -> Callable[[Row], str]:
    return lambda row: usd(row[name])


def _share(name: str) -> Callable[[Row], str]:
    return lambda row: "-" if row[name] is None else f"{row[name]:.0%}"


_WRITES = ("cache_write_5m_tokens", "cache_write_1h_tokens")
_CALLS = Column("calls", lambda row: f"{row['calls']:,}", 3)
_UP_TO = Column("up to", lambda row: usd(row["cost_nanousd"] + row["unknown_bound_nanousd"]), 1)
_MONEY = (
    _CALLS,
    Column("input", _tokens("input_tokens", *_WRITES, "cache_read_tokens"), 6),
    Column("cached", _share("cached_share"), 2),
    Column("output", _tokens("output_tokens"), 7),
    Column("cost", _money("cost_nanousd")),
    _UP_TO,
    Column("no cache", _money("uncached_nanousd"), 5),
    Column("no batch", _money("unbatched_nanousd"), 9),
    Column("neither", _money("plain_nanousd"), 4),
    Column("saved", _share("saved_share"), 1),
)
_TOKENS = (
    _CALLS,
    Column("input", _tokens("input_tokens")),
    Column("write 5m", _tokens(_WRITES[0]), 4),
    Column("write 1h", _tokens(_WRITES[1]), 4),
    Column("read", _tokens("cache_read_tokens"), 1),
    Column("cached", _share("cached_share"), 6),
    Column("output", _tokens("output_tokens")),
    Column("thinking", _tokens("thinking_tokens"), 5),
    Column("searches", _tokens("web_searches"), 7),
    Column("cost", _money("cost_nanousd"), 2),
    _UP_TO,
)


def usage_table(found: Row, width: int, *, tokens: bool) -> tuple[Table, tuple[str, ...]]:
    """The table, and the names of columns for which `width` cells have no room."""
    key = [Column(name, partial(_key, name), is_words=True) for name in found["by"]]
    sums = [column for column in (_TOKENS if tokens else _MONEY) if column is not _UP_TO or _is_open(found)]
    first = {name: "total" if place == 0 else "" for place, name in enumerate(found["by"])}
    total = {**found["total"], **first}
    layout = fitted([*key, *sums], [*found["rows"], total], width)
    table = layout.table(found["rows"])
    if len(found["rows"]) > 1:
        table.add_row(*(Text(str(cell), style="bold") for cell in layout.cells(total)))
    return table, layout.left_out


def remarks(total: Row) -> list[str]:
    """What the figures alone do not say."""
    said = []
    if total["unknown_calls"]:
        bound = usd(total["unknown_bound_nanousd"])
        said.append(f"{plural(total['unknown_calls'], 'call')} of unknown cost: at most {bound} more")
    if total["unsplit_calls"]:
        said.append(
            f"{plural(total['unsplit_calls'], 'call')} wrote to the cache without saying for how long: "
            "booked at the longest time that was asked for"
        )
    return said


def _is_open(found: Row) -> bool:
    return bool(found["total"]["unknown_calls"])


def _key(dimension: str, row: Row) -> str:
    return printable("-" if row[dimension] is None else row[dimension])
