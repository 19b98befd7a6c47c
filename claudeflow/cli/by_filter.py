"""One thing done to every job that a filter means: first looked at, then confirmed, then done."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypedDict, TypeVar

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import note, print_json, printable
from claudeflow.cli.problems import Failure
from claudeflow.cli.remote import Door

LONGEST_S = 900.0

DONE = {"cancel": "cancelled", "retry": "queued again", "move": "moved"}

Command = TypeVar("Command", bound=Callable[..., None])


class Wish(TypedDict):
    """What the options of `filter_options` say."""

    filter: str | None
    every: bool
    dry_run: bool
    yes: bool


def filter_options(command: Command) -> Command:
    """`--filter`, and how sure one is."""
    options = (
        click.option("--filter", metavar="FILTER", help="All jobs that meet it: docs/filters.md."),
        click.option("--all", "every", is_flag=True, help="All jobs there are."),
        click.option("--dry-run", is_flag=True, help="Only say which jobs are meant."),
        click.option("--yes", is_flag=True, help="Do not ask."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def by_filter(job_ids: tuple[int, ...], wish: Wish) -> bool:
    """Whether jobs are named by a filter. Raises UsageError when it is not clear which are meant."""
    ways = (bool(job_ids), wish["filter"] is not None, wish["every"])
    if sum(ways) != 1:
        raise click.UsageError("say which jobs: ids, --filter or --all")
    if job_ids and (wish["dry_run"] or wish["yes"]):
        raise click.UsageError("--dry-run and --yes go with --filter or --all")
    return not job_ids


def change_matching(
    context: click.Context, verb: str, place: Mapping[str, Any], wish: Wish, *, as_json: bool
) -> None:
    """Do one thing to all jobs that are meant, unless their number has changed since it was shown."""
    door = either_door(context)
    meant: dict[str, Any] = {**place, **({"all": True} if wish["every"] else {"filter": wish["filter"]})}
    found = _ask(door, verb, {**meant, "dry_run": True})
    if wish["dry_run"] or not found["matched"]:
        _tell(found, _fit(found), "would be " + DONE[verb], as_json=as_json)
        return
    if not wish["yes"]:
        _confirm(found, verb)
    done = _ask(door, verb, {**meant, "expect": found["matched"]})
    _tell(done, done["done"], DONE[verb], as_json=as_json)
    if done["skipped"]:
        raise Failure(Exit.CONFLICT, [_skipped(one) for one in done["skipped"]])


def _ask(door: Door, verb: str, body: Mapping[str, Any]) -> Any:
    raw = json.dumps(body).encode()
    return checked(door.call("POST", f"/v1/jobs/{verb}", body=raw, timeout_s=LONGEST_S)).json()


def _confirm(found: Mapping[str, Any], verb: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(f"{found['matched']:,} jobs are meant; add --yes, or look with --dry-run")
    note(_spread(found))
    fit, meant = _fit(found), found["matched"]
    of_them = "" if fit == meant else f" of {meant:,}"
    click.confirm(f"{verb} {fit:,}{of_them} jobs?", abort=True, err=True)


def _tell(answer: Mapping[str, Any], jobs: int, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    click.echo(f"{jobs:,} {'job' if jobs == 1 else 'jobs'} {what}")
    if answer["dry_run"] and answer["matched"]:
        for one in answer["skipped"]:
            click.echo(_skipped(one))
        click.echo(_spread(answer))
        click.echo(f"the newest: {', '.join(str(job_id) for job_id in answer['ids'])}")


def _fit(found: Mapping[str, Any]) -> int:
    """How many of those that are meant are in a state in which it can be done."""
    return int(found["matched"] - sum(one["jobs"] for one in found["skipped"]))


def _spread(found: Mapping[str, Any]) -> str:
    """How many in which state, lane and workflow."""
    parts = (
        f"{name}: " + ", ".join(f"{printable(key)} {count:,}" for key, count in found[f"by_{name}"].items())
        for name in ("state", "lane", "workflow")
    )
    return "\n".join(parts)


def _skipped(one: Mapping[str, Any]) -> str:
    return f"{one['jobs']:,} left alone ({one['code']}): {printable(one['detail'])}"
