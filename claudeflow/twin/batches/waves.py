"""The work on batches: so many requests at a time, each such wave with one moment at which it ends."""

from __future__ import annotations

from functools import partial

from claudeflow.twin.agenda import Agenda
from claudeflow.twin.batches.batch import CANCELED, EXPIRED, Batch, Work
from claudeflow.twin.batches.items import Answerer
from claudeflow.twin.batches.rules import KEPT_S, LIFETIME_S
from claudeflow.twin.billing import Invoice
from claudeflow.twin.chance import Chance
from claudeflow.twin.settings import TwinSettings


class Waves:
    """Works at batches. A batch has at most one wave out, which is one entry of the agenda."""

    def __init__(self, settings: TwinSettings, agenda: Agenda, answerer: Answerer, invoice: Invoice) -> None:
        self._settings = settings
        self._agenda = agenda
        self._answerer = answerer
        self._invoice = invoice

    def start(self, batch: Batch) -> None:
        """Enter what will happen to a new batch."""
        created_at, late = batch.created_at, batch.strike.first("batch_late")
        delay_s = self._settings.batch_start_s * _slowness(batch)
        if late is not None and late.factor == 1.0:
            delay_s += late.for_s
        self._agenda.at(created_at + delay_s, partial(self._begin, batch))
        self._agenda.at(created_at + LIFETIME_S, partial(self._expire, batch))
        self._agenda.at(created_at + KEPT_S, batch.archive)

    def cancel(self, batch: Batch, now: float) -> None:
        """What was not begun is canceled; what is in work is brought to its end."""
        batch.canceled_at = now
        batch.give_up(CANCELED)
        if not batch.wave:
            self._agenda.at(now, batch.end)

    def _begin(self, batch: Batch, now: float) -> None:
        first = batch.begun
        if batch.ended_at is not None or first == len(batch.custom_ids):
            return
        batch.begun = min(first + self._settings.batch_concurrency, len(batch.custom_ids))
        done_at = now + self._seconds(batch, first)
        # All of them look into the cache before any of them answers: each writes a prefix that is cold.
        batch.wave = [
            self._answerer.answer(batch, index, now, done_at) for index in range(first, batch.begun)
        ]
        self._agenda.at(done_at, partial(self._finish, batch))

    def _finish(self, batch: Batch, now: float) -> None:
        if batch.ended_at is not None:
            return
        for work in batch.wave:
            self._settle(batch, work)
        batch.wave = []
        if batch.unfinished:
            self._begin(batch, now)
        else:
            batch.end(now)

    def _settle(self, batch: Batch, work: Work) -> None:
        batch.settle(work.index, work.ending, work.content)
        if work.plan is not None:
            self._answerer.cache.begin(work.plan)
            batch.cache_writes += bool(work.plan.writes)
            batch.cache_reads += bool(work.plan.tokens.read)
        if work.line is not None:
            self._invoice.add(work.line)
            batch.cost_nanousd += work.line.cost_nanousd

    def _expire(self, batch: Batch, now: float) -> None:
        if batch.ended_at is not None:
            return
        for work in batch.wave:
            batch.settle(work.index, EXPIRED)
        batch.wave = []
        batch.give_up(EXPIRED)
        batch.end(now)

    def _seconds(self, batch: Batch, first: int) -> float:
        median_s = self._settings.batch_item_s
        if median_s == 0.0:
            return 0.0
        chance = Chance(self._settings.seed, b"wave %s %d" % (batch.id.encode(), first))
        return chance.log_normal(median_s, self._settings.latency_sigma) * _slowness(batch)


def _slowness(batch: Batch) -> float:
    """How many times as long everything takes."""
    late = batch.strike.first("batch_late")
    return late.factor if late is not None else 1.0
