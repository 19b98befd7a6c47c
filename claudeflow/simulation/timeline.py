"""Timeline: an event loop in virtual time. Its clock jumps to the next timer when nothing else is left to do.

Everything on the loop runs as it would in real time, only nobody waits: when no callback is ready
and no thread is at work, `time()` becomes the moment of the next timer. While a thread works (the
store's, the default executor's) time stands still. The same program with the same seed therefore
does the same things in the same order, on any machine.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

from claudeflow.simulation.turnstile import Returned, Turnstile

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PATIENCE_S = 5.0
"""How long, in real time, a loop without timers waits for a thread that nobody handed work to."""


RESOLUTION_S = 1e-6
"""Timers this close fire together. After a virtual year a float tells moments apart by no less than 4e-9."""


class NothingLeft(RuntimeError):
    """Nothing will ever happen again on this loop, and somebody still waits."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose time starts at `start_s` and is never waited for."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s
        self._turnstile = Turnstile()
        super().__init__(_JumpingSelector(self))
        self._clock_resolution = RESOLUTION_S

    def time(self) -> float:
        """Virtual seconds."""
        return self._now_s

    def hand_over(self, work: Callable[..., T]) -> Callable[..., T]:
        """Announce `work` that is going to run in another thread, and call the result there instead.

        The thread must then tell this loop by one `call_soon_threadsafe`, as executors and aiosqlite do.
        """
        return self._turnstile.in_turn(work)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run `func` in a thread while time stands still."""
        return super().run_in_executor(executor, self.hand_over(partial(func, *args)))

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call back as soon as possible; what announced threads bring waits for its turn."""
        ticket = self._turnstile.ticket_here
        if ticket is None:
            return super().call_soon_threadsafe(callback, *args, context=context)
        self._turnstile.hand_back(Returned(ticket, callback, args, context))
        return asyncio.Handle(callback, args, self, context)

    def _let_threads_finish(self) -> bool:
        if not self._turnstile.threads_are_at_work:
            return False
        for returned in self._turnstile.wait_for_all():
            self.call_soon(returned.callback, *returned.args, context=returned.context)
        return True

    def _jump(self, seconds: float) -> None:
        self._now_s += seconds


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing but threads: a timeout is time that passes."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        """What woke the loop from outside, if anything; else time passes by `timeout`."""
        if self._loop._let_threads_finish() or timeout == 0:
            return []
        events = super().select(0 if timeout is not None else PATIENCE_S)
        if events:
            return events
        if timeout is None:
            raise NothingLeft("nothing is left to happen: no timer, no thread at work")
        self._loop._jump(timeout)
        return []
