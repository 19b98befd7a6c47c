"""Endings: what becomes of each job of a shared call that is over."""

from __future__ import annotations

from dataclasses import dataclass, replace

from claudeflow.daemon.calls.assignment import Member
from claudeflow.daemon.calls.fate import CANCELLED, end_of, fate_of
from claudeflow.daemon.packs.delivery import Delivery
from claudeflow.domain.attempt import Outcome, Rejected, Reply, Succeeded
from claudeflow.domain.job import JobError, JobId, JobState
from claudeflow.domain.usage import Bill
from claudeflow.policy.packing.check import Returned
from claudeflow.policy.retries.retry import Decision
from claudeflow.store.ledger import CallEnd, Finish, Part, Requeue, Share

UNCHECKED = "unchecked"
"""Why a job goes alone whose answer could not be judged by a fault of ours."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A shared call that is over; `outcome` as it counts for its jobs.

    `interrupted_by` is why it was stopped, if it was; `cancelled` are the jobs that nobody wants any more.
    """

    outcome: Outcome
    delivery: Delivery
    duration_s: float
    interrupted_by: str | None = None
    cancelled: frozenset[JobId] = frozenset()

    @property
    def counted(self) -> Outcome:
        """The outcome of a job that has its answer, or shares the trouble of all."""
        return Succeeded("end_turn") if isinstance(self.outcome, Succeeded) else self.outcome

    @property
    def returned(self) -> int | None:
        """How many jobs are asked alone; None when the pack is tried again, or was stopped."""
        if not isinstance(self.outcome, Succeeded | Rejected):
            return None
        return sum(self.why_alone(number) is not None for number in range(self.delivery.items))

    def why_alone(self, number: int) -> str | None:
        """Why a job is to be asked alone; None when it is not."""
        if isinstance(self.outcome, Rejected):
            return self.outcome.error.type
        if not isinstance(self.outcome, Succeeded):
            return None
        findings = self.delivery.findings
        if findings is None:
            return UNCHECKED
        verdict = findings.verdicts[number]
        return verdict.reason.value if isinstance(verdict, Returned) else None


def end_of_call(reply: Reply, outcome: Outcome, bill: Bill | None, duration_s: float) -> CallEnd:
    """How the call as a whole goes into the books."""
    error = None if isinstance(outcome, Succeeded) else outcome.error
    name = type(outcome).__name__.lower()
    return CallEnd(name, reply, bill, error, used_attempt=False, duration_ms=round(1000 * duration_s))


def parts_of(members: tuple[Member, ...], decisions: list[Decision], ended: Ended, now_ms: int) -> list[Part]:
    """How it ended for each of its jobs, in their order."""
    return [
        _part(member, decision, ended, number, now_ms)
        for number, (member, decision) in enumerate(zip(members, decisions, strict=True))
    ]


def _part(member: Member, decision: Decision, ended: Ended, number: int, now_ms: int) -> Part:
    delivery, share = ended.delivery, ended.delivery.shares[number]
    reply = Reply(ended.counted, usage=share.usage, message=delivery.messages[number])
    end = replace(end_of(reply, decision, share.bill), duration_ms=share.call_ms)
    fate = fate_of(decision, ended.interrupted_by, now_ms, ended.duration_s)
    why = ended.why_alone(number)
    if member.job.id in ended.cancelled:
        error = JobError("interrupted", f"it was {CANCELLED} while a call that it shared was out")
        end = replace(end, outcome="interrupted", error=error, used_attempt=False)
        fate = Finish(JobState.CANCELLED)
    elif why is not None:
        error = JobError("unpacked", f"its answer in a pack was {why}: it is asked alone")
        end = replace(end, outcome="unpacked", error=error, used_attempt=False)
        fate = Requeue(f"unpacked: {why}", alone=True)
    slot = delivery.slots[number] if delivery.slots else None
    return Part(member.job, end, fate, Share(delivery.items, slot, share.usage))
