"""The drop-in endpoint: the real SDK over the socket, a daemon, and a twin behind it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import anthropic
import httpx2
import orjson
import pytest

from claudeflow.claude.settings import EnquirySettings
from claudeflow.config import PriceSettings
from claudeflow.daemon.dropin.answers import cost_of, whole_answer
from claudeflow.domain.attempt import Reply, Transient
from claudeflow.domain.budget_events import BudgetThreshold
from claudeflow.domain.enquiry import Enquiry
from claudeflow.domain.events import JobFinished, JobsSubmitted
from claudeflow.domain.job import Dialect, JobError, JobId, JobState, OnDisconnect
from claudeflow.domain.money import dollars
from claudeflow.domain.report import AttemptRow
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.money.settings import BudgetSettings, ThresholdSettings
from claudeflow.twin.faults import Fault
from tests.support.clocks import WoundClock
from tests.support.daemons import MODEL, PRICE_OF_A_MODEL_THAT_IS_NOT_THERE, a_config, a_twin, until
from tests.support.dropin import QUESTION, Door, Weir, an_sdk, door

ASKED_TO_COUNT = {"model": MODEL, "messages": QUESTION["messages"]}
STREAMED = {**QUESTION, "stream": True}


async def test_the_sdk_gets_the_message_byte_for_byte_and_a_job_is_in_the_books(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        raw = await at.sdk.messages.with_raw_response.create(**QUESTION)
        message = await raw.parse()
        job = await at.the_job()
        assert job.state is JobState.SUCCEEDED
        assert await at.bench.parts.desk.answer(job.id) == raw.http_response.content
        assert raw.headers["x-claudeflow-job-id"] == str(job.id)
        assert raw.headers["request-id"] == message._request_id
        assert raw.headers["anthropic-ratelimit-requests-limit"] == "1000000"
        assert raw.headers["anthropic-organization-id"]
        assert await at.bench.book_mistakes() == []


async def test_a_stream_reads_as_from_the_api(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        async with at.sdk.messages.stream(**QUESTION) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            message = await stream.get_final_message()
        job = await at.the_job()
        assert text == message.to_dict()["content"][0]["text"]  # type: ignore[index]
        assert job.state is JobState.SUCCEEDED
        assert stream.response.headers["request-id"].startswith("req_")
        assert await at.bench.book_mistakes() == []


async def test_the_bytes_of_a_stream_are_the_apis(tmp_path: Path) -> None:
    twin = a_twin(WoundClock())
    weir = Weir(twin)
    async with door(tmp_path, twin, transport=weir) as at:
        answer = await at.post(STREAMED)
        direct = await httpx2.AsyncClient(transport=Weir(a_twin(WoundClock()))).post(
            "http://api.test/v1/messages",
            content=weir.requests[0].content,
            headers={"x-api-key": "k", "anthropic-version": "2026-10-21"},
        )
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert without_ids(answer.content) == without_ids(direct.content)


def without_ids(events: bytes) -> list[bytes]:
    """The events, without what differs from call to call."""
    return [line for line in events.splitlines() if b'"message_start"' not in line]


async def test_the_first_events_leave_while_the_api_still_answers(tmp_path: Path) -> None:
    twin = a_twin(WoundClock(), tokens_per_s=1e6)
    weir = Weir(twin, pieces=2)
    weir.within.clear()
    async with door(tmp_path, twin, transport=weir) as at:
        async with at.http.stream("POST", "/v1/messages", json=STREAMED) as answer:
            arriving = answer.aiter_bytes()
            first = await anext(arriving)
            assert b"message_start" in first
            assert (await at.the_job()).state is JobState.RUNNING
            weir.within.set()
            rest = b"".join([piece async for piece in arriving])
        assert b"message_stop" in rest
        await at.ended(JobState.SUCCEEDED)


async def test_the_synchronous_sdk_works_as_well(tmp_path: Path) -> None:
    def ask(path: Path) -> tuple[str, int, list[str]]:
        transport = httpx2.HTTPTransport(uds=str(path), verify=False)
        with anthropic.Anthropic(
            api_key="unused", base_url="http://claudeflow", http_client=httpx2.Client(transport=transport)
        ) as sdk:
            with sdk.messages.stream(**QUESTION) as stream:
                text = "".join(stream.text_stream)
            counted = sdk.messages.count_tokens(model=MODEL, messages=QUESTION["messages"])
            return text, counted.input_tokens, [model.id for model in sdk.models.list(limit=1000)]

    async with door(tmp_path) as at:
        text, tokens, models = await asyncio.to_thread(ask, at.path)
        assert text
        assert tokens > 0
        assert MODEL in models


async def test_models_and_token_counts_are_the_apis_and_models_are_remembered(tmp_path: Path) -> None:
    twin = a_twin(WoundClock())
    weir = Weir(twin)
    async with door(tmp_path, twin, transport=weir) as at:
        for _ in range(2):
            assert (await at.sdk.models.retrieve(MODEL)).id == MODEL
        with pytest.raises(anthropic.NotFoundError) as missing:
            await at.sdk.models.retrieve("claude-none-1")
        assert missing.value.request_id is not None
        with pytest.raises(anthropic.BadRequestError, match="messages"):
            await at.sdk.messages.count_tokens(model=MODEL, messages=[])
        assert [request.url.path for request in weir.requests] == [
            f"/v1/models/{MODEL}",
            "/v1/models/claude-none-1",
            "/v1/messages/count_tokens",
        ]
        assert await at.jobs() == []


async def test_enquiries_beyond_their_pace_are_told_when_to_come_back(tmp_path: Path) -> None:
    config = a_config(tmp_path, enquiries=EnquirySettings(per_minute=1))
    async with door(tmp_path, config=config) as at:
        question = {"model": MODEL, "messages": QUESTION["messages"]}
        assert (await at.http.post("/v1/messages/count_tokens", json=question)).status_code == 200
        refused = await at.http.post("/v1/messages/count_tokens", json=question)
        assert refused.status_code == 429
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert 0 < int(refused.headers["retry-after"]) <= 120  # half of one a minute


async def test_one_senders_enquiries_leave_half_of_the_pace_to_others(tmp_path: Path) -> None:
    config = a_config(tmp_path, enquiries=EnquirySettings(per_minute=4))  # one every 15 s, of a half 30 s
    counted = Enquiry("/v1/messages/count_tokens", Dialect(), orjson.dumps(ASKED_TO_COUNT))
    async with door(tmp_path, config=config) as at:
        desk = at.bench.parts.desk.messages
        assert (await desk.enquire(counted, "busy")).status == 200
        refused = await desk.enquire(counted, "busy")
        assert refused.status == 429
        assert 20 <= int(refused.headers["retry-after"]) <= 30
        error = orjson.loads(refused.body)["error"]
        assert error["type"] == "rate_limit_error"
        assert "half of the 4 a minute" in error["message"]
        at.bench.clock.advance(15.0)
        assert (await desk.enquire(counted, "busy")).status == 429
        assert (await desk.enquire(counted, "calm")).status == 200


async def test_a_429_of_the_api_to_enquiries_stops_them_for_as_long_as_it_says(tmp_path: Path) -> None:
    busy = httpx2.Response(
        429, headers={"retry-after": "30"}, json={"type": "error", "error": {"type": "rate_limit_error"}}
    )
    asked: list[str] = []

    class Busy(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            asked.append(request.url.path)
            return busy

    async with door(tmp_path, transport=Busy()) as at:
        first, second = [await at.http.get("/v1/models") for _ in range(2)]
        assert (first.status_code, first.headers["retry-after"]) == (429, "30")
        assert second.status_code == 429
        assert 28 <= int(second.headers["retry-after"]) <= 30
        assert asked == ["/v1/models"]


async def test_the_callers_dialect_reaches_the_api(tmp_path: Path) -> None:
    twin = a_twin(WoundClock())
    weir = Weir(twin)
    async with door(tmp_path, twin, transport=weir) as at:
        body = {**QUESTION, "temperature": 0.5, "metadata": {"user_id": "u"}, "novelty": {"unknown": 1}}
        answer = await at.http.post(
            "/v1/messages?beta=true",
            json=body,
            headers={"anthropic-version": "2023-06-01", "anthropic-beta": "one-2026-01-01,two-2026-02-02"},
        )
        assert answer.status_code == 200
        [sent] = weir.requests
        assert sent.url.query == b"beta=true"
        assert sent.headers["anthropic-version"] == "2023-06-01"
        assert sent.headers["anthropic-beta"] == "one-2026-01-01,two-2026-02-02"
        assert sent.headers["authorization"] == "Bearer k"
        assert {**orjson.loads(sent.content), **body} == orjson.loads(sent.content)


async def test_what_the_api_refuses_is_refused_in_its_own_words(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        with pytest.raises(anthropic.BadRequestError, match="temperature: Extra inputs") as refused:
            await at.sdk.messages.create(**QUESTION, extra_body={"temperature": 0.5})
        job = await at.ended(JobState.FAILED)
        assert job.error is not None
        assert refused.value.request_id == job.error.request_id
        assert refused.value.type == "invalid_request_error"


async def test_a_refusal_and_a_broken_schema_are_answers_for_the_caller_to_judge(tmp_path: Path) -> None:
    twin = a_twin(WoundClock(), faults=(Fault("refusal", calls=(1, 1)),))
    async with door(tmp_path, twin) as at:
        message = await at.sdk.messages.create(**QUESTION)
        assert message.stop_reason == "refusal"
        schema = {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {"team": {"type": "string"}},
                "required": ["team"],
                "additionalProperties": False,
            },
        }
        cut = await at.sdk.messages.create(
            **{**QUESTION, "max_tokens": 1}, extra_body={"output_config": {"format": schema}}
        )
        assert cut.stop_reason == "max_tokens"
        assert {job.state for job in await at.jobs()} == {JobState.SUCCEEDED}
        assert await at.bench.book_mistakes() == []


async def test_retries_are_invisible_until_the_api_answers(tmp_path: Path) -> None:
    faults = (Fault("overloaded_529", calls=(1, 1)), Fault("error_500", calls=(2, 2)))
    twin = a_twin(WoundClock(), faults=faults)
    async with door(tmp_path, twin) as at:
        async with at.sdk.messages.stream(**QUESTION) as stream:
            message = await stream.get_final_message()
        assert message.stop_reason == "end_turn"
        assert (await at.ended(JobState.SUCCEEDED)).tries == 3


class ErrorFirst(Weir):
    """The first answer is a stream that has nothing but an error."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self.requests:
            return await super().handle_async_request(request)
        self.requests.append(request)
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        content = b"event: error\ndata: " + orjson.dumps(error) + b"\n\n"
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=content)


