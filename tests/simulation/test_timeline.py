"""The loop in virtual time: nobody waits, threads are waited for, and order never depends on speed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from claudeflow.simulation.timeline import NothingLeft, VirtualTimeLoop

T = TypeVar("T")
A_YEAR_S = 365 * 86_400.0


def lived(main: Coroutine[Any, Any, T]) -> T:
    """What `main` returns on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def test_a_year_of_sleep_is_over_at_once_and_the_clock_says_a_year() -> None:
    async def main() -> float:
        await asyncio.sleep(A_YEAR_S)
        return asyncio.get_running_loop().time()

    assert lived(main()) == pytest.approx(A_YEAR_S)


def test_sleepers_wake_in_the_order_of_their_moments_and_each_at_its_own() -> None:
    woken: list[tuple[float, float]] = []

    async def sleeper(delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        woken.append((delay_s, asyncio.get_running_loop().time()))

    async def main() -> None:
        await asyncio.gather(*(sleeper(delay_s) for delay_s in (3.0, 0.1, 86_400.0, 2.5)))

    lived(main())
    assert [delay for delay, _ in woken] == [0.1, 2.5, 3.0, 86_400.0]
    assert all(moment == pytest.approx(delay, abs=1e-6) for delay, moment in woken)


def test_a_timeout_ends_what_takes_longer_by_the_virtual_clock() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await asyncio.sleep(601)
        return asyncio.get_running_loop().time()

    assert lived(main()) == pytest.approx(600)


def test_time_stands_still_while_a_thread_works() -> None:
    async def main() -> float:
        alarm = asyncio.create_task(asyncio.sleep(0.001))
        await asyncio.to_thread(time.sleep, 0.02)
        assert not alarm.done()
        return asyncio.get_running_loop().time()

    assert lived(main()) == 0.0


def test_threads_hand_back_in_the_order_of_the_asking_however_long_each_takes() -> None:
    back: list[int] = []

    async def ask(number: int) -> None:
        await asyncio.to_thread(time.sleep, 0.001 * (5 - number))
        back.append(number)

    async def main() -> None:
        await asyncio.gather(*(ask(number) for number in range(5)))

    lived(main())
    assert back == [0, 1, 2, 3, 4]


def test_two_threads_never_work_at_the_same_time() -> None:
    at_work, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.002)
        with lock:
            at_work -= 1

    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(work) for _ in range(6)))

    lived(main())
    assert most == 1


def test_what_a_thread_raises_reaches_whoever_asked() -> None:
    def fail() -> None:
        raise LookupError("not there")

    async def main() -> None:
        with pytest.raises(LookupError, match="not there"):
            await asyncio.to_thread(fail)
        assert await asyncio.to_thread(lambda: "and on it goes") == "and on it goes"

    lived(main())


def test_a_thread_that_nobody_announced_may_still_call_back() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        news: asyncio.Future[str] = loop.create_future()
        stranger = threading.Thread(target=lambda: loop.call_soon_threadsafe(news.set_result, "hello"))
        stranger.start()
        return await news

    assert lived(main()) == "hello"


def test_waiting_for_what_can_never_happen_is_an_error_and_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claudeflow.simulation.timeline.PATIENCE_S", 0.01)
    with pytest.raises(NothingLeft, match="no timer, no thread"):
        lived(asyncio.Event().wait())


def test_cancelling_whoever_waits_for_a_thread_leaves_the_loop_in_order() -> None:
    async def main() -> str:
        waiting = asyncio.create_task(asyncio.to_thread(time.sleep, 0.005))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return await asyncio.to_thread(lambda: "still alive")

    assert lived(main()) == "still alive"
