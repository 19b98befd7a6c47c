"""Cards: the handful of numbers that people look for first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from claudeflow.domain.words import span
from claudeflow.simulation.report.figures import bucket_name, dollars, fullest, percent, rate, whole
from claudeflow.simulation.result import Result

BINDING_SHARE = 0.85
"""From this share on a bucket counts as what jobs waited for."""


@dataclass(frozen=True, slots=True)
class Card:
    """A number, what it is, and what else belongs to it."""

    number: str
    words: str
    more: str = ""


def cards(result: Result) -> Iterator[Card]:
    """The numbers of one run."""
    yield _jobs(result)
    yield from _waits(result)
    yield _throttled(result)
    yield from _bucket(result)
    yield _cost(result)
    yield from _foretold(result)


def _jobs(result: Result) -> Card:
    totals = result.totals
    left = [
        f"{whole(number)} {word}"
        for number, word in (
            (totals.failed, "failed"),
            (totals.expired, "expired"),
            (totals.unfinished, "unfinished at the end"),
        )
        if number
    ]
    return Card(
        whole(totals.succeeded),
        f"of {whole(totals.submitted)} jobs answered",
        ", ".join(left) or "none failed",
    )


def _waits(result: Result) -> Iterator[Card]:
    """The first lane is the one that people wait for."""
    for lane in result.lanes[:1]:
        if lane.wait.p95_s is not None and lane.wait.max_s is not None:
            yield Card(
                span(lane.wait.p95_s), f"p95 wait in lane {lane.name}", f"longest {span(lane.wait.max_s)}"
            )


def _throttled(result: Result) -> Card:
    totals, witness = result.totals, result.witness
    share = f"{rate(totals.throttled * 1_000 / totals.calls)} of 1,000 calls" if totals.calls else ""
    early = "" if witness is None else f"{whole(witness.early_calls)} calls before retry-after"
    return Card(whole(totals.throttled), "429s for pace", ", ".join(text for text in (share, early) if text))


def _bucket(result: Result) -> Iterator[Card]:
    bucket = fullest(result.buckets)
    if bucket is None or bucket.queued_share is None:
        return
    share = percent(bucket.queued_share)
    if bucket.queued_share >= BINDING_SHARE:
        words = f"of {bucket_name(bucket)} drawn while jobs were queued"
        yield Card(share, words, "the bucket that they waited for")
    else:
        yield Card(
            "No bucket", "was what jobs waited for", f"the fullest, {bucket_name(bucket)}, gave {share}"
        )


def _cost(result: Result) -> Card:
    totals = result.totals
    share, batches_share = totals.caching_saved_share or 0.0, totals.batches_saved_share or 0.0
    saved = []
    if share > 0:
        uncached = dollars(totals.uncached_nanousd)
        saved.append(f"{uncached} without prompt caching, which saved {percent(share)}")
    if batches_share > 0:
        unbatched = dollars(totals.unbatched_nanousd)
        saved.append(f"{unbatched} without batches, which saved {percent(batches_share)}")
    return Card(dollars(totals.cost_nanousd), f"for {whole(totals.calls)} calls", "; ".join(saved))


def _foretold(result: Result) -> Iterator[Card]:
    asked = result.estimates
    if asked.median_error is not None and asked.p90_error is not None:
        yield Card(
            percent(asked.median_error),
            "median error of explain, which was asked when a job would go",
            f"{whole(asked.jobs)} waiting jobs, 90% of them within {percent(asked.p90_error)}",
        )
