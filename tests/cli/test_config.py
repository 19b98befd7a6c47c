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


def test_mistakes_of_the_file_and_of_what_it_names_come_together(claudeflow: CommandLine) -> None:
    claudeflow.config.write_text(
        'default_lane = "none"\n'
        '[fallback]\n"claude-none-1" = "claude-haiku-5-5"\n'
        '[prompts]\nfolder = "/nonexistent/prompts"\n'
        '[mailboxes]\nfolder = "mail"\n'
        '[access."user:nobody-of-that-name"]\nroles = ["reed"]\n'
        '[access."group:nobody-of-that-name"]\n[access."everybody"]\n'
    )
    done = claudeflow("config", "check")
    assert done.exit_code == Exit.BAD_CONFIG
    for reason in (
        "default_lane: no lane has this name",
        "access.user:nobody-of-that-name.roles.0: must be",
        "access.everybody: ",
        "mailboxes.folder: must be a whole path",
        "prompts.folder: ",
        "fallback.claude-none-1: claude-none-1 has no price",
        "access.user:nobody-of-that-name: this host has no user",
        "access.group:nobody-of-that-name: this host has no group",
    ):
        assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 8


def test_a_folder_of_mailboxes_that_cannot_be_served_is_told(claudeflow: CommandLine) -> None:
    mail = claudeflow.folder / "mail"
    claudeflow.config.write_text(f'[mailboxes]\nfolder = "{mail}"\n')
    missing = claudeflow("config", "check")
    assert (missing.exit_code, missing.stdout) == (Exit.OK, f"{claudeflow.config}: ok\n")
    assert f"mailboxes.folder: {mail} is not there" in missing.stderr
    assert "claudeflow mailbox create" in missing.stderr
    mail.mkdir()
    mail.chmod(0o777)
    assert f"chmod go-w {mail}" in claudeflow("config", "check").stderr
    mail.chmod(0o755)
    assert claudeflow("config", "check").stderr == ""
    mail.rmdir()
    mail.write_text("")
    assert "is no folder" in claudeflow("config", "check").stderr
