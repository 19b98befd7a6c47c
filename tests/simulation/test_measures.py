"""What a recorder makes of events and samples."""

from __future__ import annotations

import io
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.errors import ConfigError
from claudeflow.domain.events import HoldReleased, HoldSet, JobsSubmitted, OwnTrouble
from claudeflow.domain.hold import EVERYTHING, Hold, HoldCause
from claudeflow.domain.job import JobError, JobId, JobState
from claudeflow.domain.quota import Axis
from claudeflow.simulation.event_log import EventLog
from claudeflow.simulation.measures import MOST_SAMPLES, Recorder, sample_every_s
from claudeflow.simulation.result import EpisodeKind, from_json
from claudeflow.simulation.worksheet import spread_of
from tests.observe.happenings import ALL_OF_THEM, ONE_OF_EACH, SECRETS, a_call, an_end
from tests.simulation.runs import (
    POOL,
    Stopwatch,
    a_lane,
    a_result,
    a_status,
    an_about,
    some_meters,
    some_stats,
)


def test_jobs_are_counted_by_what_became_of_them() -> None:
    totals = a_result().totals
    assert (totals.submitted, totals.succeeded, totals.failed, totals.unfinished) == (6, 2, 2, 2)
    assert totals.jobs_per_min == 1.0
    assert totals.last_end_s == 40.0


def test_lanes_and_workflows_are_counted_on_their_own() -> None:
    result = a_result()
    assert [(lane.name, lane.submitted) for lane in result.lanes] == [("interactive", 3), ("bulk", 3)]
    assert [work.name for work in result.workflows] == ["bulk-work", "interactive-work"]


def test_calls_count_429s_and_retries() -> None:
    bulk = a_result().lanes[1]
    assert (bulk.calls, bulk.throttled, bulk.overloaded, bulk.retries, bulk.most_calls) == (3, 1, 0, 1, 2)


def test_an_attempt_that_never_left_is_no_call() -> None:
    recorder = Recorder(an_about())
    recorder.apply(a_call(outcome="interrupted", http_status=None, error=JobError("held_back", "a 429")))
    recorder.apply(a_call(attempt=2))
    assert recorder.result().totals.calls == 1
    assert recorder.result().totals.retries == 0


def test_a_job_that_expired_without_a_call_has_no_wait() -> None:
    recorder = Recorder(an_about())
    recorder.apply(JobsSubmitted("bulk", "triage", 1))
    recorder.apply(an_end(JobState.EXPIRED, wait_s=60.0, total_s=60.0))
    totals = recorder.result().totals
    assert (totals.expired, totals.wait.count, totals.total.count) == (1, 0, 0)


def test_shared_and_batched_calls_are_counted_with_the_jobs_that_they_had() -> None:
    recorder, watch = Recorder(an_about()), Stopwatch()
    recorder.begin(watch)
    watch.at_s = 50.0
    recorder.apply(a_call(kind="pack", jobs=8, duration_s=5.0))
    recorder.apply(a_call(kind="canary", job_id=None, duration_s=5.0))
    recorder.apply(a_call(job_id=JobId(2), duration_s=5.0))
    watch.at_s = 70.0
    recorder.apply(a_call(job_id=JobId(3), duration_s=5.0))
    recorder.apply(a_call(job_id=JobId(4), batch_id=1, duration_s=60.0))
    result = recorder.result()
    totals = result.totals
    assert (totals.calls, totals.packs, totals.batched, totals.carried) == (5, 1, 1, 11)
    assert totals.jobs_per_call == 11 / 5
    assert result.most_calls_per_min == 3


def test_each_job_of_a_shared_call_has_its_wait() -> None:
    recorder = Recorder(an_about())
    recorder.apply(JobsSubmitted("bulk", "triage", 2))
    recorder.apply(a_call(kind="pack", job_id=JobId(1), jobs=2))
    for number in (1, 2):
        recorder.apply(an_end(job_id=JobId(number), wait_s=4.0, total_s=9.0))
    assert recorder.result().totals.wait.count == 2


