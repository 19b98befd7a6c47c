"""Answers: what Claude said to one job, or why there is no answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.output import is_terminal, note, print_json, printable
from claudeflow.cli.problems import Failure
from claudeflow.cli.record import reason
from claudeflow.domain.job import JobState


def print_answer(record: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the answer of a finished job: its text, or the whole Message. Raises Failure without one."""
    state = JobState(record["state"])
    if state is not JobState.SUCCEEDED:
        raise not_succeeded(record)
    message = record.get("result")
    if message is None:
        raise Failure(Exit.FAILED, f"the answer of job {record['id']} is no longer kept")
    if as_json:
        print_json(message)
        return
    text = text_of(message)
    click.echo(printable(text) if is_terminal() else text)
    if message.get("stop_reason") not in {"end_turn", "stop_sequence"}:
        note(f"the answer of job {record['id']} ended with stop_reason {message.get('stop_reason')}")


def text_of(message: Mapping[str, Any]) -> str:
    """The text blocks of a Message, joined."""
    return "".join(block["text"] for block in message.get("content", []) if block.get("type") == "text")


def not_succeeded(record: Mapping[str, Any]) -> Failure:
    """Why there is no answer: exit code 7 when there will be none, 6 when the job is not finished."""
    job_id, state, why = record["id"], JobState(record["state"]), printable(reason(record))
    because = f": {why}" if why else ""
    if state.is_final:
        return Failure(Exit.JOB_NOT_SUCCEEDED, f"job {job_id} {state}{because}")
    if state is JobState.HELD:
        way_out = f"claudeflow retry {job_id}"
        return Failure(Exit.CONFLICT, f"job {job_id} is held{because}; release it: {way_out}")
    return Failure(Exit.CONFLICT, f"job {job_id} is still {state}{because}; claudeflow wait {job_id}")
