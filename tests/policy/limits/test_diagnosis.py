"""Which limit a 429 came from, by its own words and headers."""

from __future__ import annotations

import pytest

from claudeflow.domain.attempt import Throttled, ThrottleKind
from claudeflow.domain.job import JobError
from claudeflow.domain.quota import Axis, AxisReading, Demand, Reading
from claudeflow.policy.limits.diagnosis import Cause, Diagnosis, diagnose

DEMAND = Demand(5_000, 300)
PLENTY = AxisReading(limit=100_000, remaining=60_000)
NONE_LEFT = AxisReading(limit=100_000, remaining=0)
NAMES_INPUT = "This request would exceed your organization's rate limit of 30,000 input tokens per minute"


def a_429(message: str = "Too fast", kind: ThrottleKind = ThrottleKind.RATE) -> Throttled:
    return Throttled(JobError("rate_limit_error", message), 5.0, kind)


@pytest.mark.parametrize(
    ("outcome", "reading", "expected"),
    [
        (a_429(kind=ThrottleKind.RAMP), None, Diagnosis(Cause.RAMP)),
        (a_429("Number of concurrent connections has exceeded"), None, Diagnosis(Cause.CONNECTIONS)),
        (a_429(), None, Diagnosis(Cause.UNKNOWN)),
        (a_429(NAMES_INPUT), None, Diagnosis(Cause.UNKNOWN, Axis.INPUT_TOKENS, 30_000.0)),
        (
            a_429(NAMES_INPUT),
            Reading(requests=PLENTY),
            Diagnosis(Cause.UNKNOWN, Axis.INPUT_TOKENS, 30_000.0),
        ),
        (
            a_429(NAMES_INPUT),
            Reading(input_tokens=NONE_LEFT),
            Diagnosis(Cause.EXHAUSTED, Axis.INPUT_TOKENS, 30_000.0),
        ),
        (
            a_429(NAMES_INPUT),
            Reading(input_tokens=PLENTY, output_tokens=NONE_LEFT),
            Diagnosis(Cause.HIDDEN_WINDOW, Axis.INPUT_TOKENS, 30_000.0),
        ),
        (a_429(), Reading(PLENTY, PLENTY, NONE_LEFT), Diagnosis(Cause.EXHAUSTED, Axis.OUTPUT_TOKENS)),
        (a_429(), Reading(PLENTY, PLENTY, PLENTY), Diagnosis(Cause.HIDDEN_WINDOW)),
        (a_429(), Reading(PLENTY, PLENTY), Diagnosis(Cause.UNKNOWN)),
        (a_429("0 requests per minute"), None, Diagnosis(Cause.UNKNOWN, Axis.REQUESTS)),
    ],
)
def test_words_and_headers_name_the_cause(
    outcome: Throttled, reading: Reading | None, expected: Diagnosis
) -> None:
    assert diagnose(outcome, reading, DEMAND) == expected


def test_too_little_is_left_when_the_call_needs_more_but_output_reserves_nothing() -> None:
    little = AxisReading(limit=100_000, remaining=200)
    assert diagnose(a_429(), Reading(PLENTY, little, PLENTY), DEMAND).axis is Axis.INPUT_TOKENS
    assert diagnose(a_429(), Reading(PLENTY, PLENTY, little), DEMAND).cause is Cause.HIDDEN_WINDOW


def test_a_family_without_a_remainder_says_nothing() -> None:
    silent = AxisReading(limit=100_000)
    assert diagnose(a_429(), Reading(silent, silent), DEMAND).cause is Cause.UNKNOWN