def test_what_batches_saved_is_a_share_of_the_bill_without_them() -> None:
    recorder = Recorder(an_about())
    recorder.apply(a_call(cost_nanousd=75, uncached_nanousd=150, unbatched_nanousd=100, plain_nanousd=200))
    totals = recorder.result().totals
    assert (totals.batches_saved_share, totals.caching_saved_share) == (0.25, 0.5)
    assert Recorder(an_about()).result().totals.batches_saved_share is None


def test_the_cache_share_is_of_all_input() -> None:
    recorder = Recorder(an_about())
    recorder.apply(a_call())
    assert recorder.result().totals.cache_share == 80 / 95


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_percentiles_are_values_that_so_many_do_not_exceed(values: list[float]) -> None:
    spread = spread_of([values[::2], values[1::2]])
    told = (spread.p50_s, spread.p90_s, spread.p95_s, spread.p99_s, spread.max_s)
    for share, value in zip((0.5, 0.9, 0.95, 0.99, 1.0), told, strict=True):
        assert value is not None
        assert value in [round(one, 3) for one in values]
        assert sum(round(one, 3) <= value for one in values) >= share * len(values) - 1e-6


def test_buckets_tell_what_the_api_granted_and_who_drew_it() -> None:
    bucket = next(found for found in a_result().buckets if found.axis is Axis.OUTPUT_TOKENS)
    assert (bucket.pool, bucket.limit_per_min) == (POOL, 60.0)
    assert (bucket.granted, bucket.used) == (120.0, 60.0)
    assert bucket.share == 0.5


def test_the_share_while_jobs_were_queued_leaves_out_idle_times() -> None:
    recorder = Recorder(an_about())
    for at_s, queued, used in ((0.0, 0, 0.0), (30.0, 5, 1.0), (60.0, 5, 28.0), (90.0, 0, 29.0)):
        recorder.sample(at_s, a_status(a_lane(queued=queued)), some_meters(at_s, used, others=at_s / 10))
    assert recorder.result().buckets[0].queued_share == pytest.approx((27 + 3) / 30)


def test_pools_have_the_names_that_claudeflow_gives_them() -> None:
    recorder = Recorder(an_about(), our_names={"theirs": "ours"})
    recorder.sample(0.0, a_status(), some_meters(0.0, 1.0, pool="theirs"))
    assert {bucket.pool for bucket in recorder.result().buckets} == {"ours"}


def test_a_pool_that_we_never_drew_from_is_not_told() -> None:
    recorder = Recorder(an_about())
    recorder.sample(0.0, a_status(), some_meters(0.0, used=0.0, others=5.0))
    assert recorder.result().buckets == ()


def test_series_have_a_value_for_each_moment() -> None:
    result = a_result()
    assert result.at_s == (0.0, 60.0, 120.0)
    assert result.values("queued", "bulk") == (0.0, 40.0, 0.0)
    assert result.values("calls", "bulk") == (0.0, 3.0, 0.0)
    assert result.values("used", POOL, Axis.REQUESTS) == (0.0, 30.0, 30.0)
    assert all(len(series.values) == 3 for series in result.series)


def test_a_closed_gate_is_an_episode_from_the_429_to_the_probe() -> None:
    result = a_result()
    gate = next(episode for episode in result.episodes if episode.kind is EpisodeKind.GATE)
    assert (gate.of, gate.from_s, gate.until_s) == (POOL, 31.0, 70.0)
    assert result.pools[0].gate_closings == 1
    assert result.pools[0].gate_closed_s == 39.0


def test_holds_of_one_scope_end_by_their_own_causes() -> None:
    watch = Stopwatch()
    recorder = Recorder(an_about())
    recorder.begin(watch)
    for cause in (HoldCause.CREDIT, HoldCause.MANUAL):
        recorder.apply(HoldSet(Hold(EVERYTHING, cause, "why", since_ms=0)))
    watch.at_s = 50.0
    recorder.apply(HoldReleased(EVERYTHING, "a probe went well", HoldCause.CREDIT))
    recorder.end(60.0, some_stats())
    ends = {episode.what: episode.until_s for episode in recorder.result().episodes}
    assert ends == {"all held: credit": 50.0, "all held: manual": None}


