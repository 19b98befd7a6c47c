"""`claudeflow token` and `claudeflow whoami`."""

from __future__ import annotations

import getpass
import json

import pytest
from rich.console import Console

from claudeflow.cli.exits import Exit
from claudeflow.cli.tokens_board import tokens_layout
from claudeflow.domain.ledger import SubmitterRow
from claudeflow.domain.token import name_in
from tests.cli.running_desk import RunningDesk
from tests.cli.scripted_daemon import CommandLine


def test_a_token_is_printed_once_alone_on_stdout(claudeflow: CommandLine, desk: RunningDesk) -> None:
    made = claudeflow(
        *("token", "create", "ci", "--role", "submit", "--role", "read", "--lane", "bulk"),
        *("--workflow", "build-*", "--expires", "30d", "--max-queued", "5", "--jobs-per-min", "6"),
        *("--usd-per-day", "1.5"),
    )
    assert (made.exit_code, name_in(made.stdout.strip())) == (Exit.OK, "ci")
    assert "shown once" in made.stderr
    [(token, _)] = desk.desk.access.made
    assert json.loads(token.allows) == {
        "roles": ["submit", "read"],
        "lanes": ["bulk"],
        "workflows": ["build-*"],
        "max_queued": 5,
        "jobs_per_min": 6,
        "usd_per_day": 1.5,
    }
    assert token.expires_ms is not None
    assert token.created_by == getpass.getuser()


def test_tokens_are_listed_and_revoked(claudeflow: CommandLine, desk: RunningDesk) -> None:
    assert "no token yet" in claudeflow("token", "list").stderr
    text = claudeflow("token", "create", "ci").stdout.strip()
    listed = claudeflow("token", "list").stdout
    assert listed.splitlines()[1].split()[:4] == ["ci", "in", "force", "submit"]
    assert text not in listed
    revoked = claudeflow("token", "revoke", "ci")
    assert (revoked.exit_code, revoked.stdout) == (Exit.OK, "token ci is revoked\n")
    assert json.loads(claudeflow("token", "list", "--json").stdout)["tokens"][0]["state"] == "revoked"
    assert claudeflow("token", "revoke", "ci").exit_code == Exit.NOT_FOUND


def test_a_wrong_token_is_a_usage_error(claudeflow: CommandLine, desk: RunningDesk) -> None:
    for wrong in (["CI"], ["ci", "--lane", "nowhere"], ["ci", "--expires", "soon"]):
        refused = claudeflow("token", "create", *wrong)
        assert (refused.exit_code, refused.stdout) == (Exit.USAGE, "")


def test_tokens_are_made_without_a_daemon(claudeflow: CommandLine) -> None:
    made = json.loads(claudeflow("token", "create", "ci", "--json").stdout)
    assert (name_in(made["token"]), made["created_by"]) == ("ci", getpass.getuser())
    assert claudeflow("token", "create", "ci").exit_code == Exit.CONFLICT
    assert claudeflow("token", "revoke", "ci").exit_code == Exit.OK
    [token] = json.loads(claudeflow("token", "list", "--json").stdout)["tokens"]
    assert token["state"] == "revoked"


def test_whoami_says_who_one_is_and_what_is_used(claudeflow: CommandLine, desk: RunningDesk) -> None:
    lines = claudeflow("whoami").stdout.splitlines()
    assert lines[0].startswith(f"{getpass.getuser()} (uid ")
    assert any(line.startswith("  by all: read, submit, operate (lanes *; workflows *)") for line in lines)
    assert "jobs in the queue: 3" in lines
    assert lines[-1].startswith("today at most: $0.00")
    assert json.loads(claudeflow("whoami", "--json").stdout)["name"] == getpass.getuser()


def test_whoami_works_without_a_daemon(claudeflow: CommandLine) -> None:
    claudeflow("token", "create", "ci")
    assert "read, submit, operate, admin" in claudeflow("whoami").stdout


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_table_fits_the_screen_and_says_what_is_left_out(width: int) -> None:
    row = {
        "name": "ci",
        "state": "expired",
        "roles": ["read", "submit", "operate"],
        "lanes": ["interactive", "bulk"],
        "workflows": ["build-*", "triage-*", "audit-*"],
        "created_by": "somebody",
        "created_at": "2026-11-22T09:00:00.000Z",
        "expires_at": None,
        "last_used": "2026-11-22T09:00:00.000Z",
    }
    layout = tokens_layout([row], width)
    assert sum(layout.widths) + 2 * len(layout.widths) <= width + 2
    assert ("made by" in layout.left_out) is (width < 100)
    if width == 200:
        screen = Console(width=width)
        with screen.capture() as shown:
            screen.print(layout.table([row]))
        assert "2026-11-22 09 h" in shown.get()


def test_usage_tells_whose_jobs_cost_what(claudeflow: CommandLine, desk: RunningDesk) -> None:
    assert "nothing was used" in claudeflow("usage", "--submitters").stderr
    desk.desk.books.submitters = [SubmitterRow("token:ci", 1_500_000_000, 0, 7)]
    lines = claudeflow("usage", "--submitters", "--since", "7d").stdout.splitlines()
    assert lines[1].split()[:2] == ["token:ci", "$1.50"]
    found = json.loads(claudeflow("usage", "--submitters", "--json").stdout)
    assert found["rows"][0]["in_flight_nanousd"] == 7
    assert claudeflow("usage", "--submitters", "--lane", "bulk").exit_code == Exit.USAGE
