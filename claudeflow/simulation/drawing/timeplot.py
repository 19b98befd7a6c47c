"""Time plot: lines over the local time of a scenario, with shaded bands, marks and strips.

All plots of a page have the same width and the same margins, so that one moment stands at the same
place in each. Colours are classes (`c0`, `c1`, …); the page's style sheet says what they look like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from claudeflow.simulation.drawing.clock import LocalClock
from claudeflow.simulation.drawing.scales import Linear, round_ticks
from claudeflow.simulation.drawing.svg import Point, element, filled, path, title, words

WIDTH = 1000.0
LEFT, RIGHT = 64.0, 976.0
ABOVE, BELOW = 10.0, 24.0
MARK_ROW = 11.0
STRIP = 4.0
MOST_SLICES = 144
"""Places on a plot where a resting pointer is told the values."""


@dataclass(frozen=True, slots=True)
class Line:
    """Values for each moment of the plot; None is a gap. `colour` and `dash` are numbers of styles."""

    name: str
    values: Sequence[float | None]
    colour: int = 0
    dash: int = 0
    is_filled: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A shaded part of the time. `kind` is a class; `what` is told to a resting pointer."""

    kind: str
    what: str
    from_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Marks:
    """Moments that get a tick above the plot, with how often something happened in each."""

    name: str
    counts: Sequence[float]
    kind: str
    colour: int | None = None


@dataclass(frozen=True, slots=True)
class TimePlot:
    """One plot. `text` writes a value; `highest` fixes the top of the scale; `limit` is a level to draw.

    Ticks are `least_step` apart at least: 1 for what comes in wholes.
    """

    name: str
    description: str
    lines: Sequence[Line]
    text: Callable[[float], str]
    bands: Sequence[Band] = ()
    strips: Sequence[Sequence[Band]] = ()
    marks: Sequence[Marks] = ()
    height: float = 120.0
    highest: float | None = None
    limit: float | None = None
    least_step: float = 0.0


@dataclass(frozen=True, slots=True)
class Timescale:
    """The moments that all plots of a page share."""

    clock: LocalClock
    until_s: float
    at_s: Sequence[float]
    ticks: Sequence[tuple[float, str]] = field(default=())

    @classmethod
    def over(cls, clock: LocalClock, until_s: float, at_s: Sequence[float]) -> Timescale:
        """From second 0 until `until_s`."""
        return cls(clock, until_s, at_s, clock.ticks(until_s))


def draw(plot: TimePlot, scale: Timescale) -> str:
    """The plot as one SVG element."""
    return _Drawing(plot, scale).svg()


class _Drawing:
    def __init__(self, plot: TimePlot, scale: Timescale) -> None:
        self._plot = plot
        self._scale = scale
        self._top = ABOVE + MARK_ROW * len(plot.marks) + (6.0 if plot.marks else 0.0)
        self._base = self._top + plot.height
        self._bottom = self._base + STRIP * len(plot.strips) + BELOW
        self._x = Linear(0.0, scale.until_s, LEFT, RIGHT)
        values = [value for line in plot.lines for value in line.values if value is not None]
        highest = max([*values, plot.limit or 0.0]) if plot.highest is None else plot.highest
        self._ticks = round_ticks(highest, 4 if plot.height > 90 else 3, plot.least_step)
        self._y = Linear(0.0, self._ticks[-1], self._base, self._top)

    def svg(self) -> str:
        return element(
            "svg",
            title(self._plot.name),
            element("desc", _escaped(self._plot.description)),
            *self._bands(),
            *self._grid(),
            *self._strips(),
            *self._marks(),
            *self._lines(),
            *self._slices(),
            viewBox=f"0 0 {WIDTH:.0f} {self._bottom:.0f}",
            role="img",
            aria_label=f"{self._plot.name}. {self._plot.description}",
            class_="plot",
        )

    def _grid(self) -> Iterator[str]:
        for value in self._ticks:
            y = self._y(value)
            yield element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="grid" if value else "base")
            yield words(self._plot.text(value), LEFT - 8, y + 3.5, "tick end")
        foot = self._base + STRIP * len(self._plot.strips)
        for at_s, label in self._scale.ticks:
            x = self._x(at_s)
            yield element("line", x1=x, x2=x, y1=self._top, y2=self._base, class_="grid")
            yield element("line", x1=x, x2=x, y1=foot, y2=foot + 4, class_="base")
            yield words(label, x, foot + 17, "tick middle")
        if self._plot.limit is not None:
            y = self._y(self._plot.limit)
            yield element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="limit")

    def _bands(self) -> Iterator[str]:
        for band in self._plot.bands:
            yield self._block(band, self._top, self._base - self._top)

    def _strips(self) -> Iterator[str]:
        for row, strip in enumerate(self._plot.strips):
            for band in strip:
                yield self._block(band, self._base + STRIP * row + 0.5, STRIP - 1)

    def _block(self, band: Band, y: float, height: float) -> str:
        x = self._x(max(band.from_s, 0.0))
        width = max(self._x(min(band.until_s, self._scale.until_s)) - x, 1.5)
        said = title(band.what)
        return element("rect", said, x=x, y=y, width=width, height=height, class_=f"band {band.kind}")

    def _marks(self) -> Iterator[str]:
        for row, marks in enumerate(self._plot.marks):
            y = ABOVE + MARK_ROW * row
            colour = "" if marks.colour is None else f" c{marks.colour}"
            ticks = [
                self._x(at_s) for at_s, count in zip(self._scale.at_s, marks.counts, strict=True) if count
            ]
            yield words(marks.name, LEFT - 8, y + 7, f"tick end mark-name {marks.kind}{colour}")
            yield element("line", x1=LEFT, x2=RIGHT, y1=y + 4, y2=y + 4, class_="grid")
            data = "".join(f"M{x:.1f} {y:.0f}v8" for x in ticks)
            yield element("path", d=data, class_=f"mark {marks.kind}{colour}") if data else ""

    def _lines(self) -> Iterator[str]:
        for line in self._plot.lines:
            points = self._points(line)
            if line.is_filled:
                yield element("path", d=filled(points, self._base), class_=f"area c{line.colour}")
            yield element("path", d=path(points), class_=f"line c{line.colour} d{line.dash}")

    def _points(self, line: Line) -> list[Point | None]:
        top = self._ticks[-1]
        return [
            None if value is None else (self._x(at_s), self._y(min(value, top)))
            for at_s, value in zip(self._scale.at_s, line.values, strict=True)
        ]

    def _slices(self) -> Iterator[str]:
        """Invisible columns; each tells the values of one moment."""
        moments = self._scale.at_s
        step = max(1, -(-len(moments) // MOST_SLICES))
        width = (RIGHT - LEFT) * step / max(len(moments), 1)
        day = self._scale.until_s > 86_400
        for index in range(0, len(moments), step):
            at_s = moments[index]
            told = [f"{line.name}: {self._told(line.values[index])}" for line in self._plot.lines]
            told += [
                f"{marks.name}: {sum(marks.counts[index : index + step]):.0f}" for marks in self._plot.marks
            ]
            text = "\n".join([self._scale.clock.moment(at_s, day=day), *told])
            x = self._x(at_s) - width / 2
            yield element(
                "rect", title(text), x=x, y=self._top, width=width, height=self._plot.height, class_="slice"
            )

    def _told(self, value: float | None) -> str:
        return "not known" if value is None else self._plot.text(value)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
