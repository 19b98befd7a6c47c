"""Budgets for people: a table, and below it what is in force and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from claudeflow.cli.output import printable
from claudeflow.cli.record import local
from claudeflow.domain.money import dollars
from claudeflow.domain.words import plural

_MONEY = ("limit", "spent", "under way", "left", "share", "forecast")


def table_of(budgets: Sequence[Mapping[str, Any]]) -> Any:
    """One line for each budget."""
    table = _table("budget", "scope", "per", *_MONEY, "resets")
    for budget in budgets:
        forecast = budget["forecast_nanousd"]
        cells = (
            budget["name"],
            budget["scope"],
            budget["period"] + ("" if budget["hard"] else " (soft)"),
            dollars(budget["limit_nanousd"]),
            dollars(budget["spent_nanousd"] + budget["unknown_nanousd"]),
            dollars(budget["expected_nanousd"]),
            dollars(budget["left_nanousd"]),
            f"{budget['share']:.1%}",
            "?" if forecast is None else dollars(forecast),
            local(budget["resets_at"]),
        )
        table.add_row(*(printable(cell) for cell in cells))
    return table


def lines_below(found: Mapping[str, Any]) -> Iterator[str]:
    """What no column says: limits set at run time, thresholds in force, unknown calls, what stops calls."""
    for budget in found["budgets"]:
        for line in _lines_of(budget):
            yield f"{budget['name']}: {line}"
    if found["api_says"]:
        hold = found["api_says"]
        since = local(hold["since"])
        yield f"the API says that its own spend cap is reached, since {since}; {hold['way_out']}"


def history_table(changes: Sequence[Mapping[str, Any]]) -> Any:
    """Who did what to budgets, the newest first."""
    table = _table("when", "who", "budget", "did", "what", "limit", "until", "reason")
    for change in changes:
        cells = (
            local(change["at"]),
            change["who"],
            change["budget"],
            change["act"],
            change["threshold"] or "",
            dollars(change["limit_nanousd"]),
            local(change["until"]),
            change["reason"],
        )
        table.add_row(*(printable(cell) for cell in cells))
    return table


def _lines_of(budget: Mapping[str, Any]) -> Iterator[str]:
    if budget["limit_nanousd"] != budget["configured_nanousd"]:
        until = f" until {local(budget['limit_until'])}" if budget["limit_until"] else ""
        yield f"limit set at run time{until}; the configuration says {dollars(budget['configured_nanousd'])}"
    if budget["unknown_nanousd"]:
        unknown = dollars(budget["unknown_nanousd"])
        yield f"{unknown} of what is spent is the most that calls of unknown cost came to"
    if budget["in_flight"]:
        most, calls = dollars(budget["reserved_nanousd"]), plural(budget["in_flight"], "call")
        yield f"{calls} under way, which may cost {most} at most"
    for threshold in budget["thresholds"]:
        if threshold["state"] != "below":
            yield f"{_words(threshold)} {threshold['state']}, since {local(threshold['since'])}"
    if budget["released_until"]:
        yield f"thresholds released until {local(budget['released_until'])}"
    basis = budget["forecast_basis"]
    yield basis if budget["forecast_nanousd"] is None else f"forecast from {basis}"
    if budget["why"]:
        yield budget["why"]


def _words(threshold: Mapping[str, Any]) -> str:
    of_what = " of the forecast" if threshold["forecast"] else ""
    return f"{threshold['action']} at {threshold['at'] * 100:g} %{of_what}"


def _table(*headings: str) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in headings:
        table.add_column(name, overflow="fold", justify="right" if name in _MONEY else "left")
    return table
