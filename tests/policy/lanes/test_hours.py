"""When a lane is open: windows of the week, past midnight, in a time zone with its jumps, with exceptions."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claudeflow.policy.lanes.hours import (
    HORIZON_DAYS,
    Hours,
    HoursSettings,
    is_day,
    is_span,
    is_window,
    is_zone,
)

BERLIN = "Europe/Berlin"
NIGHTS = ("Mon-Fri 18:00-08:00",)


def at(text: str, zone: str = BERLIN) -> int:
    """A local moment such as `2026-11-23 18:00` in epoch milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def hours(*windows: str, zone: str = BERLIN, **days: tuple[str, ...]) -> Hours:
    """`days` are written `d2026_12_24`."""
    exceptions = {name[1:].replace("_", "-"): spans for name, spans in days.items()}
    return Hours(HoursSettings(zone, windows, exceptions))


def changes(found: Hours, from_text: str, count: int) -> list[tuple[str, bool]]:
    """The next changes: the local moment, and whether it is open from then on."""
    moment, seen = at(from_text), []
    for _ in range(count):
        next_moment = found.changes_at(moment)
        assert next_moment is not None
        moment = next_moment
        local = datetime.fromtimestamp(moment / 1000, ZoneInfo(BERLIN))
        seen.append((local.strftime("%a %d %H:%M"), found.is_open(moment)))
    return seen


def test_without_windows_a_lane_is_always_open() -> None:
    always = Hours(HoursSettings())
    assert always.is_open(at("2026-11-23 03:00"))
    assert always.changes_at(at("2026-11-23 03:00")) is None


def test_a_window_may_pass_midnight() -> None:
    # 2026-11-23 is a Monday.
    found = hours(*NIGHTS)
    assert not found.is_open(at("2026-11-23 07:59"))
    assert not found.is_open(at("2026-11-23 17:59"))
    assert found.is_open(at("2026-11-23 18:00"))
    assert found.is_open(at("2026-11-24 07:59"))
    assert not found.is_open(at("2026-11-24 08:00"))
    assert found.is_open(at("2026-11-28 07:59"))
    assert not found.is_open(at("2026-11-28 20:00"))


def test_the_next_change_is_named_from_inside_and_outside() -> None:
    assert changes(hours(*NIGHTS), "2026-11-27 12:00", 4) == [
        ("Fri 27 18:00", True),
        ("Sat 28 08:00", False),
        ("Mon 30 18:00", True),
        ("Tue 01 08:00", False),
    ]


def test_windows_that_touch_are_one() -> None:
    found = hours("Mon-Fri 18:00-08:00", "Sat,Sun 00:00-24:00", "Mon 00:00-08:00")
    assert changes(found, "2026-11-27 12:00", 2) == [("Fri 27 18:00", True), ("Mon 30 08:00", False)]


def test_days_may_run_over_the_end_of_the_week_and_be_left_out() -> None:
    assert changes(hours("Sat-Mon 10:00-11:00"), "2026-11-24 00:00", 3) == [
        ("Sat 28 10:00", True),
        ("Sat 28 11:00", False),
        ("Sun 29 10:00", True),
    ]
    assert changes(hours("10:00-11:00"), "2026-11-24 00:00", 3)[-1] == ("Wed 25 10:00", True)


def test_an_exceptional_day_has_its_own_windows_or_none() -> None:
    found = hours("00:00-24:00", d2026_12_24=("00:00-12:00",), d2026_12_25=(), d2026_12_26=())
    assert changes(found, "2026-12-20 00:00", 2) == [("Thu 24 12:00", False), ("Sun 27 00:00", True)]


def test_no_window_reaches_from_the_day_before_into_an_exceptional_day() -> None:
    found = hours("Mon-Fri 18:00-08:00", d2026_11_24=("10:00-12:00",))
    assert changes(found, "2026-11-23 12:00", 5) == [
        ("Mon 23 18:00", True),
        ("Tue 24 00:00", False),
        ("Tue 24 10:00", True),
        ("Tue 24 12:00", False),
        ("Wed 25 18:00", True),
    ]


def test_an_exceptional_days_window_may_reach_into_the_next_day() -> None:
    found = hours("Mon 10:00-11:00", d2026_11_24=("22:00-02:00",))
    assert changes(found, "2026-11-24 12:00", 2) == [("Tue 24 22:00", True), ("Wed 25 02:00", False)]


