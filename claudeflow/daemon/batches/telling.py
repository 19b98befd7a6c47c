"""Telling: what the booked requests of a batch look like as events."""

from __future__ import annotations

from claudeflow.daemon.shared import Shared
from claudeflow.domain.events import CallEnded, JobFinished, JobRequeued
from claudeflow.domain.usage import NOTHING_BILLED
from claudeflow.store.batch_ends import BatchEnd
from claudeflow.store.batches import BatchRecord
from claudeflow.store.ledger import Finish


def tell_job(shared: Shared, one: BatchEnd, now_ms: int) -> None:
    """A job that had waited for its batch has ended, or waits again."""
    job, fate = one.found.job, one.fate
    if isinstance(fate, Finish):
        wait_s = (job.first_attempt_ms - job.submitted_ms) / 1000
        total_s = (now_ms - job.submitted_ms) / 1000
        shared.emit(
            JobFinished(
                job.id,
                job.lane,
                job.workflow,
                fate.state,
                one.end.error,
                wait_s,
                total_s,
                job.submitted_by,
            )
        )
        return
    delay_s = max(0, fate.not_before_ms - now_ms) / 1000
    shared.emit(JobRequeued(job.id, job.lane, fate.reason, delay_s, job.submitted_by))


def tell_call(shared: Shared, record: BatchRecord, one: BatchEnd) -> None:
    """A request of a batch is in the books."""
    job, reply, bill = one.found.job, one.end.reply, one.end.bill or NOTHING_BILLED
    began_ms = record.created_ms or job.opened_ms
    shared.emit(
        CallEnded(
            job_id=job.id,
            lane=job.lane,
            workflow=job.workflow,
            model=job.model,
            call_id=job.call_id,
            attempt=job.tries,
            outcome=one.end.outcome,
            http_status=reply.http_status,
            request_id=reply.request_id,
            error=one.end.error,
            usage=reply.usage,
            cost_nanousd=bill.cost_nanousd,
            uncached_nanousd=bill.uncached_nanousd,
            queue_age_s=max(0, began_ms - job.submitted_ms) / 1000,
            duration_s=max(0, (record.ended_ms or began_ms) - began_ms) / 1000,
            streamed=False,
            settled=one.end.bill is not None,
            prompt_name=job.prompt.name if job.prompt else None,
            prompt_version=job.prompt.version if job.prompt else None,
            prefix=job.prefix,
            unbatched_nanousd=bill.unbatched_nanousd,
            plain_nanousd=bill.plain_nanousd,
            batch_id=record.id,
            submitted_by=job.submitted_by,
        )
    )
