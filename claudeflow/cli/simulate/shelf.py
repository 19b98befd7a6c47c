"""Shelf: what is kept of runs, as JSON and as a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.output import print_json
from claudeflow.cli.problems import Failure
from claudeflow.simulation.report.compare import compare
from claudeflow.simulation.report.page import render_page
from claudeflow.simulation.result import SCHEMA, Result


def make_places(out: Path | None, events: Path | None) -> None:
    """See to it, before a long run, that what comes of it can be written. Raises Failure."""
    if out is not None:
        with _named(f"--out {out}"):
            out.mkdir(parents=True, exist_ok=True)
    if events is not None:
        with _named(f"--events {events}"):
            events.touch()


def keep(results: Sequence[Result], folder: Path) -> list[Path]:
    """Write everything into a folder; the paths. Raises Failure."""
    paths = []
    with _named(f"--out {folder}"):
        for name, content in _files(results):
            path = folder / name
            path.write_bytes(content)
            paths.append(path)
    return paths


@contextmanager
def _named(place: str) -> Iterator[None]:
    """What cannot be written is told by the option that named it."""
    try:
        yield
    except OSError as error:
        raise Failure(Exit.FAILED, f"{place}: {error.strerror or error}") from error


def print_json_of(results: Sequence[Result]) -> None:
    """One result as it is; several in a list, with their comparison."""
    if len(results) == 1:
        click.echo(results[0].to_json(), nl=False)
    else:
        told = [json.loads(result.to_json()) for result in results]
        print_json({"results": told, **comparison_json(results)})


def comparison_json(results: Sequence[Result]) -> dict[str, Any]:
    """All figures of all runs; `changes` are differences to the first as a share of it."""
    return {
        "schema": SCHEMA,
        "runs": [result.about.config for result in results],
        "sections": [
            {
                "name": section.name,
                "rows": [
                    {
                        "name": row.name,
                        "values": [cell.figure and cell.figure.value for cell in row.cells],
                        "changes": [cell.change and round(cell.change, 4) for cell in row.cells],
                        "is_better": [cell.is_better for cell in row.cells],
                    }
                    for row in section.rows
                ],
            }
            for section in compare(results)
        ],
    }


def _files(results: Sequence[Result]) -> Iterator[tuple[str, bytes]]:
    if len(results) == 1:
        yield "result.json", results[0].to_json()
    else:
        for number, result in enumerate(results, 1):
            label = re.sub(r"[^\w.-]+", "-", result.about.config).strip("-")
            yield f"result-{number}-{label}.json", result.to_json()
        yield "comparison.json", json.dumps(comparison_json(results), indent=2).encode() + b"\n"
    yield "report.html", render_page(results).encode()
