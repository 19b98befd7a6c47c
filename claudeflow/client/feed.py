"""The stream of events, read over any number of connections."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from claudeflow.client.session import Session
from claudeflow.client.steps import Answer, Broken, Flow, Give, Open, Read, Shut, Sleep
from claudeflow.client.values import Event
from claudeflow.client.wire import refused

SILENCE_S = 60.0
"""A stream that has been silent for so long is broken; the daemon shows a sign of life every 15 s."""

REOPEN_S = 0.25


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of the stream. Without `data` it is a sign of life, with or without a place."""

    id: str | None
    type: str
    data: str | None


class Frames:
    """Cuts a stream of server-sent events into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[Frame]:
        """The frames that `piece` completes."""
        *whole, self._rest = (self._rest + piece).split(b"\n\n")
        return [_frame(text.decode()) for text in whole]


def _frame(text: str) -> Frame:
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        name, _, value = line.partition(":")
        fields[name] = value.removeprefix(" ")
    return Frame(fields.get("id"), fields.get("event", "message"), fields.get("data"))


class Feed:
    """Events one by one. A lost connection is taken up again where it broke off."""

    def __init__(self, session: Session, query: Mapping[str, str], last_id: str | None = None) -> None:
        self._session = session
        self._query = query
        self._last_id = last_id
        self._frames: Frames | None = None
        self._was_open = False
        self._ready: deque[Event | None] = deque()

    @property
    def has_more(self) -> bool:
        """Whether the next event is here already."""
        return bool(self._ready)

    def next(self) -> Flow[Event | None]:
        """The next event, or None for a sign of life. Raises RequestRefused, DaemonUnavailable."""
        while not self._ready:
            if self._frames is None:
                yield from self.open()
            piece = yield from self._read()
            self._take(piece)
            if not piece:
                self._frames = None
                yield Shut()
        return self._ready.popleft()

    def open(self) -> Flow[None]:
        """Begin to listen: what happens from here on will be told."""
        pauses = self._session.pauses()
        if self._was_open:
            yield Sleep(REOPEN_S)
        while True:
            after = {"last-event-id": self._last_id} if self._last_id else {}
            try:
                answer: Answer = yield Open("/v1/events", self._query, after, SILENCE_S)
            except Broken as broken:
                yield Sleep(self._session.pause(pauses, broken))
                continue
            if answer.status >= 400:
                raise refused(answer)
            self._frames, self._was_open = Frames(), True
            self._session.was_reached = True
            return

    def _read(self) -> Flow[bytes]:
        try:
            piece: bytes = yield Read()
        except Broken:
            return b""
        return piece

    def _take(self, piece: bytes) -> None:
        assert self._frames is not None
        for frame in self._frames.feed(piece):
            self._last_id = frame.id or self._last_id
            if frame.data is None:
                self._ready.append(None)
            else:
                self._ready.append(Event(self._last_id or "", frame.type, json.loads(frame.data)))


def follow(feed: Feed) -> Flow[None]:
    """Gives None once the stream is open, then events without end."""
    yield from feed.open()
    yield Give(None)
    while True:
        event = yield from feed.next()
        if event is not None:
            yield Give(event)
