"""`claudeflow budget`: shown from the store, changed in the running daemon."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from claudeflow.cli.exits import Exit
from claudeflow.domain.hold import EVERYTHING, Hold, HoldCause
from tests.cli.running_desk import RunningDesk
from tests.cli.scripted_daemon import CommandLine
from tests.support.fake_budgets import TEAM


def test_budgets_are_shown_as_a_table_and_as_json(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("budget", "show")
    assert done.exit_code == Exit.OK
    for part in ("team", "$500.00", "$412.00", "$88.00", "82.4%", "$650.00"):
        assert part in done.stdout
    assert "team: hold_lane at 80 % reached, since" in done.stdout
    assert "forecast from 4 weeks of history" in done.stdout
    assert "the API says" not in done.stdout
    [team] = json.loads(claudeflow("budget", "show", "--json").stdout)["budgets"]
    assert team["left_nanousd"] == 88_000_000_000


def test_a_cap_that_the_api_reported_is_shown(claudeflow: CommandLine, desk: RunningDesk) -> None:
    desk.desk.budgets.api_says = Hold(EVERYTHING, HoldCause.SPEND_CAP, "reached", since_ms=1)
    assert "the API says that its own spend cap is reached" in claudeflow("budget", "show").stdout


def test_without_a_forecast_the_reason_is_shown(claudeflow: CommandLine, desk: RunningDesk) -> None:
    basis = "no forecast: less than a day of history"
    desk.desk.budgets.budgets["team"] = replace(TEAM, forecast_nanousd=None, forecast_basis=basis)
    assert f"team: {basis}" in claudeflow("budget", "show").stdout


def test_a_limit_is_set_and_kept_in_the_history(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("budget", "set", "team", "$1,600.50", "--reason", "quarter end", "--until-reset")
    assert done.exit_code == Exit.OK
    assert done.stdout.startswith("budget team: $1,600.50 until 1970-")
    history = claudeflow("budget", "history")
    for part in ("set", "team", "quarter end", "$1,600.50"):
        assert part in history.stdout


@pytest.mark.parametrize("amount", ["a lot", "-5", "0", "1e99"])
def test_what_is_no_amount_is_refused(claudeflow: CommandLine, desk: RunningDesk, amount: str) -> None:
    done = claudeflow("budget", "set", "team", "--", amount)
    assert done.exit_code == Exit.USAGE
    assert done.stderr


def test_an_unknown_budget_is_refused_with_the_names(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("budget", "set", "tem", "6")
    assert done.exit_code == Exit.NOT_FOUND
    assert "budgets are team" in done.stderr


def test_a_release_needs_a_reason_and_says_until_when(claudeflow: CommandLine, desk: RunningDesk) -> None:
    assert claudeflow("budget", "release", "team").exit_code == Exit.USAGE
    done = claudeflow("budget", "release", "team", "--reason", "the customer waits")
    assert done.stdout.startswith("budget team: released until 1970-")
    assert claudeflow("budget", "release", "team", "--reason", "again").exit_code == Exit.CONFLICT


def test_without_a_daemon_budgets_are_shown_but_not_changed(claudeflow: CommandLine, tmp_path: Path) -> None:
    config, store = tmp_path / "budgets.toml", tmp_path / "books.db"
    config.write_text(f'[store]\npath = "{store}"\n[budgets.team]\nlimit_usd = 500.0\n')
    shown = claudeflow("--config", str(config), "budget", "show")
    assert shown.exit_code == Exit.OK
    assert "$500.00" in shown.stdout
    assert "no forecast: less than a day of history" in shown.stdout
    for verb in (("set", "team", "6"), ("release", "team", "--reason", "x")):
        done = claudeflow("--config", str(config), "budget", *verb)
        assert done.exit_code == Exit.UNREACHABLE
        assert "budgets change in the running daemon" in done.stderr
