"""The configuration, as the command line checks and shows it."""

from __future__ import annotations

import json
import tomllib

import pytest

from claudeflow.cli.exits import Exit
from claudeflow.cli.places import DEFAULT_SOCKET, DEFAULT_STORE
from claudeflow.config import SocketSettings, StoreSettings
from tests.cli.scripted_daemon import CommandLine


def test_the_command_line_and_the_daemon_agree_on_default_places() -> None:
    assert str(DEFAULT_SOCKET) == SocketSettings().path
    assert str(DEFAULT_STORE) == StoreSettings().path


def test_a_good_configuration_is_ok(claudeflow: CommandLine) -> None:
    done = claudeflow("config", "check")
    assert (done.exit_code, done.stdout) == (Exit.OK, f"{claudeflow.config}: ok\n")


@pytest.mark.parametrize("verb", [("config", "check"), ("config", "show")])
def test_every_mistake_is_a_line(claudeflow: CommandLine, verb: tuple[str, ...]) -> None:
    claudeflow.config.write_text('default_lane = "none"\n[socket]\nmode = "rw"\n')
    done = claudeflow(*verb)
    lines = done.stderr.splitlines()
    assert done.exit_code == Exit.BAD_CONFIG
    prefix = f"claudeflow: error: {claudeflow.config}: "
    assert [line.removeprefix(prefix).split(":")[0] for line in lines] == ["default_lane", "socket.mode"]


def test_the_configuration_in_effect_has_the_defaults(claudeflow: CommandLine) -> None:
    shown = claudeflow("config", "show").stdout
    as_json = json.loads(claudeflow("config", "show", "--json").stdout)
    assert {"pools": {}, **tomllib.loads(shown)} == as_json
    assert tomllib.loads(shown)["socket"]["path"] == str(DEFAULT_SOCKET)
    assert "# default" in shown


def test_run_refuses_a_bad_configuration(claudeflow: CommandLine) -> None:
    claudeflow.config.write_text("nonsense = 1\n")
    assert claudeflow("run").exit_code == Exit.BAD_CONFIG


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ('[prices]\nfile = "/nonexistent/prices.toml"', "No such file or directory"),
        ('[prompts]\nfolder = "/nonexistent/prompts"', "prompts.folder"),
    ],
)
def test_what_the_configuration_names_is_checked_too(
    claudeflow: CommandLine, table: str, reason: str
) -> None:
    claudeflow.config.write_text(table)
    done = claudeflow("config", "check")
    assert done.exit_code == Exit.BAD_CONFIG
    assert reason in done.stderr
