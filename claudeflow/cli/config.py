"""`claudeflow config`: check and show the configuration."""

from __future__ import annotations

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.output import note, print_json
from claudeflow.cli.places import places_of, places_options
from claudeflow.cli.problems import Failure, config_lines


@click.group(
    "config",
    short_help="Check or show the configuration.",
    epilog="\b\nExample:\n  claudeflow config check --config ./claudeflow.toml",
)
@places_options("config")
def command() -> None:
    """Check or show the configuration."""


@command.command(
    "check",
    short_help="Name every mistake.",
    epilog="\b\nExample:\n  claudeflow config check && systemctl reload claudeflow",
)
@places_options("config")
@click.pass_context
def check(context: click.Context) -> None:
    """Name every mistake of the configuration, with its key path. Exit code 78 when there is one.

    The price list, the prompt folders, and the users and groups that it names are checked as well. A
    folder of mailboxes that cannot be served is told as well, and is no mistake: the daemon starts.
    """
    from claudeflow.config import parse_toml, read_text, sound_parts
    from claudeflow.daemon.checking import find_mistakes, remarks

    path = places_of(context).config
    tables = parse_toml(read_text(path, "name another with --config"), str(path))
    for remark in remarks(sound_parts(tables)):
        note(f"{path}: {remark}")
    if errors := find_mistakes(tables, str(path)):
        raise Failure(Exit.BAD_CONFIG, [line for error in errors for line in config_lines(error)])
    click.echo(f"{path}: ok")


@command.command(
    "show",
    short_help="Print the configuration in effect.",
    epilog="\b\nExample:\n  claudeflow config show --json",
)
@places_options("config")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option(
    "--toml", "form", flag_value="toml", default=True, help="Print TOML, defaults marked. [default]"
)
@click.pass_context
def show(context: click.Context, form: str) -> None:
    """Print the configuration in effect: what the file says, and the defaults for the rest."""
    from claudeflow.config import as_dict, load_config, to_toml

    config = load_config(places_of(context).config)
    if form == "json":
        print_json(as_dict(config))
    else:
        click.echo(to_toml(config), nl=False)
