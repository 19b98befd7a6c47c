"""Line: one caller that waits for one job, between the worker that calls and the connection that answers.

Until a call has brought the beginning of an answer, the caller sees nothing of queueing and retries. How
long it waits is bounded by its patience, as long as no call is out: what was sent is paid for and waited
for. From the first event of a stream on there is no second try.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from claudeflow.daemon.dropin.answers import cost_of, failure_of, headers_of, whole_answer
from claudeflow.daemon.dropin.buffer import Buffer
from claudeflow.daemon.dropin.outlook import GiveUp, foresee
from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Blocked, Onlooker, Reply
from claudeflow.domain.enquiry import Answer
from claudeflow.domain.errors import Conflict, StoreError
from claudeflow.domain.events import JobFinished
from claudeflow.domain.hold import Hold, HoldCause, Scope, ScopeKind
from claudeflow.domain.job import JobId, JobRecord, JobState, OnDisconnect
from claudeflow.domain.report import AttemptRow, Explanation
from claudeflow.intake.desks.messages import Flow
from claudeflow.intake.messages.errors import OVERLOADED, as_the_api_says, error_event, refusal, told

FIRST_LOOK_S = 0.1
"""Whoever has not gone by then waits for something: the outlook is looked at."""

LOOK_EVERY_S = 15.0
DRAINING_RETRY_S = 5
_STATUS_OF = {HoldCause.MODEL_NOT_FOUND: 404, HoldCause.PERMISSION: 403}
"""What no waiting changes: the caller hears at once what the API said."""


class Jobs(Protocol):
    """What a line needs of those who keep the jobs."""

    async def withdraw(self, job_id: JobId) -> JobRecord:
        """Cancel a job unless its call is out; the job as it is then. Raises Conflict when it has ended."""
        ...

    async def cancel(self, job_id: JobId) -> JobRecord:
        """Cancel a job, its call as well. Raises Conflict when it has ended."""
        ...

    async def attempts(self, job_id: JobId) -> list[AttemptRow]:
        """Every try at a job. Raises JobNotFound."""
        ...


class Queue(Protocol):
    """What a line needs of those who know who goes when."""

    async def explain(self, job_id: JobId) -> Explanation:
        """Why a job is where it is, and when it goes."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a caller waits."""

    model: str
    stream: bool
    patience_s: float
    on_disconnect: OnDisconnect


