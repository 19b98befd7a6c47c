"""Worker: one attempt at one job, in five steps: render, call, settle, decide, record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from claudeflow.daemon.calls.assignment import Assignment
from claudeflow.daemon.calls.caching import Caching
from claudeflow.daemon.calls.diagnostics import Diagnostics
from claudeflow.daemon.calls.fate import CANCELLED, SHUTDOWN, end_of, fate_of, without_second_try
from claudeflow.daemon.calls.holds import HoldKeeper
from claudeflow.daemon.calls.recording import Recording, Told
from claudeflow.daemon.calls.requests import Requests
from claudeflow.daemon.calls.retries import Retries
from claudeflow.daemon.dropin.attendance import Attended
from claudeflow.daemon.faults import fault_of_ours
from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Interrupted, Onlooker, Rejected, Reply, Transient
from claudeflow.domain.errors import PromptError, StoreError
from claudeflow.domain.events import (
    JobFinished,
    JobRequeued,
    LeaseRefused,
    OwnTrouble,
)
from claudeflow.domain.hold import Scope, ScopeKind
from claudeflow.domain.job import JobError, JobId
from claudeflow.domain.prompt import Request
from claudeflow.store import ledger
from claudeflow.store.ledger import CallEnd, Finish, Requeue


class Sender(Protocol):
    """Makes one API call; failures are outcomes of the Reply."""

    async def send(
        self,
        request: Request,
        *,
        on_start: Callable[[], None] | None = None,
        onlooker: Onlooker | None = None,
    ) -> Reply:
        """Make one attempt; `on_start` is called when the response begins, an `onlooker` reads along."""
        ...


@dataclass(slots=True)
class _Running:
    scope: asyncio.Timeout
    line: Attended | None
    interrupted_by: str | None = None
    call_is_over: bool = False


class Worker:
    """Makes attempts. One object for all jobs; what is running can be interrupted by job."""

    def __init__(
        self,
        sender: Sender,
        requests: Requests,
        shared: Shared,
        keeper: HoldKeeper,
        remind: Callable[[int], None],
        *,
        diagnostics: Diagnostics,
    ) -> None:
        """`remind` is told the epoch millisecond at which a requeued job becomes due."""
        self._sender = sender
        self._requests = requests
        self._shared = shared
        self._keeper = keeper
        self._caching = Caching(shared)
        self._diagnostics = diagnostics
        self._retries = Retries(shared)
        self._recording = Recording(shared)
        self._remind = remind
        self._running: dict[JobId, _Running] = {}

    @property
    def running(self) -> int:
        """How many attempts are under way."""
        return len(self._running)

    def interrupt(self, job_id: JobId, why: str = CANCELLED) -> bool:
        """Stop a job's call; what becomes of the job is recorded by its own attempt.

        False when there is no call to stop: not begun, stopped already, or over and being recorded.
        """
        running = self._running.get(job_id)
        if running is None or running.call_is_over or running.interrupted_by is not None:
            return False
        running.interrupted_by = why
        running.scope.reschedule(asyncio.get_running_loop().time())
        return True

    def interrupt_all(self) -> int:
        """Stop every call: the grace period is over. A store that takes no results is not waited for."""
        self._recording.give_up()
        return sum(self.interrupt(job_id, SHUTDOWN) for job_id in list(self._running))

    async def work(self, task: Assignment) -> None:
        """One attempt, from the claimed job to what is on the disk."""
        shared, job = self._shared, task.job
        sent_at, sent_ms = shared.clock.monotonic(), shared.clock.epoch_ms()
        line = shared.attendance.of(job.id)
        running = _Running(asyncio.timeout(None), line)
        self._running[job.id] = running
        if line is not None:
            line.call_begins()
        try:
            reply = await self._call(task, running, sent_ms)
            running.call_is_over = True
            if line is not None:
                line.call_ended(reply)
            self._caching.ended(task.candidate, job, task.plan, reply, sent_ms)
            task.gate.settle(task, reply)
            outcome = await self._keeper.call_ended(job, reply)
            duration_s = shared.clock.monotonic() - sent_at
            decision = self._diagnostics.heard(job, reply) or self._retries.decide(job, outcome, duration_s)
            if line is not None and line.has_begun:
                decision = without_second_try(decision, outcome)
            end = end_of(reply, decision, self._recording.bill(job, reply), duration_s)
            streamed = _is_streamed(task, line)
            self._recording.tell(job, end, Told(duration_s, streamed, job.prefix))
            now_ms = shared.clock.epoch_ms()
            await self._record(task, end, fate_of(decision, running.interrupted_by, now_ms, duration_s))
        except StoreError:
            shared.emit(OwnTrouble("stopping", f"the result of job {job.id} could not be kept"))
        finally:
            shared.budgets.settle(task.reservation, None)
            del self._running[job.id]

    async def _call(self, task: Assignment, running: _Running, sent_ms: int) -> Reply:
        try:
            async with running.scope:
                streamed = _is_streamed(task, running.line)
                request = await self._requests.build(
                    task.job, task.plan, streamed=streamed, dialect=task.job.dialect
                )
                request = self._diagnostics.ask(task.job, task.plan, request)
                await self._keeper.call_begins(task.job)
                if task.gate.has_closed_on(task.permit):
                    error = JobError("held_back", "a 429 came in before this call had left")
                    return Reply(Interrupted(error), sent=False)
                on_start = partial(self._began, task, sent_ms)
                onlooker = None if running.line is None else running.line.onlooker
                return await self._sender.send(request, on_start=on_start, onlooker=onlooker)
        except TimeoutError:
            error = JobError("interrupted", f"the call was stopped: {running.interrupted_by}")
            seen = None if running.line is None else running.line.request_id
            return Reply(Interrupted(error), usage_known=False, request_id=seen)
        except PromptError as problem:
            return Reply(Rejected(JobError("prompt_error", str(problem))), sent=False)
        except StoreError as problem:
            return Reply(Transient(JobError("store_error", str(problem))), sent=False)
        except Exception as problem:  # noqa: BLE001 - a fault of ours must cost one job, not the daemon
            fault = fault_of_ours(self._shared, f"job {task.job.id}", problem)
            return Reply(Rejected(fault), usage_known=False)

    def _began(self, task: Assignment, sent_ms: int) -> None:
        """The response begins: its prefix can be read from now on, and a probe has its answer."""
        task.gate.answered(task.permit)
        self._caching.began(task.candidate, task.plan, sent_ms)
        if task.leads:
            task.gate.prefix_changed(task.candidate)

    async def _record(self, task: Assignment, end: CallEnd, fate: Finish | Requeue) -> None:
        job, now_ms = task.job, self._shared.clock.epoch_ms()
        work = partial(ledger.record, job=job, end=end, fate=fate, now_ms=now_ms)
        recorded = await self._recording.write(work, "recording a result")
        self._settle(task, end)
        if not recorded:
            self._shared.emit(LeaseRefused(job.id, job.call_id, job.submitted_by))
        elif isinstance(fate, Finish):
            wait_s, total_s = (job.first_attempt_ms - job.submitted_ms), (now_ms - job.submitted_ms)
            self._shared.emit(
                JobFinished(
                    job.id,
                    job.lane,
                    job.workflow,
                    fate.state,
                    end.error,
                    wait_s / 1000,
                    total_s / 1000,
                    job.submitted_by,
                )
            )
        else:
            self._requeued(task, fate, now_ms)

    def _settle(self, task: Assignment, end: CallEnd) -> None:
        """What the call reserved comes back, but for what it cost: from now on the books say so too."""
        cost_nanousd = None if end.bill is None else end.bill.cost_nanousd
        if cost_nanousd:
            self._shared.budgets.learn(task.job.workflow, task.job.model, cost_nanousd)
        self._shared.budgets.settle(task.reservation, cost_nanousd)

    def _requeued(self, task: Assignment, fate: Requeue, now_ms: int) -> None:
        delay_s = max(0, fate.not_before_ms - now_ms) / 1000
        job = task.job
        self._shared.emit(JobRequeued(job.id, job.lane, fate.reason, delay_s, job.submitted_by))
        if self._shared.holds.on(Scope(ScopeKind.JOB, str(task.job.id))):
            return
        if fate.not_before_ms:
            self._remind(fate.not_before_ms)
        else:
            task.gate.arrive([task.candidate])


def _is_streamed(task: Assignment, line: Attended | None) -> bool:
    """Whether somebody waits for the beginning of the answer."""
    return task.leads or task.permit.probe or (line is not None and line.onlooker is not None)
