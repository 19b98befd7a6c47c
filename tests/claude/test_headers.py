"""Response headers as values: all three shapes seen on the real API, and every kind of rubbish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.claude.headers import read_reading, read_retry_after_s, read_should_retry
from claudeflow.domain.quota import AxisReading, Reading

DATE = "Sun, 22 Nov 2026 10:00:00 GMT"
FAMILIES = ("requests", "input-tokens", "output-tokens")


def a_family(axis: str, limit: str, remaining: str, reset: str) -> dict[str, str]:
    prefix = f"anthropic-ratelimit-{axis}-"
    return {prefix + "limit": limit, prefix + "remaining": remaining, prefix + "reset": reset}


def test_all_families_are_read() -> None:
    headers = {
        "date": DATE,
        **a_family("requests", "4000", "3999", "2026-11-22T10:00:01Z"),
        **a_family("input-tokens", "4000000", "3998000", "2026-11-22T10:00:30Z"),
        **a_family("output-tokens", "800000", "800000", "2026-11-22T09:59:58Z"),
        **a_family("tokens", "4800000", "0", "2026-11-22T10:59:00Z"),
    }
    assert read_reading(headers) == Reading(
        AxisReading(4000, 3999, 1.0),
        AxisReading(4_000_000, 3_998_000, 30.0),
        AxisReading(800_000, 800_000, -2.0),
        AxisReading(4_800_000, 0, 3_540.0),
    )


def test_missing_families_are_no_information() -> None:
    headers = {"date": DATE, **a_family("input-tokens", "10", "9", "2026-11-22T10:00:00Z")}
    assert read_reading(headers) == Reading(input_tokens=AxisReading(10, 9, 0.0))
    assert read_reading({"date": DATE}) is None
    assert read_reading({}) is None


def test_the_combined_family_may_be_all_there_is() -> None:
    headers = {"date": DATE, **a_family("tokens", "10", "9", "2026-11-22T10:00:00Z")}
    assert read_reading(headers) == Reading(tokens=AxisReading(10, 9, 0.0))


@pytest.mark.parametrize("other", ["anthropic-priority-", "anthropic-fast-", "anthropic-ratelimit-unified-"])
def test_families_of_other_capacity_are_not_the_pools(other: str) -> None:
    headers = {other + "input-tokens-limit": "10", other + "output-tokens-remaining": "0"}
    assert read_reading({"date": DATE, **headers}) is None


@pytest.mark.parametrize(
    ("reset", "full_in_s"),
    [
        ("2026-11-22T10:00:30Z", 30.0),
        ("2026-11-22T11:00:30+01:00", 30.0),
        ("2026-11-22T10:00:30", 30.0),
        ("2026-11-22T10:00:30.5Z", 30.5),
        ("1795341630", 30.0),
        ("soon", None),
        ("", None),
        ("nan", None),
    ],
)
def test_a_reset_may_be_a_date_or_epoch_seconds_or_rubbish(reset: str, full_in_s: float | None) -> None:
    reading = read_reading({"date": DATE, **a_family("requests", "50", "1", reset)})
    assert reading == Reading(requests=AxisReading(50, 1, full_in_s))


def test_the_clock_of_the_server_is_the_one_that_counts() -> None:
    family = a_family("requests", "50", "1", "2030-01-01T00:00:20Z")
    skewed = read_reading({"date": "Tue, 01 Jan 2030 00:00:00 GMT", **family})
    assert skewed == Reading(requests=AxisReading(50, 1, 20.0))
    assert read_reading(family) == Reading(requests=AxisReading(50, 1, None))


@pytest.mark.parametrize("limit", ["0", "-5", "many", "1e3", "9" * 5000, "9" * 400])
def test_an_odd_limit_is_no_information(limit: str) -> None:
    assert read_reading(a_family("requests", limit, "3", "")) == Reading(requests=AxisReading(remaining=3))


@pytest.mark.parametrize(
    ("value", "expected_s"),
    [
        ("17", 17.0),
        ("0.5", 0.5),
        ("0", 0.0),
        ("86000", 86000.0),
        ("Sun, 22 Nov 2026 10:01:00 GMT", 60.0),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
        ("2678400", 2_678_400.0),
        ("2678401", None),
        ("1795341630", None),
        ("1e300", None),
        ("-3", None),
        ("inf", None),
        ("later", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, expected_s: float | None) -> None:
    assert read_retry_after_s({"date": DATE, "retry-after": value}) == expected_s


@pytest.mark.parametrize("odd", ["9" * 400, "-" + "9" * 400, "1" + "0" * 16])
def test_a_count_beyond_all_reason_is_no_information(odd: str) -> None:
    assert read_reading(a_family("requests", odd, odd, "")) is None


def test_a_retry_date_without_the_servers_clock_says_nothing() -> None:
    assert read_retry_after_s({"retry-after": DATE}) is None
    assert read_retry_after_s({}) is None


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), (" False ", False), ("maybe", None), ("", None)]
)
def test_the_servers_hint_is_read(value: str, expected: bool | None) -> None:
    assert read_should_retry({"x-should-retry": value}) is expected
    assert read_should_retry({}) is None


NAMES = [
    "date",
    "retry-after",
    *(f"anthropic-ratelimit-{axis}-{part}" for axis in FAMILIES for part in ("limit", "remaining", "reset")),
]
ODD_DATES = st.sampled_from([DATE, "Mon, 99 Foo 2026 10:00:00 GMT", "Sun, 22 Nov 99999 10:00:00 GMT", "0, 0"])


@given(st.dictionaries(st.sampled_from(NAMES), st.text() | st.integers().map(str) | ODD_DATES))
def test_no_header_ever_raises(headers: dict[str, str]) -> None:
    reading = read_reading(headers)
    assert reading is None or isinstance(reading, Reading)
    wait_s = read_retry_after_s(headers)
    assert wait_s is None or wait_s >= 0
