"""Days and hours as a scenario writes them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from claudeflow.simulation.when import Period, read_duration, read_moment, read_start, read_window, read_zone

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = "2026-11-16"
SATURDAY = "2026-11-21"
HOUR_S = 3_600


@pytest.mark.parametrize(
    ("window", "within", "outside"),
    [
        ("Mon-Fri 08-18", f"{MONDAY}T08:00", f"{MONDAY}T18:00"),
        ("Mon-Fri 08-18", f"{MONDAY}T17:59", f"{SATURDAY}T12:00"),
        ("Sat,Sun", f"{SATURDAY}T00:00", f"{MONDAY}T00:00"),
        ("Mon-Wed, Sat 10-12", f"{SATURDAY}T10:00", "2026-11-19T10:00"),
        ("Sat-Mon", f"{MONDAY}T23:59", "2026-11-17T00:00"),
        ("08:30-12:15", f"{SATURDAY}T12:14", f"{SATURDAY}T08:29"),
        ("00-24", f"{MONDAY}T23:59", None),
        (MONDAY, f"{MONDAY}T12:00", f"{SATURDAY}T12:00"),
        (f"{MONDAY} 10-11", f"{MONDAY}T10:30", f"{MONDAY}T11:00"),
        ("22-06", f"{MONDAY}T23:00", f"{MONDAY}T06:00"),
        ("Mon 22-06", "2026-11-17T05:59", f"{MONDAY}T05:59"),
        ("Mon 22-06", f"{MONDAY}T22:00", "2026-11-17T22:00"),
    ],
)
def test_a_window_covers_its_days_and_hours(window: str, within: str, outside: str | None) -> None:
    assert read_window(window).covers(datetime.fromisoformat(within))
    assert outside is None or not read_window(window).covers(datetime.fromisoformat(outside))


@pytest.mark.parametrize(
    "text", ["Mon-Fry 08-18", "08-25", "08:60-09", "08-08", "", "Mon-Fri 8-18", "always"]
)
def test_hours_that_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="found"):
        read_window(text)


@pytest.mark.parametrize("text", ["24:00", "10", "Mon-Fri", "", "10:17 Mon", 10])
def test_moments_that_do_not_exist_are_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"found|days"):
        read_moment(text)


def test_durations_have_a_unit() -> None:
    assert [read_duration(text) for text in ("90s", "1.5m", "3h", "7d")] == [90, 90, 10_800, 604_800]
    for wrong in ("90", "3 h", "-3h", 90, "1w"):
        with pytest.raises(ValueError, match="must be a duration"):
            read_duration(wrong)


@pytest.mark.parametrize("text", ["tomorrow", "2026-11-17T08:00:30", "2026-11-17T08:00+01:00", 8])
def test_a_start_is_a_local_time_of_whole_minutes(text: object) -> None:
    with pytest.raises(ValueError, match="found"):
        read_start(text)


@pytest.mark.parametrize("name", ["Europe/Berln", "../etc/passwd", "", 3])
def test_zones_that_do_not_exist_are_refused(name: object) -> None:
    with pytest.raises(ValueError, match="Europe/Berlin"):
        read_zone(name)


def occurrences(moment: str, starts: str, duration_s: float) -> list[float]:
    start = datetime.fromisoformat(starts).replace(tzinfo=BERLIN)
    return list(Period(start, BERLIN, duration_s).occurrences(read_moment(moment)))


def test_a_daily_moment_comes_every_day() -> None:
    assert occurrences("10:17", f"{MONDAY}T08:00", 48 * HOUR_S) == [8_220, 8_220 + 24 * HOUR_S]


def test_a_moment_comes_on_its_days_only() -> None:
    assert occurrences("Sat,Sun 02:00", f"{MONDAY}T00:00", 7 * 24 * HOUR_S) == [122 * HOUR_S, 146 * HOUR_S]
    assert occurrences(f"{SATURDAY} 10:17:30", f"{SATURDAY}T10:00", HOUR_S) == [1_050]


def test_a_moment_before_the_start_or_at_the_end_does_not_come() -> None:
    assert occurrences("08:00", f"{MONDAY}T08:00", 24 * HOUR_S) == [0]
    assert occurrences("07:59", f"{MONDAY}T08:00", HOUR_S) == []


def test_a_skipped_time_comes_an_hour_later_and_a_doubled_one_once() -> None:
    assert occurrences("02:30", "2026-03-29T00:00", 24 * HOUR_S) == [2.5 * HOUR_S]
    assert occurrences("02:30", "2026-10-25T00:00", 24 * HOUR_S) == [2.5 * HOUR_S]


def test_noon_is_noon_on_days_of_23_and_25_hours() -> None:
    assert occurrences("12:00", "2026-03-29T00:00", 24 * HOUR_S) == [11 * HOUR_S]
    assert occurrences("12:00", "2026-10-25T00:00", 24 * HOUR_S) == [13 * HOUR_S]
