"""The stream of events as server-sent events: `GET /v1/events`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response

from claudeflow.domain.event_kinds import KINDS, EventFilter, Happened, name_of
from claudeflow.domain.job import JobId
from claudeflow.intake.desks.desk import Desk
from claudeflow.intake.desks.events import Reading
from claudeflow.intake.http.door.streams import HEADERS, StreamedResponse
from claudeflow.intake.http.errors import InvalidQuery
from claudeflow.intake.http.guard import limited_to
from claudeflow.intake.http.lapse import lapse
from claudeflow.intake.http.queries import LARGEST_ID, Query
from claudeflow.intake.http.refusals import tell_refusal
from claudeflow.intake.mistakes import did_you_mean, listed, show
from claudeflow.intake.times import write_time
from claudeflow.intake.views.events import event_to_json

KEEP_ALIVE_S = 15.0
"""A reader hears something at least so often."""

MOST_AT_ONCE = 256

_PARAMETERS = frozenset({"type", "job", "lane", "workflow"})
_ID = re.compile(r"([0-9a-zA-Z]{1,64})-(\d{1,18})", re.ASCII)


class EventHandlers:
    """Thin: reads which events are wanted, and writes them as they come."""

    def __init__(self, desk: Desk, clock_ms: Callable[[], int], keep_alive_s: float = KEEP_ALIVE_S) -> None:
        self._desk = desk
        self._clock_ms = clock_ms
        self._keep_alive_s = keep_alive_s

    async def follow(self, request: Request) -> Response:
        """GET /v1/events: what happens, from now on or after `Last-Event-ID`.

        Who may see its own jobs alone is told of these alone, also once that becomes so on the way.
        """
        wanted, after = self._filter(request), _last_id(request)
        if request.method == "HEAD":
            return Response(headers=HEADERS)
        reading = self._desk.events.read(after)
        return StreamedResponse(
            _Frames(self._desk.events.instance, reading, partial(_only_own, request, wanted), self._clock_ms),
            self._keep_alive_s,
            partial(self._until_lapse, request),
        )

    async def _until_lapse(self, request: Request) -> None:
        """Return once the caller may not read along any more."""
        tell_refusal(self._desk.access, request, await lapse(request))

    def _filter(self, request: Request) -> EventFilter:
        """Which events are wanted. Raises InvalidQuery."""
        query = Query(request, _PARAMETERS)
        number, lane = query.integer("job", 1, LARGEST_ID), query.text("lane")
        lanes = self._desk.catalog.lanes
        if lane is not None and lane not in lanes:
            hint = did_you_mean(lane, lanes)
            raise InvalidQuery(f"lane: {show(lane)} is no lane; lanes are {listed(lanes)}.{hint}")
        return EventFilter(
            kinds=frozenset(KINDS[name] for name in _types(query.text("type"))),
            job_id=None if number is None else JobId(number),
            lane=lane,
            workflow=query.text("workflow"),
        )


def _only_own(request: Request, wanted: EventFilter) -> EventFilter:
    """What is wanted, as far as the caller may see it now."""
    return replace(wanted, submitted_by=limited_to(request, None))


def _types(text: str | None) -> list[str]:
    names = [] if text is None else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in KINDS:
            hint = did_you_mean(name, KINDS)
            raise InvalidQuery(f"type: {show(name)} is no type of event; docs/events.md lists them.{hint}")
    return names


def _last_id(request: Request) -> tuple[str, int] | None:
    """The event after which the stream goes on. Raises InvalidQuery."""
    text = request.headers.get("last-event-id")
    if not text:
        return None
    known = _ID.fullmatch(text)
    if known is None:
        raise InvalidQuery(f"Last-Event-ID: {show(text)} is no id of an event; send one as it came, or none")
    return known[1], int(known[2])


class _Frames:
    """Events as frames of the stream, in the order in which they happened."""

    def __init__(
        self,
        instance: str,
        reading: Reading,
        wanted: Callable[[], EventFilter],
        clock_ms: Callable[[], int],
    ) -> None:
        """`wanted` is asked each time: it may become less."""
        self._instance = instance
        self._wanted = wanted
        self._clock_ms = clock_ms
        self._told = reading.taken
        self.reading = reading

    def hello(self) -> bytes:
        """The beginning: where in the stream it is, and what was missed."""
        place, gap = self._place(), self.reading.gap
        if gap is None:
            return b"retry: 1000\n" + place + b"\n"
        data = {
            "at": write_time(self._clock_ms()),
            "event": "gap",
            "reason": gap.reason,
            "missed": gap.missed,
        }
        return b"retry: 1000\n" + place + b"event: gap\ndata: " + orjson.dumps(data) + b"\n\n"

    def next(self) -> bytes | None:
        """The next few events that are wanted, None when all have been taken."""
        taken: Sequence[Happened] = self.reading.take(MOST_AT_ONCE)
        if not taken:
            return None
        wanted = self._wanted()
        return b"".join(self._frame(told) for told in taken if wanted.takes(told.event))

    def alive(self) -> bytes:
        """A comment, and how far the stream is where events went by that are not wanted."""
        moved = self.reading.taken != self._told
        self._told = self.reading.taken
        return b": still here\n" + (self._place() if moved else b"") + b"\n"

    def _place(self) -> bytes:
        return f"id: {self._instance}-{self.reading.taken}\n".encode()

    def _frame(self, told: Happened) -> bytes:
        self._told = told.number
        head = f"id: {self._instance}-{told.number}\nevent: {name_of(told.event)}\ndata: "
        return head.encode() + orjson.dumps(event_to_json(told)) + b"\n\n"
