"""The log: one line per event, as loud as it deserves, and never a word of a prompt, an answer or a key."""

from __future__ import annotations

import io
import json
from typing import Any, Literal, get_args

import pytest

from claudeflow.domain import batch_events as batch
from claudeflow.domain import cache_events as cache
from claudeflow.domain import events as ev
from claudeflow.domain import pack_events as pack
from claudeflow.domain.hold import EVERYTHING, Hold, HoldCause
from claudeflow.domain.job import JobId, JobState
from claudeflow.observe.journal import LEVEL_OF, LEVELS, Journal, fields_of, level_of
from claudeflow.observe.settings import LogSettings
from tests.observe.happenings import ERROR, ONE_OF_EACH, SECRETS, a_call, an_end

NOW_MS = 1_795_338_000_123
STAMP = "2026-11-22T09:00:00.123Z"

Format = Literal["auto", "json", "text"]
Level = Literal["debug", "info", "notice", "warning", "error"]


def written(*events: ev.Event, form: Format = "json", level: Level = "debug") -> list[str]:
    """The lines that a journal writes of these events."""
    stream = io.BytesIO()
    journal = Journal(LogSettings(form, level), lambda: NOW_MS, stream)
    for event in events:
        journal.apply(event)
    return stream.getvalue().decode().splitlines()


def entry(event: ev.Event) -> dict[str, Any]:
    (line,) = written(event)
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_there_is_an_example_of_every_event() -> None:
    assert {type(event) for event in ONE_OF_EACH} == set(get_args(ev.Event))


# What never gets there


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_no_prompt_answer_key_or_prose_of_the_api_is_ever_logged(event: ev.Event, form: Format) -> None:
    (line,) = written(event, form=form)
    assert [name for name, secret in SECRETS.items() if secret in line] == []
    assert "Jane" not in line


def test_an_error_is_logged_by_type_code_and_status() -> None:
    found = entry(an_end(JobState.FAILED))
    assert (found["error_type"], found["error_code"], found["http_status"]) == (
        "invalid_request_error",
        "too_long",
        400,
    )
    assert ERROR.message not in json.dumps(found)


