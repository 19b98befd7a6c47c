"""The desk: what the front doors (socket, CLI) may ask of the daemon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from claudeflow.domain.job import JobId, JobRecord, JobState, NewJob
from claudeflow.domain.job_filter import EVERY_JOB, Terms
from claudeflow.domain.report import AttemptRow, Status
from claudeflow.intake.catalog import Catalog
from claudeflow.intake.desks.access import AccessDesk
from claudeflow.intake.desks.batches import BatchDesk
from claudeflow.intake.desks.books import BooksDesk
from claudeflow.intake.desks.budgets import BudgetDesk
from claudeflow.intake.desks.cache import CacheDesk
from claudeflow.intake.desks.events import EventDesk
from claudeflow.intake.desks.filters import FilterDesk
from claudeflow.intake.desks.holds import HoldDesk
from claudeflow.intake.desks.mailboxes import MailboxDesk
from claudeflow.intake.desks.messages import MessagesDesk
from claudeflow.intake.desks.packs import PacksDesk
from claudeflow.intake.desks.queue import QueueDesk
from claudeflow.intake.desks.receipts import ReceiptDesk, ReceiptOf, Submitted
from claudeflow.intake.desks.reconcile import ReconcileDesk
from claudeflow.policy.access.grants import Standing

__all__ = ["READY_PHASE", "Desk", "JobFilter", "Submitted"]

READY_PHASE = "running"
"""The `Status.phase` in which jobs are claimed; in every other one `/-/ready` says no."""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list, newest first. Empty fields match everything; `before_id` pages on."""

    state: JobState | None = None
    lane: str | None = None
    workflow: str | None = None
    submitted_by: str | None = None
    before_id: int | None = None
    limit: int = 50
    terms: Terms = EVERY_JOB


class Desk(Protocol):
    """What a front door may ask for. Raises only `IntakeError`s (and `StoreError` when broken)."""

    @property
    def catalog(self) -> Catalog:
        """What can be asked for now: lanes, prompts, models."""
        ...

    @property
    def access(self) -> AccessDesk:
        """Where one asks who may do what."""
        ...

    @property
    def queue(self) -> QueueDesk:
        """Where one asks who goes when, and moves jobs."""
        ...

    @property
    def budgets(self) -> BudgetDesk:
        """Where budgets are asked about, set and released."""
        ...

    @property
    def batches(self) -> BatchDesk:
        """Where Message Batches are asked about and stopped."""
        ...

    @property
    def mailboxes(self) -> MailboxDesk:
        """Where mailboxes are asked about."""
        ...

    @property
    def packs(self) -> PacksDesk:
        """Where packs are asked about and reset."""
        ...

    @property
    def books(self) -> BooksDesk:
        """Where usage and prices are asked about."""
        ...

    @property
    def cache(self) -> CacheDesk:
        """Where cached prefixes are asked about."""
        ...

    @property
    def holds(self) -> HoldDesk:
        """Where holds are asked about, set and released."""
        ...

    @property
    def events(self) -> EventDesk:
        """Where one reads along with what happens."""
        ...

    @property
    def messages(self) -> MessagesDesk:
        """Where callers wait for the answer of the API."""
        ...

    @property
    def reconciliation(self) -> ReconcileDesk:
        """Where books and reports are compared."""
        ...

    @property
    def filters(self) -> FilterDesk:
        """Where jobs are found by conditions."""
        ...

    @property
    def receipts(self) -> ReceiptDesk:
        """Where it is known what keyed requests were answered."""
        ...

    async def submit(
        self, jobs: Sequence[NewJob], receipt_of: ReceiptOf | None = None, *, by: Standing | None = None
    ) -> list[Submitted]:
        """Store all jobs in one transaction, or none, with their receipt. Raises QueueFull, and what
        keeps `by` from sending them: Forbidden, TooManyJobs, RateCapped, SpendCapped.

        `by` is whoever sends them, with what it may do; None is claudeflow itself, which nothing holds back.
        """
        ...

    async def job(self, job_id: JobId) -> JobRecord:
        """One job. Raises JobNotFound."""
        ...

    async def answer(self, job_id: JobId) -> bytes | None:
        """The answer (a Message as JSON) of a succeeded job, else None. Raises JobNotFound."""
        ...

    async def attempts(self, job_id: JobId) -> list[AttemptRow]:
        """Every try at a job, the first one first. Raises JobNotFound."""
        ...

    async def wait(self, job_id: JobId, timeout_s: float) -> JobRecord:
        """The job as soon as it will not move by itself (final or held), or as it is after `timeout_s`."""
        ...

    async def list_jobs(self, which: JobFilter) -> list[JobRecord]:
        """Jobs, newest first."""
        ...

    async def cancel(self, job_id: JobId) -> JobRecord:
        """Stop a queued, held or running job. Raises JobNotFound, Conflict."""
        ...

    async def retry(self, job_id: JobId) -> JobRecord:
        """Queue a failed, cancelled, expired or held job again. Raises JobNotFound, Conflict."""
        ...

    async def status(self) -> Status:
        """The state of lanes, pools, holds and spend."""
        ...
