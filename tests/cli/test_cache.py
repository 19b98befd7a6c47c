"""What is cached, from the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from claudeflow.cli.cache_board import name_of
from claudeflow.cli.exits import Exit
from tests.cli.running_desk import RunningDesk
from tests.cli.scripted_daemon import CommandLine, ScriptedDaemon

EMPTY: dict[str, Any] = {"now": "2026-11-22T09:00:00.000Z", "prefixes": [], "workflows": []}


def names(claudeflow: CommandLine, *args: str) -> list[str]:
    """The prefixes that the table shows, in its order."""
    lines = claudeflow("cache", *args).stdout.split("\n\n")[0].splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith(("prefix", " "))]


def test_the_table_tells_size_time_reads_and_savings(claudeflow: CommandLine, desk: RunningDesk) -> None:
    shown = claudeflow("cache").stdout
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
    done = claudeflow("cache", "--limit", "1")
    assert "1 more prefixes: --limit 2" in done.stderr
    assert "drafts" not in done.stdout


def test_machines_get_everything_in_the_order_asked_for(claudeflow: CommandLine, desk: RunningDesk) -> None:
    found = json.loads(claudeflow("cache", "--json", "--sort", "name", "--limit", "1").stdout)
    assert [row["workflow"] for row in found["prefixes"]] == ["drafts", "triage"]
    assert found["workflows"][0]["cached_share"] == 0.8


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
