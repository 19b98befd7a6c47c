"""Tables: what a run came to, and several runs side by side, for pages and terminals alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from claudeflow.domain.words import count, span
from claudeflow.simulation.report.compare import Cell as Compared
from claudeflow.simulation.report.compare import compare
from claudeflow.simulation.report.figures import (
    ALL_JOBS,
    AXIS_NAMES,
    UNKNOWN,
    dollars,
    hundredths,
    percent,
    rate,
    times,
    whole,
)
from claudeflow.simulation.result import EpisodeKind, Result, Work

EPISODE_NAMES = {
    EpisodeKind.FAULT: "fault",
    EpisodeKind.OTHERS: "other users",
    EpisodeKind.CHANGE: "change of limits",
    EpisodeKind.GATE: "gate closed",
    EpisodeKind.HOLD: "hold",
    EpisodeKind.TROUBLE: "trouble",
}
MOST_EPISODES = 60


@dataclass(frozen=True, slots=True)
class Head:
    """A column. An extra one is left out where there is little room."""

    name: str
    is_text: bool = False
    is_extra: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one place; in a comparison with its change, and whether that is better."""

    text: str
    is_text: bool = False
    change: str | None = None
    is_better: bool | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A line."""

    name: str
    cells: tuple[Cell, ...]
    is_total: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """Lines that belong together; `name` may be empty."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a sentence above it. The first column holds the rows' names."""

    name: str
    words: str
    heads: tuple[Head, ...]
    bodies: tuple[Body, ...]
    is_narrow: bool = False


Column = tuple[str, Callable[[Work], str]]

EXTRA = frozenset(
    {"submitted", "a minute", "p90", "p99", "longest", "answer p50", "answer p95"}
    | {"most a job", "input", "output", "by others", "written 1h", "written 5m", "reads a write"}
)
"""Columns that a narrow terminal does without."""


def _known(value: float | None, text: Callable[[float], str]) -> str:
    return UNKNOWN if value is None else text(value)


JOB_COLUMNS: Sequence[Column] = (
    ("submitted", lambda work: whole(work.submitted)),
    ("answered", lambda work: whole(work.succeeded)),
    ("failed", lambda work: whole(work.failed)),
    ("expired", lambda work: whole(work.expired)),
    ("unfinished", lambda work: whole(work.unfinished)),
    ("a minute", lambda work: rate(work.jobs_per_min)),
    ("wait p50", lambda work: _known(work.wait.p50_s, span)),
    ("p90", lambda work: _known(work.wait.p90_s, span)),
    ("p95", lambda work: _known(work.wait.p95_s, span)),
    ("p99", lambda work: _known(work.wait.p99_s, span)),
    ("longest", lambda work: _known(work.wait.max_s, span)),
    ("answer p50", lambda work: _known(work.total.p50_s, span)),
    ("answer p95", lambda work: _known(work.total.p95_s, span)),
)
CALL_COLUMNS: Sequence[Column] = (
    ("calls", lambda work: whole(work.calls)),
    ("a minute", lambda work: rate(work.calls_per_min)),
    ("jobs each", lambda work: _known(work.jobs_per_call, hundredths)),
    ("packs", lambda work: whole(work.packs)),
    ("batched", lambda work: whole(work.batched)),
    ("429s", lambda work: whole(work.throttled)),
    ("529s", lambda work: whole(work.overloaded)),
    ("retries", lambda work: whole(work.retries)),
    ("most a job", lambda work: whole(work.most_calls)),
    ("input", lambda work: count(work.input_tokens + work.cache_write_tokens)),
    ("output", lambda work: count(work.output_tokens)),
)
COST_COLUMNS: Sequence[Column] = (
    ("cost", lambda work: dollars(work.cost_nanousd)),
    ("plain", lambda work: dollars(work.plain_nanousd)),
    ("by caching", lambda work: _known(work.caching_saved_share, percent)),
    ("by batches", lambda work: _known(work.batches_saved_share, percent)),
    ("from cache", lambda work: count(work.cache_read_tokens)),
    ("of input", lambda work: _known(work.cache_share, percent)),
    ("written 5m", lambda work: count(work.cache_write_5m_tokens)),
    ("written 1h", lambda work: count(work.cache_write_1h_tokens)),
    ("reads a write", lambda work: _known(work.reads_per_write, times)),
)


