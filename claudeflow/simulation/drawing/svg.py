"""SVG: elements as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

Point = tuple[float, float]


def element(name: str, *content: str, **attributes: str | float | None) -> str:
    """One element. `content` is SVG already; attribute names use `_` for `-`, and `class_` for `class`."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(content)
    return f"<{name}{said}>{inside}</{name}>" if inside else f"<{name}{said}/>"


def words(text: str, x: float, y: float, class_: str) -> str:
    """Text at a place."""
    return element("text", escape(text), x=x, y=y, class_=class_)


def title(text: str) -> str:
    """What a pointer that rests on the parent is told, and a screen reader."""
    return element("title", escape(text))


def path(points: Iterable[Point | None]) -> str:
    """Path data through the points; None is a gap."""
    pieces = []
    begun = False
    for point in points:
        if point is None:
            begun = False
            continue
        pieces.append(f"{'L' if begun else 'M'}{number(point[0])} {number(point[1])}")
        begun = True
    return "".join(pieces)


def filled(points: Sequence[Point | None], base_y: float) -> str:
    """Path data of the areas between the points and a base line."""
    pieces = []
    for run in _runs(points):
        edge = [(run[0][0], base_y), *run, (run[-1][0], base_y)]
        pieces.append(path(edge) + "Z")
    return "".join(pieces)


def number(value: float) -> str:
    """A coordinate with at most one decimal place: a tenth of a pixel is as fine as anyone sees."""
    text = f"{value:.1f}"
    return text.removesuffix(".0")


def _value(value: str | float) -> str:
    return escape(value, quote=True) if isinstance(value, str) else number(value)


def _runs(points: Sequence[Point | None]) -> Iterable[list[Point]]:
    run: list[Point] = []
    for point in points:
        if point is not None:
            run.append(point)
        elif run:
            yield run
            run = []
    if run:
        yield run
