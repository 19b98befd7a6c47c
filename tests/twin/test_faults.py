from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from claudeflow.twin.engine import Twin
from claudeflow.twin.errors import ConnectionDropped, ConnectionRefused
from claudeflow.twin.fault_script import parse_faults
from claudeflow.twin.faults import KINDS, Fault, mishap
from claudeflow.twin.script import load_script, read_script
from claudeflow.twin.settings import TwinSettings, settings_from_json, settings_to_json
from claudeflow.twin.wire import HttpAnswer
from tests.twin.builders import WoundClock, a_call, a_twin, headers_of, json_of, read_all

SCRIPT = """
[[fault]]
kind = "rate_429"
from_s = 60
until_s = 90
share = 0.5
retry_after_s = 12

[[fault]]
kind = "overloaded_529"
calls = [3, 7]
model = "claude-opus-5"
"""


def a_faulty_twin(kind: str, clock: WoundClock | None = None, **fault: Any) -> Twin:
    return a_twin(clock, faults=parse_faults([{"kind": kind, **fault}]))


async def answered(kind: str, *, stream: bool = False, **fault: Any) -> HttpAnswer:
    return await a_faulty_twin(kind, **fault).handle(a_call(stream=stream))


def test_a_script_is_read_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "script.toml"
    path.write_text(SCRIPT)
    storm, overload = load_script(path).faults

    assert storm == Fault("rate_429", from_s=60, until_s=90, share=0.5, retry_after_s=12)
    assert overload.calls == (3, 7)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "[[fault]]\nkind = 'nonsense'",
            "fault 1: kind 'nonsense' is unknown; allowed: auth_401, batch_create_lost",
        ),
        ("[[fault]]\nkind = 'stall'\n[[fault]]\nkind = 'stall'\nshare = 2", "fault 2 (stall): share = 2"),
        ("[[fault]]\nkind = 'error_500'\nretry_after_s = 2", "unknown key 'retry_after_s'; allowed: calls"),
        ("[[fault]]\nkind = 'error_500'\ncalls = [7, 3]", "[first, last]"),
        ("[[fault]]\nkind = 'error_500'\nfrom_s = 9\nuntil_s = 9", "until_s must be later than from_s"),
        ("[[fault]]\nkind = 'stream_error'\nerror_type = 'x'", "overloaded_error or api_error"),
        ("[fault]\nkind = 'stall'", "must be a list"),
        ("fault = [1]", "fault 1: must be a table"),
        ("[[faults]]", "unknown key 'faults'"),
        ("kind =", "not TOML"),
    ],
)
def test_a_bad_script_is_refused_with_the_entry_and_what_is_allowed(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match="fault") as caught:
        read_script(text)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"kind": "rate_429", "countdown": True}, "countdown needs until_s"),
        ({"kind": "rate_429", "countdown": 1}, "give true or false"),
        (
            {"kind": "rate_429", "countdown": True, "until_s": 9, "retry_after_s": 2},
            "countdown and retry_after_s exclude each other",
        ),
        ({"kind": "headers_lost", "families": "ten"}, "give all, nine, six, none"),
        ({"kind": "outage", "share": 0.5}, "unknown key 'share'; allowed: from_s, kind, until_s"),
    ],
)
def test_keys_that_belong_together_are_checked_together(fault: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match="fault 1 ") as caught:
        parse_faults([fault])
    assert complaint in str(caught.value)


def test_settings_with_faults_survive_the_way_through_json() -> None:
    settings = TwinSettings(faults=read_script(SCRIPT).faults, keys=("a", "b"), rpm=7, burst_s=0.5)
    assert settings_from_json(settings_to_json(settings)) == settings


def test_bounds_and_share_pick_the_calls() -> None:
    faults = read_script(SCRIPT).faults
    hit = [
        (call, fate.answer.kind)
        for call in range(1, 11)
        if (fate := mishap(faults, 0, call, 0.0, ["claude-opus-5"])).answer
    ]
    assert hit == [(call, "overloaded_529") for call in range(3, 8)]
    assert mishap(faults, 0, 3, 0.0, ["claude-sonnet-5"]).answer is None
    stormy = sum(mishap(faults, 0, call, 60.0, ["x"]).answer is not None for call in range(1_000))
    assert 430 < stormy < 570