async def test_an_error_before_any_event_is_a_second_try_and_not_the_callers(tmp_path: Path) -> None:
    twin = a_twin(WoundClock())
    async with door(tmp_path, twin, transport=ErrorFirst(twin)) as at:
        answer = await at.post(STREAMED)
        assert answer.content.startswith(b"event: message_start")
        assert b"event: error" not in answer.content
        assert (await at.ended(JobState.SUCCEEDED)).tries == 2


@pytest.mark.parametrize("kind", ["reset_mid_stream", "truncate", "stream_error"])
async def test_a_stream_that_breaks_ends_with_an_error_event_and_is_not_tried_again(
    tmp_path: Path, kind: str
) -> None:
    twin = a_twin(WoundClock(), faults=(Fault(kind, calls=(1, 1)),), reply_tokens=200)
    async with door(tmp_path, twin) as at:
        answer = await at.post(STREAMED)
        *_, last = answer.content.split(b"\n\n")[:-1]
        name, data = last.split(b"\n")
        error = orjson.loads(data.removeprefix(b"data: "))
        assert name == b"event: error"
        assert error["type"] == "error"
        assert error["error"]["type"] == ("overloaded_error" if kind == "stream_error" else "api_error")
        assert error["request_id"] == answer.headers["request-id"]
        assert all(b"data: {" in event for event in answer.content.split(b"\n\n")[:-1])
        job = await at.ended(JobState.FAILED)
        assert job.tries == 1
        assert await at.bench.book_mistakes() == []


