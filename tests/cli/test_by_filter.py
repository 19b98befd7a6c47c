"""Cancelling, queueing again and moving by filter on the command line, with and without a daemon."""

from __future__ import annotations

import json

import pytest

from tests.cli.running_desk import RunningDesk
from tests.cli.scripted_daemon import CommandLine
from tests.intake.builders import a_job, parsed


@pytest.fixture
def jobs(desk: RunningDesk) -> RunningDesk:
    lanes = ["bulk", "interactive"] * 3
    desk.portal.call(desk.desk.submit, [parsed(a_job(lane=lane)) for lane in lanes])
    return desk


def states(desk: RunningDesk) -> list[str]:
    return [desk.portal.call(desk.desk.job, number).state.value for number in range(1, 7)]  # type: ignore[arg-type]


def test_a_dry_run_shows_what_is_meant(claudeflow: CommandLine, jobs: RunningDesk) -> None:
    done = claudeflow("cancel", "--filter", "lane:bulk", "--dry-run")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "3 jobs would be cancelled" in done.stdout
    assert "lane: bulk 3" in done.stdout
    assert "the newest: 5, 3, 1" in done.stdout
    assert states(jobs) == ["queued"] * 6


def test_a_dry_run_tells_whose_state_does_not_allow_it(claudeflow: CommandLine, jobs: RunningDesk) -> None:
    assert claudeflow("cancel", "2", "3").exit_code == 0
    done = claudeflow("retry", "--all", "--dry-run")
    assert done.stdout.splitlines()[:2] == [
        "2 jobs would be queued again",
        "4 left alone (conflict): is queued",
    ]
    assert states(jobs) == ["queued", "cancelled", "cancelled", "queued", "queued", "queued"]


def test_by_filter_needs_a_yes_where_nobody_can_be_asked(claudeflow: CommandLine, jobs: RunningDesk) -> None:
    refused = claudeflow("cancel", "--filter", "lane:bulk")
    assert refused.exit_code == 2
    assert "3 jobs are meant; add --yes, or look with --dry-run" in refused.stderr
    assert states(jobs) == ["queued"] * 6


def test_what_a_filter_means_is_cancelled_retried_and_moved(
    claudeflow: CommandLine, jobs: RunningDesk
) -> None:
    assert claudeflow("cancel", "--filter", "lane:bulk", "--yes").stdout == "3 jobs cancelled\n"
    assert states(jobs) == ["cancelled", "queued"] * 3
    again = claudeflow("retry", "--filter", "state:cancelled id>1", "--yes", "--json")
    assert json.loads(again.stdout)["done"] == 2
    moved = claudeflow("move", "--filter", "state:queued", "--lane", "bulk", "--yes")
    assert moved.stdout == "5 jobs moved\n"


def test_jobs_that_are_left_alone_are_told_and_end_with_6(claudeflow: CommandLine, jobs: RunningDesk) -> None:
    done = claudeflow("retry", "--all", "--yes")
    assert done.exit_code == 6
    assert "6 left alone (conflict)" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("cancel",), "say which jobs: ids, --filter or --all"),
        (("cancel", "1", "--filter", "lane:bulk"), "say which jobs"),
        (("cancel", "--all", "--filter", "lane:bulk"), "say which jobs"),
        (("cancel", "1", "--dry-run"), "go with --filter or --all"),
        (("move", "--filter", "lane:bulk"), "say where to"),
    ],
)
def test_it_must_be_clear_which_jobs_are_meant(
    claudeflow: CommandLine, jobs: RunningDesk, arguments: tuple[str, ...], told: str
) -> None:
    refused = claudeflow(*arguments)
    assert refused.exit_code == 2
    assert told in refused.stderr
    assert states(jobs) == ["queued"] * 6


def test_a_job_is_found_however_far_back_it_is(claudeflow: CommandLine, desk: RunningDesk) -> None:
    lanes = ["interactive", *["bulk"] * 40]
    desk.portal.call(desk.desk.submit, [parsed(a_job(lane=lane)) for lane in lanes])
    listed = claudeflow("list", "--filter", "lane:interactive", "--json")
    assert [job["id"] for job in json.loads(listed.stdout)["jobs"]] == [1]
    assert claudeflow("list", "--filter", "lane:interactive -id:1").stderr == "claudeflow: no such jobs\n"


def test_a_wrong_filter_says_where(claudeflow: CommandLine, jobs: RunningDesk) -> None:
    refused = claudeflow("list", "--filter", "lan:bulk")
    assert refused.exit_code == 2
    assert 'at 1: "lan" is no field' in refused.stderr


def test_filters_work_on_the_store_itself_and_say_so(claudeflow: CommandLine) -> None:
    job = json.dumps(a_job(lane="bulk", workflow="ticket-x"))
    assert claudeflow("submit", "-", stdin=job).exit_code == 0
    listed = claudeflow("list", "--filter", "workflow:ticket-*", "--json")
    assert [one["id"] for one in json.loads(listed.stdout)["jobs"]] == [1]
    done = claudeflow("cancel", "--filter", "workflow:ticket-*", "--yes")
    assert done.stdout == "1 job cancelled\n"
    assert "working on the store itself" in done.stderr