def test_exceptions_alone_leave_every_other_day_open() -> None:
    found = hours(d2026_12_25=())
    assert changes(found, "2026-12-20 00:00", 2) == [("Fri 25 00:00", False), ("Sat 26 00:00", True)]


@pytest.mark.parametrize(
    ("window", "day", "length_h"),
    [
        ("00:00-06:00", "2026-03-29", 5),
        ("00:00-06:00", "2026-10-25", 7),
        ("18:00-08:00", "2026-03-28", 13),
        ("18:00-08:00", "2026-10-24", 15),
        ("00:00-06:00", "2026-06-01", 6),
    ],
)
def test_a_window_is_as_long_as_the_clocks_make_it(window: str, day: str, length_h: int) -> None:
    weekday = datetime.fromisoformat(day).strftime("%a")
    found = hours(f"{weekday} {window}")
    opens = at(f"{day} {window[:5]}")
    assert found.is_open(opens)
    assert found.changes_at(opens) == opens + length_h * 3_600_000


def test_a_time_that_the_clock_skips_is_read_by_the_offset_before() -> None:
    found = hours("Sun 02:30-04:00")
    assert not found.is_open(at("2026-03-29 03:29"))
    assert found.is_open(at("2026-03-29 03:30"))


def test_a_time_that_comes_twice_is_taken_the_first_time() -> None:
    found = hours("Sun 02:30-04:00")
    twice = int(datetime(2026, 10, 25, 2, 30, fold=0, tzinfo=ZoneInfo(BERLIN)).timestamp() * 1000)
    assert found.is_open(twice)
    assert not found.is_open(twice - 1)
    assert found.changes_at(twice) == twice + 150 * 60_000


def test_a_lane_that_never_opens_again_names_no_moment() -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(900)]
    never: dict[str, tuple[str, ...]] = {day.isoformat(): () for day in days}
    found = Hours(HoursSettings(BERLIN, ("Mon 10:00-11:00",), never))
    assert not found.is_open(at("2026-02-02 10:30"))
    assert found.changes_at(at("2026-02-02 10:30")) is None


def test_a_lane_that_is_open_for_a_year_names_no_moment() -> None:
    found = hours("00:00-24:00")
    assert found.is_open(at("2026-02-02 10:30"))
    assert found.changes_at(at("2026-02-02 10:30")) is None


def test_a_clock_that_is_set_back_is_believed() -> None:
    found = hours(*NIGHTS)
    assert found.is_open(at("2026-11-23 18:00"))
    assert not found.is_open(at("2026-11-23 12:00"))


SPANS = st.builds(
    lambda a, b: f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}",
    st.integers(0, 1_439),
    st.integers(0, 1_439),
)


@given(spans=st.lists(SPANS, min_size=1, max_size=3), start=st.integers(0, 400 * 24 * 60))
@settings(max_examples=60, deadline=None)
def test_between_two_changes_nothing_changes(spans: list[str], start: int) -> None:
    settings_of_lane = HoursSettings(BERLIN, tuple(spans))
    moment = at("2026-01-01 00:00") + start * 60_000
    until = Hours(settings_of_lane).changes_at(moment)
    steps = range(moment, min(until or moment, moment + 3 * 86_400_000), 17 * 60_000)
    assert len({Hours(settings_of_lane).is_open(step) for step in (*steps, moment)}) == 1
    if until is not None:
        assert Hours(settings_of_lane).is_open(until) != Hours(settings_of_lane).is_open(moment)
        assert until <= moment + HORIZON_DAYS * 86_400_000


@pytest.mark.parametrize("text", ["Mon 10:00-11:00", "Mon-Wed,Fri 10:00-24:00", "00:00-00:00"])
def test_windows_are_known(text: str) -> None:
    assert is_window(text)


@pytest.mark.parametrize("text", ["", "Mon", "mon 10:00-11:00", "Mon 9:00-11:00", "Mon 24:00-10:00", "10-11"])
def test_other_texts_are_no_windows(text: str) -> None:
    assert not is_window(text)


def test_spans_days_and_zones_are_told_from_other_texts() -> None:
    assert is_span("10:00-24:00")
    assert not is_span("Mon 10:00-11:00")
    assert is_day("2026-12-24")
    assert not any(is_day(text) for text in ("2026-13-24", "20261224", "tomorrow"))
    assert is_zone("UTC")
    assert not any(is_zone(text) for text in ("Mars/Base", "", "../etc/passwd"))