async def test_the_sdk_raises_what_a_stream_breaks_with(tmp_path: Path) -> None:
    twin = a_twin(WoundClock(), faults=(Fault("truncate"),), reply_tokens=200)
    async with door(tmp_path, twin) as at:
        with pytest.raises(anthropic.APIStatusError) as broken:
            async with at.sdk.messages.stream(**QUESTION) as stream:
                await stream.get_final_message()
        assert broken.value.type == "api_error"


async def test_a_gate_that_stays_closed_longer_than_the_patience_is_told_at_once(tmp_path: Path) -> None:
    twin = a_twin(WoundClock(), faults=(Fault("rate_429", retry_after_s=600),))
    async with door(tmp_path, twin) as at:
        with pytest.raises(anthropic.RateLimitError) as refused:
            await at.sdk.messages.create(**QUESTION)
        assert 595 <= int(refused.value.response.headers["retry-after"]) <= 610
        assert "at no cost" in refused.value.message
        job = await at.ended(JobState.CANCELLED)
        assert (job.cost_nanousd, job.tries) == (0, 1)


async def test_who_is_refused_after_a_try_that_was_paid_for_hears_what_it_may_have_cost(
    tmp_path: Path,
) -> None:
    faults = (Fault("truncate", calls=(1, 1)), Fault("rate_429", retry_after_s=600, calls=(2, 9)))
    twin = a_twin(WoundClock(), faults=faults, reply_tokens=200)
    async with door(tmp_path, twin) as at:
        with pytest.raises(anthropic.RateLimitError) as refused:
            await at.sdk.messages.create(**QUESTION)
        job = await at.ended(JobState.CANCELLED)
        first, _ = await at.bench.parts.desk.attempts(job.id)
        assert first.call_state == "unknown"
        assert "at no cost" not in refused.value.message
        most = dollars(first.reserved_nanousd)
        assert f"has cost at most {most}, which the API did not tell" in refused.value.message


