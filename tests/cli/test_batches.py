"""`claudeflow batches`: what is at the API, what waits for it, and stopping a batch."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from claudeflow.cli.batch_board import batches_board, lines_of, waiting_board
from claudeflow.cli.exits import Exit
from claudeflow.domain.batch import BatchState
from claudeflow.domain.batch_report import BatchesView, BatchRow
from claudeflow.intake.views.batches import batch_to_json, batches_to_json
from tests.cli.running_desk import RunningDesk
from tests.cli.scripted_daemon import CommandLine
from tests.intake.builders import a_request
from tests.support.fake_batches import API_ID, DONE, SPEND, UNDER_WAY, UNSENT, WAITING

ALL_LANES_BATCH = """
default_lane = "bulk"
[store]
path = "{store}"
[lanes.bulk]
batch = "always"
[batches]
max_age_s = 60.0
"""


def facts(row: BatchRow, **changes: Any) -> dict[str, str]:
    """What `show` says of a batch."""
    spend = replace(SPEND, **changes) if changes else SPEND
    return dict(lines_of(batch_to_json(row, spend)))


def test_batches_are_a_table_with_their_counts_time_and_money(
    claudeflow: CommandLine, desk: RunningDesk
) -> None:
    done = claudeflow("batches", "list")
    assert done.exit_code == Exit.OK
    head, *rows = done.stdout.split("\n\n")[0].splitlines()
    assert head.split() == [
        *("batch", "api", "id", "state", "requests"),
        *("answered", "age", "took", "cost", "saved"),
    ]
    assert rows[0].split()[:3] == ["9", "ready", "1,000"]
    assert rows[1].split()[:4] == ["8", API_ID, "in_progress", "1,000"]
    assert "0" not in rows[1].split()
    assert rows[2] == "  the API answered overloaded_error: it is asked again"
    words = rows[3].split()
    assert words[:5] == ["7", API_ID, "done", "1,000", "990"]
    assert words[-4:] == ["43m", "10s", "$1.25", "$1.35"]


def test_what_waits_for_a_batch_is_told_with_its_reason_and_when_it_leaves(
    claudeflow: CommandLine, desk: RunningDesk
) -> None:
    other = replace(WAITING, workflow="tickets", why="lane:bulk is held: month end", until_ms=None)
    desk.desk.batches.waiting = [WAITING, replace(WAITING, lane="night", requests=1_500), other]
    head, *lines = claudeflow("batches", "list").stdout.split("\n\n")[1].splitlines()
    assert head.split() == ["lane", "workflow", "model", "jobs", "size", "oldest"]
    assert lines[0].split()[:5] == ["bulk", "vendor-questions", "claude-haiku-5-5", "812", "2.10MB"]
    assert lines[1].split()[:4] == ["night", "vendor-questions", "claude-haiku-5-5", "1,500"]
    assert lines[2].startswith(f"  {WAITING.why} (")
    assert lines[3].split()[:2] == ["bulk", "tickets"]
    assert lines[4] == "  lane:bulk is held: month end"


def test_how_long_batches_take_is_told(claudeflow: CommandLine, desk: RunningDesk) -> None:
    assert claudeflow("batches", "list").stdout.endswith("\n\nnine of ten batches take 43m or less\n")


def test_a_stop_that_somebody_wants_is_told_below_the_batch(
    claudeflow: CommandLine, desk: RunningDesk
) -> None:
    desk.desk.batches.rows[8] = replace(UNDER_WAY, cancel_by="anna\x1b[31m")
    assert "\n  stop wanted by anna\ufffd[31m\n" in claudeflow("batches", "list").stdout


def test_older_batches_are_listed_by_number_without_what_waits(
    claudeflow: CommandLine, desk: RunningDesk
) -> None:
    first = claudeflow("batches", "list", "--limit", "1")
    assert first.stderr == "claudeflow: there are more: --before 9\n"
    rest = claudeflow("batches", "list", "--before", "8")
    assert rest.stdout.splitlines()[1].split()[0] == "7"
    assert "vendor-questions" not in rest.stdout
    assert claudeflow("batches", "list", "--before", "7").stderr == "claudeflow: no batch is older than 7\n"


def test_where_there_is_no_batch_it_is_said_how_to_get_one(
    claudeflow: CommandLine, desk: RunningDesk
) -> None:
    desk.desk.batches.rows, desk.desk.batches.waiting = {}, []
    done = claudeflow("batches", "list")
    assert done.stdout == ""
    assert 'batch = "slack" or "always"' in done.stderr


def test_json_is_what_the_daemon_says(claudeflow: CommandLine, desk: RunningDesk) -> None:
    batches = desk.desk.batches
    rows = tuple(sorted(batches.rows.values(), key=lambda row: -row.id))
    view = BatchesView(rows, tuple(batches.waiting), 2_580.0)
    listed = json.loads(claudeflow("batches", "list", "--json").stdout)
    assert listed == batches_to_json(view, {7: SPEND}, limit=20)
    assert json.loads(claudeflow("batches", "show", "7", "--json").stdout) == batch_to_json(DONE, SPEND)


def test_show_tells_everything_that_is_known(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("batches", "show", "7")
    shown = {line[:14].strip(): line[14:].strip() for line in done.stdout.splitlines()}
    assert set(shown) == {
        *("batch", "api id", "state", "requests", "outcome", "in the books", "made", "created", "ended"),
        *("done", "caching", "cost", "by Messages", "tokens"),
    }
    assert (shown["state"], shown["api id"], shown["requests"]) == ("done", API_ID, "1,000 (1.23MB)")
    assert shown["outcome"] == "990 answered, 6 errored, 4 expired"
    assert shown["in the books"] == "1,000 of 1,000"
    assert shown["ended"].endswith(", after 43m 10s")
    assert shown["by Messages"] == "$2.60: $1.35 (52%) saved"
    assert shown["tokens"] == "1.20M input, 5.12k cache writes, 2.40M cache reads, 300k output"


def test_show_of_a_batch_under_way_tells_what_it_may_cost_and_when_it_expires() -> None:
    shown = facts(
        UNDER_WAY, cost_nanousd=100_000_000, unbatched_nanousd=200_000_000, bound_nanousd=400_000_000
    )
    assert shown["cost"] == "$0.10, and $0.40 at most for what is not settled"
    assert shown["left"] == "3 jobs waited for it no more"
    assert "outcome" not in shown
    assert {"expires", "results until", "problem"} <= set(shown)
    assert facts(replace(UNDER_WAY, cancel_by="anna"))["stop wanted by"] == "anna"


def test_show_tells_how_a_batch_uses_the_cache() -> None:
    assert facts(UNDER_WAY)["caching"] == "2 prefixes marked for an hour"
    assert facts(UNSENT)["caching"] == "writes 1 prefix for those behind it"
    assert facts(replace(UNSENT, marks=0))["caching"] == "no prefix is marked"


MAY_COST = "what it has begun may be answered and billed"
WHAT_NEXT: list[tuple[BatchState, bool, str]] = [
    (BatchState.FILLING, True, "batch 8 does not leave; its jobs are cancelled"),
    (BatchState.READY, False, "batch 8 does not leave; its jobs go by Messages"),
    (BatchState.CREATING, False, "as soon as that is known it is stopped; its jobs go on in another way"),
    (BatchState.CREATING, True, "as soon as that is known it is stopped; its jobs are cancelled"),
    (BatchState.IN_PROGRESS, False, f"{MAY_COST}, the other jobs go on by another batch, or by Messages"),
    (BatchState.IN_PROGRESS, True, f"{MAY_COST}, its jobs are cancelled"),
    (BatchState.CANCELING, True, f"the API is stopping batch 8 ({API_ID}); {MAY_COST}"),
    (BatchState.ENDED, False, f"batch 8 ({API_ID}) has ended already, its results are being read"),
    (BatchState.ENDED, True, "its results are being read: jobs without one are cancelled"),
]


@pytest.mark.parametrize(("state", "jobs", "says"), WHAT_NEXT)
def test_cancel_says_what_happens_next(
    claudeflow: CommandLine, desk: RunningDesk, state: BatchState, jobs: bool, says: str
) -> None:
    has_left = state not in (BatchState.FILLING, BatchState.READY, BatchState.CREATING)
    desk.desk.batches.rows[8] = replace(UNDER_WAY, state=state, api_id=API_ID if has_left else None)
    done = claudeflow("batches", "cancel", "8", *(["--jobs"] if jobs else []))
    assert done.exit_code == Exit.OK
    assert says in done.stdout
    assert desk.desk.batches.cancelled == [(8, jobs)]


def test_cancel_prints_the_batch_as_json(claudeflow: CommandLine, desk: RunningDesk) -> None:
    assert json.loads(claudeflow("batches", "cancel", "8", "--json").stdout)["id"] == 8


def test_what_cannot_be_done_has_its_exit_code_and_reason(claudeflow: CommandLine, desk: RunningDesk) -> None:
    for verb in ("show", "cancel"):
        done = claudeflow("batches", verb, "70")
        assert (done.exit_code, done.stderr) == (
            Exit.NOT_FOUND,
            "claudeflow: error: no batch has the number 70\n",
        )
    done = claudeflow("batches", "cancel", "7")
    assert (done.exit_code, "nothing left to stop" in done.stderr) == (Exit.CONFLICT, True)
    assert claudeflow("batches", "show", "0").exit_code == Exit.USAGE
    assert claudeflow("batches", "list", "--limit", "101").exit_code == Exit.USAGE


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_the_tables_fit_their_terminal_and_nothing_is_cut(width: int) -> None:
    waiting = [batches_to_json(BatchesView((), (WAITING,), 1.0), {}, 20)["waiting"][0]]
    large = replace(DONE, requests=100_000)
    rows = [batch_to_json(UNDER_WAY), batch_to_json(large, replace(SPEND, cost_nanousd=123_456_000_000_000))]
    out = StringIO()
    screen = Console(file=out, width=width)
    board, layout = batches_board(rows, width)
    screen.print(board)
    screen.print(waiting_board(waiting, width)[0])
    assert max(map(len, out.getvalue().splitlines())) <= width
    assert all(text in out.getvalue() for text in ("100,000", "990", "$123,456.00", "in_progress", "812"))
    assert (API_ID in out.getvalue()) is ("api id" not in layout.left_out)
    assert ("api id" in layout.left_out) is (width <= 100)


def test_without_a_daemon_batches_are_shown_and_not_stopped(claudeflow: CommandLine, tmp_path: Path) -> None:
    claudeflow.config.write_text(ALL_LANES_BATCH.format(store=tmp_path / "store.db"))
    job = json.dumps(a_request())
    assert claudeflow("submit", "-", "--lane", "bulk", stdin=job).exit_code == Exit.OK
    assert "goes by" in claudeflow("show", "1").stdout
    listed = claudeflow("batches", "list")
    assert listed.exit_code == Exit.OK
    assert "no daemon runs that could send them" in listed.stdout
    assert claudeflow("batches", "show", "1").exit_code == Exit.NOT_FOUND
    done = claudeflow("batches", "cancel", "1")
    assert done.exit_code == Exit.UNREACHABLE
    assert "and batches are stopped by the running daemon: start it" in done.stderr
