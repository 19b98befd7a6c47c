"""`claudeflow mailbox`: make, show, mend and remove mailboxes."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.mailbox_owner import check_permitted, daemon_uid, read_owner
from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import console, note, print_json, printable
from claudeflow.cli.places import places_of, places_options
from claudeflow.cli.problems import Failure
from claudeflow.domain.errors import ConfigError, Mistake

if TYPE_CHECKING:
    from claudeflow.config import Config

NONE_YET = "there are no mailboxes; `claudeflow mailbox create --help` shows how to make one"
NO_FOLDER = 'names the folder of mailboxes, such as "/var/spool/claudeflow", and is empty: set it first'
WIDER = "make the terminal wider, or take --json"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(
    "mailbox",
    short_help="Make, show and remove mailboxes of producers.",
    epilog="\b\nExample:\n  claudeflow mailbox list",
)
@places_options("socket", "config")
def command() -> None:
    """A mailbox is a SQLite file: a producer inserts into its inbox, answers appear in its outbox."""


@command.command(
    "create",
    short_help="Make a mailbox.",
    epilog="\b\nExample:\n  sudo claudeflow mailbox create tickets --owner otrs --workflow ticket-triage "
    "--lane standard,bulk",
)
@click.argument("name", metavar="NAME")
@click.option(
    "--owner",
    required=True,
    metavar="USER[:GROUP]",
    help="Its jobs are submitted by USER; members of GROUP may write to it.  [GROUP: the user's own]",
)
@click.option("--workflow", required=True, metavar="WORKFLOW", help="The workflow of all its jobs.")
@click.option(
    "--lane",
    required=True,
    metavar="LANE[,LANE]",
    help="Lanes that it may ask for; the first is its default.",
)
@click.option(
    "--max-row-bytes", default=1024 * 1024, show_default=True, metavar="N", help="Larger rows are refused."
)
@click.option(
    "--keep-days", default=14, show_default=True, metavar="DAYS", help="So long what is done is kept in it."
)
@places_options("config")
@click.pass_context
def create(context: click.Context, /, name: str, owner: str, lane: str, **settings: Any) -> None:
    """Make the mailbox NAME. A running daemon takes it up at once. Needs root, to give files to others."""
    from claudeflow.intake.mailbox.description import described, new_uuid
    from claudeflow.intake.mailbox.making import Ids
    from claudeflow.intake.mailbox.making import create as make
    from claudeflow.intake.mailbox.place import Place

    config, found = _config(context), read_owner(owner)
    lanes = [part.strip() for part in lane.split(",")]
    tables = {
        "uuid": new_uuid(),
        "owner": found.user,
        "group": found.group,
        "lanes": lanes,
        **settings,
    }
    mailbox = described(name, tables, "mailbox create")
    _check_lanes(lanes, config)
    place = Place(_folder(context, config), name)
    ids = Ids(daemon_uid(Path(config.store.path)), found.gid)
    check_permitted(ids.uid, ids.gid, f"make the mailbox {name}")
    if os.path.lexists(place.description) or os.path.lexists(place.folder):
        raise Failure(Exit.CONFLICT, f"there is a mailbox {name} already: `claudeflow mailbox remove {name}`")
    make(place, mailbox, ids)
    click.echo(place.database)
    note(f"members of the group {found.group} may write to it; its jobs are {found.user}'s")


@command.command(
    "list", short_help="Show how mailboxes stand.", epilog="\b\nExample:\n  claudeflow mailbox list"
)
@json_option
@places_options("socket", "config")
@click.pass_context
def list_mailboxes(context: click.Context, as_json: bool) -> None:
    """Show each mailbox: state, rows that wait, answers owed, last transfer, trouble and the way out."""
    found = checked(either_door(context).call("GET", "/v1/mailboxes")).json()
    if as_json:
        print_json(found)
        return
    if not found["mailboxes"]:
        note(NONE_YET)
        return
    from claudeflow.cli.mailbox_board import mailbox_board

    screen = console()
    board, layout = mailbox_board(found["mailboxes"], screen.width)
    screen.print(board)
    if remark := layout.remark(WIDER):
        note(remark)


@command.command(
    "show",
    short_help="Show everything about a mailbox.",
    epilog="\b\nExample:\n  claudeflow mailbox show tickets",
)
@click.argument("name", metavar="NAME")
@json_option
@places_options("socket", "config")
@click.pass_context
def show(context: click.Context, name: str, as_json: bool) -> None:
    """Show everything about the mailbox NAME."""
    found = _asked(context, name)
    if as_json:
        print_json(found)
        return
    for key, value in found.items():
        if value is not None:
            text = ", ".join(value) if isinstance(value, list) else str(value)
            click.echo(f"{key.replace('_', ' '):17} {printable(text)}")


@command.command(
    "mend",
    short_help="Put an empty mailbox in the place of a broken one.",
    epilog="\b\nExample:\n  sudo claudeflow mailbox mend tickets",
)
@click.argument("name", metavar="NAME")
@click.option("--anew", is_flag=True, help="Also where only its -wal and -shm files are missing.")
@places_options("config")
@click.pass_context
def mend(context: click.Context, name: str, anew: bool) -> None:
    """Put an empty mailbox in the place of NAME, whose file is missing or broken, and keep that beside it.

    Answers that are owed come into the new one. Rows that were not accepted are only in the old one. Where
    only -wal and -shm are missing, those are made again and nothing else is changed.
    """
    from claudeflow.intake.mailbox.description import read_description
    from claudeflow.intake.mailbox.making import Ids, has_lost_sides
    from claudeflow.intake.mailbox.making import mend as put_new
    from claudeflow.intake.mailbox.place import Place, restore_sides

    config = _config(context)
    place = Place(_folder(context, config), name)
    if not place.description.exists():
        raise Failure(Exit.NOT_FOUND, f"no mailbox is named {name}")
    mailbox = read_description(place.description)
    ids = Ids(daemon_uid(Path(config.store.path)), read_owner(f"{mailbox.owner}:{mailbox.group}").gid)
    check_permitted(ids.uid, ids.gid, f"mend the mailbox {name}")
    if has_lost_sides(place) and not anew:
        restore_sides(place)
        click.echo(f"{place.database} has its -wal and -shm files again; nothing else was changed")
        note(f"if that was not all: `claudeflow mailbox mend {name} --anew` puts an empty one in its place")
        return
    aside = put_new(place, mailbox, ids, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    click.echo(f"{place.database} is new and empty" + (f"; what was there is in {aside}" if aside else ""))
    note("a running daemon takes it up within half a minute")


@command.command(
    "remove",
    short_help="Delete a mailbox.",
    epilog="\b\nExample:\n  sudo claudeflow mailbox remove tickets --yes",
)
@click.argument("name", metavar="NAME")
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Even though answers are owed: nobody will get those.")
@places_options("socket", "config")
@click.pass_context
def remove(context: click.Context, name: str, is_sure: bool, force: bool) -> None:
    """Delete the mailbox NAME with all that is in it. Jobs that it asked for go on.

    Refused while answers are owed, unless --force.
    """
    from claudeflow.intake.mailbox.making import remove as delete
    from claudeflow.intake.mailbox.place import Place

    place = Place(_folder(context, _config(context)), name)
    if not os.path.lexists(place.description) and not os.path.lexists(place.folder):
        raise Failure(Exit.NOT_FOUND, f"no mailbox is named {name}")
    if not os.access(place.root, os.W_OK):
        raise Failure(Exit.NOT_PERMITTED, f"not permitted to remove from {place.root}; use sudo")
    if os.path.lexists(place.description) and not force:
        try:
            _check_unused(_asked(context, name))
        except PermissionError as error:
            why = f"nobody can say whether answers are owed ({error}): start the daemon, or --force"
            raise Failure(Exit.NOT_PERMITTED, why) from error
    if not is_sure:
        click.confirm(f"Delete the mailbox {name} and all that is in it?", abort=True, err=True)
    delete(place)
    click.echo(f"mailbox {name} is gone")


def _check_unused(found: dict[str, Any]) -> None:
    """Raises Failure while answers are owed, or rows wait."""
    for count, what in ((found["owed"], "answers are owed"), (found["waiting"] or 0, "rows wait")):
        if count:
            raise Failure(Exit.CONFLICT, f"{count:,} {what} in it: wait for them, or --force")


def _asked(context: click.Context, name: str) -> dict[str, Any]:
    found: dict[str, Any] = checked(
        either_door(context).call("GET", f"/v1/mailboxes/{quote(name, safe='')}")
    ).json()
    return found


def _config(context: click.Context) -> Config:
    from claudeflow.config import Config, load_config

    path = places_of(context).config_if_any
    return load_config(path) if path is not None else Config()


def _folder(context: click.Context, config: Config) -> Path:
    if not config.mailboxes.folder:
        raise ConfigError(str(places_of(context).config), [Mistake("mailboxes.folder", NO_FOLDER)])
    return Path(config.mailboxes.folder)


def _check_lanes(lanes: list[str], config: Config) -> None:
    unknown = [lane for lane in lanes if lane not in config.lanes]
    if unknown:
        known = ", ".join(config.lanes)
        raise Failure(Exit.USAGE, f"--lane: there is no lane {', '.join(unknown)}; lanes are {known}")