class JobLine:
    """A `Line` (for the reader), an `Attended` and an `Onlooker` (for the worker)."""

    def __init__(
        self,
        job_id: JobId,
        terms: Terms,
        jobs: Jobs,
        queue: Queue,
        shared: Shared,
    ) -> None:
        self.job_id = job_id
        self._terms = terms
        self._jobs = jobs
        self._queue = queue
        self._shared = shared
        self._changed = asyncio.Event()
        self._buffer = Buffer()
        self._headers: Mapping[str, str] = {}
        self._reply: Reply | None = None
        self._end: JobFinished | None = None
        self._calls_out = 0
        self._flows = self._is_gone = self._drains = False
        self.is_cut = False

    # What the worker tells.

    @property
    def onlooker(self) -> Onlooker | None:
        """The line itself, if its caller reads along."""
        return self if self._terms.stream and not self._is_gone else None

    @property
    def has_begun(self) -> bool:
        """Whether there can be no second try."""
        return self._flows and not self._is_gone and not self.is_cut

    @property
    def request_id(self) -> str | None:
        """The API's name for the call whose answer has begun."""
        return self._headers.get("request-id")

    def call_begins(self) -> None:
        """A call leaves: from now on patience does not count."""
        self._calls_out += 1
        self._headers = {}

    def call_ended(self, reply: Reply) -> None:
        """A call came back."""
        self._calls_out -= 1
        self._reply = reply

    def begins(self, headers: Mapping[str, str]) -> None:
        """The API answers 200."""
        self._headers = headers

    def passes(self, events: bytes) -> None:
        """More of the answer."""
        if not events or self._is_gone or self.is_cut:
            return
        self._flows = True
        if self._buffer.put(events):
            self._changed.set()
        else:
            self.cut()

    def finished(self, event: JobFinished) -> None:
        """The job has ended."""
        self._end = event
        self._changed.set()

    def look(self) -> None:
        """Something happened to the job."""
        self._changed.set()

    def drain(self) -> None:
        """No call leaves any more."""
        self._drains = True
        self._changed.set()

    # What the reader does.

    def hang_up(self) -> None:
        """The caller is gone."""
        self._is_gone = True
        self._changed.set()

    def cut(self) -> None:
        """The caller does not read: its job goes on without it."""
        self.is_cut = True
        self._buffer.take()
        self._changed.set()

    async def answer(self) -> Answer | Flow | None:
        """The whole answer, the beginning of a stream, or why there is none; None when the caller hung up."""
        loop = asyncio.get_running_loop()
        patient_until = loop.time() + self._terms.patience_s
        look_at = loop.time() + min(FIRST_LOOK_S, self._terms.patience_s)
        while True:
            self._changed.clear()
            if self._is_gone:
                return None
            if self._flows:
                return Flow(headers_of(self.job_id, self._headers))
            if self._end is not None:
                return whole_answer(self._end, self._reply)
            if not self._calls_out and (loop.time() >= look_at or self._must_look):
                given_up = await self._look(patient_until - loop.time())
                if given_up is not None:
                    return given_up
                left_s = patient_until - loop.time()
                look_at = loop.time() + max(FIRST_LOOK_S, min(LOOK_EVERY_S, left_s))
            await self._wait(None if self._calls_out else look_at)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The events of the stream, and an error event when it ends early."""
        while not self._is_gone and not self.is_cut:
            self._changed.clear()
            data = self._buffer.take()
            if data:
                yield data
            elif self._end is not None:
                if self._end.state is not JobState.SUCCEEDED:
                    yield error_event(failure_of(self._end), self.request_id)
                return
            else:
                await self._changed.wait()

    async def close(self) -> None:
        """Nobody waits any more. Where the caller left, its lane says what becomes of the job."""
        self._is_gone = True
        self._shared.attendance.remove(self.job_id)
        if self._end is not None or self.is_cut or self._terms.on_disconnect is OnDisconnect.FINISH:
            return
        try:
            await self._jobs.cancel(self.job_id)
        except (Conflict, StoreError):
            return  # it has ended meanwhile, or the next daemon finds it deserted

    @property
    def _must_look(self) -> bool:
        return self._drains or self._refusal is not None

    @property
    def _refusal(self) -> Blocked | None:
        """What the API said that no waiting changes."""
        outcome = None if self._reply is None else self._reply.outcome
        return outcome if isinstance(outcome, Blocked) and outcome.cause in _STATUS_OF else None

    async def _look(self, left_s: float) -> Answer | None:
        """What to answer now instead of the API's word; None: wait on."""
        instead = await self._instead(left_s)
        if instead is None:
            return None
        try:
            record = await self._jobs.withdraw(self.job_id)
        except Conflict:
            return None  # it has ended just now: that is the answer
        if record.state is not JobState.CANCELLED:
            return None
        return await self._impatient(instead, record) if isinstance(instead, GiveUp) else instead

    async def _instead(self, left_s: float) -> Answer | GiveUp | None:
        headers = headers_of(self.job_id, {})
        refused = self._refusal
        if refused is not None and self._reply is not None:
            status, error = as_the_api_says(refused.error)
            return told(status, error, headers_of(self.job_id, self._reply.headers))
        held = self._held_for_good()
        if held is not None:
            return refusal(_STATUS_OF[held.cause], held.reason, headers=headers)
        if self._drains:
            why = "claudeflow is stopping; ask again"
            return refusal(OVERLOADED, why, retry_after_s=DRAINING_RETRY_S, headers=headers)
        found = await self._queue.explain(self.job_id)
        return foresee(found, self._shared.clock.epoch_ms(), left_s, self._reply)

    def _held_for_good(self) -> Hold | None:
        """What the API said of the model to somebody else, and still holds it."""
        holds = self._shared.holds.on(Scope(ScopeKind.MODEL, self._terms.model))
        return next((hold for hold in holds if hold.cause in _STATUS_OF), None)

    async def _impatient(self, found: GiveUp, cancelled: JobRecord) -> Answer:
        """What is told once the job is cancelled: from then on its tries are all in the books."""
        tries = await self._jobs.attempts(self.job_id) if cancelled.tries else []
        text = (
            f"claudeflow could not send this within {self._terms.patience_s:g} s: {found.why}. "
            f"Job {self.job_id} was cancelled{cost_of(tries)}"
        )
        headers = headers_of(self.job_id, {})
        return refusal(found.status, text, retry_after_s=found.retry_after_s, headers=headers)

    async def _wait(self, until: float | None) -> None:
        """Until something changes, or that moment of the loop."""
        if until is None:
            await self._changed.wait()
            return
        try:
            async with asyncio.timeout_at(until):
                await self._changed.wait()
        except TimeoutError:
            return