PAID = "; what was tried of it before has cost"


def a_try(state: str, cost_nanousd: int, reserved_nanousd: int) -> AttemptRow:
    return AttemptRow(
        1, 9, "x", 1, 0, cost_nanousd, None, state, reserved_nanousd, 200, None, None, None, None, None
    )


@pytest.mark.parametrize(
    ("tries", "words"),
    [
        ([], " at no cost"),
        ([a_try("settled", 0, 7_000_000)], " at no cost"),
        ([a_try("settled", 1_500_000, 7_000_000)], f"{PAID} $0.001500"),
        (
            [a_try("settled", 1_500_000, 7_000_000), a_try("unknown", 0, 7_000_000)],
            f"{PAID} $0.001500 and at most $0.007000 more, which the API did not tell",
        ),
    ],
)
def test_the_cost_of_a_cancelled_job_is_what_is_settled_and_the_most_of_what_is_not(
    tries: list[AttemptRow], words: str
) -> None:
    assert cost_of(tries) == words


def test_an_error_that_is_told_whole_names_the_call() -> None:
    error = JobError("truncated_stream", "the connection ended within the answer")
    end = JobFinished(JobId(7), "standard", "triage", JobState.FAILED, error, 0.0, 1.0)
    answer = whole_answer(end, Reply(Transient(error), request_id="req_9"))
    assert answer.headers["request-id"] == orjson.loads(answer.body)["request_id"] == "req_9"


