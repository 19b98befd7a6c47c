"""`claudeflow packs`: what shared calls have done, and packing a prompt again."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from claudeflow.cli.exits import Exit
from claudeflow.cli.packs_board import packs_board
from claudeflow.cli.tries_board import tries_board
from claudeflow.intake.http.handlers.packs import packs_to_json
from tests.cli.running_desk import RunningDesk
from tests.cli.scripted_daemon import CommandLine
from tests.support.fake_packs import PACKED, UNPACKED


def printed(part: Any, width: int) -> list[str]:
    screen = Console(file=StringIO(), width=width, force_terminal=False)
    screen.print(part)
    assert isinstance(screen.file, StringIO)
    return [line.rstrip() for line in screen.file.getvalue().splitlines()]


def test_each_prompt_has_a_row_and_the_reason_under_it(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("packs")
    assert done.exit_code == Exit.OK
    lines = done.stdout.splitlines()
    assert lines[1].split()[0] == "ticket-triage"
    assert "  returned: 7 mixed_up, 3 missing" in lines
    assert any(line.startswith("  9 of 40 canaries disagreed: change the prompt") for line in lines)


@pytest.mark.parametrize("width", [80, 100, 140, 200])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    rows = packs_to_json([PACKED, UNPACKED])["prompts"]
    board, _ = packs_board(rows, width)
    assert all(len(line) <= width for line in printed(board, width))


def test_a_wide_screen_shows_everything() -> None:
    rows = packs_to_json([PACKED, UNPACKED])["prompts"]
    board, layout = packs_board(rows, 160)
    head, first, _, _, second, *_ = printed(board, 160)
    assert layout.left_out == ()
    assert head.split() == [
        *("prompt", "version", "packed", "packs", "items"),
        *("answered", "returned", "saved", "canaries", "disagree"),
    ]
    assert first.split() == [
        *("ticket-triage", "bf8cea70", "yes", "100", "1,000", "990", "10", "890", "40", "2.5%"),
    ]
    assert second.split()[:3] == ["vendor-answers", "00112233", "no"]


def test_json_is_what_the_daemon_says(claudeflow: CommandLine, desk: RunningDesk) -> None:
    found = json.loads(claudeflow("packs", "--json").stdout)
    assert found == packs_to_json([PACKED, UNPACKED])


def test_without_packs_a_note_says_where_to_read(claudeflow: CommandLine, desk: RunningDesk) -> None:
    desk.desk.packs.rows = ()
    done = claudeflow("packs")
    assert done.stdout == ""
    assert "docs/packs.md" in done.stderr


def test_a_reset_says_how_the_prompt_stands(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("packs", "reset", "vendor-answers")
    assert done.stdout == "prompt vendor-answers 0011223344556677 is packed: it may be packed\n"
    assert desk.desk.packs.rows[-1].canaries == 0


def test_a_reset_can_be_read_by_machines(claudeflow: CommandLine, desk: RunningDesk) -> None:
    [row] = json.loads(claudeflow("packs", "reset", "vendor-answers", "--json").stdout)["prompts"]
    assert row["is_packed"] is True


def test_a_prompt_that_is_unknown_has_an_exit_code_of_its_own(
    claudeflow: CommandLine, desk: RunningDesk
) -> None:
    done = claudeflow("packs", "reset", "nobody")
    assert done.exit_code == Exit.NOT_FOUND
    assert "prompt nobody is not packed" in done.stderr


def test_show_names_those_with_whom_a_call_was_shared() -> None:
    row = {
        "number": 1,
        "outcome": "succeeded",
        "error_type": None,
        "http_status": 200,
        "request_id": "req_1",
        "input_tokens": 1,
        "cache_read_tokens": 0,
        "output_tokens": 1,
        "cost_nanousd": 1,
        "reserved_nanousd": 2,
        "call_state": "settled",
        "items": 20,
        "slot": "k3f9",
        "call_ms": 100,
        "shared_with": list(range(1, 20)),
    }
    board, _ = tries_board([row], 200)
    assert printed(board, 200)[-1].strip() == (
        "shared by 20 jobs as k3f9, its part took 0.1s, with 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 7 more"
    )
