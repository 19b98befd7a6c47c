"""All batches of one organisation, and the limits on handling them."""

from __future__ import annotations

from collections import Counter

from claudeflow.twin.agenda import Agenda
from claudeflow.twin.batches.batch import Batch
from claudeflow.twin.batches.items import Answerer
from claudeflow.twin.batches.rules import LIMITS
from claudeflow.twin.batches.tally import BatchStats
from claudeflow.twin.batches.waves import Waves
from claudeflow.twin.errors import ApiError
from claudeflow.twin.fault_answers import fault_error
from claudeflow.twin.faults import Fault
from claudeflow.twin.limits import REQUESTS, Allowance
from claudeflow.twin.organization import Organization
from claudeflow.twin.settings import TwinSettings

# What the API says to wait when too many requests are queued is not on record.
_QUEUE_RETRY_S = 60


class BatchOffice:
    """Keeps the batches, from `now` on. All times are monotonic seconds."""

    def __init__(
        self, settings: TwinSettings, agenda: Agenda, organization: Organization, now: float
    ) -> None:
        self.batches: dict[str, Batch] = {}
        self._settings = settings
        self._organization = organization
        answerer = Answerer(settings, organization)
        self._waves = Waves(settings, agenda, answerer, organization.invoice)
        self._requests = Allowance(REQUESTS, self._rpm, None, now)
        self._calls: Counter[str] = Counter()
        self._early_calls = 0
        self._closed = (now, now)
        self._deleted: Counter[str] = Counter()

    def count(self, endpoint: str, now: float) -> None:
        """A call came in."""
        self._calls[endpoint] += 1
        told_at, until = self._closed
        if told_at + self._settings.flight_s < now < until:
            self._early_calls += 1

    def close(self, retry_after_s: int, now: float) -> None:
        """Remember that the client was told to wait; a shorter wait never shortens one that runs."""
        told_at, until = self._closed
        self._closed = (told_at if now < until else now, max(until, now + retry_after_s))

    def admit(self, now: float) -> None:
        """Charge one request. Raises ApiError (429)."""
        if self._requests.limit != self._rpm:
            self._requests.change(self._rpm, now)
        refused = self._requests.refuse(now)
        if refused is not None:
            message = "Number of batch requests has exceeded your rate limit"
            raise ApiError(429, message, retry_after_s=refused.retry_after_s)
        self._requests.take(1, now)

    def create(self, batch: Batch) -> None:
        """Take in a batch. Raises ApiError (429) when too much is queued already, or no money is left."""
        if self._organization.is_spent:
            raise fault_error(Fault("spend_cap"))
        most = self._settings.batch_queued or LIMITS[self._organization.tier].queued
        queued = sum(other.unfinished for other in self.batches.values())
        if queued + len(batch.custom_ids) > most:
            message = f"Number of queued batch requests has exceeded your limit of {most:,}"
            raise ApiError(429, message, retry_after_s=_QUEUE_RETRY_S)
        self.batches[batch.id] = batch
        self._waves.start(batch)

    def find(self, batch_id: str, workspace: str) -> Batch:
        """A batch of a workspace. Raises ApiError (404)."""
        batch = self.batches.get(batch_id)
        if batch is None or batch.workspace != workspace:
            raise ApiError(404, f"Message Batch {batch_id} not found.")
        return batch

    def cancel(self, batch: Batch, now: float) -> None:
        """Stop the work on a batch; once more changes nothing. Raises ApiError (400) when it has ended."""
        if batch.ended_at is not None:
            raise ApiError(400, f"Message Batch {batch.id} has ended and cannot be canceled.")
        if batch.canceled_at is None:
            self._waves.cancel(batch, now)

    def delete(self, batch: Batch) -> None:
        """Forget a batch. Raises ApiError (400) when it has not ended."""
        if batch.ended_at is None:
            message = "In progress batches cannot be deleted. Consider canceling the batch instead."
            raise ApiError(400, message)
        self._deleted.update(batch.progress(), batches=1)
        del self.batches[batch.id]
        batch.contents = []

    def stats(self) -> BatchStats:
        """The counters as a value."""
        items = Counter(self._deleted)
        for batch in self.batches.values():
            items.update(batch.progress(), batches=1)
        batches = items.pop("batches", 0)
        return BatchStats(batches, dict(items), dict(self._calls), self._early_calls)

    @property
    def _rpm(self) -> int:
        return self._settings.batch_rpm or LIMITS[self._organization.tier].rpm
