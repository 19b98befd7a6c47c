"""Response bodies that take time, or break."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from claudeflow.twin import sse
from claudeflow.twin.clock import Clock
from claudeflow.twin.errors import ConnectionDropped, error_envelope
from claudeflow.twin.faults import Fault
from claudeflow.twin.generation import Generation
from claudeflow.twin.message import final_delta, final_usage, message_json
from claudeflow.twin.sse import Piece

_ERROR_MESSAGES = {"overloaded_error": "Overloaded", "api_error": "Internal server error"}
_SLOW_PARTS = 8


def stream_pieces(generation: Generation, tokens_per_event: int) -> Iterator[Piece]:
    """All events of a complete stream."""
    reply = generation.order.reply
    yield sse.opening(message_json(generation, complete=False))
    yield from sse.contents(reply, tokens_per_event)
    yield sse.closing(final_delta(reply), final_usage(generation))


class EventStream:
    """The events of one generation at its pace, with the fault that befalls it."""

    def __init__(
        self, generation: Generation, clock: Clock, tokens_per_event: int, ping_interval_s: float
    ) -> None:
        self._generation = generation
        self._clock = clock
        self._tokens_per_event = tokens_per_event
        self._ping_interval_s = ping_interval_s
        self._began_at = clock.monotonic()
        self._events = self._told()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._events

    async def aclose(self) -> None:
        """Settle the generation as abandoned if it has not ended."""
        await self._events.aclose()
        self._generation.abandon(self._clock.monotonic())

    async def _told(self) -> AsyncGenerator[bytes, None]:
        generation, fault = self._generation, self._fault()
        limit = None if fault is None else generation.order.tokens_to_generate
        for piece in stream_pieces(generation, self._tokens_per_event):
            if limit is not None and (piece.last or generation.output_tokens + piece.tokens > limit):
                break
            await self._wait_for(piece)
            generation.tell(piece.tokens)
            if piece.last:
                # Settled before it is sent: a client need not read on after message_stop.
                generation.finish(self._clock.monotonic())
            yield piece.data
        if fault is not None:
            async for data in self._break(fault):
                yield data

    def _fault(self) -> Fault | None:
        fault = self._generation.order.mishap.body
        return None if fault is None or fault.kind == "refusal" else fault

    async def _wait_for(self, piece: Piece) -> None:
        delay_s = self._generation.order.mishap.gap_s
        if piece.tokens:
            generation = self._generation
            order = generation.order
            due = self._began_at + order.pace.seconds_for(generation.output_tokens + piece.tokens)
            delay_s += max(0.0, due - self._clock.monotonic())
        if delay_s > 0.0:
            await self._clock.sleep(delay_s)

    async def _break(self, fault: Fault) -> AsyncGenerator[bytes, None]:
        generation = self._generation
        if fault.kind == "stall":
            left_s = fault.for_s
            while left_s > 0.0:
                await self._clock.sleep(min(left_s, self._ping_interval_s))
                left_s -= self._ping_interval_s
                yield sse.PING
        generation.interrupt(self._clock.monotonic())
        if fault.kind == "stream_error":
            request_id = generation.order.visit.request_id
            envelope = error_envelope(fault.error_type, _ERROR_MESSAGES[fault.error_type], request_id)
            yield b"event: error\ndata: " + envelope + b"\n\n"
        elif fault.kind != "truncate":
            raise ConnectionDropped


class BrokenBody:
    """Part of a plain body, after which the connection is dropped."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._data
        raise ConnectionDropped

    async def aclose(self) -> None:
        """Nothing is held."""


class SlowBody:
    """A plain body that comes in a few parts with a pause before each."""

    def __init__(self, data: bytes, gap_s: float, clock: Clock) -> None:
        self._data = data
        self._gap_s = gap_s
        self._clock = clock

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = max(1, -(-len(self._data) // _SLOW_PARTS))
        for start in range(0, len(self._data), size):
            await self._clock.sleep(self._gap_s)
            yield self._data[start : start + size]

    async def aclose(self) -> None:
        """Nothing is held."""