async def test_an_outage_that_outlasts_the_patience_is_a_529(tmp_path: Path) -> None:
    twin = a_twin(WoundClock(), faults=(Fault("overloaded_529"),))
    async with door(tmp_path, twin) as at:
        answer = await at.post(QUESTION, x_claudeflow_max_wait="200ms")
        assert answer.status_code == 529
        assert answer.json()["error"]["type"] == "overloaded_error"
        assert int(answer.headers["retry-after"]) >= 1
        await at.ended(JobState.CANCELLED)


async def test_patience_is_the_lanes_where_the_caller_says_nothing(tmp_path: Path) -> None:
    lanes = {"standard": LaneSettings(patience_s=0.2)}
    async with door(tmp_path, config=a_config(tmp_path, lanes=lanes)) as at:
        hold = {"scope": "lane:standard", "reason": "stock-taking"}
        assert (await at.http.post("/v1/holds", json=hold)).status_code in (200, 201)
        answer = await at.post(QUESTION)
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "30"
        assert "stock-taking" in answer.json()["error"]["message"]
        await at.ended(JobState.CANCELLED)


async def test_a_call_that_is_out_is_waited_for_whatever_the_patience(tmp_path: Path) -> None:
    twin = a_twin(WoundClock())
    weir = Weir(twin)
    weir.before.clear()
    async with door(tmp_path, twin, transport=weir) as at:
        asking = asyncio.create_task(at.post(QUESTION, x_claudeflow_max_wait="150ms"))
        await at.bench.recorder.wait_for(JobsSubmitted)
        done, _ = await asyncio.wait({asking}, timeout=0.5)
        assert not done
        weir.before.set()
        assert (await asking).status_code == 200


async def test_a_budget_that_is_spent_is_a_429_until_its_period_ends(tmp_path: Path) -> None:
    budgets = {"team": BudgetSettings(scope="all", limit_usd=0.000_000_1, period="day", hard=True)}
    clock = WoundClock()
    clock.advance(86_400 + 43_200 - clock.epoch() % 86_400)  # to noon: no other day begins meanwhile
    async with door(tmp_path, clock=clock, config=a_config(tmp_path, budgets=budgets)) as at:
        answer = await at.post(QUESTION)
        now_ms = at.bench.clock.epoch_ms()
        left_s = (86_400_000 - now_ms % 86_400_000) / 1000
        assert answer.status_code == 429
        assert answer.json()["error"]["type"] == "rate_limit_error"
        assert left_s - 60 <= int(answer.headers["retry-after"]) <= left_s + 60
        job = await at.ended(JobState.CANCELLED)
        assert (job.tries, job.cost_nanousd) == (0, 0)


async def test_a_full_lane_is_a_429_and_stores_nothing(tmp_path: Path) -> None:
    lanes = {"standard": LaneSettings(max_queued=1, patience_s=20.0)}
    async with door(tmp_path, config=a_config(tmp_path, lanes=lanes)) as at:
        hold = {"scope": "lane:standard", "reason": "stock-taking"}
        await at.http.post("/v1/holds", json=hold)
        first = asyncio.create_task(at.post(QUESTION))
        await at.bench.recorder.wait_for(JobsSubmitted)
        refused = await at.post(QUESTION)
        assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")
        assert refused.headers["retry-after"] == "30"
        assert len(await at.jobs()) == 1
        first.cancel()


async def test_a_daemon_that_starts_or_stops_is_a_529(tmp_path: Path) -> None:
    async with door(tmp_path, works=False) as at:
        starting = await at.post(QUESTION)
        counting = await at.http.get("/v1/models")
        assert (starting.status_code, starting.json()["error"]["type"]) == (529, "overloaded_error")
        assert starting.headers["retry-after"] == "2"
        assert counting.status_code == 529
        assert await at.jobs() == []


