"""Mapping: any number of jobs through a bounded window.

One stream of events says which jobs have ended, so thousands can be under way without a connection each.
Jobs go in by the hundred, under one idempotency key, so nothing is asked for twice when a daemon dies.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from claudeflow.client.errors import InvalidRequest, NotFound, NotPermitted, RequestRefused, TryLater
from claudeflow.client.feed import Feed
from claudeflow.client.session import Session
from claudeflow.client.steps import Answer, Flow, Give, Pull, Sleep
from claudeflow.client.values import Event, Mapped
from claudeflow.client.window import Item, Window
from claudeflow.client.wire import NDJSON, encoded, parsed, post, refused, without_answer

SLOW_SOURCE_S = 0.05
"""A chunk does not wait for its source longer than this."""

LOOKED_AT = 16
"""How many of the oldest jobs are looked at where events are not heard."""

POLL_S = 5.0
_LATER_S = 1.0


class Mapper:
    """One `map`. Its flow gives a Mapped for each item of the source."""

    def __init__(self, session: Session, window: Window) -> None:
        self._session = session
        self._window = window
        self._feed: Feed | None = Feed(session, {"type": "job_finished"})
        self._not_before = 0.0

    def run(self) -> Flow[None]:
        """Raises DaemonUnavailable, NotPermitted. What is wrong with one item is in its result."""
        yield from self._listen()
        while True:
            yield from self._check()
            yield from self._give()
            if self._window.is_done:
                return
            if not (yield from self._submit()):
                yield from self._hear()

    def _listen(self) -> Flow[None]:
        """Hear of ends before any job can end. Who may not listen looks at jobs instead."""
        assert self._feed is not None
        try:
            yield from self._feed.open()
        except NotPermitted:
            self._feed = None

    def _submit(self) -> Flow[bool]:
        """Send the next few items. False when there are none, or the daemon has no room now."""
        if time.monotonic() < self._not_before:
            return False
        yield from self._fill()
        chunk = self._window.chunk()
        if not chunk:
            return False
        body = b"".join(item.line for item in chunk)
        answer: Answer = yield from self._session.ask(post("/v1/jobs", body, NDJSON))
        if answer.status < 400:
            told = parsed(answer)
            self._window.stored(chunk, told["ids"], check=told["existing"] > 0)
        else:
            self._refused(chunk, refused(answer))
        return True

    def _fill(self) -> Flow[None]:
        """Take from the source what one request takes; a slow source is not waited for."""
        until = time.monotonic() + SLOW_SOURCE_S
        window = self._window
        if not window.is_low:
            return
        while window.has_room and not window.chunk_is_full:
            fields: Mapping[str, Any] | None = yield Pull()
            if fields is None:
                window.source_is_dry = True
            else:
                window.take(fields, self._encode)
            if time.monotonic() > until:
                window.check(window.oldest(LOOKED_AT))
                return

    def _encode(self, fields: Mapping[str, Any]) -> bytes:
        if not isinstance(fields, Mapping):
            raise TypeError(f"a job is a mapping with its fields, found {type(fields).__name__}")
        return encoded({**self._session.defaults, **fields})

    def _refused(self, chunk: list[Item], refusal: RequestRefused) -> None:
        """Put aside what is wrong; send the others again. Raises the refusal when no item is to blame."""
        if isinstance(refusal, TryLater):
            self._window.put_back(chunk, halve=True)
            if len(chunk) == 1:
                self._not_before = time.monotonic() + (refusal.retry_after_s or _LATER_S)
            return
        if not isinstance(refusal, InvalidRequest):
            raise refusal
        wrong = _by_line(refusal)
        if not wrong and len(chunk) == 1:
            self._window.refused(chunk[0], refusal)
            return
        for number, item in enumerate(chunk, start=1):
            if number in wrong:
                self._window.refused(item, wrong[number])
        good = [item for number, item in enumerate(chunk, start=1) if number not in wrong]
        self._window.put_back(good, halve=not wrong)

    def _check(self) -> Flow[None]:
        """Look at jobs that may have ended unheard."""
        while (job_id := self._window.next_to_check()) is not None:
            try:
                job, _ = yield from self._session.look(job_id, result=False)
            except NotFound:
                self._ended(job_id)
                continue
            if job.is_settled:
                self._ended(job_id)

    def _give(self) -> Flow[None]:
        """Give what has ended."""
        while (found := self._window.next_ended()) is not None:
            item, end = found
            result = (
                _failed(item, end) if isinstance(end, Exception) else (yield from self._result(item, end))
            )
            if result is not None:
                yield Give(self._window.give(result))

    def _result(self, item: Item, job_id: int) -> Flow[Mapped | None]:
        """The result of a job that has settled; None when somebody has queued it again."""
        try:
            job, message = yield from self._session.look(job_id, result=True)
        except NotFound as gone:
            return _failed(item, gone)
        if not job.is_settled:
            self._window.moves(item, job_id)
            return None
        error = None if message is not None else without_answer(job)
        return Mapped(item.index, item.fields, job, message, error)  # type: ignore[arg-type]

    def _hear(self) -> Flow[None]:
        """Wait until something may have ended, or there may be room again."""
        if not self._window.waits:
            yield Sleep(max(0.0, self._not_before - time.monotonic()))
        elif self._feed is None:
            yield from self._poll()
        else:
            self._heard((yield from self._feed.next()))
            while self._feed.has_more:
                self._heard((yield from self._feed.next()))

    def _heard(self, event: Event | None) -> None:
        if event is not None and event.type == "gap":
            self._window.check()
        elif event is not None:
            self._ended(event.data["job_id"])

    def _poll(self) -> Flow[None]:
        [oldest] = self._window.oldest(1)
        yield from self._session.look(oldest, result=False, wait_s=POLL_S)
        self._window.check(self._window.oldest(LOOKED_AT))

    def _ended(self, job_id: int) -> None:
        if self._window.settled(job_id):
            self._not_before = 0.0


def _failed(item: Item, error: Exception) -> Mapped:
    return Mapped(item.index, item.fields, None, None, error)  # type: ignore[arg-type]


def _by_line(refusal: RequestRefused) -> dict[int, InvalidRequest]:
    """What is wrong with each line that is no job."""
    by_line: dict[int, list[Mapping[str, Any]]] = {}
    for mistake in refusal.problem.get("errors", ()):
        if "line" in mistake:
            by_line.setdefault(mistake["line"], []).append(mistake)
    return {
        line: InvalidRequest(refusal.status, {**refusal.problem, "errors": mistakes})
        for line, mistakes in by_line.items()
    }
