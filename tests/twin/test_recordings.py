"""The twin beside recordings of the real API: the same headers, formats, events, fields and arithmetic."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
import pytest

from claudeflow.twin.headers import rate_headers
from claudeflow.twin.pool import Pool, PoolRules
from claudeflow.twin.tiers import Limits
from claudeflow.twin.wire import HttpAnswer
from tests.twin.builders import WoundClock, a_call, a_twin, headers_of, json_of, read_all
from tests.twin.recorded import FOLDER, Exchange, exchanges, observations

COUNT = r"\d+"
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
FORMATS = {
    "date": r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT",
    "request-id": r"req_[0-9A-Za-z]{24}",
    "anthropic-organization-id": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "retry-after": COUNT,
    "x-should-retry": "true|false",
    "content-type": r"application/(json|x-jsonl)|text/event-stream; charset=utf-8",
}
for _family in ("requests", "tokens", "input-tokens", "output-tokens"):
    _stem = f"anthropic-ratelimit-{_family}-"
    FORMATS |= {f"{_stem}limit": COUNT, f"{_stem}remaining": COUNT, f"{_stem}reset": MOMENT}
PLACEHOLDERS = ("<", "REDACTED")
RECORDED = exchanges()
MESSAGES = [one for one in RECORDED if one.path == "/v1/messages" and one.status == 200]
STREAMS = [one for one in MESSAGES if one.streamed]
ERRORS = [one for one in RECORDED if one.status >= 400]


def rate_limit_names(headers: dict[str, str]) -> set[str]:
    return {name for name in headers if name.startswith("anthropic-ratelimit-")}


def events_of(body: str) -> list[tuple[str, dict[str, Any]]]:
    events = []
    for block in body.replace("\r\n", "\n").split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.strip().splitlines() if ": " in line)
        if "event" in lines:
            events.append((lines["event"], orjson.loads(lines["data"])))
    return events


def grammar_of(body: str) -> str:
    """The order of events as one word, pings left out."""
    letters = {
        "message_start": "M",
        "content_block_start": "s",
        "content_block_delta": "d",
        "content_block_stop": "e",
        "message_delta": "D",
        "message_stop": "Z",
    }
    return "".join(letters[name] for name, _ in events_of(body) if name != "ping")


def key_paths(value: Any, prefix: str = "") -> set[str]:
    """The names of all fields, but for the contents of blocks and newer nested details."""
    if not isinstance(value, dict):
        return set()
    return {
        path
        for key, inner in value.items()
        for path in ({f"{prefix}{key}"} | key_paths(inner, f"{prefix}{key}."))
    }


async def twin_answer(**changes: Any) -> HttpAnswer:
    return await a_twin().handle(a_call(**changes))


def test_the_folder_is_small_and_names_every_origin() -> None:
    files = [file for file in FOLDER.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 300_000
    origin = (FOLDER / "ORIGIN.md").read_text()
    assert all(f"`{folder.name}`" in origin for folder in FOLDER.iterdir() if folder.is_dir())
    assert len(MESSAGES) >= 10


@pytest.mark.parametrize("exchange", RECORDED, ids=lambda one: one.source[:60])
def test_the_formats_hold_for_what_is_on_record(exchange: Exchange) -> None:
    for name, value in exchange.headers.items():
        if name in FORMATS and not value.startswith(PLACEHOLDERS):
            assert re.fullmatch(FORMATS[name], value, re.IGNORECASE), (name, value)


@pytest.mark.parametrize(
    "changes",
    [{}, {"stream": True}, {"model": "nobody"}, {"max_tokens": -1}],
    ids=["plain", "stream", "404", "400"],
)
async def test_the_formats_hold_for_the_twin(changes: dict[str, Any]) -> None:
    headers = headers_of(await twin_answer(**changes))
    for name, value in headers.items():
        if name in FORMATS:
            assert re.fullmatch(FORMATS[name], value), (name, value)
    assert {"date", "request-id", "anthropic-organization-id", "content-type"} <= set(headers)


@pytest.mark.parametrize(("families", "lines"), [("all", 12), ("nine", 9), ("six", 6)])
async def test_the_twins_header_sets_are_ones_on_record(families: str, lines: int) -> None:
    on_record = {frozenset(rate_limit_names(one.headers)) for one in MESSAGES}
    for row in observations():
        on_record.add(frozenset(f"anthropic-ratelimit-{name}" for name in row.get("ratelimit", {})))
    answer = await a_twin(header_families=families).handle(a_call())

    assert rate_limit_names(headers_of(answer)) in on_record
    assert len(rate_limit_names(headers_of(answer))) == lines


def test_on_record_tokens_are_input_plus_output_in_thousands_and_reset_with_the_earlier_of_both() -> None:
    rows = [row["ratelimit"] for row in observations() if "input-tokens-limit" in row.get("ratelimit", {})]
    assert len(rows) > 800
    for row in rows:
        for what in ("limit", "remaining"):
            assert int(row[f"tokens-{what}"]) == int(row[f"input-tokens-{what}"]) + int(
                row[f"output-tokens-{what}"]
            )
        assert int(row["tokens-remaining"]) % 1_000 == 0
        assert row["tokens-reset"] == min(row["input-tokens-reset"], row["output-tokens-reset"])


async def test_the_twins_tokens_are_input_plus_output_in_thousands_and_reset_with_the_earlier_of_both() -> (
    None
):
    clock = WoundClock()
    twin = a_twin(clock, itpm=30_000, otpm=8_000)
    for number in range(20):
        clock.advance(number / 3)
        headers = headers_of(
            await twin.handle(a_call(messages=[{"role": "user", "content": "word " * 2_000}]))
        )
        row = {name.removeprefix("anthropic-ratelimit-"): value for name, value in headers.items()}
        for what in ("limit", "remaining"):
            assert int(row[f"tokens-{what}"]) == int(row[f"input-tokens-{what}"]) + int(
                row[f"output-tokens-{what}"]
            )
        assert int(row["input-tokens-remaining"]) % 1_000 == int(row["output-tokens-remaining"]) % 1_000 == 0
        assert row["tokens-reset"] == min(row["input-tokens-reset"], row["output-tokens-reset"])


def test_on_record_plain_calls_tell_requests_as_of_the_start_and_output_as_of_the_end() -> None:
    """A long call tells them apart: `date` is its end, the upstream time leads back to its start."""
    starts = ends = 0
    for row in observations():
        told, seconds = row.get("ratelimit", {}), int(row.get("x-envoy-upstream-service-time", 0)) / 1_000
        if row.get("stream") or row["status"] != 200 or seconds < 4 or "requests-reset" not in told:
            continue
        end = parsedate_to_datetime(row["date"])
        since_end = [
            (datetime.fromisoformat(told[f"{name}-reset"]) - end).total_seconds()
            for name in ("requests", "output-tokens")
            if f"{name}-reset" in told
        ]
        starts += abs(since_end[0] + seconds) <= 2
        ends += len(since_end) > 1 and -1 <= since_end[1] <= 1
    assert (starts, ends) > (40, 25)


async def test_the_twin_tells_requests_as_of_the_start_and_output_as_of_the_end() -> None:
    clock = WoundClock()
    twin = a_twin(clock, tier="scale", ttft_s=2.0, tokens_per_s=20.0)
    began = clock.epoch()
    headers = headers_of(await twin.handle(a_call()))

    moments = {
        name: datetime.fromisoformat(headers[f"anthropic-ratelimit-{name}-reset"]).timestamp() - began
        for name in ("requests", "output-tokens")
    }
    assert 0 <= moments["requests"] <= 1
    assert moments["output-tokens"] == pytest.approx(clock.epoch() - began, abs=1)


def test_the_twins_bucket_gives_the_hidden_debt_that_is_on_record() -> None:
    """Remaining 5,000 and full in 49 s; seven seconds later 0 and full in 91 s; both were answered."""
    pair = sorted((row for row in observations() if "sysctl" in row["path"]), key=lambda row: row["path"])
    at = [parsedate_to_datetime(row["date"]).timestamp() for row in pair]
    pool = Pool("sonnet-4", Limits(50, 30_000, 8_000), PoolRules(), at[0])

    for row, now in zip(pair, at, strict=True):
        assert row["status"] == 200
        assert pool.admit(row["usage"]["input_tokens"], now) is None
        lines = rate_headers(pool.gauges(now, priority=False), 0.0, "all")
        told = {name.decode(): value.decode() for name, value in lines}
        for kind in ("input-tokens", "output-tokens", "tokens"):
            for what in ("limit", "remaining", "reset"):
                assert told[f"anthropic-ratelimit-{kind}-{what}"] == row["ratelimit"][f"{kind}-{what}"], (
                    kind,
                    what,
                )
    assert pool.input.gauge(at[1]).level == pytest.approx(-15_951)


@pytest.mark.parametrize("exchange", STREAMS, ids=lambda one: one.source[:60])
def test_recorded_streams_have_the_order_of_events_that_the_twin_keeps(exchange: Exchange) -> None:
    assert re.fullmatch(r"M(sd*e)*D+Z", grammar_of(exchange.body))
    assert events_of(exchange.body)[0][0] == "message_start"


@pytest.mark.parametrize("changes", [{}, {"thinking": {"type": "adaptive"}}], ids=["text", "thinking"])
@pytest.mark.parametrize("tokens_per_s", [0.0, 50.0])
async def test_the_twins_streams_have_the_recorded_order(
    changes: dict[str, Any], tokens_per_s: float
) -> None:
    twin = a_twin(tokens_per_s=tokens_per_s)
    body = (await read_all(await twin.handle(a_call(stream=True, **changes)))).decode()

    assert re.fullmatch(r"M(sd+e)+DZ", grammar_of(body))
    names = [name for name, _ in events_of(body)]
    assert names.index("ping") == 2
    assert all(name == data["type"] for name, data in events_of(body))


async def test_the_twins_events_have_the_fields_of_recorded_ones() -> None:
    body = (await read_all(await twin_answer(stream=True))).decode()
    ours: dict[str, set[str]] = {}
    for name, data in events_of(body):
        ours.setdefault(name, set()).update(key_paths(data))
    newest = next(one for one in STREAMS if one.source == "test_opus_46_prompt.yaml")
    for name, data in events_of(newest.body):
        assert key_paths(data) <= ours[name], name


async def test_the_twins_message_has_the_fields_of_recorded_ones() -> None:
    ours = key_paths(json_of(await twin_answer()))
    for exchange in MESSAGES:
        if not exchange.streamed:
            assert key_paths(exchange.json()) <= ours | {"container", "usage.server_tool_use"}, (
                exchange.source
            )


async def test_streamed_usage_is_told_at_the_start_and_completed_cumulatively_at_the_end() -> None:
    plain = json_of(await twin_answer())["usage"]
    events = dict(events_of((await read_all(await twin_answer(stream=True))).decode()))
    merged = {**events["message_start"]["message"]["usage"], **events["message_delta"]["usage"]}

    assert merged == plain


@pytest.mark.parametrize("exchange", ERRORS, ids=lambda one: one.source[:60])
async def test_recorded_errors_have_the_envelope_of_the_twins(exchange: Exchange) -> None:
    recorded = exchange.json()
    kinds = {
        400: "invalid_request_error",
        401: "authentication_error",
        404: "not_found_error",
        429: "rate_limit_error",
    }
    assert (recorded["type"], recorded["error"]["type"]) == ("error", kinds[exchange.status])
    assert not rate_limit_names(exchange.headers)
    assert exchange.headers["x-should-retry"] == ("true" if exchange.status == 429 else "false")


async def test_the_twins_errors_say_what_recorded_ones_say() -> None:
    recorded = {one.source[:60]: one for one in ERRORS}
    ours = {
        401: await a_twin(keys=("right",)).handle(a_call()),
        404: await twin_answer(model="this-model-does-not-exist-12345"),
        400: await twin_answer(
            model="claude-haiku-4-5", messages=[{"role": "user", "content": "x" * 12_000_000}]
        ),
    }
    for exchange in recorded.values():
        if exchange.status not in ours or "does not match" in exchange.body:
            continue
        answer = ours[exchange.status]
        body, theirs = json_of(answer), exchange.json()
        assert answer.status == exchange.status
        assert key_paths(theirs) - {"request_id"} <= key_paths(body)
        digits = re.compile(r"\d+")
        assert digits.sub("#", body["error"]["message"]) == digits.sub("#", theirs["error"]["message"])
        assert headers_of(answer)["x-should-retry"] == "false"
        assert not rate_limit_names(headers_of(answer))


async def test_a_rate_limit_error_is_worded_as_the_recorded_one() -> None:
    theirs = next(one for one in ERRORS if one.status == 429).json()["error"]["message"]
    twin = a_twin(rpm=1)
    await twin.handle(a_call())
    ours = json_of(await twin.handle(a_call()))["error"]["message"]

    skeleton = re.compile(r"[\d,]+ (\w+ )*per \w+|\(org: [^)]*\)")
    start = skeleton.sub("#", ours)
    assert skeleton.sub("#", theirs).startswith(start[: start.index("Please")])


async def test_token_counts_and_model_lists_carry_no_rate_limit_headers_as_on_record() -> None:
    twin = a_twin()
    for path, method in (("/v1/messages/count_tokens", "POST"), ("/v1/models", "GET")):
        recorded = next(one for one in RECORDED if one.path == path)
        answer = await twin.handle(a_call(path, method=method))
        assert not rate_limit_names(recorded.headers)
        assert not rate_limit_names(headers_of(answer))
        assert set(recorded.json()) == set(json_of(answer))


async def test_models_have_the_recorded_fields() -> None:
    recorded = next(one for one in RECORDED if one.path == "/v1/models").json()
    ours = json_of(await a_twin().handle(a_call("/v1/models", method="GET")))
    assert set(recorded["data"][0]) <= set(ours["data"][0])
    both = {one["id"]: one["display_name"] for one in recorded["data"]}
    for model in ours["data"]:
        assert both.get(model["id"], model["display_name"]) == model["display_name"]
    assert datetime.now(UTC) > datetime.fromisoformat(ours["data"][0]["created_at"])
