"""Show: results in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import JustifyMethod
from rich.table import Table as RichTable
from rich.text import Text

from claudeflow.cli.output import console, print_json, printable, span
from claudeflow.domain.errors import ConfigError
from claudeflow.simulation.drawing.clock import LocalClock
from claudeflow.simulation.examples import shipped_scenarios
from claudeflow.simulation.report.cards import cards
from claudeflow.simulation.report.figures import UNKNOWN
from claudeflow.simulation.report.tables import (
    Body,
    Cell,
    Table,
    bucket_table,
    call_table,
    comparison_table,
    cost_table,
    episode_table,
    job_table,
)
from claudeflow.simulation.result import Result
from claudeflow.simulation.scenario import load_scenario

WIDE = 120
"""Columns from which on a terminal shows whole tables."""


def print_scenarios(*, as_json: bool) -> None:
    """The scenarios that come with claudeflow."""
    found = [_describe(name, path) for name, path in shipped_scenarios().items()]
    if as_json:
        print_json([asdict(one) for one in found])
        return
    table = _plain_table()
    table.add_column("scenario", no_wrap=True)
    table.add_column("lasts", no_wrap=True)
    table.add_column("what happens")
    for one in found:
        table.add_row(one.name, UNKNOWN if one.duration_s is None else span(one.duration_s), one.description)
    console().print(table)


@dataclass(frozen=True, slots=True)
class _Shipped:
    name: str
    duration_s: float | None
    description: str


def _describe(name: str, path: Path) -> _Shipped:
    """A scenario in a line; one that cannot be used says why."""
    try:
        scenario = load_scenario(path)
    except ConfigError as problem:
        return _Shipped(name, None, str(problem.mistakes[0]))
    return _Shipped(name, scenario.duration_s, scenario.description)


def print_results(results: Sequence[Result]) -> None:
    """One run's tables, or several side by side."""
    screen = console()
    first = results[0]
    clock = LocalClock(first.about.start_ms, ZoneInfo(first.about.time_zone))
    head = f"{first.about.scenario}: {clock.period(max(result.simulated_s for result in results))}"
    screen.print(Text(printable(f"{head} ({first.about.time_zone})"), style="bold"))
    if len(results) > 1:
        screen.print(_rich(comparison_table(results), screen.width))
        return
    for card in cards(first):
        words = ", ".join(part for part in (card.words, card.more) if part)
        screen.print(Text.assemble((card.number, "bold"), f" {printable(words)}"))

    for table in _tables(first, partial(clock.moment, day=first.simulated_s > 86_400)):
        screen.print("")
        screen.print(Text(table.name, style="bold"))
        screen.print(_rich(table, screen.width))


def _tables(result: Result, moment: Callable[[float], str]) -> Iterator[Table]:
    yield job_table(result)
    yield call_table(result)
    yield cost_table(result)
    yield bucket_table(result)
    if result.episodes:
        yield episode_table(result, moment)


def _rich(table: Table, width: int) -> RichTable:
    """The table for a terminal; without its extra columns when there is little room."""
    rich = _plain_table()
    shown = [index for index, head in enumerate(table.heads) if width >= WIDE or not head.is_extra]
    for index in shown:
        head = table.heads[index]
        left = index == 0 or head.is_text
        room = None if left else max(len(head.name), *(_longest(body, index) for body in table.bodies))
        justify: JustifyMethod = "left" if left else "right"
        rich.add_column(head.name, justify=justify, no_wrap=not head.is_text, min_width=room)
    for body in table.bodies:
        if body.name:
            rich.add_row(Text(body.name, style="bold cyan"))
        for row in body.rows:
            name = Text(printable(row.name), style="bold" if row.is_total else "")
            cells = [name, *(_cell(cell, is_total=row.is_total) for cell in row.cells)]
            rich.add_row(*(cells[index] for index in shown))
    return rich


def _longest(body: Body, index: int) -> int:
    """The room that a column of numbers needs: names give way, numbers do not."""
    return max((len(_cell(row.cells[index - 1], is_total=False)) for row in body.rows), default=0)


def _cell(cell: Cell, *, is_total: bool) -> Text:
    style = "bold" if is_total else "dim" if cell.text in ("0", "-") else ""
    text = Text(printable(cell.text), style=style)
    if cell.change is not None:
        verdict = "dim" if cell.is_better is None else "green" if cell.is_better else "red"
        text.append(f" {cell.change:>5}", style=verdict)
    return text


def _plain_table() -> RichTable:
    return RichTable(box=None, padding=(0, 1, 0, 1), pad_edge=False, header_style="bold")
