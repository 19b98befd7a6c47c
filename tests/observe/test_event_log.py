"""The log of events: places in it, gaps, and readers that are too slow."""

from __future__ import annotations

import asyncio

from claudeflow.domain.events import DaemonStopped, OwnTrouble, PoolOpened
from claudeflow.observe.event_log import EventLog, EventReader, Gap


def a_log(events: int = 0, kept: int = 4) -> EventLog:
    log = EventLog("f00d", lambda: 5, kept)
    for number in range(1, events + 1):
        log.apply(PoolOpened(str(number)))
    return log


def rest(reader: EventReader, most: int = 100) -> list[int]:
    return [told.number for told in reader.take(most)]


def test_a_new_reader_begins_with_what_happens_next() -> None:
    log = a_log(3)
    reader = log.read(None)
    assert rest(reader) == []
    log.apply(PoolOpened("4"))
    assert rest(reader) == [4]
    assert rest(reader) == []
    assert reader.gap is None


def test_a_reader_goes_on_after_the_event_that_it_names() -> None:
    reader = a_log(4).read(("f00d", 2))
    assert (reader.gap, rest(reader)) == (None, [3, 4])


def test_a_reader_may_take_a_little_at_a_time() -> None:
    reader = a_log(4).read(("f00d", 0))
    assert [rest(reader, 3), rest(reader, 3), rest(reader, 3)] == [[1, 2, 3], [4], []]


def test_what_is_kept_no_more_is_a_gap_of_known_size() -> None:
    reader = a_log(10).read(("f00d", 2))
    assert reader.gap == Gap("too_old", 4)
    assert rest(reader) == [7, 8, 9, 10]


def test_the_oldest_event_that_is_kept_is_no_gap() -> None:
    assert a_log(10).read(("f00d", 6)).gap is None


def test_an_id_of_another_daemon_is_a_gap_of_unknown_size_before_all_that_is_kept() -> None:
    reader = a_log(2).read(("beef", 40))
    assert reader.gap == Gap("other_daemon", None)
    assert rest(reader) == [1, 2]


def test_an_id_from_the_future_is_of_another_daemon() -> None:
    assert a_log(2).read(("f00d", 3)).gap == Gap("other_daemon", None)


def test_a_reader_that_is_too_slow_is_cut_off_once_and_told_how_much_it_missed() -> None:
    log, cuts = a_log(), []
    slow, quick = log.read(None), log.read(None)
    slow.on_cut_off(lambda: cuts.append(log.last))
    for number in range(1, 8):
        log.apply(PoolOpened(str(number)))
        assert rest(quick) == [number]
    assert cuts == [5]
    assert slow.is_cut_off
    assert slow.is_over
    assert not quick.is_cut_off
    assert log.read(("f00d", slow.taken)).gap == Gap("too_old", 3)


def test_a_closed_reader_is_told_nothing_more() -> None:
    log, cuts = a_log(), []
    reader = log.read(None)
    reader.on_cut_off(lambda: cuts.append(1))
    reader.close()
    for number in range(9):
        log.apply(PoolOpened(str(number)))
    assert cuts == []


def test_memory_is_bounded_by_what_is_kept() -> None:
    log = a_log(kept=4)
    log.read(None)
    for number in range(1_000):
        log.apply(PoolOpened(str(number)))
    assert len(log.after(0, 10_000)) == 4


def test_it_is_over_when_the_daemon_has_stopped_and_all_is_taken() -> None:
    log = a_log(1)
    reader = log.read(("f00d", 0))
    log.apply(DaemonStopped(0))
    log.apply(OwnTrouble("late", "problem"))
    assert not reader.is_over
    assert rest(reader) == [1, 2, 3]
    assert reader.is_over


async def test_news_wakes_who_waits_and_is_patient_only_so_long() -> None:
    log = a_log()
    reader = log.read(None)
    assert not await reader.news(0.0)
    waiting = asyncio.create_task(reader.news(20.0))
    await asyncio.sleep(0)
    log.apply(PoolOpened("1"))
    assert await waiting
    assert await reader.news(0.0)
    reader.take(5)
    assert not await reader.news(0.0)
