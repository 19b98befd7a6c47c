"""Output: what verbs print, for people and for machines."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

PIPED_WIDTH = 200
"""Columns of a table that no terminal limits."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_UNITS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s"))


def note(text: str) -> None:
    """Tell the person something that is not the answer: one line on stderr."""
    click.echo(f"claudeflow: {text}", err=True)


def print_json(data: Any) -> None:
    """Print the answer for machines."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def is_terminal() -> bool:
    """Whether a person reads stdout directly."""
    return sys.stdout.isatty()


def printable(text: str) -> str:
    """Text from outside without the control characters that could drive a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def console(*, stderr: bool = False) -> Console:
    """A rich console. Without a terminal there is no colour, and tables are not squeezed."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, markup=False)


def span(seconds: float) -> str:
    """A length of time in its two largest units: `0.4s`, `12s`, `3m 20s`, `2d 5h`."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f}s"
    whole = round(seconds)
    for size, unit, smaller_size, smaller in _UNITS:
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size}{unit} {rest}{smaller}" if rest else f"{whole // size}{unit}"
    return f"{whole}s"


def count(number: float) -> str:
    """A number of tokens in three figures: `912`, `45.2k`, `1.20M`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            scaled = number / size
            places = 2 if abs(scaled) < 10 else 1 if abs(scaled) < 100 else 0
            return f"{scaled:.{places}f}{unit}"
    return f"{number:.0f}"
