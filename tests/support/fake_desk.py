"""A desk in memory: the second implementation of the `Desk` protocol, for tests of the front doors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from claudeflow.domain.errors import Conflict, JobNotFound, QueueFull
from claudeflow.domain.job import JobId, JobRecord, JobState, NewJob, may_become
from claudeflow.domain.report import AttemptRow, Spend, Status
from claudeflow.intake.catalog import Catalog
from claudeflow.intake.desks.desk import JobFilter, Submitted
from claudeflow.intake.desks.receipts import ReceiptOf
from claudeflow.observe.event_log import EventLog
from claudeflow.policy.access.grants import Standing
from tests.support.fake_access import FakeAccessDesk
from tests.support.fake_batches import FakeBatchDesk
from tests.support.fake_books import FakeBooksDesk
from tests.support.fake_budgets import FakeBudgetDesk
from tests.support.fake_cache import FakeCacheDesk
from tests.support.fake_holds import FakeHoldDesk
from tests.support.fake_mailboxes import FakeMailboxDesk
from tests.support.fake_messages import FakeMessagesDesk
from tests.support.fake_packs import FakePacksDesk
from tests.support.fake_queue import FakeQueueDesk
from tests.support.fake_receipts import FakeReceiptDesk
from tests.support.fake_reconcile import FakeReconcileDesk
from tests.support.terms import FakeFilterDesk


class FakeDesk:
    """Keeps jobs in a dict. Tests end them with `finish` and look into `jobs`."""

    def __init__(self, catalog: Catalog, *, now_ms: int = 0, max_queued: int = 10_000_000) -> None:
        self._catalog = catalog
        self._now_ms = now_ms
        self._max_queued = max_queued
        self._moved = asyncio.Condition()
        self._ids_by_key: dict[tuple[str | None, ...], JobId] = {}
        self._records: dict[JobId, JobRecord] = {}
        self._answers: dict[JobId, bytes] = {}
        self.jobs: dict[JobId, NewJob] = {}
        self.tries: dict[JobId, list[AttemptRow]] = {}
        self.commits = 0
        self.waiting = asyncio.Event()
        self.phase = "running"
        self.holds = FakeHoldDesk(catalog, now_ms)
        self.budgets = FakeBudgetDesk()
        self.queue = FakeQueueDesk(self._records)
        self.reconciliation = FakeReconcileDesk()
        self.batches = FakeBatchDesk()
        self.packs = FakePacksDesk()
        self.messages = FakeMessagesDesk()
        self.mailboxes = FakeMailboxDesk()
        self.books = FakeBooksDesk()
        self.cache = FakeCacheDesk()
        self.receipts = FakeReceiptDesk()
        self.filters = FakeFilterDesk(self._records, now_ms)
        self.access = FakeAccessDesk()
        self.events = EventLog("fake", lambda: now_ms)

    @property
    def catalog(self) -> Catalog:
        return self._catalog

    def put_up(self, catalog: Catalog) -> None:
        """What a reload does."""
        self._catalog = catalog

    async def submit(
        self, jobs: Sequence[NewJob], receipt_of: ReceiptOf | None = None, *, by: Standing | None = None
    ) -> list[Submitted]:
        if by is not None:
            self.access.check(jobs, by)
        queued = sum(record.state is JobState.QUEUED for record in self._records.values())
        if queued + len(jobs) > self._max_queued:
            raise QueueFull(f"lane {jobs[0].lane} holds {queued} jobs, its most", retry_after_s=30)
        self.commits += 1
        stored = [self._store(job) for job in jobs]
        if receipt_of is not None:
            await self.receipts.keep(receipt_of(stored))
        return stored

    async def job(self, job_id: JobId) -> JobRecord:
        if job_id not in self._records:
            raise JobNotFound(f"no job has the id {job_id}")
        return self._records[job_id]

    async def answer(self, job_id: JobId) -> bytes | None:
        await self.job(job_id)
        return self._answers.get(job_id)

    async def attempts(self, job_id: JobId) -> list[AttemptRow]:
        await self.job(job_id)
        return self.tries.get(job_id, [])

    async def wait(self, job_id: JobId, timeout_s: float) -> JobRecord:
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                while not self._is_at_rest(await self.job(job_id)):
                    self.waiting.set()
                    await self._moved.wait()
        except TimeoutError:
            pass
        return await self.job(job_id)

    async def list_jobs(self, which: JobFilter) -> list[JobRecord]:
        newest_first = sorted(self._records.values(), key=lambda record: -record.id)
        return [record for record in newest_first if self._matches(record, which)][: which.limit]

    async def cancel(self, job_id: JobId) -> JobRecord:
        return await self._move(job_id, JobState.CANCELLED)

    async def retry(self, job_id: JobId) -> JobRecord:
        return await self._move(job_id, JobState.QUEUED)

    async def status(self) -> Status:
        return Status(
            version="0",
            instance="fake",
            phase=self.phase,
            started_ms=self._now_ms,
            now_ms=self._now_ms,
            lanes=(),
            pools=(),
            holds=(),
            spend=Spend(0, 0, 0, 0, 0),
        )

    async def finish(self, job_id: JobId, answer: bytes) -> None:
        """The daemon's part: the job runs and succeeds."""
        await self._move(job_id, JobState.RUNNING)
        self._answers[job_id] = answer
        await self._move(job_id, JobState.SUCCEEDED)

    async def _move(self, job_id: JobId, state: JobState) -> JobRecord:
        record = await self.job(job_id)
        if not may_become(record.state, state):
            raise Conflict(f"job {job_id} is {record.state}, it cannot become {state}")
        self._records[job_id] = replace(record, state=state)
        async with self._moved:
            self._moved.notify_all()
        return self._records[job_id]

    def _store(self, job: NewJob) -> Submitted:
        key = (job.workflow, job.dedupe_key, job.submitted_by, job.mailbox)
        if key in self._ids_by_key:
            return Submitted(self._ids_by_key[key], created=False)
        job_id = JobId(len(self._records) + 1)
        if job.dedupe_key:
            self._ids_by_key[key] = job_id
        self.jobs[job_id] = job
        self._records[job_id] = self._record(job_id, job)
        return Submitted(job_id, created=True)

    def _record(self, job_id: JobId, job: NewJob) -> JobRecord:
        return JobRecord(
            id=job_id,
            state=JobState.QUEUED,
            lane=job.lane,
            workflow=job.workflow,
            model=job.model,
            priority=job.priority,
            submitted_ms=self._now_ms,
            not_before_ms=job.not_before_ms,
            deadline_ms=job.deadline_ms,
            started_ms=None,
            finished_ms=None,
            attempts=0,
            tries=0,
            crash_count=0,
            wait_reason=None,
            stop_reason=None,
            error=None,
            cost_nanousd=0,
            prompt=job.prompt,
            dedupe_key=job.dedupe_key,
            metadata=job.metadata,
            submitted_by=job.submitted_by,
            batched=job.batched,
            pack=job.pack,
        )

    @staticmethod
    def _is_at_rest(record: JobRecord) -> bool:
        return record.state.is_final or record.state is JobState.HELD

    @staticmethod
    def _matches(record: JobRecord, which: JobFilter) -> bool:
        return (
            (which.state is None or record.state is which.state)
            and (which.lane is None or record.lane == which.lane)
            and (which.workflow is None or record.workflow == which.workflow)
            and (which.submitted_by is None or record.submitted_by == which.submitted_by)
            and (which.before_id is None or record.id < which.before_id)
        )
