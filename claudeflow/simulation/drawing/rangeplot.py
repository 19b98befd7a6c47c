"""Range plot: for each row a few percentiles on one logarithmic scale of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from claudeflow.domain.words import span
from claudeflow.simulation.drawing.scales import Logarithmic, span_ticks
from claudeflow.simulation.drawing.svg import element, title, words

WIDTH = 1000.0
LEFT, RIGHT = 210.0, 900.0
ABOVE, BELOW = 8.0, 26.0
ROW, GAP = 20.0, 10.0
SHORTEST_S = 0.1
"""Shorter times stand at the left edge."""


@dataclass(frozen=True, slots=True)
class Range:
    """One row: half of the values are below `p50_s`, and so on. `group` rows stand together."""

    name: str
    p50_s: float
    p95_s: float
    p99_s: float
    max_s: float
    colour: int = 0


@dataclass(frozen=True, slots=True)
class RangePlot:
    """Rows from top to bottom; None is a gap between groups."""

    name: str
    description: str
    rows: Sequence[Range | None]


def draw(plot: RangePlot) -> str:
    """The plot as one SVG element."""
    known = [row for row in plot.rows if row is not None]
    lowest = max(SHORTEST_S, min((row.p50_s for row in known), default=SHORTEST_S))
    ticks = span_ticks(lowest, max([*(row.max_s for row in known), 1.0]))
    x = Logarithmic(ticks[0][0], ticks[-1][0], LEFT, RIGHT)
    height = ABOVE + sum(GAP if row is None else ROW for row in plot.rows)
    if any(row.p50_s < ticks[0][0] for row in known):
        ticks[0] = (ticks[0][0], f"up to {ticks[0][1]}")
    body = [*_grid(ticks, x, height), *_rows(plot.rows, x)]
    return element(
        "svg",
        title(plot.name),
        *body,
        viewBox=f"0 0 {WIDTH:.0f} {height + BELOW:.0f}",
        role="img",
        aria_label=f"{plot.name}. {plot.description}",
        class_="plot",
    )


def _grid(ticks: Sequence[tuple[float, str]], x: Logarithmic, height: float) -> Iterator[str]:
    for value, label in ticks:
        place = x(value)
        yield element("line", x1=place, x2=place, y1=ABOVE, y2=height, class_="grid")
        yield words(label, place, height + 17, "tick middle")


def _rows(rows: Sequence[Range | None], x: Logarithmic) -> Iterator[str]:
    y = ABOVE
    for row in rows:
        if row is None:
            y += GAP
            continue
        yield _row(row, x, y + ROW / 2)
        y += ROW


def _row(row: Range, x: Logarithmic, y: float) -> str:
    half, most, nearly = x(row.p50_s), x(row.p95_s), x(row.p99_s)
    last = x(row.max_s)
    told = (
        f"{row.name}\np50 {span(row.p50_s)}, p95 {span(row.p95_s)}, "
        f"p99 {span(row.p99_s)}, longest {span(row.max_s)}"
    )
    colour = f"c{row.colour}"
    return element(
        "g",
        title(told),
        element("rect", x=0.0, y=y - ROW / 2, width=WIDTH, height=ROW, class_="slice"),
        words(row.name, LEFT - 12, y + 4, "label end"),
        element("line", x1=half, x2=last, y1=y, y2=y, class_=f"whisker {colour}"),
        element("line", x1=half, x2=most, y1=y, y2=y, class_=f"range {colour}"),
        element("circle", cx=half, cy=y, r=5.0, class_=f"dot {colour}"),
        element("line", x1=most, x2=most, y1=y - 6, y2=y + 6, class_=f"stop {colour}"),
        element("line", x1=nearly, x2=nearly, y1=y - 4, y2=y + 4, class_=f"stop thin {colour}"),
        words(span(row.p95_s), max(last, most) + 8, y + 4, "tick"),
    )
