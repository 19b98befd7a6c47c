"""Plots: which pictures a page shows of one run, or of several on top of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from claudeflow.domain.quota import OWN_AXES
from claudeflow.domain.words import span
from claudeflow.simulation.drawing import rangeplot
from claudeflow.simulation.drawing.rangeplot import Range, RangePlot
from claudeflow.simulation.drawing.timeplot import Line
from claudeflow.simulation.report import curves
from claudeflow.simulation.report.figures import AXIS_NAMES, bucket_name, dollars, fullest, whole_percent
from claudeflow.simulation.report.sheet import Look, Picture, Sheet
from claudeflow.simulation.result import Result, Work

COST_COLOUR, UNCACHED_COLOUR = 2, 7


def queue_pictures(sheet: Sheet) -> Iterator[Picture]:
    """Jobs that wait, a plot for each lane."""
    lanes = dict.fromkeys(lane.name for result in sheet.results for lane in result.lanes)
    for colour, lane in enumerate(lanes):
        look = Look(colour=colour, strips=sheet.gates())
        yield sheet.picture(f"Queued in lane {lane}", curves.measured("queued", lane), look)


def call_picture(sheet: Sheet) -> Picture:
    """Calls a minute, and when there were 429s and 529s."""
    look = Look(height=140.0, strips=sheet.gates(), marks=list(sheet.marks()))
    return sheet.picture("Calls a minute", curves.per_minute(curves.summed("calls")), look)


def bucket_pictures(sheet: Sheet) -> Iterator[Picture]:
    """What was drawn of what the API granted: all buckets of a run, of several runs the fullest one."""
    for pool in used_pools(sheet.results):
        look = Look(whole_percent, limit=1.0, height=140.0, strips=sheet.gates(pool))
        if not sheet.compares:
            yield sheet.of_lines(f"Drawn from {pool}", list(_axis_lines(sheet, pool)), look)
            continue
        buckets = [bucket for result in sheet.results for bucket in result.buckets if bucket.pool == pool]
        bucket = fullest(buckets) or buckets[0]
        curve = curves.drawn(pool, bucket.axis, by_all=True)
        yield sheet.picture(f"Drawn from {bucket_name(bucket)}", curve, look)


def limiter_pictures(sheet: Sheet) -> Iterator[Picture]:
    """Calls in flight and the learned margin of each pool."""
    for colour, pool in enumerate(used_pools(sheet.results)):
        look = Look(colour=colour, strips=sheet.gates(pool), height=80.0)
        yield sheet.picture(f"Calls in flight, {pool}", curves.measured("in_flight", pool), look)
        margin = replace(look, text=whole_percent, highest=1.0, height=60.0)
        yield sheet.picture(f"Share of the limits in use (θ), {pool}", curves.measured("theta", pool), margin)


def cost_picture(sheet: Sheet) -> Picture:
    """Money spent so far; on a page of one run also what it would have been without the cache."""
    look = Look(dollars, colour=COST_COLOUR, height=120.0)
    lines = sheet.lines(curves.so_far(curves.summed("cost_nanousd")), COST_COLOUR)
    if not sheet.compares:
        uncached = sheet.lines(curves.so_far(curves.summed("uncached_nanousd")), UNCACHED_COLOUR)
        lines = [
            replace(lines[0], name="spent", is_filled=True),
            replace(uncached[0], name="without prompt caching", dash=1),
        ]
    return sheet.of_lines("Spent so far", lines, look)


def lane_waits(sheet: Sheet) -> Picture:
    """Percentiles of the waits of each lane."""
    return _waits(sheet, "lane", [result.lanes for result in sheet.results])


def workflow_waits(sheet: Sheet) -> Picture:
    """Percentiles of the waits of each workflow."""
    return _waits(sheet, "workflow", [result.workflows for result in sheet.results])


def used_pools(results: Sequence[Result]) -> list[str]:
    """Pools that any run drew from."""
    buckets = (bucket for result in results for bucket in result.buckets if bucket.used > 0)
    return list(dict.fromkeys(bucket.pool for bucket in buckets))


def _axis_lines(sheet: Sheet, pool: str) -> Iterator[Line]:
    """Our share of each bucket of a pool; with other users' share in a second line where they had one."""
    for colour, axis in enumerate(OWN_AXES):
        ours = sheet.lines(curves.drawn(pool, axis, by_all=False), colour)[0]
        yield replace(ours, name=AXIS_NAMES[axis])
        together = sheet.lines(curves.drawn(pool, axis, by_all=True), colour)[0]
        if together.values != ours.values:
            yield replace(together, name=f"{AXIS_NAMES[axis]} with other users", dash=1)


def _waits(sheet: Sheet, kind: str, works: Sequence[Sequence[Work]]) -> Picture:
    rows: list[Range | None] = []
    for place, name in enumerate(dict.fromkeys(work.name for side in works for work in side)):
        if sheet.compares and rows:
            rows.append(None)
        for run, side in enumerate(works):
            label = f"{name}, {sheet.results[run].about.config}" if sheet.compares else name
            rows += [
                _range(label, work, sheet.colour(run, place if kind == "lane" else 0))
                for work in side
                if work.name == name and work.wait.count
            ]
    told = [f"{row.name}: p50 {span(row.p50_s)}, p95 {span(row.p95_s)}" for row in rows if row]
    title = f"Wait from submit to first call, by {kind}"
    plot = RangePlot(title, "; ".join(told) or "No job got a call.", rows)
    return Picture(title, "", rangeplot.draw(plot))


def _range(name: str, work: Work, colour: int) -> Range:
    wait = work.wait
    return Range(name, wait.p50_s or 0.0, wait.p95_s or 0.0, wait.p99_s or 0.0, wait.max_s or 0.0, colour)
