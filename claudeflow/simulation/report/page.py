"""Page: one HTML file that tells one run, or compares several. It needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources

from jinja2 import Environment, StrictUndefined

from claudeflow.domain.words import span
from claudeflow.simulation.report import plots
from claudeflow.simulation.report.cards import Card, cards
from claudeflow.simulation.report.sheet import COLOURS, DASHES, KeyEntry, Picture, Sheet
from claudeflow.simulation.report.tables import (
    Table,
    bucket_table,
    call_table,
    comparison_table,
    cost_table,
    episode_table,
    job_table,
)
from claudeflow.simulation.result import EpisodeKind, Result

TERMS = (
    ("wait", "From submit to the job's first call. Percentiles are exact, over all jobs that ended."),
    ("queued", "Jobs that are on disk and not under way, those that wait for a retry included."),
    ("gate", "A 429 closes a pool's gate until its retry-after has passed and one probe has come back well."),
    ("bucket", "One allowance of the API on one pool: requests, input tokens or output tokens a minute."),
    ("granted", "What a bucket's limit comes to over time, used or not."),
    ("θ", "The share of the limits that claudeflow lets itself use; it learns it from 429s."),
    ("hold", "A named reason why nothing goes out, such as an empty credit; it ends with a probe."),
)


@dataclass(frozen=True, slots=True)
class Shade:
    """An entry of a legend; `svg` is drawn in a box of 26 by 12."""

    name: str
    svg: str


SHADES = {
    EpisodeKind.FAULT: Shade("fault", '<rect width="26" height="12" class="band fault"/>'),
    EpisodeKind.OTHERS: Shade("other users", '<rect width="26" height="12" class="band others"/>'),
    EpisodeKind.CHANGE: Shade("limits change", '<rect x="12" width="2" height="12" class="band change"/>'),
    EpisodeKind.HOLD: Shade("hold", '<rect width="26" height="12" class="band hold"/>'),
    EpisodeKind.GATE: Shade("gate closed", '<rect y="4" width="26" height="4" class="band gate"/>'),
}


@dataclass(frozen=True, slots=True)
class Chapter:
    """Pictures that belong together, with a sentence above them."""

    name: str
    words: str
    pictures: tuple[Picture, ...]
    shades: tuple[Shade, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the template shows."""

    title: str
    description: str
    period: str
    zone: str
    runs: str
    version: str
    warnings: tuple[str, ...]
    cards: tuple[Card, ...]
    key: tuple[KeyEntry, ...]
    tables: tuple[Table, ...]
    chapters: tuple[Chapter, ...]
    last_tables: tuple[Table, ...]
    terms: Sequence[tuple[str, str]] = TERMS


def render_page(results: Sequence[Result]) -> str:
    """The page of one run, or of several side by side; the first is what the others are compared with."""
    folder = resources.files(__package__)
    template = folder.joinpath("page.html").read_text(encoding="utf-8")
    style = folder.joinpath("style.css").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(template).render(page=_page(results), style=style)


def _page(results: Sequence[Result]) -> Page:
    sheet = Sheet(results)
    first = results[0]
    about = first.about
    compares = len(results) > 1
    closing = (
        bucket_table(first),
        call_table(first),
        cost_table(first),
        episode_table(first, sheet.moment),
    )
    return Page(
        title=about.scenario,
        description=about.title,
        period=sheet.clock.period(max(result.simulated_s for result in results)),
        zone=about.time_zone,
        runs=_runs(results),
        version=about.version,
        warnings=tuple(_warnings(results)),
        cards=() if compares else tuple(cards(first)),
        key=tuple(_key(results)) if compares else (),
        tables=(comparison_table(results),) if compares else (job_table(first),),
        chapters=tuple(_chapters(sheet)),
        last_tables=() if compares else closing,
    )


def _runs(results: Sequence[Result]) -> str:
    if len(results) == 1:
        about = results[0].about
        return f"configuration: {about.config} · seed {about.seed}"
    return f"{len(results)} runs side by side"


def _warnings(results: Sequence[Result]) -> Iterator[str]:
    for result in results:
        if not result.complete:
            name = f"{result.about.config} was" if len(results) > 1 else "This run was"
            yield (
                f"{name} interrupted after {span(result.simulated_s)} of {span(result.about.duration_s)}. "
                "The figures tell what had happened by then."
            )


def _key(results: Sequence[Result]) -> Iterator[KeyEntry]:
    for run, result in enumerate(results):
        yield KeyEntry(result.about.config, run % COLOURS, run % DASHES)


def _chapters(sheet: Sheet) -> Iterator[Chapter]:
    shades = tuple(_shades(sheet.results))
    yield Chapter(
        "Who waits",
        "Jobs queued in each lane. All plots over time have the same axis; rest the pointer for numbers.",
        tuple(plots.queue_pictures(sheet)),
        shades,
    )
    yield Chapter(
        "How long",
        "A dot is the median wait, the thick bar reaches to p95 (written at the right), a short stroke marks "
        "p99, and the thin line ends at the longest wait. The scale is logarithmic.",
        (plots.lane_waits(sheet), plots.workflow_waits(sheet)),
    )
    yield Chapter(
        "Calls",
        "Over the minute before each moment. Ticks above the plot are calls that came back with 429 or 529.",
        (plots.call_picture(sheet),),
        shades,
    )
    yield Chapter(
        "Limits",
        "What was drawn in the minute before, of what the API granted in it. The dotted line is all of it; a "
        "bucket that was full can give more than that for a while.",
        tuple(plots.bucket_pictures(sheet)),
        shades,
    )
    yield Chapter(
        "Limiter",
        "How many calls are under way, and how much of the limits claudeflow trusts itself to use.",
        tuple(plots.limiter_pictures(sheet)),
        shades,
    )
    yield Chapter("Cost", "What the calls have cost by the price list.", (plots.cost_picture(sheet),))


def _shades(results: Sequence[Result]) -> Iterator[Shade]:
    kinds = {episode.kind for result in results for episode in result.episodes}
    for kind, shade in SHADES.items():
        if kind in kinds:
            of_runs = kind is EpisodeKind.GATE and len(results) > 1
            yield replace(shade, name=f"{shade.name}, in the colour of the run") if of_runs else shade
