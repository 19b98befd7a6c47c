"""Kinds of events, their filter, and the page that is drawn from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from claudeflow.domain import events as ev
from claudeflow.domain.event_kinds import KINDS, EventFilter, name_of
from claudeflow.domain.hold import Hold, HoldCause, scope_from
from claudeflow.domain.job import JobId
from tests.domain.events_page import page
from tests.observe.happenings import ONE_OF_EACH, a_call, an_end

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
MOVED = ev.JobMoved(JobId(7), "bulk", "standard", 3)


def a_hold(scope: str) -> ev.HoldSet:
    return ev.HoldSet(Hold(scope_from(scope), HoldCause.MANUAL, "audit", since_ms=5))


def test_the_page_is_drawn_from_the_classes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.domain.events_page > docs/events.md"


def test_every_kind_has_a_name() -> None:
    assert {name_of(event) for event in ONE_OF_EACH} == set(KINDS)
    assert name_of(MOVED) == "job_moved"


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=name_of)
def test_without_tests_every_event_is_wanted(event: ev.Event) -> None:
    assert EventFilter().takes(event)


@pytest.mark.parametrize(
    ("wanted", "event", "takes"),
    [
        (EventFilter(kinds=frozenset({ev.JobFinished, ev.HoldSet})), an_end(), True),
        (EventFilter(kinds=frozenset({ev.JobFinished, ev.HoldSet})), a_call(), False),
        (EventFilter(lane="bulk"), an_end(), True),
        (EventFilter(lane="night"), an_end(), False),
        (EventFilter(lane="bulk"), MOVED, True),
        (EventFilter(lane="standard"), MOVED, True),
        (EventFilter(lane="night"), MOVED, False),
        (EventFilter(lane="bulk"), a_hold("lane:bulk"), True),
        (EventFilter(lane="bulk"), a_hold("lane:night"), False),
        (EventFilter(lane="bulk"), a_hold("workflow:bulk"), False),
        (EventFilter(lane="bulk"), ev.HoldReleased(scope_from("lane:bulk"), "over"), True),
        (EventFilter(workflow="triage"), a_hold("workflow:triage"), True),
        (EventFilter(workflow="triage"), a_call(), True),
        (EventFilter(workflow="other"), a_call(), False),
        (EventFilter(workflow="triage"), ev.PoolOpened("haiku-5.5"), False),
        (EventFilter(job_id=JobId(7)), an_end(), True),
        (EventFilter(job_id=JobId(8)), an_end(), False),
        (EventFilter(job_id=JobId(7)), a_hold("job:7"), True),
        (EventFilter(job_id=JobId(7)), ev.PoolOpened("7"), False),
        (EventFilter(job_id=JobId(7), lane="night"), an_end(), False),
        (EventFilter(kinds=frozenset({ev.JobFinished}), lane="bulk", workflow="triage"), an_end(), True),
    ],
)
def test_events_pass_when_they_pass_every_test(wanted: EventFilter, event: ev.Event, takes: bool) -> None:
    assert wanted.takes(event) is takes
