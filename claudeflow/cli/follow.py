"""`claudeflow follow`: what happens in the daemon, as it happens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.ids import JOB_ID
from claudeflow.cli.output import printable
from claudeflow.cli.places import places_of, places_options
from claudeflow.cli.problems import EXIT_OF_STATUS, Failure


@click.command(
    "follow",
    short_help="Print what happens, as it happens.",
    epilog="\b\nExamples:\n  claudeflow follow --type job_finished,hold_set --lane bulk\n"
    "  claudeflow follow --json | jq -c 'select(.outcome == \"throttled\")'",
)
@click.option("--type", "types", multiple=True, metavar="NAME", help="Only this type; may be repeated.")
@click.option("--job", type=JOB_ID, metavar="ID", help="Only what names this job.")
@click.option("--lane", metavar="NAME", help="Only what names this lane.")
@click.option("--workflow", metavar="NAME", help="Only what names this workflow.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@places_options("socket", "config")
@click.pass_context
def command(
    context: click.Context,
    *,
    types: tuple[str, ...],
    job: int | None,
    lane: str | None,
    workflow: str | None,
    as_json: bool,
) -> None:
    """Print what happens from now on, one line for each event, until Ctrl-C.

    docs/events.md lists the types. A daemon that restarts is waited for; a gap says that events were missed.
    """
    from claudeflow.client import Claudeflow, DaemonUnavailable, RequestRefused

    try:
        with Claudeflow(places_of(context).socket()) as flow:
            for event in flow.events(types, job=job, lane=lane, workflow=workflow):
                click.echo(_json(event.id, event.data) if as_json else _line(event.data))
    except KeyboardInterrupt:
        context.exit(int(Exit.INTERRUPTED))
    except DaemonUnavailable as error:
        raise Failure(Exit.UNREACHABLE, str(error)) from error
    except RequestRefused as error:
        raise Failure(EXIT_OF_STATUS.get(error.status, Exit.FAILED), str(error)) from error


def _json(event_id: str, data: Mapping[str, Any]) -> str:
    return json.dumps({"id": event_id, **data}, ensure_ascii=False, separators=(",", ":"))


def _line(data: Mapping[str, Any]) -> str:
    """An event for people: when, what, and its fields that say something."""
    head = f"{data['at']} {data['event']}"
    rest = {name: value for name, value in data.items() if name not in ("at", "event")}
    return printable(" ".join([head, *(f"{name}={_word(value)}" for name, value in _flat("", rest))]))


def _flat(before: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{before}{name}.", value)
        elif value not in (None, "", []):
            yield before + name, value


def _word(value: Any) -> str:
    """A value, quoted when it would not read as one word."""
    if isinstance(value, float):
        return f"{round(value, 3):g}"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if text.isprintable() and " " not in text else json.dumps(text, ensure_ascii=False)
