"""Every usage that the real API was recorded to report: how it is read, and what it is billed at.

The bills are computed a second time here, in decimals, from prices written down once more.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from claudeflow.claude.assembly import MessageAssembly
from claudeflow.claude.usage import is_complete, read_usage
from claudeflow.domain.usage import Usage
from claudeflow.policy.money.price_list import read_price_list

RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parent / "recordings" / "usages.jsonl").read_text().splitlines()
]
NAMES = [f"{number}-{row['model']}" for number, row in enumerate(RECORDED)]
TODAY_MS = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1000)

# Dollars for a million tokens: input, write for 5 m, write for 1 h, read, output.
PUBLISHED = {
    "claude-fable-5": ("10", "12.50", "20", "1.00", "50"),
    "claude-opus-5": ("5", "6.25", "10", "0.50", "25"),
    "claude-opus-4-8": ("5", "6.25", "10", "0.50", "25"),
    "claude-opus-4-7": ("5", "6.25", "10", "0.50", "25"),
    "claude-opus-4-6": ("5", "6.25", "10", "0.50", "25"),
    "claude-opus-4-5-20251101": ("5", "6.25", "10", "0.50", "25"),
    "claude-sonnet-5": ("2", "2.50", "4", "0.20", "10"),
    "claude-sonnet-4-6": ("3", "3.75", "6", "0.30", "15"),
    "claude-sonnet-4-5-20250929": ("3", "3.75", "6", "0.30", "15"),
    "claude-haiku-4-5-20251001": ("1", "1.25", "2", "0.10", "5"),
}
RETIRED = {
    "claude-opus-4-1-20250805": ("15", "18.75", "30", "1.50", "75"),
    "claude-sonnet-4-20250514": ("3", "3.75", "6", "0.30", "15"),
    "claude-3-7-sonnet-20250219": ("3", "3.75", "6", "0.30", "15"),
    "claude-3-5-sonnet-20241022": ("3", "3.75", "6", "0.30", "15"),
    "claude-3-5-sonnet-20240620": ("3", "3.75", "6", "0.30", "15"),
    "claude-3-5-haiku-20241022": ("0.80", "1", "1.60", "0.08", "4"),
    "claude-3-5-haiku-latest": ("0.80", "1", "1.60", "0.08", "4"),
    "claude-3-opus-20240229": ("15", "18.75", "30", "1.50", "75"),
    "claude-3-haiku-20240307": ("0.25", "0.30", "0.50", "0.03", "1.25"),
}
KINDS = ("input", "write_5m", "write_1h", "read", "output")


def _row(model: str, prices: tuple[str, ...]) -> dict[str, Any]:
    sizes = {"cache_minimum_tokens": 1024, "context_tokens": 200_000, "max_output_tokens": 8_192}
    price = dict(zip(KINDS, map(Decimal, prices), strict=True)) | {"effective_from": date(2024, 1, 1)}
    return {"id": model, "pool": model, "price": [price], **sizes}


SHIPPED = tomllib.loads(resources.files("claudeflow").joinpath("prices.toml").read_text())
TABLE = read_price_list({"model": [*SHIPPED["model"], *(_row(*item) for item in RETIRED.items())]})


def as_told(row: Mapping[str, Any]) -> dict[str, Any]:
    """The usage as our own code puts it together."""
    if "deltas" not in row:
        return dict(row["usage"])
    assembly = MessageAssembly()
    assembly.add({"type": "message_start", "message": {"usage": row["usage"]}})
    for usage in row["deltas"]:
        assembly.add({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage})
    return assembly.usage()


def read(row: Mapping[str, Any]) -> Usage:
    return read_usage(as_told(row), caches_for_1h=row["asks_for_1h"])


def billed_by_hand(row: Mapping[str, Any]) -> int:
    """Nano-dollars, from the bare counts: the start of a message, overwritten by the end of its stream."""
    last = row["deltas"][-1] if row.get("deltas") else {}
    told = row["usage"] | {name: value for name, value in last.items() if value is not None}
    split = told.get("cache_creation") or {}
    written_5m, written_1h = (split.get(f"ephemeral_{ttl}_input_tokens", 0) for ttl in ("5m", "1h"))
    if not split:
        written = told.get("cache_creation_input_tokens") or 0
        written_5m, written_1h = (0, written) if row["asks_for_1h"] else (written, 0)
    read_tokens = told.get("cache_read_input_tokens") or 0
    counts = (told["input_tokens"], written_5m, written_1h, read_tokens, told["output_tokens"])
    prices = {**PUBLISHED, **RETIRED}[row["model"]]
    usd = sum(count * Decimal(price) for count, price in zip(counts, prices, strict=True)) / 1_000_000
    usd *= Decimal("0.5") if told.get("service_tier") == "batch" else 1
    usd *= Decimal("1.1") if told.get("inference_geo") == "us" else 1
    usd += (told.get("server_tool_use") or {}).get("web_search_requests", 0) * Decimal("0.01")
    return int((usd * 10**9).quantize(Decimal(1), ROUND_HALF_EVEN))


@pytest.mark.parametrize("row", RECORDED, ids=NAMES)
def test_a_recorded_usage_is_billed_to_the_nano_dollar(row: Mapping[str, Any]) -> None:
    assert TABLE.bill(row["model"], read(row), TODAY_MS).cost_nanousd == billed_by_hand(row)


@pytest.mark.parametrize("row", RECORDED, ids=NAMES)
def test_the_counts_of_a_recorded_usage_add_up(row: Mapping[str, Any]) -> None:
    usage, last = read(row), as_told(row)
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    assert written == (last.get("cache_creation_input_tokens") or 0)
    assert usage.prompt_tokens == usage.input_tokens + written + usage.cache_read_tokens
    assert usage.thinking_tokens <= usage.output_tokens


KINDS_READ = (
    *(f"{kind}_tokens" for kind in ("input", "cache_write_5m", "cache_read", "output", "thinking")),
    "web_searches",
)


@pytest.mark.parametrize("kind", KINDS_READ)
@pytest.mark.parametrize("streamed", [False, True])
def test_each_kind_is_in_a_recording_streamed_and_not(kind: str, streamed: bool) -> None:
    assert any(getattr(read(row), kind) for row in RECORDED if ("deltas" in row) is streamed)


def test_the_recordings_hold_batches_growing_inputs_and_writes_without_a_split() -> None:
    assert any(read(row).service_tier == "batch" for row in RECORDED)
    assert any(not read(row).split_known for row in RECORDED)
    assert any(
        as_told(row)["input_tokens"] > row["usage"]["input_tokens"] for row in RECORDED if "deltas" in row
    )


def test_a_write_without_a_split_counts_at_the_long_ttl_when_that_was_asked_for() -> None:
    """No recording has a write for an hour: those without a split are read as if they had asked for one."""
    for row in ({**row, "asks_for_1h": True} for row in RECORDED if not read(row).split_known):
        usage = read(row)
        assert usage.cache_write_1h_tokens > 0 == usage.cache_write_5m_tokens
        assert TABLE.bill(row["model"], usage, TODAY_MS).cost_nanousd == billed_by_hand(row)


def test_only_a_usage_with_iterations_beside_the_message_is_not_enough_for_a_bill() -> None:
    [beside] = [row for row in RECORDED if not is_complete(as_told(row))]
    assert "advisor" in beside["origin"]
