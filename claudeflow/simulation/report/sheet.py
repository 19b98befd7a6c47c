"""Sheet: what all plots of one page have in common, whether it shows one run or several.

On a page of one run a colour means a lane or an axis; in a comparison it means a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from claudeflow.simulation.drawing.clock import LocalClock
from claudeflow.simulation.drawing.timeplot import Band, Line, Marks, TimePlot, Timescale, draw
from claudeflow.simulation.report.curves import Curve, on_moments, summed
from claudeflow.simulation.report.figures import whole
from claudeflow.simulation.result import EpisodeKind, Result

COLOURS = 8
DASHES = 4
NEARLY_ALL = 0.98
"""An episode that covers this much of a run shades nothing: everything would be grey."""

SHADED = (EpisodeKind.OTHERS, EpisodeKind.FAULT, EpisodeKind.CHANGE, EpisodeKind.HOLD)


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """How a line is drawn, and what it is."""

    name: str
    colour: int
    dash: int


@dataclass(frozen=True, slots=True)
class Picture:
    """One plot with the words above it; with several lines, what each of them is."""

    name: str
    caption: str
    svg: str
    key: tuple[KeyEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """How a plot differs from others; `colour` counts in pages of one run. The rest is as in TimePlot."""

    text: Callable[[float], str] = whole
    colour: int = 0
    height: float = 110.0
    highest: float | None = None
    limit: float | None = None
    strips: Sequence[Sequence[Band]] = ()
    marks: Sequence[Marks] = ()


class Sheet:
    """Draws curves of runs over the time of the longest of them."""

    def __init__(self, results: Sequence[Result]) -> None:
        longest = max(results, key=lambda result: result.simulated_s)
        self.results = results
        self.compares = len(results) > 1
        self.clock = LocalClock(longest.about.start_ms, ZoneInfo(longest.about.time_zone))
        self._scale = Timescale.over(self.clock, max(longest.simulated_s, 1.0), longest.at_s)
        self._bands = [
            band
            for kind in SHADED
            for band in _bands(longest, kind)
            if band.until_s - band.from_s < NEARLY_ALL * self._scale.until_s
        ]

    def colour(self, run: int, otherwise: int) -> int:
        """The colour of a run, or on a page of one run that of the thing shown."""
        return (run if self.compares else otherwise) % COLOURS

    def gates(self, pool: str | None = None) -> list[list[Band]]:
        """For each run the times when the gate of a pool, or of any, was closed."""
        found = [list(_bands(result, EpisodeKind.GATE, pool)) for result in self.results]
        if self.compares:
            found = [
                [replace(band, kind=f"{band.kind} c{self.colour(run, 0)}") for band in row]
                for run, row in enumerate(found)
            ]
        return found if any(found) else []

    def marks(self) -> Iterator[Marks]:
        """When there were 429s, and 529s if there were any."""
        for measure, name in (("throttled", "429"), ("overloaded", "529")):
            for run, result in enumerate(self.results):
                counts = on_moments(result, summed(measure)(result), self._scale.at_s)
                if any(counts) or measure == "throttled":
                    colour = self.colour(run, 0) if self.compares else None
                    yield Marks(name, [value or 0.0 for value in counts], measure, colour)

    def lines(self, curve: Curve, colour: int = 0) -> list[Line]:
        """The curve of each run."""
        return [
            Line(
                result.about.config if self.compares else "",
                on_moments(result, curve(result), self._scale.at_s),
                self.colour(run, colour),
                run % DASHES,
            )
            for run, result in enumerate(self.results)
        ]

    def picture(self, name: str, curve: Curve, look: Look) -> Picture:
        """A plot with the curve of each run; a single one is filled."""
        lines = self.lines(curve, look.colour)
        if not self.compares:
            lines = [replace(line, is_filled=True) for line in lines]
        return self.of_lines(name, lines, look)

    def of_lines(self, name: str, lines: Sequence[Line], look: Look) -> Picture:
        """A plot of lines."""
        told = [self._told(line, look.text) for line in lines]
        caption = "; ".join(told)
        plot = TimePlot(
            name,
            caption,
            lines,
            look.text,
            bands=self._bands,
            strips=look.strips,
            marks=look.marks,
            height=look.height,
            highest=look.highest,
            limit=look.limit,
            least_step=1.0 if look.text is whole else 0.0,
        )
        svg = draw(plot, self._scale)
        if len(lines) == 1:
            return Picture(name, caption, svg)
        key = [KeyEntry(text, line.colour, line.dash) for text, line in zip(told, lines, strict=True)]
        return Picture(name, "", svg, tuple(key))

    def moment(self, at_s: float) -> str:
        """The local time of a moment, with the day when the run is long."""
        return self.clock.moment(at_s, day=self._scale.until_s > 86_400)

    def _told(self, line: Line, text: Callable[[float], str]) -> str:
        """The line in words: its top and its end."""
        moments = zip(line.values, self._scale.at_s, strict=True)
        known = [(value, at_s) for value, at_s in moments if value is not None]
        prefix = f"{line.name}: " if line.name else ""
        if not known:
            return f"{prefix}nothing known"
        last = text(known[-1][0])
        most, at_s = max(known, key=lambda pair: (pair[0], -pair[1]))
        if text(most) == last:
            return f"{prefix}{last} at the end"
        return f"{prefix}at most {text(most)} at {self.moment(at_s)}, {last} at the end"


def _bands(result: Result, kind: EpisodeKind, of: str | None = None) -> Iterator[Band]:
    for episode in result.episodes:
        if episode.kind is kind and of in (None, episode.of) and episode.from_s <= result.simulated_s:
            until_s = result.simulated_s if episode.until_s is None else episode.until_s
            yield Band(kind.value, episode.what, episode.from_s, min(until_s, result.simulated_s))
