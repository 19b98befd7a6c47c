"""Packer: one call that several jobs share, from the claimed jobs to what is on the disk.

Each answer is checked before it is delivered. What is missing, doubtful or invalid goes back to the queue,
that job alone, and is asked singly.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from functools import partial

import orjson

from claudeflow.daemon.calls.assignment import Assignment, Member
from claudeflow.daemon.calls.caching import Caching
from claudeflow.daemon.calls.fate import CANCELLED, SHUTDOWN
from claudeflow.daemon.calls.holds import HoldKeeper
from claudeflow.daemon.calls.recording import Recording, Told
from claudeflow.daemon.calls.retries import Retries
from claudeflow.daemon.calls.worker import Sender
from claudeflow.daemon.faults import fault_of_ours
from claudeflow.daemon.packs.canary import CanaryKeeper
from claudeflow.daemon.packs.delivery import deliver
from claudeflow.daemon.packs.endings import Ended, end_of_call, parts_of
from claudeflow.daemon.packs.telling import Remind, Telling
from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Interrupted, Outcome, Rejected, Reply
from claudeflow.domain.errors import StoreError
from claudeflow.domain.events import OwnTrouble
from claudeflow.domain.job import Job, JobError, JobId
from claudeflow.domain.prompt import Request
from claudeflow.policy.caching.breakpoints import with_breakpoints
from claudeflow.policy.caching.places import asks_for_1h
from claudeflow.policy.packing.frames import Seating, seat
from claudeflow.policy.packing.request import item_text
from claudeflow.store import ledger

KIND = "pack"


@dataclass(slots=True)
class _Running:
    """A pack under way; `cancelled` are those of its jobs that nobody wants any more."""

    scope: asyncio.Timeout
    members: frozenset[JobId]
    interrupted_by: str | None = None
    call_is_over: bool = False
    cancelled: set[JobId] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Call:
    """What was sent, and where its items sat; None when it was not sent at all."""

    reply: Reply
    seating: Seating | None


class Packer:
    """Makes shared calls. One object for all packs."""

    def __init__(
        self,
        sender: Sender,
        shared: Shared,
        keeper: HoldKeeper,
        remind: Remind,
        *,
        recording: Recording,
        canaries: CanaryKeeper,
    ) -> None:
        """`remind` is told the epoch millisecond at which a requeued job becomes due."""
        self._sender = sender
        self._shared = shared
        self._keeper = keeper
        self._caching = Caching(shared)
        self._retries = Retries(shared)
        self._recording = recording
        self._telling = Telling(shared, remind, canaries)
        self._running: dict[JobId, _Running] = {}

    @property
    def running(self) -> int:
        """How many jobs share calls that are under way."""
        return len(self._running)

    def interrupt(self, job_id: JobId) -> bool:
        """A job of a pack is cancelled. The others' call goes on, and is stopped only when all are.

        Whether there is such a call and its end is still open.
        """
        running = self._running.get(job_id)
        if running is None or running.call_is_over or running.interrupted_by is not None:
            return False
        running.cancelled.add(job_id)
        if running.cancelled >= running.members:
            _stop(running, CANCELLED)
        return True

    def interrupt_all(self) -> int:
        """The grace period is over; how many jobs that concerns."""
        self._recording.give_up()
        found = {id(running): running for running in self._running.values() if not running.call_is_over}
        for running in found.values():
            if running.interrupted_by is None:
                _stop(running, SHUTDOWN)
        return sum(len(running.members) for running in found.values())

    async def work(self, task: Assignment) -> None:
        """One shared attempt."""
        shared = self._shared
        members = frozenset(member.job.id for member in task.members)
        running = _Running(asyncio.timeout(None), members)
        self._running |= dict.fromkeys(members, running)
        sent_at, sent_ms = shared.clock.monotonic(), shared.clock.epoch_ms()
        try:
            call = await self._call(task, running, sent_ms)
            running.call_is_over = True
            job = _as_call(task)
            self._caching.ended(task.candidate, job, task.plan, call.reply, sent_ms)
            task.gate.settle(task, call.reply)
            outcome = await self._keeper.call_ended(job, call.reply)
            await self._record(task, call, outcome, running, shared.clock.monotonic() - sent_at)
        except StoreError:
            shared.emit(OwnTrouble("stopping", f"the results of call {task.job.call_id} could not be kept"))
        finally:
            shared.budgets.settle(task.reservation, None)
            for job_id in members:
                del self._running[job_id]

    async def _call(self, task: Assignment, running: _Running, sent_ms: int) -> _Call:
        seating = None
        try:
            async with running.scope:
                seating, request = self._request(task)
                await self._keeper.call_begins(_as_call(task))
                if task.gate.has_closed_on(task.permit):
                    error = JobError("held_back", "a 429 came in before this call had left")
                    return _Call(Reply(Interrupted(error), sent=False), None)
                began = partial(self._began, task, sent_ms)
                return _Call(await self._sender.send(request, on_start=began), seating)
        except TimeoutError:
            error = JobError("interrupted", f"the call was stopped: {running.interrupted_by}")
            return _Call(Reply(Interrupted(error), usage_known=False), seating)
        except Exception as problem:  # noqa: BLE001 - a fault of ours must cost one pack, not the daemon
            fault = fault_of_ours(self._shared, f"the pack of call {task.job.call_id}", problem)
            has_left = seating is not None
            return _Call(Reply(Rejected(fault), sent=has_left, usage_known=not has_left), None)

    def _request(self, task: Assignment) -> tuple[Seating, Request]:
        """The packed request. Raises ValueError for a job that is no item."""
        assert task.shape is not None
        texts = [_text_of(member) for member in task.members]
        rules, slots = task.shape.rules, task.shape.slots
        seating = seat(texts, slots, self._shared.clock.chance, rules.verify)
        body = task.shape.body(seating.text, task.job.model, task.candidate.max_tokens)
        planned = with_breakpoints(body, task.candidate.prefix, task.plan)
        return seating, Request(
            planned, stream=task.leads or task.permit.probe, caches_for_1h=asks_for_1h(planned)
        )

    def _began(self, task: Assignment, sent_ms: int) -> None:
        """The response begins: its prefix can be read from now on, and a probe has its answer."""
        task.gate.answered(task.permit)
        self._caching.began(task.candidate, task.plan, sent_ms)
        if task.leads:
            task.gate.prefix_changed(task.candidate)

    async def _record(
        self, task: Assignment, call: _Call, outcome: Outcome, running: _Running, duration_s: float
    ) -> None:
        """Write call, answers and states in one transaction, then tell."""
        shared, reply, call_id = self._shared, call.reply, task.job.call_id
        bill, call_ms = self._recording.bill(task.job, reply), round(1000 * duration_s)
        delivery = deliver(shared, task, reply, call.seating, bill=bill, call_ms=call_ms)
        ended = Ended(outcome, delivery, duration_s, running.interrupted_by, frozenset(running.cancelled))
        whole = end_of_call(reply, outcome, bill, duration_s)
        jobs = [member.job for member in task.members]
        decisions = self._retries.decide_all(jobs, ended.counted, duration_s)
        now_ms = shared.clock.epoch_ms()
        parts = parts_of(task.members, decisions, ended, now_ms)
        streamed = task.leads or task.permit.probe
        self._recording.tell(
            task.job, whole, Told(duration_s, streamed, task.candidate.prefix, KIND, len(jobs))
        )
        work = partial(ledger.record_pack, call_id=call_id, whole=whole, parts=parts, now_ms=now_ms)
        recorded = await self._recording.write(work, "recording the results of a pack")
        cost_nanousd = None if bill is None else bill.cost_nanousd
        if cost_nanousd:
            shared.budgets.learn(task.job.workflow, task.job.model, cost_nanousd, len(jobs))
        shared.budgets.settle(task.reservation, cost_nanousd)
        self._telling.jobs(task, parts, recorded, now_ms)
        self._telling.returns(task, ended)
        self._telling.pack(task, ended)
        self._telling.canaries(task, ended, parts)


def _as_call(task: Assignment) -> Job:
    """The call as holds and cache know it: by the job that was chosen, be that one among its jobs or not."""
    return replace(task.job, id=task.candidate.id, prefix=task.candidate.prefix)


def _text_of(member: Member) -> str:
    text = item_text(orjson.loads(member.job.body))
    if text is None:
        raise ValueError(f"job {member.job.id} is no item of a pack")
    return text


def _stop(running: _Running, why: str) -> None:
    running.interrupted_by = why
    running.scope.reschedule(asyncio.get_running_loop().time())
