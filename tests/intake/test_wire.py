"""What producers send: every mistake is named with its field and remedy, and good jobs arrive unchanged."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.errors import InvalidJob
from claudeflow.domain.job import PromptRef
from claudeflow.intake.http.app import build_app
from claudeflow.intake.http.door.peers import own_process
from claudeflow.intake.http.inprocess import call
from claudeflow.intake.json_text import MOST_VALUES
from tests.intake.builders import (
    GONE,
    NOW_MS,
    a_catalog,
    a_job,
    a_request,
    asking,
    assistant,
    mistakes_of,
    parsed,
    raw,
    saying,
    user,
)
from tests.intake.wrong_jobs import CACHED, CACHED_1H, ENABLED, FORCED, WRONG_JOBS
from tests.support.fake_desk import FakeDesk

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
MINUTE_MS = 60_000


@pytest.mark.parametrize(
    ("job", "field", "remedy"), [one[1:] for one in WRONG_JOBS], ids=[one[0] for one in WRONG_JOBS]
)
async def test_a_wrong_job_is_told_its_field_and_remedy_and_reaches_no_desk(
    job: Any, field: str, remedy: str
) -> None:
    desk = FakeDesk(a_catalog())
    status, _, body = await call(
        build_app(desk, lambda: NOW_MS),
        "POST",
        "/v1/jobs",
        query={},
        body=raw(job),
        content_type="application/json",
        caller=own_process(),
    )
    problem = orjson.loads(body)
    assert (status, problem["code"], desk.jobs) == (422, "invalid_job", {})
    messages = [error["message"] for error in problem["errors"] if error["field"] == field]
    assert any(remedy in message for message in messages), problem["errors"]


def test_the_table_has_many_kinds_of_wrong_jobs() -> None:
    assert len({name for name, *_ in WRONG_JOBS}) == len(WRONG_JOBS) >= 100


def test_all_mistakes_are_reported_at_once() -> None:
    job = {
        "lane": "none",
        "priority": 500,
        "request": a_request(model="x", max_tokens=-1, messages=[{}], top_p=1),
    }
    assert mistakes_of(job).keys() == {
        "lane",
        "priority",
        "request.model",
        "request.max_tokens",
        "request.messages[0].role",
        "request.messages[0].content",
        "request.top_p",
    }


def test_thousands_of_mistakes_give_a_short_answer() -> None:
    with pytest.raises(InvalidJob) as refused:
        parsed(saying(*[{}] * 5_000))
    assert len(refused.value.mistakes) == 51
    assert "more mistakes" in refused.value.mistakes[-1].message


def test_nothing_is_looked_for_behind_so_many_mistakes() -> None:
    found = mistakes_of(saying(*[{}] * 5_000, user("x"), top_p=0.5))
    assert "request.top_p" not in found
    assert "were not looked for" in found["body"]


def test_a_misspelt_key_is_looked_for_among_the_first_hundred() -> None:
    misspelt = {"mesages": [], "model": "claude-haiku-5-5", "max_tokens": 5}
    many = {f"k{number}": 0 for number in range(100)}
    with pytest.raises(InvalidJob, match="did you mean"):
        parsed({"request": misspelt})
    with pytest.raises(InvalidJob) as refused:
        parsed({"request": {**many, **misspelt}})
    assert "did you mean" not in str(refused.value)


def test_a_body_of_more_values_than_anybody_needs_is_refused_before_it_is_read() -> None:
    at_most = a_request(x=[0] * (MOST_VALUES - 50))
    assert parsed({"request": at_most}).body == orjson.dumps(at_most)
    assert "values" in mistakes_of({"request": a_request(x=[0] * MOST_VALUES)})["body"]


def test_what_stands_in_strings_is_no_value() -> None:
    text = '\\",[{' * (MOST_VALUES // 2) + "\\"
    assert parsed(saying(user(text))).max_tokens > 0


def test_no_mistake_quotes_what_the_prompt_says() -> None:
    secret = "the merger is off"
    job = saying(
        {"role": "user", "content": {"text": secret}}, user([{"text": secret}]), system={"x": secret}
    )
    assert mistakes_of(job)
    assert secret not in str(mistakes_of(job))


def test_a_job_may_not_be_larger_than_the_api_takes() -> None:
    catalog = a_catalog(max_body_bytes=1_000)
    assert "1,000 at most" in mistakes_of(saying(user("x" * 1_000)), catalog)["body"]
    assert (
        "1,000 at most" in mistakes_of({"prompt": "triage", "input": {"ticket": "x" * 900}}, catalog)["input"]
    )


def test_a_prompt_whose_model_has_no_price_is_refused() -> None:
    job = {"prompt": "triage", "input": {"ticket": "x"}}
    assert "[prices] file" in mistakes_of(job, a_catalog(pools={}))["prompt"]


def test_a_prompt_whose_lane_is_gone_is_refused() -> None:
    job = {"prompt": "triage", "input": {"ticket": "x"}}
    assert "not configured" in mistakes_of(job, a_catalog(lanes=frozenset({"bulk"})))["prompt"]


def test_deep_nesting_that_the_parser_takes_is_refused_too() -> None:
    deep: Any = "x"
    for _ in range(300):
        deep = [deep]
    assert "flatten" in mistakes_of(asking(container=deep))["request"]


@given(ANY_JSON)
def test_any_json_is_a_job_or_an_invalid_job(value: Any) -> None:
    mistakes_of(json.dumps(value).encode("utf-8", "surrogatepass"))


@given(
    st.dictionaries(st.sampled_from(["request", "input", "prompt", "lane", "metadata", "deadline"]), ANY_JSON)
)
def test_any_values_of_known_fields_are_a_job_or_an_invalid_job(value: dict[str, Any]) -> None:
    mistakes_of(value)


@given(
    st.sampled_from(
        ["model", "max_tokens", "messages", "system", "tools", "thinking", "output_config", "cache_control"]
    ),
    ANY_JSON,
)
def test_any_value_of_a_request_field_is_a_job_or_an_invalid_job(field: str, value: Any) -> None:
    mistakes_of(asking(**{field: value}))


@given(ANY_JSON)
def test_any_message_is_a_job_or_an_invalid_job(value: Any) -> None:
    mistakes_of(saying(value, user([value]), user([{"type": "tool_result", "content": [value]}])))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_job_or_an_invalid_job(body: bytes) -> None:
    mistakes_of(body)


def test_a_request_passes_through_unchanged_in_its_order() -> None:
    request = {
        "messages": [user("é")],
        "zebra": {"b": 1, "a": None},
        "max_tokens": 9,
        "model": "claude-haiku-5-5",
    }
    job = parsed({"request": request})
    assert list(json.loads(job.body).items()) == list(request.items())
    assert (job.model, job.max_tokens, job.pool) == ("claude-haiku-5-5", 9, "haiku-5.5")
    assert (job.lane, job.workflow, job.prompt, job.submitted_by) == ("bulk", "default", None, "ops")


def test_everything_that_a_producer_may_say_arrives() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    job = parsed(
        a_job(
            lane="interactive",
            workflow="ticket-triage",
            priority=-100,
            not_before="+45s",
            deadline="2026-11-22T12:00:00+02:00",
            dedupe_key="ticket 7 / é",
            metadata={"ticket": "7"},
            traceparent=trace,
        )
    )
    assert (job.lane, job.workflow, job.priority) == ("interactive", "ticket-triage", -100)
    assert (job.not_before_ms, job.deadline_ms) == (NOW_MS + 45_000, NOW_MS + 60 * MINUTE_MS)
    assert (job.dedupe_key, job.metadata, job.traceparent) == ("ticket 7 / é", {"ticket": "7"}, trace)


def test_null_is_the_same_as_not_given() -> None:
    nothing = dict.fromkeys(
        ("lane", "workflow", "priority", "deadline", "not_before", "dedupe_key", "prompt")
    )
    assert parsed(a_job(**nothing, input=None, metadata=None, traceparent=None)) == parsed(a_job())


@pytest.mark.parametrize(
    ("text", "offset_ms"),
    [
        ("+30m", 30 * MINUTE_MS),
        ("+2h", 120 * MINUTE_MS),
        ("+1d", 24 * 60 * MINUTE_MS),
        ("2026-11-22T09:00:01.5Z", 1_500),
        ("2026-11-22t09:00:01z", 1_000),
        ("2026-11-22 10:01:00+01:00", MINUTE_MS),
    ],
)
def test_times_are_rfc_3339_or_relative_to_now(text: str, offset_ms: int) -> None:
    assert parsed(a_job(deadline=text)).deadline_ms == NOW_MS + offset_ms


def test_a_not_before_in_the_past_means_now() -> None:
    assert parsed(a_job(not_before="1969-01-01T00:00:00Z")).not_before_ms == 0


def test_a_prompt_job_takes_everything_from_its_template() -> None:
    job = parsed({"prompt": "triage", "input": {"ticket": "printer"}})
    assert json.loads(job.body) == [user("Ticket: printer")]
    assert (job.model, job.max_tokens, job.pool) == ("claude-haiku-5-5", 700, "haiku-5.5")
    assert (job.lane, job.workflow) == ("interactive", "ticket-triage")
    assert (job.prompt, job.prefix) == (PromptRef("triage", "3f0c9a"), "3f0c9a")
    assert job.input_bytes > len(job.body)


def test_a_prompt_job_may_choose_its_lane_and_workflow() -> None:
    job = parsed({"prompt": "triage", "input": {"ticket": "x"}, "lane": "bulk", "workflow": "nightly"})
    assert (job.lane, job.workflow) == ("bulk", "nightly")


def test_jobs_with_the_same_system_and_tools_have_the_same_prefix() -> None:
    one = parsed(saying(user("a"), system="Sort.", tools=[{"name": "t", "description": "d"}]))
    other = parsed(saying(user("b"), system="Sort.", tools=[{"name": "t", "description": "d"}], max_tokens=9))
    different = parsed(saying(user("a"), system="Sort!", tools=[{"name": "t", "description": "d"}]))
    reordered = parsed(saying(user("a"), system="Sort.", tools=[{"description": "d", "name": "t"}]))
    assert one.prefix == other.prefix
    assert len({one.prefix, different.prefix, reordered.prefix}) == 3
    assert parsed(a_job()).prefix is None


def test_input_bytes_measure_what_is_sent_as_prompt_and_nothing_else() -> None:
    small, large = parsed(saying(user("x" * 100))), parsed(saying(user("x" * 1_100)))
    assert large.input_bytes - small.input_bytes == 1_000
    assert parsed(saying(user("x" * 100), stop_sequences=["END"])).input_bytes == small.input_bytes


@pytest.mark.parametrize(
    "job",
    [
        saying(user("x"), assistant("{"), model="claude-haiku-4-5"),
        asking(model="claude-haiku-4-5", max_tokens=64_000, thinking=ENABLED),
        asking(max_tokens=128_000),
        asking(tool_choice=FORCED, tools=[{"name": "sort", "input_schema": {}}]),
        asking(model="claude-sonnet-5-5", thinking={"type": "between_tools"}),
        asking(model="claude-opus-5-5", thinking={"type": "adaptive", "display": "omitted"}, speed="fast"),
        asking(model="claude-opus-5-5", tool_choice={"type": "auto"}, inference_geo="us"),
        saying({"role": "system", "content": "Be brief."}, user("x")),
        saying(user("x"), assistant("y"), {"role": "system", "content": "Now in French."}),
        saying(user([CACHED]), system=[CACHED_1H], cache_control={"type": "ephemeral"}),
        saying(user([{"type": "something_new", "whatever": 1}])),
        asking(a_field_of_tomorrow={"x": 1}, service_tier="auto", metadata={"user_id": "u"}),
        asking(
            output_config={"effort": "max", "format": {"type": "json_schema", "schema": {"type": "object"}}}
        ),
        a_job(request=a_request(system=GONE, stop_sequences=["END"])),
    ],
)
def test_what_the_api_takes_is_taken(job: dict[str, Any]) -> None:
    assert mistakes_of(job) == {}


def test_a_job_keeps_no_more_memory_than_its_body_needs() -> None:
    text = raw(saying(user("x" * 2_000)))
    parsed(text)
    tracemalloc.start()
    try:
        kept = [parsed(text).body for _ in range(50)]
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 2 * sum(len(body) for body in kept)
