"""What is remembered of batches, and that it stays bounded."""

from __future__ import annotations

from pathlib import Path

from claudeflow.daemon.batches.completion import Completion
from claudeflow.daemon.batches.recent import Recent
from claudeflow.daemon.batches.warmth import MOST_PREFIXES, WARM_MS, Warmth
from claudeflow.daemon.calls.requests import Requests
from claudeflow.policy.batching.completion import FIRST_GUESS_S
from tests.support.batches import batching
from tests.support.clocks import WoundClock
from tests.support.daemons import opened


def test_what_was_put_in_longest_ago_is_forgotten_first() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    recent.put("a", 3)
    recent.put("c", 4)
    assert recent == {"a": 3, "c": 4}


def test_batches_that_run_longer_than_any_before_raise_what_is_expected_until_they_run_no_more() -> None:
    clock = WoundClock()
    book = Completion(clock)
    book.running([clock.epoch_ms(), clock.epoch_ms() + 5_000])
    assert book.expected_s() == FIRST_GUESS_S
    clock.advance(2 * FIRST_GUESS_S)
    assert book.expected_s() >= 2 * FIRST_GUESS_S
    book.running([])
    assert book.expected_s() == FIRST_GUESS_S


async def test_of_many_prefixes_the_cache_of_those_last_heard_of_is_remembered(tmp_path: Path) -> None:
    async with opened(tmp_path, config=batching(tmp_path)) as bench:
        shared = bench.parts.shared
        warmth, now_ms = Warmth(shared, Requests(shared.store)), shared.clock.epoch_ms()
        prefixes = [("model", str(number)) for number in range(MOST_PREFIXES + 1)]
        warmth.warming(prefixes, now_ms + 1_000)
        awaited = [warmth.waits_until_ms(prefix, now_ms) for prefix in prefixes]
        assert awaited == [None, *[now_ms + 1_000] * MOST_PREFIXES]
        warmth.marked(prefixes, now_ms)
        warm = [warmth.is_warm(prefix, now_ms + WARM_MS - 1) for prefix in prefixes]
        assert warm == [False, *[True] * MOST_PREFIXES]