# How loud


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (ev.OwnTrouble("x", "y"), "error"),
        (ev.PoolGated("p", 1.0, None, 0.9), "warning"),
        (ONE_OF_EACH[11], "warning"),
        (ev.ConfigRefused("a", "b"), "warning"),
        (ONE_OF_EACH[13], "warning"),
        (an_end(JobState.FAILED), "notice"),
        (an_end(JobState.EXPIRED), "notice"),
        (an_end(JobState.HELD), "notice"),
        (an_end(JobState.CANCELLED), "info"),
        (an_end(JobState.SUCCEEDED), "info"),
        (a_call(outcome="throttled"), "notice"),
        (a_call(outcome="succeeded"), "debug"),
        (ONE_OF_EACH[8], "debug"),
        (ev.JobsSubmitted("l", "w", 1), "debug"),
        (ev.PoolOpened("p"), "info"),
        (ev.DaemonReady("i", 0, 0), "info"),
        (ev.DaemonDraining(0, 1.0), "info"),
        (ev.DaemonStopped(0), "info"),
        (ev.ConfigReloaded("a"), "info"),
        (ev.KeyChanged("a"), "info"),
        (ev.JobMoved(JobId(7), "bulk", "standard", 0), "info"),
        (cache.CacheShareFell("w", None, None, "v", 0.9, 0.2, 20, "x"), "warning"),
        (cache.PrefixChurned("w", None, 40, 50, "x"), "warning"),
        (cache.CacheMissExplained("w", "m", "p", None, None, 1, "none", None, "x"), "notice"),
        (cache.CacheMissed("w", "m", "p", None, None, 1, 1, None), "info"),
        (ONE_OF_EACH[12], "info"),
        (batch.BatchLost(3, 7, "w"), "warning"),
        (batch.BatchRefused(3, 7, "t", "w"), "warning"),
        (batch.BatchLate(3, 5), "notice"),
        (batch.BatchCreated(3, "m", 7, 1, 0.0), "info"),
        (batch.BatchEnded(3, "m", 1.0, 7, 0, 0, 0), "info"),
        (batch.BatchBooked(3, "m", 7, 1, 2), "info"),
        (batch.BatchCancelAsked(3, "m", "anna"), "info"),
        (pack.PromptUnpacked("p", "v", 20, 4, 0.05, "x"), "warning"),
        (pack.PackingJudged("p", "v", True, "w"), "info"),
        (pack.PackAnswered(9, "w", "p", "v", 7, 7, (), 0), "debug"),
        (pack.CanaryAnswered(9, "p", "v", True), "debug"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_event_is_as_loud_as_it_deserves(event: ev.Event, level: str) -> None:
    assert level_of(event) == level
    assert entry(event)["level"] == level


def test_every_event_has_its_loudness_in_one_place() -> None:
    by_outcome = {ev.JobFinished, ev.CallEnded}
    assert set(LEVEL_OF) == set(get_args(ev.Event)) - by_outcome
    assert set(LEVEL_OF.values()) <= set(LEVELS)


def test_an_item_that_a_pack_lost_is_logged_by_its_reason() -> None:
    (line,) = written(pack.PackAnswered(9, "w", "p", "v", 7, 5, ("missing: 1", "invalid: 1"), 0), form="text")
    assert 'returned="missing: 1, invalid: 1"' in line


@pytest.mark.parametrize("least", LEVELS)
def test_what_is_less_loud_than_asked_for_is_not_written(least: Level) -> None:
    lines = written(*ONE_OF_EACH, level=least)
    assert all(LEVELS[json.loads(line)["level"]] <= LEVELS[least] for line in lines)
    assert len(lines) == sum(LEVELS[level_of(event)] <= LEVELS[least] for event in ONE_OF_EACH)


# The lines


def test_every_event_is_one_line_of_json_with_its_name_and_moment() -> None:
    lines = [json.loads(line) for line in written(*ONE_OF_EACH)]
    assert [line["event"] for line in lines] == [type(event).__name__ for event in ONE_OF_EACH]
    assert {line["at"] for line in lines} == {STAMP}


def test_every_event_is_one_line_of_text_too() -> None:
    lines = written(*ONE_OF_EACH, form="text")
    assert len(lines) == len(ONE_OF_EACH)
    assert all(line.startswith(STAMP) for line in lines)


def test_a_line_of_text_reads_from_left_to_right() -> None:
    (line,) = written(ev.PoolGated("haiku-5.5", 31.0004, None, 0.9), form="text")
    assert line == f"{STAMP} warning PoolGated pool=haiku-5.5 closed_s=31.0 theta=0.9"


def test_in_text_what_would_not_read_as_one_word_is_quoted() -> None:
    (line,) = written(ev.OwnTrouble("a part", "first\nsecond"), form="text")
    assert line.endswith('where="a part" problem="first\\nsecond"')


def test_a_call_tells_its_tokens_money_and_time() -> None:
    found = entry(a_call())
    assert (
        found
        | {
            "input_tokens": 10,
            "cache_write_tokens": 5,
            "cache_read_tokens": 80,
            "output_tokens": 20,
            "cost_nanousd": 1_234,
            "queue_age_s": 1.235,
            "request_id": "req_7",
        }
        == found
    )
    assert "error_type" not in found


def test_an_error_that_has_no_status_does_not_hide_the_one_of_the_call() -> None:
    refusal = type(ERROR)("refusal", "prose")
    found = fields_of(a_call(outcome="rejected", http_status=200, error=refusal))
    assert (found["http_status"], found["error_type"]) == (200, "refusal")
    assert "error_code" not in found


def test_a_hold_tells_its_scope_cause_and_way_out() -> None:
    found = entry(ONE_OF_EACH[11])
    assert (found["scope"], found["cause"]) == ("all", "credit")
    assert "top up" in found["way_out"]


def test_what_is_not_known_is_left_out() -> None:
    assert "retry_after_s" not in entry(ev.PoolGated("p", 1.0, None, 0.9))


def test_a_stream_that_is_no_terminal_gets_json_unless_told_otherwise() -> None:
    (line,) = written(ev.PoolOpened("p"), form="auto")
    assert json.loads(line)["event"] == "PoolOpened"


def test_for_journald_each_line_begins_with_its_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    lines = written(ev.OwnTrouble("x", "y"), ev.PoolOpened("p"))
    assert [line[:3] for line in lines] == ["<3>", "<6>"]


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    Journal(LogSettings(), lambda: NOW_MS, Full()).apply(ev.OwnTrouble("x", "y"))


def test_a_hold_by_hand_tells_who_set_it_why_and_until_when() -> None:
    hold = Hold(EVERYTHING, HoldCause.MANUAL, "month end", since_ms=5, until_ms=9, set_by="anna")
    found = entry(ev.HoldSet(hold))
    assert (found["set_by"], found["reason"], found["until_ms"]) == ("anna", "month end", 9)
