"""`claudeflow demo`: a busy morning on a simulated API, or a few jobs on the real one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.output import note

FEWEST_JOBS = 7

EPILOG = """\b
Examples:
  claudeflow demo
  claudeflow demo --jobs 600 --seed 3 --keep ./morning
  ANTHROPIC_API_KEY=... claudeflow demo --live --max-cost 0.05
"""


@click.command("demo", short_help="Watch a busy morning on a simulated API.", epilog=EPILOG)
@click.option("--jobs", type=click.IntRange(1, 2_000), help="How many jobs. Default 330; with --live 8.")
@click.option("--seed", type=int, default=7, show_default=True, help="Same seed, same morning.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Work in this new folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON; progress goes to stderr.")
@click.option("--live", is_flag=True, help="Send a few small jobs to the real Claude API. Costs money.")
@click.option(
    "--max-cost",
    type=click.FloatRange(min=0, min_open=True),
    default=0.10,
    show_default=True,
    metavar="USD",
    help="With --live: never spend more than this.",
)
@click.option("--yes", is_flag=True, help="With --live: do not ask.")
def command(keep: Path | None, live: bool, as_json: bool, **options: Any) -> Exit:
    """Watch a busy morning on a simulated API.

    Starts a twin of the Claude API and a daemon, sends the jobs of six workflows through the
    daemon faster than the limits allow, and shows what becomes of them. Takes less than a minute,
    needs no key and costs nothing.
    """
    from claudeflow.cli.demo.acts import Wish, plan_live, real_act, twin_act
    from claudeflow.cli.demo.processes import ending_in_order
    from claudeflow.cli.demo.result import print_result
    from claudeflow.cli.demo.stage import stage

    wish = Wish(as_json=as_json, **options)
    if wish.jobs is not None and wish.jobs < FEWEST_JOBS and not live:
        raise click.UsageError(f"--jobs {wish.jobs}: a morning of six workflows has at least {FEWEST_JOBS}")
    began = time.monotonic()
    plan = plan_live(wish) if live else None
    with ending_in_order(), stage(keep) as place:
        try:
            summary = real_act(plan, place, as_json=as_json) if plan else twin_act(wish, place, began)
        except KeyboardInterrupt:
            note(f"interrupted; what was done is in {place.folder}")
            raise
        print_result(summary, place, as_json=as_json)
    return Exit.OK if summary.is_good else Exit.FAILED
