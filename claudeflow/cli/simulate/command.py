"""`claudeflow simulate`: what a configuration, a tier or another day would bring, before it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.output import note
from claudeflow.cli.places import places_of, places_options

TIERS = ("evaluation", "start", "build", "scale")
EPILOG = """\b
Examples:
  claudeflow simulate --list
  claudeflow simulate tuesday-10-17 --out storm
  claudeflow simulate tuesday-10-17 --tier start --tier build --out tiers
  claudeflow simulate my-week.toml --config today.toml --compare night.toml --out night
"""


@click.command("simulate", short_help="Live through a scenario in virtual time, and compare.", epilog=EPILOG)
@click.argument("scenario", required=False)
@click.argument("others", nargs=-1, metavar="[--compare FILE...]")
@click.option("--list", "lists", is_flag=True, help="List the scenarios that come with claudeflow.")
@click.option(
    "--compare",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE...",
    help="Run with this configuration as well, or take the result.json of an earlier run, side by side.",
)
@click.option(
    "--tier",
    "tiers",
    multiple=True,
    type=click.Choice(TIERS),
    help="Usage tier of the simulated API, instead of the scenario's limits; several are compared.",
)
@click.option(
    "--seed", "seeds", multiple=True, type=int, help="Another day of the same kind; several are compared."
)
@click.option("--until", metavar="TIME", help="Stop early, after 90s, 12m, 2h or 1d of virtual time.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a page and JSON there.",
)
@click.option(
    "--events",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write every event of a single run, a JSON line for each.",
)
@click.option("--processes", type=click.IntRange(min=1), help="Runs side by side. Default: one for each CPU.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; progress goes to stderr.")
@places_options("config", helps={"config": "Configuration file; without it, the scenario's own."})
@click.pass_context
def command(context: click.Context, /, lists: bool, **options: Any) -> Exit | None:
    """Live through a scenario in virtual time, and compare.

    SCENARIO is a file, or the name of a scenario that comes with claudeflow. The real daemon, with
    the scenario's configuration or the one that --config names, works on its jobs against a simulated API.
    Hours take minutes; no key is needed and nothing is spent. docs/simulate.md tells more.
    """
    from claudeflow.cli.simulate import show
    from claudeflow.cli.simulate.crew import run_all
    from claudeflow.cli.simulate.plan import Wish, plan
    from claudeflow.cli.simulate.shelf import keep, make_places, print_json_of

    if lists:
        show.print_scenarios(as_json=options["as_json"])
        return None
    as_json, out = options.pop("as_json"), options.pop("out")
    wish = Wish(config=places_of(context).config_option, **options)
    work = plan(wish)
    make_places(out, work.events)
    results = [*run_all(work), *work.earlier]
    kept = [] if out is None else keep(results, out)
    if as_json:
        print_json_of(results)
    else:
        show.print_results(results)
    for path in kept:
        note(f"wrote {path}")
    if out is None and not as_json:
        note("--out DIR writes this as a page with plots, and as JSON")
    if all(result.complete for result in results[: len(work.trials)]) and len(results) >= len(work.trials):
        return Exit.OK
    note("interrupted: this is what had happened by then")
    return Exit.INTERRUPTED