def job_table(result: Result) -> Table:
    """What became of the jobs, and how long they waited."""
    words = "Waits run from submit to the first call, answers from submit to the end; of jobs that ended."
    return _work_table("Jobs and waits", words, result, JOB_COLUMNS)


def call_table(result: Result) -> Table:
    """What was sent for them."""
    words = (
        "A pack is a call that several jobs shared. Batched calls are in none of the rates. "
        "Input is what counts against the limits: cache reads do not."
    )
    return _work_table("Calls", words, result, CALL_COLUMNS)


def cost_table(result: Result) -> Table:
    """What that cost, and what prompt caching and batches did about it."""
    words = (
        "Plain is what the same tokens would have cost without prompt caching and batches; each share is "
        "what the one has saved of the bill without it. Written and read are tokens."
    )
    return _work_table("Cost", words, result, COST_COLUMNS)


def bucket_table(result: Result) -> Table:
    """What the API granted, and who drew it."""
    heads = ("bucket", "limit/min", "granted", "by us", "by others", "while queued")
    rows = [
        Row(
            f"{bucket.pool} {AXIS_NAMES[bucket.axis]}",
            (
                Cell(count(bucket.limit_per_min)),
                Cell(count(bucket.granted)),
                Cell(_known(bucket.share, percent)),
                Cell(percent(bucket.others / bucket.granted) if bucket.granted else UNKNOWN),
                Cell(_known(bucket.queued_share, percent)),
            ),
        )
        for bucket in result.buckets
    ]
    words = (
        "As the API itself counted. The last column is the share that anybody drew while jobs were queued: "
        "near 100%, this bucket was what they waited for."
    )
    return Table("Buckets", words, _heads(heads), (Body("", tuple(rows)),))


def episode_table(result: Result, moment: Callable[[float], str]) -> Table:
    """What went on for a while, by its beginning."""
    rows = []
    for episode in result.episodes[:MOST_EPISODES]:
        ended_s = result.simulated_s if episode.until_s is None else episode.until_s
        until = "the end" if episode.until_s is None else moment(episode.until_s)
        lasted = span(ended_s - episode.from_s) if ended_s > episode.from_s else UNKNOWN
        name = Cell(EPISODE_NAMES[episode.kind], is_text=True)
        rows.append(Row(moment(episode.from_s), (Cell(until), Cell(lasted), name, Cell(episode.what, True))))
    left = len(result.episodes) - len(rows)
    words = f"The first {len(rows)}; {left} more are in the JSON." if left > 0 else ""
    heads = (Head("from"), Head("until"), Head("lasted"), Head("", is_text=True), Head("what", is_text=True))
    return Table("Events of note", words, heads, (Body("", tuple(rows)),))


def comparison_table(results: Sequence[Result]) -> Table:
    """All figures of all runs."""
    heads = (Head(""), *(Head(result.about.config) for result in results))
    bodies = tuple(
        Body(section.name, tuple(Row(row.name, tuple(map(_compared, row.cells))) for row in section.rows))
        for section in compare(results)
    )
    words = f"Differences are to {results[0].about.config}, the first run."
    return Table("Side by side", words, heads, bodies, is_narrow=True)


def _compared(cell: Compared) -> Cell:
    return Cell(str(cell), change=cell.change_text, is_better=cell.is_better)


def _heads(names: Sequence[str]) -> tuple[Head, ...]:
    return tuple(Head(name, is_extra=name in EXTRA) for name in names)


def _work_table(name: str, words: str, result: Result, columns: Sequence[Column]) -> Table:
    heads = _heads(("", *(column for column, _ in columns)))
    bodies = (
        Body("", (_work_row(ALL_JOBS, result.totals, columns, is_total=True),)),
        Body("lanes", tuple(_work_rows(result.lanes, columns))),
        Body("workflows", tuple(_work_rows(result.workflows, columns))),
    )
    return Table(name, words, heads, bodies)


def _work_rows(works: Sequence[Work], columns: Sequence[Column]) -> Iterator[Row]:
    return (_work_row(work.name, work, columns) for work in works)


def _work_row(name: str, work: Work, columns: Sequence[Column], *, is_total: bool = False) -> Row:
    return Row(name, tuple(Cell(text(work)) for _, text in columns), is_total)
