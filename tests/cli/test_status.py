"""The state of the daemon, on one screen and as the demo's board."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console

from claudeflow.cli.board import bar, lanes_board
from claudeflow.cli.demo.table import render_board
from claudeflow.cli.exits import Exit
from claudeflow.cli.output import count, span
from tests.cli.running_desk import RunningDesk
from tests.cli.scripted_daemon import CommandLine, ScriptedDaemon, a_status

A_HOLD = {
    "scope": "all",
    "cause": "credit",
    "reason": "your credit balance is too low",
    "since": "2026-11-22T09:00:00.000Z",
    "probe_at": None,
    "way_out": "top up the prepaid credit",
}


def test_status_fits_on_one_screen(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/status", a_status(holds=[A_HOLD]))
    done = claudeflow("status")
    lines = done.stdout.splitlines()
    assert lines[0] == "claudeflow 0.1.0 running for 2h 13m (a1b2)"
    assert any("credit" in line and "top up the prepaid credit" in line for line in lines)
    assert any(line.split()[:5] == ["bulk", "912", "6", "88", "2"] for line in lines)
    assert any(line.startswith("haiku-5.x  closed 12s  0.93") for line in lines)
    assert "$3.0000 (75%) less than without the cache; 1 unknown, at most $0.0200" in lines[-1]
    assert len(lines) < 25


def test_lanes_tell_how_many_of_their_running_jobs_are_in_batches(
    claudeflow: CommandLine, daemon: ScriptedDaemon
) -> None:
    [bulk] = a_status()["lanes"]
    interactive = {**bulk, "lane": "interactive", "running": 2}
    batched = {**bulk, "running": 10_006, "in_batches": 10_000}
    daemon.answers("GET /v1/status", a_status(lanes=[interactive, batched]))
    head, *rows = claudeflow("status").stdout.splitlines()[2:5]
    assert head.split()[:6] == ["lane", "queued", "running", "in", "batch", "done"]
    assert [row.split()[:5] for row in rows] == [
        ["interactive", "912", "2", "0", "88"],
        ["bulk", "912", "10,006", "10,000", "88"],
    ]


def test_without_batches_no_column_speaks_of_them(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/status", a_status())
    assert "batch" not in claudeflow("status").stdout


@pytest.mark.parametrize("width", [64, 80, 120])
def test_lanes_fit_their_terminal_and_no_number_is_cut(width: int) -> None:
    [bulk] = a_status()["lanes"]
    lanes = [{**bulk, "lane": "interactive", "running": 10_006, "in_batches": 10_000}, bulk]
    out = StringIO()
    layout = lanes_board(lanes, width)
    Console(file=out, width=width).print(layout.table(lanes))
    assert max(map(len, out.getvalue().splitlines())) <= width
    assert all(text in out.getvalue() for text in ("interactive", "10,006", "10,000", "$1.2345"))
    assert ("input" in layout.left_out) is (width < 120)


def test_status_of_an_idle_daemon_is_short(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("status")
    assert done.exit_code == Exit.OK
    assert "spent $0.0000 in 0 calls" in done.stdout


def test_status_prints_json(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/status", a_status())
    assert json.loads(claudeflow("status", "--json").stdout) == a_status()


def drawn(width: int, **changes: object) -> list[str]:
    out = StringIO()
    console = Console(file=out, width=width, force_terminal=False)
    console.print(render_board(a_status(**changes), 93.0, {"bulk": 1_000}))
    return out.getvalue().splitlines()


def test_the_board_fits_100_columns_without_cutting_anything() -> None:
    lines = drawn(100, holds=[A_HOLD])
    assert {len(line) for line in lines} == {100}
    assert not any("…" in line for line in lines)
    assert any("88/1,000" in line for line in lines)
    assert "1m 33s · 90 of 1,000 jobs finished" in lines[-1]


@pytest.mark.parametrize(("level", "cells"), [(-50.0, 0), (0.0, 0), (50.0, 6), (100.0, 12), (130.0, 12)])
def test_a_bar_shows_how_full_a_bucket_is(level: float, cells: int) -> None:
    assert bar(level, 100.0).plain == "█" * cells + "░" * (12 - cells)


def test_a_bucket_without_capacity_is_empty() -> None:
    assert bar(0.0, 0.0).plain == "░" * 12


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0s"),
        (0.42, "0.4s"),
        (12, "12s"),
        (60, "1m"),
        (200, "3m 20s"),
        (3_600, "1h"),
        (190_000, "2d 4h"),
    ],
)
def test_a_span_is_its_two_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (912, "912"), (8_000, "8.00k"), (45_210, "45.2k"), (1_200_000, "1.20M"), (-2_500, "-2.50k")],
)
def test_a_count_has_three_figures(number: float, text: str) -> None:
    assert count(number) == text


def test_without_mailboxes_no_line_speaks_of_them(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/status", a_status())
    assert "mailbox" not in claudeflow("status").stdout


def test_mailboxes_that_are_served_have_one_line(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/status", a_status(mailboxes={"serving": 2, "trouble": []}))
    assert claudeflow("status").stdout.splitlines()[-1] == "mailboxes: 2 serving"


def test_status_shows_the_first_mailboxes_in_trouble(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    trouble = [
        {"name": f"m{number}", "code": "full", "problem": "its disk is full", "remedy": "make room"}
        for number in range(5)
    ]
    daemon.answers("GET /v1/status", a_status(mailboxes={"serving": 1_000, "trouble": trouble}))
    assert claudeflow("status").stdout.splitlines()[-5:] == [
        "mailboxes: 1,000 serving, 5 in trouble",
        "  m0: its disk is full; make room",
        "  m1: its disk is full; make room",
        "  m2: its disk is full; make room",
        "  and 2 more: claudeflow mailbox list",
    ]