ANSWERS = [
    ("rate_429", 429, "rate_limit_error", None, "10"),
    ("ramp_429", 429, "rate_limit_error", "ramp_limit_exceeded", "10"),
    ("spend_cap", 429, "rate_limit_error", "enforced_spend_limit_reached", None),
    ("overloaded_529", 529, "overloaded_error", None, None),
    ("error_500", 500, "api_error", None, None),
    ("credit_empty", 400, "invalid_request_error", None, None),
    ("usage_limit_400", 400, "invalid_request_error", None, None),
    ("billing_402", 402, "billing_error", None, None),
    ("auth_401", 401, "authentication_error", None, None),
    ("org_on_hold", 400, "invalid_request_error", "organization_on_hold", None),
]


@pytest.mark.parametrize(("kind", "status", "error_type", "code", "retry_after"), ANSWERS)
async def test_an_answering_fault_has_the_apis_status_type_and_code(
    kind: str, status: int, error_type: str, code: str | None, retry_after: str | None
) -> None:
    answer = await answered(kind)
    body = json_of(answer)

    assert (answer.status, body["error"]["type"]) == (status, error_type)
    assert body["error"].get("details", {}).get("error_code") == code
    assert headers_of(answer).get("retry-after") == retry_after
    assert body["request_id"] == headers_of(answer)["request-id"]


async def test_the_two_money_errors_without_a_code_have_their_known_words() -> None:
    assert "credit balance is too low" in json_of(await answered("credit_empty"))["error"]["message"]
    usage_limit = json_of(await answered("usage_limit_400"))["error"]["message"]
    assert usage_limit.startswith("You have reached your specified")


async def test_a_gateway_error_is_html_without_a_request_id() -> None:
    answer = await answered("error_502_html")
    assert (answer.status, headers_of(answer)["content-type"]) == (502, "text/html")
    assert "request-id" not in headers_of(answer)


async def test_a_reset_before_the_headers_costs_nothing() -> None:
    twin = a_faulty_twin("conn_reset")
    with pytest.raises(ConnectionDropped):
        await twin.handle(a_call())
    assert twin.invoice().lines == []
    assert twin.stats().calls_by_status == {0: 1}


async def test_silence_lasts_and_ends_without_an_answer() -> None:
    clock = WoundClock()
    with pytest.raises(ConnectionDropped):
        await a_faulty_twin("silent", clock, for_s=30).handle(a_call())
    assert clock.slept_s == [30]


async def test_a_reset_within_a_stream_bills_what_was_generated() -> None:
    twin = a_faulty_twin("reset_mid_stream", after_share=0.5)
    answer = await twin.handle(a_call(stream=True))
    with pytest.raises(ConnectionDropped):
        await read_all(answer)

    (line,) = twin.invoice().lines
    whole = json_of(await a_twin().handle(a_call()))["usage"]["output_tokens"]
    assert line.ending == "interrupted"
    assert 0 < line.tokens.output <= whole / 2


async def test_a_truncated_stream_ends_cleanly_without_message_stop() -> None:
    data = await read_all(await answered("truncate", stream=True))
    assert b"content_block_delta" in data
    assert b"message_stop" not in data
    assert b"event: error" not in data


@pytest.mark.parametrize("error_type", ["overloaded_error", "api_error"])
async def test_an_error_within_a_stream_is_an_event_after_status_200(error_type: str) -> None:
    answer = await answered("stream_error", stream=True, error_type=error_type)
    data = await read_all(answer)

    assert answer.status == 200
    assert data.rsplit(b"event: ", 1)[1].startswith(
        b'error\ndata: {"type":"error","error":{"type":"' + error_type.encode()
    )


async def test_the_same_trouble_on_a_plain_call_is_an_error_of_its_own() -> None:
    assert (await answered("stream_error")).status == 529
    assert (await answered("stream_error", error_type="api_error")).status == 500


async def test_a_stalled_stream_sends_pings_and_no_content() -> None:
    clock = WoundClock()
    twin = a_faulty_twin("stall", clock, for_s=60, after_share=0.0)
    answer = await twin.handle(a_call(stream=True))
    seen: list[bytes] = []
    with pytest.raises(ConnectionDropped):
        await read_all(answer, into=seen)

    assert sum(data.startswith(b"event: ping") for data in seen) == 6
    assert not any(b"content_block_delta" in data for data in seen)
    assert sum(clock.slept_s) == 60


