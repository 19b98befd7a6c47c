"""Output: what verbs print, for people and for machines."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from claudeflow.domain.words import count, span

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["PIPED_WIDTH", "console", "count", "is_terminal", "note", "print_json", "printable", "span"]

PIPED_WIDTH = 200
"""Columns of a table that no terminal limits."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


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