async def test_who_waits_when_the_daemon_stops_is_told_and_its_job_is_gone(tmp_path: Path) -> None:
    lanes = {"standard": LaneSettings(max_in_flight=1)}
    twin = a_twin(WoundClock())
    weir = Weir(twin)
    weir.before.clear()
    async with door(tmp_path, twin, transport=weir, config=a_config(tmp_path, lanes=lanes)) as at:
        running = asyncio.create_task(at.post(QUESTION))
        await at.bench.recorder.wait_for(JobsSubmitted)
        waiting = asyncio.create_task(at.post(QUESTION))
        await at.bench.recorder.wait_for(JobsSubmitted, count=2)
        at.bench.stop.set()
        refused = await waiting
        assert (refused.status_code, refused.headers["retry-after"]) == (529, "5")
        weir.before.set()
        assert (await running).status_code == 200
        await at.bench.drained()
        assert sorted(job.state for job in await at.jobs()) == [JobState.CANCELLED, JobState.SUCCEEDED]


async def test_a_model_that_the_api_does_not_have_is_a_404_at_once(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        unpriced = await at.post({**QUESTION, "model": "claude-haiku-5"})
        assert (unpriced.status_code, unpriced.json()["error"]["type"]) == (404, "not_found_error")
        assert "Did you mean" in unpriced.json()["error"]["message"]
        assert await at.jobs() == []


async def test_such_jobs_are_never_sent_to_batches(tmp_path: Path) -> None:
    lanes = {"standard": LaneSettings(batch="always"), "bulk": LaneSettings(batch="always")}
    async with door(tmp_path, config=a_config(tmp_path, lanes=lanes)) as at:
        assert (await at.post(QUESTION)).status_code == 200
        assert not (await at.the_job()).batched
        hold = {"scope": "lane:standard", "reason": "stock-taking"}
        await at.http.post("/v1/holds", json=hold)
        asking = asyncio.create_task(at.post(QUESTION))
        await at.bench.recorder.wait_for(JobsSubmitted, count=2)
        moved = await at.http.patch("/v1/jobs/2", json={"lane": "bulk"})
        assert moved.json()["batched"] is False
        assert (await asking).status_code == 200


async def hang_up_while(at: Door, weir: Weir, *, started: bool) -> None:
    """Ask, and go away: before the answer begins, or after."""
    body = STREAMED if started else QUESTION
    reading = at.http.stream("POST", "/v1/messages", json=body)
    if started:
        async with reading as answer:
            await anext(answer.aiter_bytes())
        return
    asking = asyncio.create_task(at.post(body))
    await at.bench.recorder.wait_for(JobsSubmitted)
    await until(lambda: bool(weir.requests))
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


@pytest.mark.parametrize("started", [False, True])
async def test_whoever_hangs_up_cancels_the_call_and_its_cost_is_bounded(
    tmp_path: Path, started: bool
) -> None:
    twin = a_twin(WoundClock(), tokens_per_s=1e6)
    weir = Weir(twin)
    (weir.within if started else weir.before).clear()
    async with door(tmp_path, twin, transport=weir) as at:
        await hang_up_while(at, weir, started=started)
        job = await at.ended(JobState.CANCELLED)
        [attempt] = await at.bench.parts.desk.attempts(job.id)
        assert attempt.outcome == "interrupted"
        assert (attempt.request_id is not None) is started
        assert await at.bench.book_mistakes() == []


@pytest.mark.parametrize("started", [False, True])
async def test_in_a_lane_that_finishes_the_answer_is_kept_though_nobody_waits(
    tmp_path: Path, started: bool
) -> None:
    twin = a_twin(WoundClock(), tokens_per_s=1e6)
    weir = Weir(twin)
    (weir.within if started else weir.before).clear()
    lanes = {"standard": LaneSettings(on_disconnect=OnDisconnect.FINISH)}
    async with door(tmp_path, twin, transport=weir, config=a_config(tmp_path, lanes=lanes)) as at:
        await hang_up_while(at, weir, started=started)
        await until(lambda: len(at.bench.parts.shared.attendance) == 0)
        # A write behind any that the hanging up may have caused.
        await at.http.post("/v1/holds", json={"scope": "workflow:other", "reason": "stock-taking"})
        (weir.within if started else weir.before).set()
        job = await at.ended(JobState.SUCCEEDED)
        assert await at.bench.parts.desk.answer(job.id) is not None


async def test_whoever_hangs_up_while_it_waits_leaves_nothing_behind(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        await at.http.post("/v1/holds", json={"scope": "lane:standard", "reason": "stock-taking"})
        asking = asyncio.create_task(at.post(QUESTION))
        await at.bench.recorder.wait_for(JobsSubmitted)
        asking.cancel()
        job = await at.ended(JobState.CANCELLED)
        assert job.tries == 0
        assert len(at.bench.parts.shared.attendance) == 0


async def test_two_hundred_streams_at_once(tmp_path: Path) -> None:
    twin = a_twin(WoundClock(), reply_tokens=60, tokens_per_s=1e6)
    weir = Weir(twin)
    weir.within.clear()
    config = a_config(tmp_path)
    limiter = replace(config.limiter, cold_in_flight=400)
    async with door(tmp_path, twin, transport=weir, config=replace(config, limiter=limiter)) as at:
        sdk = an_sdk(at.path)
        streams = [asyncio.create_task(read_all(sdk, number)) for number in range(200)]
        await at.bench.recorder.wait_for(JobsSubmitted, count=200)
        await until(lambda: len(weir.requests) == 200)
        weir.within.set()
        answers = await asyncio.gather(*streams)
        assert len(set(answers)) == 200
        assert {job.state for job in await at.jobs()} == {JobState.SUCCEEDED}
        assert await at.bench.book_mistakes() == []
        await sdk.close()


async def read_all(sdk: anthropic.AsyncAnthropic, number: int) -> str:
    messages = [{"role": "user", "content": f"Ticket {number}: the VPN drops."}]
    async with sdk.messages.stream(**{**QUESTION, "messages": messages}) as stream:
        return (await stream.get_final_message()).id


async def test_a_reader_that_does_not_read_is_cut_off_and_its_job_finishes(tmp_path: Path) -> None:
    twin = a_twin(WoundClock(), reply_tokens=60_000, tokens_per_event=4)
    body = orjson.dumps({**STREAMED, "max_tokens": 64_000})
    head = (
        b"POST /v1/messages HTTP/1.1\r\nhost: claudeflow\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n" % len(body)
    )
    async with door(tmp_path, twin) as at:
        reader, writer = await asyncio.open_unix_connection(at.path, limit=1024)
        writer.write(head + body)
        job = await at.ended(JobState.SUCCEEDED)
        assert await at.bench.parts.desk.answer(job.id) is not None
        rest = await what_is_left(reader)
        assert b"message_stop" not in rest
        assert len(rest) < 3 * 1024 * 1024
        assert len(at.bench.parts.shared.attendance) == 0
        writer.close()


async def what_is_left(reader: asyncio.StreamReader) -> bytes:
    """All that still comes before the connection ends, in whatever way."""
    rest = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := await reader.read(65_536):
            rest += piece
    return rest


async def test_a_job_that_outlived_its_daemon_in_a_lane_that_finishes_keeps_its_dialect(
    tmp_path: Path,
) -> None:
    lanes = {"standard": LaneSettings(on_disconnect=OnDisconnect.FINISH)}
    config = a_config(tmp_path, lanes=lanes)
    clock = WoundClock()
    twin = a_twin(clock)
    async with door(tmp_path, twin, config=config) as at:
        await at.http.post("/v1/holds", json={"scope": "lane:standard", "reason": "stock-taking"})
        asking = asyncio.create_task(
            at.post({**QUESTION, "temperature": 0.5}, anthropic_version="2023-06-01")
        )
        await at.bench.recorder.wait_for(JobsSubmitted)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    async with door(tmp_path, twin, config=config) as at:
        await at.http.delete("/v1/holds/lane:standard")
        assert (await at.ended(JobState.SUCCEEDED)).tries == 1


async def test_what_waiting_does_not_change_is_told_at_once(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICE_OF_A_MODEL_THAT_IS_NOT_THERE)
    config = a_config(tmp_path, prices=PriceSettings(str(prices)))
    async with door(tmp_path, config=config) as at:
        with pytest.raises(anthropic.NotFoundError) as missing:
            await at.sdk.messages.create(**{**QUESTION, "model": "claude-atlas-1"})
        assert missing.value.request_id is not None
        assert missing.value.request_id.startswith("req_0")
        assert (await at.ended(JobState.CANCELLED)).cost_nanousd == 0
        with pytest.raises(anthropic.NotFoundError, match="claude-atlas-1"):
            await at.sdk.messages.create(**{**QUESTION, "model": "claude-atlas-1"})
        assert [job.tries for job in await at.jobs()] == [0, 1]
        assert await at.bench.book_mistakes() == []


async def test_a_budget_may_let_a_cheaper_model_answer_and_the_answer_says_so(tmp_path: Path) -> None:
    opus = "claude-opus-5-5"
    threshold = ThresholdSettings(0.01, "fallback")
    budgets = {"team": BudgetSettings(limit_usd=0.01, thresholds=(threshold,))}
    config = a_config(tmp_path, budgets=budgets, fallback={opus: MODEL})
    async with door(tmp_path, config=config) as at:
        asked = {**QUESTION, "model": opus}
        models = [(await at.sdk.messages.create(**asked)).model]
        await at.bench.recorder.wait_for(BudgetThreshold)
        await until(lambda: bool(at.bench.parts.shared.fallbacks.in_force))
        models.append((await at.sdk.messages.create(**asked)).model)
        assert models == [opus, MODEL]
        newest, _ = await at.jobs()
        assert (newest.model, newest.asked_model) == (MODEL, opus)


async def test_keep_alives_reach_the_caller(tmp_path: Path) -> None:
    clock = WoundClock()
    stall = Fault("stall", for_s=0.2)
    twin = a_twin(clock, reply_tokens=100, tokens_per_s=1e6, ping_interval_s=0.05, faults=(stall,))
    async with door(tmp_path, twin, clock=clock) as at:
        answer = await at.post(STREAMED)
        assert answer.content.count(b"event: ping") >= 4
        assert answer.content.split(b"\n\n")[-2].startswith(b"event: error")


async def test_a_deadline_that_passes_while_it_waits_is_a_timeout_not_to_be_repeated(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        await at.http.post("/v1/holds", json={"scope": "lane:standard", "reason": "stock-taking"})
        answer = await at.post(QUESTION, x_claudeflow_deadline="+1s")
        assert (answer.status_code, answer.json()["error"]["type"]) == (504, "timeout_error")
        assert answer.headers["x-should-retry"] == "false"
        await at.ended(JobState.EXPIRED)


async def test_a_person_who_cancels_a_stream_ends_it(tmp_path: Path) -> None:
    twin = a_twin(WoundClock(), tokens_per_s=1e6)
    weir = Weir(twin)
    weir.within.clear()
    async with door(tmp_path, twin, transport=weir) as at:
        async with at.http.stream("POST", "/v1/messages", json=STREAMED) as answer:
            arriving = answer.aiter_bytes()
            await anext(arriving)
            assert (await at.http.post("/v1/jobs/1/cancel")).status_code == 200
            rest = b"".join([piece async for piece in arriving])
        assert rest.endswith(b"\n\n")
        assert b"event: error" in rest
        assert (await at.ended(JobState.CANCELLED)).tries == 1
