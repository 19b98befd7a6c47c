"""The messages desk in memory: it answers what a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from claudeflow.domain.enquiry import Answer, Enquiry
from claudeflow.domain.errors import IntakeError
from claudeflow.intake.desks.messages import Ask, Flow

ANSWERED = Answer(200, {"content-type": "application/json", "request-id": "req_1"}, b'{"type":"message"}')


class FakeLine:
    """A line whose answer is there at once; with `events` it streams, and then waits for its caller to go."""

    def __init__(self, answer: Answer | Flow | None, events: tuple[bytes, ...] = ()) -> None:
        self._answer = answer
        self._events = events
        self.is_cut = False
        self.closed = asyncio.Event()
        self.hung_up = asyncio.Event()

    async def answer(self) -> Answer | Flow | None:
        if self._answer is None:
            await self.hung_up.wait()
        return self._answer

    async def pieces(self) -> AsyncIterator[bytes]:
        for events in self._events:
            if self.is_cut:
                return
            yield events

    def hang_up(self) -> None:
        self.hung_up.set()

    def cut(self) -> None:
        self.is_cut = True

    async def close(self) -> None:
        self.closed.set()


class FakeMessagesDesk:
    """Keeps what it was asked; tests put the line, or the error, that the next call gets."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []
        self.enquired: list[Enquiry] = []
        self.enquirers: list[str] = []
        self.line = FakeLine(ANSWERED)
        self.error: IntakeError | None = None

    async def open(self, ask: Ask) -> FakeLine:
        self.asked.append(ask)
        if self.error is not None:
            raise self.error
        return self.line

    async def enquire(self, enquiry: Enquiry, sender: str) -> Answer:
        self.enquired.append(enquiry)
        self.enquirers.append(sender)
        if self.error is not None:
            raise self.error
        return ANSWERED