async def test_a_truncated_plain_body_is_half_a_document() -> None:
    answer = await answered("truncate")
    with pytest.raises(ValueError, match=r"JSON|unexpected"):
        json_of(answer)


async def test_a_plain_body_that_breaks_was_generated_and_is_billed() -> None:
    twin = a_faulty_twin("reset_mid_stream")
    answer = await twin.handle(a_call())
    with pytest.raises(ConnectionDropped):
        await read_all(answer)
    assert twin.invoice().lines[0].ending == "complete"


async def test_a_slow_body_takes_a_pause_for_each_piece() -> None:
    clock = WoundClock()
    answer = await a_faulty_twin("slow_body", clock, gap_s=2).handle(a_call())
    assert (await read_all(answer)).endswith(b"}")
    assert clock.slept_s == [2] * 8


async def test_lost_headers_take_retry_after_along() -> None:
    twin = a_twin(rpm=1, faults=parse_faults([{"kind": "headers_lost"}]))
    first, second = await twin.handle(a_call()), await twin.handle(a_call())

    for answer in (first, second):
        assert not [name for name in headers_of(answer) if "ratelimit" in name or name == "retry-after"]
    assert (first.status, second.status) == (200, 429)


async def test_some_header_families_can_be_lost_for_a_while() -> None:
    clock = WoundClock()
    twin = a_faulty_twin("headers_lost", clock, families="six", until_s=60)
    lines = []
    for _ in range(2):
        names = headers_of(await twin.handle(a_call()))
        lines.append(len([name for name in names if "ratelimit" in name]))
        clock.advance(60)
    assert lines == [6, 12]


async def test_a_storm_can_count_down_to_its_end() -> None:
    clock = WoundClock()
    twin = a_faulty_twin("rate_429", clock, until_s=720, countdown=True)
    told = []
    for _ in range(5):
        told.append(headers_of(await twin.handle(a_call())).get("retry-after"))
        clock.advance(179.5)
    assert told == ["720", "541", "361", "182", "2"]
    assert (await twin.handle(a_call())).status == 200
    assert twin.stats().early_calls == 4
    assert twin.stats().pools["opus-5"].refused == {"rate_429": 5}


async def test_who_waits_out_a_countdown_is_served() -> None:
    clock = WoundClock()
    twin = a_faulty_twin("rate_429", clock, until_s=90, countdown=True)
    for wait_s in (0.3, 40.0):
        clock.advance(wait_s)
        told = headers_of(await twin.handle(a_call()))["retry-after"]
    clock.advance(float(told))

    assert (await twin.handle(a_call())).status == 200


async def test_an_episode_of_overload_hits_its_share_of_the_calls_within_its_time() -> None:
    clock = WoundClock()
    twin = a_faulty_twin("overloaded_529", clock, from_s=100, until_s=200, share=0.7)
    twin.start()
    statuses = []
    for _ in range(300):
        statuses.append((await twin.handle(a_call(max_tokens=1))).status)
        clock.advance(1)
    assert set(statuses[:100]) == set(statuses[200:]) == {200}
    assert 55 < statuses[100:200].count(529) < 85


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/models"])
async def test_an_outage_is_of_every_path_and_ends(path: str) -> None:
    clock = WoundClock()
    twin = a_faulty_twin("outage", clock, from_s=60, until_s=660)
    call = a_call(path, method="GET" if path == "/v1/models" else "POST")
    statuses = []
    for wait_s in (0, 60, 599, 1):
        clock.advance(wait_s)
        try:
            statuses.append((await twin.handle(call)).status)
        except ConnectionRefused:
            statuses.append(0)
    assert statuses == [200, 0, 0, 200]
    assert twin.stats().calls_by_status[0] == 2
    assert all(line.tokens.output > 0 for line in twin.invoice().lines)


async def test_a_retry_after_can_stand_on_a_success_as_it_does_on_record() -> None:
    answer = await answered("retry_after_on_200", retry_after_s=22)
    assert (answer.status, headers_of(answer)["retry-after"]) == (200, "22")


@pytest.mark.parametrize("offset_s", [-7_200, -90, 90, 7_200])
async def test_a_skewed_clock_shifts_date_and_every_reset_by_as_much(offset_s: int) -> None:
    straight = headers_of(await a_twin().handle(a_call()))
    skewed = headers_of(await answered("clock_skew", offset_s=offset_s))
    resets = [name for name in straight if name.endswith("-reset")]

    told = [parsedate_to_datetime(headers["date"]) for headers in (straight, skewed)]
    assert (told[1] - told[0]).total_seconds() == offset_s
    assert len(resets) == 4
    for name in resets:
        moved = datetime.fromisoformat(skewed[name]) - datetime.fromisoformat(straight[name])
        assert moved.total_seconds() == offset_s
    others = set(straight) - set(resets) - {"date"}
    assert all(straight[name] == skewed[name] for name in others)


