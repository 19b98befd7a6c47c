"""Draws docs/storm.svg: the queue of three programs over the same morning, all in virtual time.

    .venv/bin/python -m scripts.storm_plot

The table under `flow` in docs/benchmarks.md has the same three runs.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks.flow.loads import A_TUESDAY_S
from benchmarks.flow.story import END_S, EVENT_FROM_S, EVENT_UNTIL_S, PROGRAMS, TAKEN_SHARE, Depth, Ending
from claudeflow.simulation.drawing.clock import LocalClock
from claudeflow.simulation.drawing.timeplot import Band, Line, TimePlot, Timescale, draw

ROOT = Path(__file__).resolve().parents[1]
STEP_S = 10.0
SEED = 1
AT_10_17_S = A_TUESDAY_S + 2 * 3_600 + 17 * 60 - EVENT_FROM_S
COLOURS = ("#c0392b", "#d07a1f", "#2f6db5")
STYLE = """
text { font: 11.5px system-ui, sans-serif; fill: #5d656e; }
.end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: #e4e7ea; } .base { stroke: #b9bec4; } .slice { fill: transparent; }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.c0 { stroke: %s; } .c1 { stroke: %s; } .c2 { stroke: %s; }
.band.others { fill: #4f86c6; opacity: 0.13; }
"""


def main() -> None:
    """Write the picture to the file that the command line names, or to docs/storm.svg."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "storm.svg"
    target.write_text(picture([program(SEED, END_S) for program in PROGRAMS]), encoding="utf-8")


def picture(endings: list[Ending]) -> str:
    """The plot with a legend, as a file of its own."""
    moments = [number * STEP_S for number in range(int(END_S / STEP_S) + 1)]
    clock = LocalClock(int(AT_10_17_S * 1_000), ZoneInfo("UTC"))
    lines = [
        Line(ending.program, [depth_at(ending.depth, at_s) for at_s in moments], colour)
        for colour, ending in enumerate(endings)
    ]
    others = Band("others", f"others take {TAKEN_SHARE:.0%} of the limits", EVENT_FROM_S, EVENT_UNTIL_S)
    plot = TimePlot(
        "Jobs that wait",
        "Jobs submitted and not yet answered, under three programs, while others take most of the limits",
        lines,
        lambda value: f"{value:,.0f}",
        [others],
        height=300.0,
    )
    svg = draw(plot, Timescale.over(clock, END_S, moments))
    style = STYLE % COLOURS
    legend = "".join(legend_line(row, ending) for row, ending in enumerate(endings))
    paper = "<rect width='100%' height='100%' fill='#fff'/>"
    named = svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    framed = re.sub(r"(<svg[^>]*>)", rf"\1<style>{style}</style>{paper}", named, count=1)
    return framed.replace("</svg>", f"{legend}</svg>") + "\n"


def legend_line(row: int, ending: Ending) -> str:
    """What a colour means, and how many calls its program spent."""
    y = 26 + 18 * row
    words = f"{ending.program}: {ending.refused:,} of {ending.calls:,} calls answered 429"
    return f'<path class="line c{row}" d="M640 {y - 4}h26"/><text x="674" y="{y}">{words}</text>'


def depth_at(depth: Depth, at_s: float) -> float:
    """The jobs that wait at a moment."""
    place = bisect_right(depth, (at_s, sys.maxsize))
    return float(depth[place - 1][1]) if place else 0.0


if __name__ == "__main__":
    main()
