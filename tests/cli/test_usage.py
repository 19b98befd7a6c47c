"""Usage and prices, from the command line."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from claudeflow.cli.exits import Exit
from claudeflow.cli.usage_table import usage_table
from claudeflow.domain.ledger import UsageRow
from claudeflow.policy.money.price_check import Finding
from tests.cli.running_desk import RunningDesk
from tests.cli.scripted_daemon import CommandLine, ScriptedDaemon

ROWS = [
    UsageRow(
        ("questionnaires", "claude-sonnet-5-5"), calls=12_345, input_tokens=2_000_000,
        cache_write_5m_tokens=10_000, cache_read_tokens=6_000_000, output_tokens=900_000,
        thinking_tokens=1_000, web_searches=3,
        cost_nanousd=123_456_789_012, uncached_nanousd=200_000_000_000, unbatched_nanousd=123_456_789_012,
        plain_nanousd=246_913_578_024,
    ),
    UsageRow(("triage", "claude-haiku-5-5"), calls=1, cost_nanousd=1, plain_nanousd=1, uncached_nanousd=1),
]  # fmt: skip
UNKNOWN = UsageRow(("w", "m"), unknown_calls=2, unknown_bound_nanousd=3_000_000_000, unsplit_calls=1)


def test_the_table_has_a_row_for_each_group_and_a_total(claudeflow: CommandLine, desk: RunningDesk) -> None:
    desk.desk.books.rows = ROWS
    lines = claudeflow("usage").stdout.splitlines()
    header = "workflow model calls input cached output cost no cache no batch neither saved"
    assert " ".join(lines[0].split()) == header
    assert lines[1].split()[:6] == ["questionnaires", "claude-sonnet-5-5", "12,345", "8.01M", "75%", "900k"]
    assert lines[-1].split()[:2] == ["total", "12,346"]
    assert "$123.4568" in lines[1]
    assert lines[1].endswith("50%")


def test_tokens_are_shown_by_kind(claudeflow: CommandLine, desk: RunningDesk) -> None:
    desk.desk.books.rows = ROWS
    lines = claudeflow("usage", "--tokens").stdout.splitlines()
    assert lines[1].split()[2:] == (
        ["12,345", "2.00M", "10.0k", "0", "6.00M", "75%", "900k", "1.00k", "3", "$123.4568"]
    )


def test_unknown_calls_are_an_upper_bound(claudeflow: CommandLine, desk: RunningDesk) -> None:
    desk.desk.books.rows = [UNKNOWN]
    shown = claudeflow("usage").stdout
    assert "up to" in shown
    assert "$3.0000" in shown
    assert "2 calls of unknown cost: at most $3.0000 more" in shown
    assert "booked at the longest time" in shown


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_a_table_fits_its_terminal_and_nothing_is_cut(width: int, tokens: bool) -> None:
    found: dict[str, Any] = {"by": ["workflow", "model"], "rows": [], "total": {}}
    names = [name for name in UsageRow.__dataclass_fields__ if name != "key"]
    for row in ROWS:
        sums = {name: getattr(row, name) for name in names}
        shares = {"cached_share": row.cached_share, "saved_share": row.saved_share}
        found["rows"].append({"workflow": row.key[0], "model": row.key[1], **sums, **shares})
    found["total"] = found["rows"][0]
    out = StringIO()
    screen = Console(file=out, width=width)
    table, left_out = usage_table(found, width, tokens=tokens)
    screen.print(table)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in out.getvalue()
    assert "$123.4568" in lines[1] or (tokens and "cost" in left_out)
    assert (left_out == ()) is (width == 200)


def test_csv_has_exact_dollars_and_no_total(claudeflow: CommandLine, desk: RunningDesk) -> None:
    desk.desk.books.rows = ROWS
    rows = list(csv.DictReader(StringIO(claudeflow("usage", "--csv").stdout)))
    assert [row["workflow"] for row in rows] == ["questionnaires", "triage"]
    assert rows[0]["cost_usd"] == "123.456789012"
    assert sum(Decimal(row["cost_usd"]) for row in rows) == Decimal("123.456789013")


def test_json_has_whole_nano_dollars(claudeflow: CommandLine, desk: RunningDesk) -> None:
    desk.desk.books.rows = ROWS
    found = json.loads(claudeflow("usage", "--json").stdout)
    assert found["total"]["cost_nanousd"] == 123_456_789_013


def test_a_kind_that_does_not_exist_is_refused(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("usage", "--kind", "foo")
    assert done.exit_code == Exit.USAGE
    assert "prewarm" in done.stderr


def test_two_forms_at_once_are_refused(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("usage", "--json", "--csv")
    assert (done.exit_code, done.stdout) == (Exit.USAGE, "")
    assert "choose one" in done.stderr


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)])
def test_a_name_that_never_occurred_is_told_with_the_one_that_may_be_meant(
    claudeflow: CommandLine, daemon: ScriptedDaemon, form: tuple[str, ...]
) -> None:
    row = {"workflow": "triage", "cost_nanousd": 1}
    daemon.answers("GET /v1/usage", {"since": None, "until": None, "by": [], "rows": []})
    daemon.answers("GET /v1/usage", {"rows": [row]})
    done = claudeflow("usage", "--workflow", "triag", *form)
    assert done.exit_code == Exit.OK
    assert "no call in the books has workflow triag; did you mean triage?" in done.stderr


def test_an_empty_period_is_said_to_be_empty(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("usage", "--since", "2026-11-01", "--until", "2026-11-02")
    assert (done.exit_code, done.stdout) == (Exit.OK, "")
    assert "nothing was used from 2026-11-01T00:00Z until 2026-11-02T00:00Z" in done.stderr


def test_a_wrong_dimension_is_an_error_that_names_the_right_ones(
    claudeflow: CommandLine, desk: RunningDesk
) -> None:
    done = claudeflow("usage", "--by", "wurkflow")
    assert done.exit_code != Exit.OK
    assert 'Did you mean "workflow"?' in done.stderr


def test_usage_can_be_read_without_a_daemon(claudeflow: CommandLine) -> None:
    done = claudeflow("usage", "--json")
    assert json.loads(done.stdout)["rows"] == []


def test_prices_in_force_are_listed(claudeflow: CommandLine) -> None:
    lines = claudeflow("prices", "list", "--model", "claude-haiku-5-5").stdout.splitlines()
    assert lines[1].split() == ["claude-haiku-5-5", "2026-10-07", "0.10", "0.125", "0.20", "0.01", "0.50"]
    assert lines[2].split() == ["over", "100k", "0.50", "0.625", "1.00", "0.05", "2.50"]


def test_listed_prices_have_their_days(claudeflow: CommandLine) -> None:
    [model] = json.loads(claudeflow("prices", "list", "--model", "claude-sonnet-5-5", "--json").stdout)[
        "models"
    ]
    assert [(price["effective_from"], price["standard"]["read"]) for price in model["prices"]] == [
        ("2026-09-28", "0.20"),
        ("2026-10-07", "0.10"),
    ]


def test_a_model_without_a_price_cannot_be_listed(claudeflow: CommandLine) -> None:
    done = claudeflow("prices", "list", "--model", "claude-nix")
    assert done.exit_code != Exit.OK
    assert "no price is known for claude-nix" in done.stderr
    assert "unexpected" not in done.stderr


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("haiku", "did you mean claude-haiku-4-5 or claude-haiku-4-5-20251001 or claude-haiku-5-5?"),
        ("claude-haiku-55", "did you mean claude-haiku-5-5?"),
    ],
)
def test_a_model_that_is_misspelt_is_told_with_what_may_be_meant(
    claudeflow: CommandLine, typed: str, meant: str
) -> None:
    done = claudeflow("prices", "list", "--model", typed)
    assert (done.exit_code, done.stdout) == (Exit.NOT_FOUND, "")
    assert meant in done.stderr


@pytest.mark.parametrize(("level", "code"), [("error", Exit.FAILED), ("warning", Exit.OK), ("note", Exit.OK)])
def test_a_check_fails_when_something_is_wrong(
    claudeflow: CommandLine, desk: RunningDesk, level: str, code: Exit
) -> None:
    desk.desk.books.findings = [Finding(level, "m", "is odd", "mend it")]  # type: ignore[arg-type]
    done = claudeflow("prices", "check")
    assert (done.exit_code, done.stdout) == (code, f"{level}: m: is odd; mend it\n")


def test_a_check_without_a_daemon_reads_config_and_store(claudeflow: CommandLine) -> None:
    with claudeflow.config.open("a") as config:
        config.write('[fallback]\n"claude-opus-5-5" = "claude-fable-5-2"\n')
    done = claudeflow("prices", "check")
    assert done.exit_code == Exit.OK
    assert "warning: claude-fable-5-2: provisional" in done.stdout
    assert "in use: [fallback] of claude-opus-5-5" in done.stdout
