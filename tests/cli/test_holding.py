"""hold, release, holds, pause and resume: what they ask and what they print."""

from __future__ import annotations

import getpass
import json
from typing import Any

from claudeflow.cli.exits import Exit
from tests.cli.running_desk import RunningDesk
from tests.cli.scripted_daemon import CommandLine, ScriptedDaemon

ME = getpass.getuser()


def a_hold(**changes: Any) -> dict[str, Any]:
    """A hold as the daemon shows it."""
    ordinary = {
        "scope": "all",
        "cause": "credit",
        "reason": "your credit balance is too low",
        "since": "2026-11-22T09:00:00.000Z",
        "until": None,
        "probe_at": "2026-11-22T09:04:00.000Z",
        "set_by": None,
        "way_out": "top up the prepaid credit",
        "waiting_jobs": 1_742,
    }
    return {**ordinary, **changes}


def test_hold_says_what_is_held_and_how_that_ends(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("hold", "workflow:triage", "--reason", "its prompt is wrong")
    assert (done.exit_code, done.stdout) == (
        Exit.OK,
        "workflow:triage held until claudeflow release workflow:triage\n",
    )
    assert done.stderr == "claudeflow: calls that are out already may end\n"
    [hold] = desk.desk.holds.holds
    assert (str(hold.scope), hold.reason, hold.set_by) == ("workflow:triage", "its prompt is wrong", ME)


def test_a_hold_with_an_end_names_it(claudeflow: CommandLine, desk: RunningDesk) -> None:
    until = "2030-01-01T00:00:00Z"
    done = claudeflow("hold", "all", "--reason", "audit", "--until", until)
    assert done.stdout.startswith("all held until 20")
    [hold] = desk.desk.holds.holds
    assert hold.until_ms == 1_893_456_000_000


def test_hold_wants_a_reason(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("hold", "all")
    assert done.exit_code == Exit.USAGE
    assert "Missing option '--reason'" in done.stderr


def test_pause_and_resume_are_hold_and_release_of_a_lane(claudeflow: CommandLine, desk: RunningDesk) -> None:
    paused = claudeflow("pause", "bulk")
    assert paused.stdout == "lane:bulk held until claudeflow resume bulk\n"
    [hold] = desk.desk.holds.holds
    assert (str(hold.scope), hold.reason) == ("lane:bulk", "paused by hand")
    resumed = claudeflow("resume", "bulk", "--reason", "over")
    assert resumed.stdout == "lane:bulk (manual) released\n"
    assert desk.desk.holds.holds == []
    assert [(change.action, change.reason) for change in desk.desk.holds.changes] == [
        ("set", "paused by hand"),
        ("released", "over"),
    ]


def test_an_unknown_lane_is_named_with_the_known_ones(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("pause", "bluk")
    assert done.exit_code == Exit.USAGE
    assert 'there is no lane "bluk"; known are' in done.stderr
    assert 'Did you mean "bulk"?' in done.stderr


def test_release_tells_what_still_holds(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    manual = a_hold(cause="manual", reason="maintenance")
    daemon.answers("DELETE /v1/holds/all", {"released": [manual], "remaining": [a_hold()]})
    done = claudeflow("release", "all", "--cause", "manual", "--reason", "over")
    assert done.stdout == "all (manual) released\n"
    assert "still held: all (credit): your credit balance is too low; top up" in done.stderr
    [asked] = daemon.asked
    assert dict(asked.query) == {"cause": "manual", "reason": "over"}


def test_a_scope_with_odd_characters_arrives_as_it_is(
    claudeflow: CommandLine, daemon: ScriptedDaemon
) -> None:
    daemon.refuses("DELETE /v1/holds/workflow:a%2Fb%3Fc", 404, "hold_not_found", "nothing holds it")
    done = claudeflow("release", "workflow:a/b?c")
    assert (done.exit_code, done.stderr) == (Exit.NOT_FOUND, "claudeflow: error: nothing holds it\n")


def test_holds_shows_everything_about_a_hold(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    by_hand = a_hold(scope="lane:bulk", cause="manual", reason="x", probe_at=None, set_by="anna")
    timed = a_hold(scope="job:7", cause="manual", probe_at=None, until="2026-11-22T11:00:00.000Z")
    daemon.answers("GET /v1/holds", {"holds": [a_hold(), by_hand, timed]})
    first, *rows = claudeflow("holds").stdout.splitlines()
    assert first.split()[:3] == ["held", "cause", "since"]
    assert "1,742" in rows[0]
    assert "probe 2026-11-22" in rows[0]
    assert "top up the prepaid credit" in rows[0]
    assert "by hand (anna)" in rows[1]
    assert "2026-11-22" in rows[2]


def test_where_nothing_is_held_a_note_says_so(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("holds")
    assert (done.stdout, done.stderr) == ("", "claudeflow: nothing is held\n")
    done = claudeflow("holds", "--history")
    assert (done.stdout, done.stderr) == ("", "claudeflow: nothing was ever held\n")


def test_the_history_shows_who_did_what_and_why(claudeflow: CommandLine, desk: RunningDesk) -> None:
    claudeflow("pause", "bulk", "--reason", "quarter-end", "--until", "+2h")
    claudeflow("resume", "bulk")
    heading, newest, oldest = claudeflow("holds", "--history", "--limit", "10").stdout.splitlines()
    assert heading.split() == ["when", "who", "did", "scope", "cause", "until", "reason"]
    assert all(word in newest for word in (ME, "released", "lane:bulk", "released by hand"))
    assert all(word in oldest for word in (ME, "set", "lane:bulk", "manual", "quarter-end"))


def test_machines_get_json(claudeflow: CommandLine, desk: RunningDesk) -> None:
    held = json.loads(claudeflow("hold", "all", "--reason", "r", "--json").stdout)
    assert (held["scope"], held["set_by"]) == ("all", ME)
    assert json.loads(claudeflow("holds", "--json").stdout)["holds"][0]["waiting_jobs"] == 7
    released = json.loads(claudeflow("release", "all", "--json").stdout)
    assert [hold["scope"] for hold in released["released"]] == ["all"]
    assert len(json.loads(claudeflow("holds", "--history", "--json").stdout)["changes"]) == 2


def test_text_from_outside_cannot_drive_the_terminal(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/holds", {"holds": [a_hold(reason="\x1b[31mred")]})
    assert "\x1b" not in claudeflow("holds").stdout


def test_holds_are_set_and_released_in_the_store_itself(claudeflow: CommandLine) -> None:
    done = claudeflow("hold", "lane:bulk", "--reason", "not today")
    assert (done.exit_code, done.stdout) == (Exit.OK, "lane:bulk held until claudeflow resume bulk\n")
    assert "working on the store itself" in done.stderr
    assert "not today" in claudeflow("holds").stdout
    assert claudeflow("resume", "bulk").stdout == "lane:bulk (manual) released\n"
    assert claudeflow("resume", "bulk").exit_code == Exit.NOT_FOUND
    assert claudeflow("hold", "job:1", "--reason", "r").exit_code == Exit.NOT_FOUND
    assert len(claudeflow("holds", "--history").stdout.splitlines()) == 3