def test_a_trouble_that_comes_again_is_told_once() -> None:
    watch = Stopwatch()
    recorder = Recorder(an_about())
    recorder.begin(watch)
    for watch.at_s in (1.0, 2.0, 3.0):
        recorder.apply(OwnTrouble("upkeep", "disk I/O error"))
    recorder.end(60.0, some_stats())
    (trouble,) = recorder.result().episodes
    assert (trouble.what, trouble.from_s, trouble.until_s) == ("upkeep: disk I/O error (3 times)", 1.0, 3.0)


def test_what_the_scenario_plans_for_later_is_not_told() -> None:
    assert EpisodeKind.FAULT in {episode.kind for episode in a_result().episodes}
    recorder = Recorder(an_about(), a_result().episodes)
    recorder.sample(10.0, a_status(), some_meters(10.0))
    assert recorder.result().episodes == ()


def test_a_run_that_was_stopped_is_incomplete() -> None:
    recorder = Recorder(an_about(duration_s=120.0))
    recorder.sample(60.0, a_status(), some_meters(60.0))
    recorder.end(61.5, some_stats())
    assert not recorder.result().complete
    assert recorder.result().simulated_s == 61.5
    assert a_result().complete


def test_the_witness_is_the_api() -> None:
    witness = a_result().witness
    assert witness is not None
    assert (witness.early_calls, witness.burst_max_100ms, witness.invoice_nanousd) == (0, 4, 1_234)


@pytest.mark.parametrize("duration_s", [10.0, 720.0, 3_600.0, 86_400.0, 604_800.0])
def test_a_run_of_any_length_has_a_bounded_number_of_samples(duration_s: float) -> None:
    assert duration_s / sample_every_s(duration_s) <= MOST_SAMPLES


def test_a_result_survives_its_json() -> None:
    result = a_result()
    assert from_json(result.to_json(), "result.json") == result
    assert from_json(result.to_json(), "result.json").to_json() == result.to_json()


def test_json_has_its_keys_in_order_and_a_version() -> None:
    document = json.loads(a_result().to_json())
    assert list(document) == sorted(document)
    assert document["schema"] == 1


@pytest.mark.parametrize(
    ("document", "mistake"),
    [
        (b"{", "no result of a simulation"),
        (b'{"complete": true}', "no result of a simulation"),
        (a_result().to_json().replace(b'"schema":1', b'"schema":99'), "schema: 99 is not understood"),
    ],
)
def test_json_of_something_else_is_refused(document: bytes, mistake: str) -> None:
    with pytest.raises(ConfigError, match=mistake):
        from_json(document, "result.json")


def event_lines() -> list[bytes]:
    written, watch = io.BytesIO(), Stopwatch()
    log = EventLog(written)
    log.begin(watch)
    for watch.at_s, event in enumerate(ONE_OF_EACH):
        log.apply(event)
    return written.getvalue().splitlines()


def test_the_event_log_has_a_line_for_each_event_with_its_time_first() -> None:
    lines = event_lines()
    assert len(lines) == len(ONE_OF_EACH)
    assert lines[6].startswith(b'{"at_s":6.000000,')
    fields = [list(orjson.loads(line))[1:] for line in lines]
    assert fields == [sorted(names) for names in fields]


def test_the_event_log_has_no_prompt_answer_or_key() -> None:
    log = b"\n".join(event_lines()).decode()
    assert all(secret not in log for secret in (*SECRETS.values(), ALL_OF_THEM))


def test_the_jobs_that_have_ended_are_known_at_any_time() -> None:
    recorder = Recorder(an_about())
    recorder.apply(an_end(job_id=JobId(1)))
    recorder.apply(an_end(JobState.FAILED, job_id=JobId(2)))
    assert recorder.jobs_ended == 2