async def test_errors_are_dated_by_the_skewed_clock_as_well() -> None:
    for kind in ("error_502_html", "error_500"):
        dates = []
        for faults in ([{"kind": kind}], [{"kind": kind}, {"kind": "clock_skew", "offset_s": 90}]):
            answer = await a_twin(faults=parse_faults(faults)).handle(a_call())
            dates.append(parsedate_to_datetime(headers_of(answer)["date"]))
        assert (dates[1] - dates[0]).total_seconds() == 90


async def test_latency_can_be_multiplied() -> None:
    slow, usual = WoundClock(), WoundClock()
    fault = parse_faults([{"kind": "latency_factor", "factor": 3}])
    await a_twin(usual, ttft_s=1.0, tokens_per_s=50.0).handle(a_call())
    await a_twin(slow, ttft_s=1.0, tokens_per_s=50.0, faults=fault).handle(a_call())

    assert sum(slow.slept_s) == pytest.approx(3 * sum(usual.slept_s))


@pytest.mark.parametrize(("category", "billed"), [("cyber", False), ("bio", True)])
async def test_a_refusal_is_a_200_and_billed_for_some_categories_only(category: str, billed: bool) -> None:
    twin = a_faulty_twin("refusal", category=category)
    body = json_of(await twin.handle(a_call()))

    assert (body["stop_reason"], body["content"]) == ("refusal", [])
    assert body["stop_details"]["category"] == category
    assert (twin.invoice().total_nanousd > 0) is billed


async def test_a_client_that_leaves_a_plain_call_is_billed_for_what_was_generated() -> None:
    clock = WoundClock(runs=False)
    twin = a_twin(clock, ttft_s=0.0, tokens_per_s=10.0, latency_sigma=0.0)
    question = [{"role": "user", "content": "[[answer 100 tokens]]"}]
    task = asyncio.ensure_future(twin.handle(a_call(messages=question)))
    await asyncio.sleep(0)
    clock.advance(3.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    (line,) = twin.invoice().lines
    assert (line.ending, line.tokens.output) == ("abandoned", 30)
    assert line.cost_nanousd == line.tokens.input * 5_000 + 30 * 25_000
    assert twin.stats().in_flight == 0


async def test_a_client_that_leaves_before_the_first_token_is_billed_for_its_input() -> None:
    twin = a_twin(WoundClock(runs=False), ttft_s=5.0)
    task = asyncio.ensure_future(twin.handle(a_call(stream=True)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    (line,) = twin.invoice().lines
    assert (line.ending, line.tokens.output) == ("abandoned", 0)
    assert line.tokens.input > 0


@pytest.mark.parametrize("pieces", [0, 1, 5])
async def test_a_client_that_leaves_a_stream_is_billed_for_what_it_could_have_seen(pieces: int) -> None:
    twin = a_twin(tokens_per_s=10.0)
    answer = await twin.handle(a_call(stream=True))
    assert not isinstance(answer.body, bytes)
    reader = aiter(answer.body)
    for _ in range(pieces):
        await anext(reader)
    await answer.body.aclose()

    (line,) = twin.invoice().lines
    assert (line.ending, line.tokens.output) == ("abandoned", max(0, pieces - 2) * 12)


async def test_every_kind_leaves_the_twin_in_order() -> None:
    for kind in sorted(KINDS):
        for stream in (False, True):
            twin = a_faulty_twin(kind)
            with suppress(ConnectionDropped):
                await read_all(await twin.handle(a_call(stream=stream)))
            assert twin.stats().in_flight == 0, kind
            assert twin.stats().calls == 1, kind


async def test_a_script_can_be_replaced_and_counts_from_then() -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    await twin.handle(a_call())
    clock.advance(500)
    twin.replace_faults(parse_faults([{"kind": "error_500", "calls": [1, 1], "until_s": 10}]))

    assert [(await twin.handle(a_call())).status for _ in range(2)] == [500, 200]
    twin.reset()
    assert twin.stats().calls == 0
