"""Turnstile: threads work one after another, and hand their results back in the order of the asking.

Threads that work side by side, or beside the loop, would make a run depend on which of them is
faster. Here each piece of work draws a ticket on the loop's thread; its own thread lets it begin
when the loop has come to rest and everything asked for before is done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Returned:
    """What a thread wants to have called on the loop."""

    ticket: int
    callback: Callable[..., Any]
    args: tuple[Any, ...]
    context: Context | None


class Turnstile:
    """Knows how much work is out in threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._drawn = 0
        self._served = 0
        self._is_open = False
        self._returned: list[Returned] = []
        self._taken = 0
        self._at_hand = threading.local()

    @property
    def threads_are_at_work(self) -> bool:
        """Whether any work has not been handed back and fetched yet."""
        return self._taken < self._drawn

    @property
    def ticket_here(self) -> int | None:
        """The ticket whose result this thread has not handed back yet."""
        return getattr(self._at_hand, "ticket", None)

    def in_turn(self, work: Callable[..., T]) -> Callable[..., T]:
        """`work`, to be called once, in another thread: it runs when everything asked for before has run."""
        ticket = self._drawn
        self._drawn += 1

        def when_its_turn_comes(*args: Any, **kwargs: Any) -> T:
            with self._changed:
                self._changed.wait_for(lambda: self._is_open and self._served == ticket)
            self._at_hand.ticket = ticket
            try:
                return work(*args, **kwargs)
            finally:
                with self._changed:
                    self._served += 1
                    self._changed.notify_all()

        return when_its_turn_comes

    def hand_back(self, returned: Returned) -> None:
        """Called by the thread that did the work, once."""
        self._at_hand.ticket = None
        with self._changed:
            self._returned.append(returned)
            self._changed.notify_all()

    def wait_for_all(self) -> list[Returned]:
        """Let the threads work until all is done; what they handed back, in the order of the asking."""
        with self._changed:
            self._is_open = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._taken + len(self._returned) >= self._drawn)
            back = sorted(self._returned, key=lambda returned: returned.ticket)
            self._returned.clear()
            self._is_open = False
        self._taken += len(back)
        return back
