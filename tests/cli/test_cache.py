"""What is cached, from the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from claudeflow.cli.cache_board import name_of, prefixes_board, shares_board
from claudeflow.cli.exits import Exit
from claudeflow.intake.desks.cache import CacheReport, WorkflowShare
from claudeflow.intake.views.cache import cache_to_json
from tests.cli.running_desk import RunningDesk
from tests.cli.scripted_daemon import CommandLine, ScriptedDaemon
from tests.support.fake_cache import NOW_MS, a_prefix, a_share

EMPTY: dict[str, Any] = {"now": "2026-11-22T09:00:00.000Z", "prefixes": [], "workflows": []}


def names(claudeflow: CommandLine, *args: str) -> list[str]:
    """The prefixes that the table shows, in its order."""
    lines = claudeflow("cache", "--all", *args).stdout.split("\n\n")[0].splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith(("prefix", " "))]


def test_the_table_tells_size_time_reads_and_savings(claudeflow: CommandLine, desk: RunningDesk) -> None:
    shown = claudeflow("cache", "--all").stdout
    for word in ("ticket 01234567", "5.12k", "5m", "98", "49.0", "$0.0430", "kept for 5m", "80%", "600k"):
        assert word in shown
    for word in ("drafts fedcba98", "cold", "no", "not cached: used once"):
        assert word in shown


def test_versions_are_shown_where_there_are_several(claudeflow: CommandLine, desk: RunningDesk) -> None:
    assert "ticket 0bbb" in claudeflow("cache").stdout
    found = desk.desk.cache.workflows[0]
    desk.desk.cache.workflows = (replace(found, versions=found.versions[:1]),)
    assert "ticket 0bbb" not in claudeflow("cache").stdout


@pytest.mark.parametrize(
    ("order", "first"),
    [("used", "ticket"), ("saved", "ticket"), ("misses", "ticket"), ("name", "drafts")],
)
def test_prefixes_are_sorted_as_asked(
    claudeflow: CommandLine, desk: RunningDesk, order: str, first: str
) -> None:
    assert names(claudeflow, "--sort", order)[0] == first


def test_an_unknown_order_is_a_usage_error(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("cache", "--sort", "colour")
    assert done.exit_code == Exit.USAGE
    assert "saved" in done.stderr


def test_one_workflow_can_be_shown(claudeflow: CommandLine, desk: RunningDesk) -> None:
    assert names(claudeflow, "--workflow", "drafts") == ["drafts"]
    nobody = claudeflow("cache", "--workflow", "nobody")
    assert (nobody.exit_code, nobody.stdout) == (Exit.OK, "")
    assert "workflow nobody has called nothing lately" in nobody.stderr


def test_more_prefixes_than_asked_for_are_counted(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("cache", "--all", "--limit", "1")
    assert "1 more prefix: --limit 2" in done.stderr
    assert "drafts" not in done.stdout


def test_machines_get_everything_in_the_order_asked_for(claudeflow: CommandLine, desk: RunningDesk) -> None:
    found = json.loads(claudeflow("cache", "--json", "--sort", "name").stdout)
    assert [row["workflow"] for row in found["prefixes"]] == ["drafts", "triage"]
    assert found["workflows"][0]["cached_share"] == 0.8
    few = json.loads(claudeflow("cache", "--json", "--sort", "name", "--limit", "1").stdout)
    assert [row["workflow"] for row in few["prefixes"]] == ["drafts"]


def test_prefixes_that_are_not_cached_are_one_line_of_each_workflow(
    claudeflow: CommandLine, desk: RunningDesk
) -> None:
    used, cold = desk.desk.cache.prefixes
    cold = replace(cold, why="not cached: by calls like its own a token costs 5m 1.20, uncached 1.00")
    small = replace(cold, workflow="forms", why="below the model's minimum of 512 tokens")
    many = tuple(replace(cold, prefix=f"{number:016x}") for number in range(60))
    desk.desk.cache.prefixes = (*many, small, used)  # type: ignore[assignment]
    done = claudeflow("cache", "--limit", "1")
    assert "ticket 01234567" in done.stdout
    assert "drafts: 60 prefixes never written or read: not cached\n" in done.stdout
    assert "forms: 1 prefix never written or read: below the model's minimum of 512 tokens" in done.stdout
    assert "--limit" not in done.stderr
    assert "--all shows every prefix" in done.stderr


def test_versions_of_one_call_each_are_one_row(claudeflow: CommandLine, desk: RunningDesk) -> None:
    found = desk.desk.cache.workflows[0]
    single = [replace(found.versions[0], version=f"{number:x}ccc", calls=1) for number in range(1, 13)]
    desk.desk.cache.workflows = (replace(found, versions=(*found.versions, *single)),)
    shown = claudeflow("cache").stdout
    assert "12 of one call each" in shown
    assert "ticket 1ccc" not in shown
    assert "ticket 1ccc" in claudeflow("cache", "--all").stdout


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_tables_fit_their_terminal_and_no_number_is_cut(width: int) -> None:
    name = "contract-clause-extraction-and-comparison"
    row = a_prefix(prompt_name=name, prompt_version="ba5eba11", tokens=123_456, reads=1_234_567)
    report = CacheReport(NOW_MS, (row, a_prefix()), (WorkflowShare(a_share(), (a_share("0bbb"),) * 2),))
    found = cache_to_json(report)
    out = StringIO()
    screen = Console(file=out, width=width)
    board, layout = prefixes_board(found["prefixes"], found["now"], width)
    screen.print(board)
    screen.print(shares_board(found["workflows"], width, whole=True)[0])
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in out.getvalue()
    assert row.why in " ".join(out.getvalue().split())
    assert ("1,234,567" in out.getvalue()) is ("reads" not in layout.left_out)
    assert (layout.left_out == ()) is (width == 200)


def test_how_long_a_prefix_stays_warm_is_a_time_from_now() -> None:
    found = cache_to_json(CacheReport(NOW_MS, (a_prefix(warm_until_ms=NOW_MS + 260_000),), ()))
    out = StringIO()
    Console(file=out, width=200).print(prefixes_board(found["prefixes"], found["now"], 200)[0])
    assert "4m 20s" in out.getvalue()


def test_the_empty_state_says_what_gets_cached(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/cache", EMPTY)
    done = claudeflow("cache")
    assert (done.exit_code, done.stdout) == (Exit.OK, "")
    assert "nothing has been cached yet" in done.stderr
    assert "`system` or `tools`" in done.stderr


def test_without_a_daemon_the_store_tells_what_it_remembers(claudeflow: CommandLine, tmp_path: Path) -> None:
    done = claudeflow("cache", "--json")
    assert done.exit_code == Exit.OK
    assert "working on the store itself" in done.stderr
    assert json.loads(done.stdout)["prefixes"] == []


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"prompt_name": None, "workflow": "drafts", "prefix": "fedcba9876543210"}, "drafts fedcba98"),
        ({"prompt_name": "t", "prompt_version": "aaaaaaaa11", "prefix": "aaaaaaaa11"}, "t aaaaaaaa"),
        ({"prompt_name": "t", "prompt_version": "aaaaaaaa11", "prefix": "bbbbbbbb"}, "t aaaaaaaa + bbbbbbbb"),
    ],
)
def test_a_prefix_is_named_by_its_prompt_or_workflow(row: dict[str, Any], name: str) -> None:
    assert name_of(row) == name
