"""Telling: what a shared call has come to, for those who wait, the statistics, and the canaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from claudeflow.daemon.calls.assignment import Assignment, Member
from claudeflow.daemon.packs.canary import CanaryKeeper, Packed
from claudeflow.daemon.packs.endings import Ended
from claudeflow.daemon.packs.packs import kind_of
from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Rejected
from claudeflow.domain.events import JobFinished, JobRequeued, LeaseRefused
from claudeflow.domain.hold import Scope, ScopeKind
from claudeflow.domain.job import JobState
from claudeflow.domain.pack_events import PackAnswered
from claudeflow.policy.packing.book import REFUSED
from claudeflow.policy.packing.check import Answered, Findings, Returned
from claudeflow.store.ledger import Finish, Part, Requeue

Remind = Callable[[int], None]


class Telling:
    """One per daemon. `remind` is told the epoch millisecond at which a requeued job becomes due."""

    def __init__(self, shared: Shared, remind: Remind, canaries: CanaryKeeper) -> None:
        self._shared = shared
        self._remind = remind
        self._canaries = canaries

    def jobs(self, task: Assignment, parts: Sequence[Part], recorded: Sequence[bool], now_ms: int) -> None:
        """What became of each job, as it was written; False in `recorded`: it was not ours any more."""
        for member, part, is_ours in zip(task.members, parts, recorded, strict=True):
            job, fate, shared = member.job, part.fate, self._shared
            if not is_ours:
                shared.emit(LeaseRefused(job.id, job.call_id, job.submitted_by))
            elif isinstance(fate, Finish):
                wait_s = (job.first_attempt_ms - job.submitted_ms) / 1000
                total_s = (now_ms - job.submitted_ms) / 1000
                shared.emit(
                    JobFinished(
                        job.id,
                        job.lane,
                        job.workflow,
                        fate.state,
                        part.end.error,
                        wait_s,
                        total_s,
                        job.submitted_by,
                    )
                )
            else:
                self._requeued(task, member, fate, now_ms)

    def returns(self, task: Assignment, ended: Ended) -> None:
        """How many of its jobs are asked alone. A pack that is tried again says nothing of that."""
        packs, returned = self._shared.packs, ended.returned
        if packs is not None and returned is not None:
            now_ms = self._shared.clock.epoch_ms()
            packs.returns.note(kind_of(task.candidate), len(task.members), returned, now_ms)

    def pack(self, task: Assignment, ended: Ended) -> None:
        """Which answers could be used."""
        assert task.shape is not None
        assert self._shared.packs is not None
        ref, book, findings = task.shape.ref, self._shared.packs.book, ended.delivery.findings
        items = len(task.members)
        if findings is not None:
            book.note(ref.name, ref.version, findings)
            found, unknown = _returned(findings), findings.unknown
        elif isinstance(ended.outcome, Rejected):
            book.note_refused(ref.name, ref.version, items)
            found, unknown = Counter({REFUSED: items}), 0
        else:
            return
        self._shared.emit(
            PackAnswered(
                call_id=task.job.call_id,
                workflow=task.job.workflow,
                prompt_name=ref.name,
                prompt_version=ref.version,
                items=items,
                answered=items - found.total(),
                returned=tuple(f"{reason}: {number}" for reason, number in sorted(found.items())),
                unknown=unknown,
            )
        )

    def canaries(self, task: Assignment, ended: Ended, parts: Sequence[Part]) -> None:
        """Answers that were delivered may be compared."""
        findings = ended.delivery.findings
        if findings is None:
            return
        assert task.shape is not None
        for member, verdict, part in zip(task.members, findings.verdicts, parts, strict=True):
            is_delivered = isinstance(part.fate, Finish) and part.fate.state is JobState.SUCCEEDED
            if is_delivered and isinstance(verdict, Answered):
                self._canaries.offer(Packed(member.candidate, member.job, verdict.answer, task.shape))

    def _requeued(self, task: Assignment, member: Member, fate: Requeue, now_ms: int) -> None:
        job, candidate = member.job, member.candidate
        delay_s = max(0, fate.not_before_ms - now_ms) / 1000
        self._shared.emit(JobRequeued(job.id, job.lane, fate.reason, delay_s, job.submitted_by))
        if self._shared.holds.on(Scope(ScopeKind.JOB, str(job.id))):
            return
        if fate.not_before_ms:
            self._remind(fate.not_before_ms)
        else:
            task.gate.arrive([replace(candidate, pack=None) if fate.alone else candidate])


def _returned(findings: Findings) -> Counter[str]:
    return Counter(verdict.reason.value for verdict in findings.verdicts if isinstance(verdict, Returned))
