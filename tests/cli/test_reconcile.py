"""`claudeflow reconcile`: what a person sees, and what scripts get."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from claudeflow.cli.exits import Exit
from claudeflow.cli.reconcile import cells_layout
from tests.cli.scripted_daemon import CommandLine, ScriptedDaemon

SUMS = {
    "input_tokens": 1_000,
    "cache_write_5m_tokens": 200,
    "cache_write_1h_tokens": 0,
    "cache_read_tokens": 34,
    "output_tokens": 500,
    "web_searches": 0,
    "cost_nanousd": 1_500_000,
}
UNKNOWN = {"calls": 1, "bound_nanousd": 9_000_000, "billed_nanousd": 2_000_000}
DRIFT = {"kind": "output_tokens", "ours_least": 500, "ours_most": 500, "theirs": 700}


def a_cell(**changes: Any) -> dict[str, Any]:
    ordinary = {
        "day": "2026-11-22",
        "model": "claude-haiku-5-5",
        "service_tier": "standard",
        "agrees": True,
        "ours": SUMS,
        "theirs": SUMS,
        "drifts": [],
        "unknown": None,
        "causes": [],
    }
    return ordinary | changes


def a_comparison(*cells: dict[str, Any]) -> dict[str, Any]:
    return {
        "compared_at": "2026-11-23T10:00:00.000Z",
        "since": "2026-11-22T00:00:00.000Z",
        "until": "2026-11-23T09:00:00.000Z",
        "agrees": all(cell["agrees"] for cell in cells),
        "source": "analytics",
        "scope": "the whole organisation",
        "notes": ["costs are compared at list price; charged was 10.0% less"],
        "cells": list(cells),
    }


DRIFTED = a_cell(
    agrees=False, drifts=[DRIFT], theirs={**SUMS, "output_tokens": 700}, causes=["other keys of the team"]
)


def test_books_that_agree_are_a_table_and_exit_code_0(
    claudeflow: CommandLine, daemon: ScriptedDaemon
) -> None:
    daemon.answers("POST /v1/reconcile", a_comparison(a_cell(), a_cell(model="claude-opus-5-5")))
    done = claudeflow("reconcile")
    assert done.exit_code == Exit.OK
    assert done.stdout.startswith("the books agree: 2026-11-22 00:00 to 2026-11-23 09:00")
    assert done.stdout.count("1,234") == 4
    assert "claude-opus-5-5" in done.stdout
    assert "charged was 10.0% less" in done.stdout


def test_drift_names_both_numbers_and_the_cause_and_fails(
    claudeflow: CommandLine, daemon: ScriptedDaemon
) -> None:
    daemon.answers("POST /v1/reconcile", a_comparison(DRIFTED))
    done = claudeflow("reconcile")
    assert done.exit_code == Exit.FAILED
    assert "2026-11-22 claude-haiku-5-5: output tokens: books 500, report 700" in done.stdout
    assert "check: other keys of the team" in done.stdout
    assert done.stdout.startswith("1 number off")


def test_what_the_report_says_about_unknown_calls(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    cells = [
        a_cell(unknown=UNKNOWN),
        a_cell(unknown={**UNKNOWN, "billed_nanousd": 0}),
        a_cell(unknown={**UNKNOWN, "calls": 2, "billed_nanousd": None}),
    ]
    daemon.answers("POST /v1/reconcile", a_comparison(*cells))
    shown = claudeflow("reconcile").stdout
    assert "1 call of unknown cost, at most $0.009000: the report shows that $0.002000 was billed" in shown
    assert "none was billed" in shown
    assert "2 calls of unknown cost, at most $0.009000: the report does not settle it" in shown


@pytest.mark.parametrize(("by", "rows"), [("day", 1), ("model", 2)])
def test_rows_are_added_up(claudeflow: CommandLine, daemon: ScriptedDaemon, by: str, rows: int) -> None:
    daemon.answers("POST /v1/reconcile", a_comparison(a_cell(), a_cell(model="claude-opus-5-5")))
    shown = claudeflow("reconcile", "--by", by).stdout
    assert shown.count("agrees\n") == rows
    assert ("2,468" in shown) is (by == "day")


def test_a_time_without_calls_is_called_so(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("POST /v1/reconcile", a_comparison())
    shown = claudeflow("reconcile").stdout
    assert shown.startswith("nothing to compare yet, neither side has a call in that time: 2026-11-22")
    assert "agree" not in shown


def test_times_are_asked_for_as_they_were_written(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("POST /v1/reconcile", a_comparison(a_cell()))
    claudeflow("reconcile", "--since", "7d", "--until", "2026-11-22")
    assert daemon.asked[-1].query == {"since": "7d", "until": "2026-11-22"}


@pytest.mark.parametrize("by", [None, "day", "model"])
@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_its_terminal_and_no_number_is_cut(width: int, by: str | None) -> None:
    large = {name: number * 1_234 for name, number in SUMS.items()}
    cells = [
        a_cell(ours=large, theirs=large),
        a_cell(model="claude-sonnet-4-5-20250929", service_tier="priority"),
    ]
    out = StringIO()
    table, layout = cells_layout(cells, by, width)
    Console(file=out, width=width).print(table)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in out.getvalue()
    assert ("$1.8525" if by == "day" else "$1.8510") in out.getvalue()
    assert ("priority" in out.getvalue()) is (by is None)
    assert (layout.left_out == ()) is (width == 120 or by == "day")


def test_the_last_comparison_is_shown_without_asking_for_reports(
    claudeflow: CommandLine, daemon: ScriptedDaemon
) -> None:
    daemon.answers("GET /v1/reconcile", a_comparison(DRIFTED))
    done = claudeflow("reconcile", "--last", "--json")
    assert done.exit_code == Exit.FAILED
    assert json.loads(done.stdout)["cells"] == [DRIFTED]
    assert [asked.method for asked in daemon.asked] == ["GET"]


def test_the_last_comparison_has_its_own_time(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    done = claudeflow("reconcile", "--last", "--since", "2026-11-01")
    assert done.exit_code == Exit.USAGE


def test_without_an_admin_key_the_message_says_how_to_give_one(
    claudeflow: CommandLine, daemon: ScriptedDaemon
) -> None:
    daemon.refuses("POST /v1/reconcile", 409, "no_admin_key", "put one into ANTHROPIC_ADMIN_KEY")
    done = claudeflow("reconcile")
    assert done.exit_code == Exit.BAD_CONFIG
    assert "ANTHROPIC_ADMIN_KEY" in done.stderr


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [(502, "no_report", Exit.UNREACHABLE), (404, "nothing_compared", Exit.NOT_FOUND)],
)
def test_only_drift_is_exit_code_1(
    claudeflow: CommandLine, daemon: ScriptedDaemon, status: int, code: str, exit_code: Exit
) -> None:
    daemon.refuses("POST /v1/reconcile", status, code, "not now")
    assert claudeflow("reconcile").exit_code == exit_code
