"""Summary: what a demo came to, for people and for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from claudeflow.cli.demo.play import Played
from claudeflow.cli.output import printable, span
from claudeflow.domain.money import usd


@dataclass(frozen=True, slots=True)
class LaneSummary:
    """What became of one lane's jobs. Waits are seconds from submit to first call."""

    lane: str
    jobs: int
    succeeded: int
    failed: int
    wait_p50_s: float | None
    wait_p95_s: float | None
    cost_nanousd: int
    uncached_nanousd: int


@dataclass(frozen=True, slots=True)
class Books:
    """What the store says once the daemon has ended: the spend, and why a job failed, if one did."""

    spend: Mapping[str, int]
    first_error: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the other side says: its invoice, and calls that came before a `retry-after` had passed."""

    invoice_nanousd: int
    early_calls: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What a demo came to. `first_error` is why a job failed; `verdict` is None with the real API."""

    elapsed_s: float
    lanes: tuple[LaneSummary, ...]
    throttled_calls: int
    spend: Mapping[str, int]
    hold: str | None
    first_error: str | None
    verdict: Verdict | None

    @property
    def jobs(self) -> int:
        """How many jobs the morning has."""
        return sum(lane.jobs for lane in self.lanes)

    @property
    def succeeded(self) -> int:
        """How many jobs have an answer."""
        return sum(lane.succeeded for lane in self.lanes)

    @property
    def failed(self) -> int:
        """How many jobs will never have one."""
        return sum(lane.failed for lane in self.lanes)

    @property
    def left(self) -> int:
        """How many jobs were not finished in time."""
        return self.jobs - self.succeeded - self.failed

    @property
    def books_agree(self) -> bool:
        """Whether the invoice lies where the books say: at one amount, or between two with unknown calls."""
        if self.verdict is None:
            return True
        least = self.spend["settled_nanousd"]
        return least <= self.verdict.invoice_nanousd <= least + self.spend["unknown_bound_nanousd"]

    @property
    def is_good(self) -> bool:
        """Whether nothing went wrong. Jobs that are left are no fault: they are still in the store."""
        return self.books_agree and not self.failed and self.hold is None

    @property
    def saved_share(self) -> float:
        """The part of the price that prompt caching saved, 0 to 1."""
        uncached = self.spend["uncached_nanousd"]
        return 1.0 - self.spend["settled_nanousd"] / uncached if uncached else 0.0


def summarize(played: Played, totals: Mapping[str, int], books: Books, verdict: Verdict | None) -> Summary:
    """What a morning came to."""
    status = played.status
    lanes = {lane["lane"]: lane for lane in status["lanes"]}
    return Summary(
        elapsed_s=played.elapsed_s,
        lanes=tuple(_lane(lanes[name], total) for name, total in totals.items()),
        throttled_calls=sum(pool["throttled_calls"] for pool in status["pools"]),
        spend=books.spend,
        first_error=books.first_error,
        hold="; ".join(f"{hold['reason']}: {hold['way_out']}" for hold in status["holds"]) or None,
        verdict=verdict,
    )


def _lane(lane: Mapping[str, Any], jobs: int) -> LaneSummary:
    names = ("succeeded", "failed", "wait_p50_s", "wait_p95_s", "cost_nanousd", "uncached_nanousd")
    return LaneSummary(lane["lane"], jobs, *(lane[name] for name in names))


def as_dict(summary: Summary) -> dict[str, Any]:
    """The summary as JSON: durations in seconds, money in nano-dollars."""
    verdict = summary.verdict
    return {
        "jobs": summary.jobs,
        "succeeded": summary.succeeded,
        "failed": summary.failed,
        "left": summary.left,
        "elapsed_s": round(summary.elapsed_s, 3),
        "throttled_calls": summary.throttled_calls,
        "lanes": [asdict(lane) for lane in summary.lanes],
        **summary.spend,
        "saved_share": round(summary.saved_share, 4),
        "hold": summary.hold,
        "first_error": summary.first_error,
        "invoice_nanousd": verdict.invoice_nanousd if verdict else None,
        "early_calls": verdict.early_calls if verdict else None,
        "books_agree": summary.books_agree if verdict else None,
    }


def text_lines(summary: Summary) -> list[str]:
    """The summary in sentences; waits and costs of lanes are in their own table."""
    lines = [_jobs_line(summary), _throttled_line(summary), _cost_line(summary), *_invoice_lines(summary)]
    if summary.left:
        lines.append(
            f"Not done in time: {_many(summary.left, 'job')}, kept in the store for a daemon that goes on."
        )
    if summary.first_error:
        lines.append(f"The last one that failed: {printable(summary.first_error)}")
    if summary.hold:
        lines.append(f"Held: {printable(summary.hold)}")
    return lines


def _jobs_line(summary: Summary) -> str:
    failed = f", {summary.failed:,} failed" if summary.failed else ""
    return f"{summary.succeeded:,} of {_many(summary.jobs, 'job')} done in {span(summary.elapsed_s)}{failed}."


def _throttled_line(summary: Summary) -> str:
    if not summary.throttled_calls:
        return "429s: none."
    line = f"429s: {summary.throttled_calls:,}"
    if summary.verdict is None:
        return f"{line}. The pool waited each time, and no job failed for it."
    line += ", as another program took the Haiku limit for a second (staged). The whole pool waited"
    return f"{line}." if summary.verdict.early_calls else f"{line}; no call came before its retry-after."


def _cost_line(summary: Summary) -> str:
    spend = summary.spend
    line = f"Cost: {usd(spend['settled_nanousd'])} for {_many(spend['calls'], 'call')}"
    if spend["uncached_nanousd"] > spend["settled_nanousd"]:
        without = usd(spend["uncached_nanousd"])
        line += f"; without prompt caching {without}, so {summary.saved_share:.0%} was saved"
    return f"{line}."


def _invoice_lines(summary: Summary) -> list[str]:
    if summary.verdict is None:
        return ["Invoice: compare with the usage page of the Claude Console."]
    billed = usd(summary.verdict.invoice_nanousd, 9)
    least, bound = summary.spend["settled_nanousd"], summary.spend["unknown_bound_nanousd"]
    if not summary.books_agree:
        difference = usd(summary.verdict.invoice_nanousd - least, 9)
        return [f"Invoice: {billed}, which is {difference} off the books. That is a bug: please report it."]
    if bound:
        cut = _many(summary.spend["unknown_calls"], "call")
        most = usd(least + bound, 9)
        return [f"Invoice: {billed}; the books say {usd(least, 9)} to {most}, with {cut} cut off."]
    return [f"Invoice of the simulated API: {billed}, the same as our books to the nano-dollar."]


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
