"""`claudeflow demo`: a busy morning on a simulated API, or a few jobs on the real one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from claudeflow.cli.exits import Exit

EPILOG = """\b
Examples:
  claudeflow demo
  claudeflow demo --jobs 600 --seed 3 --keep ./morning
  ANTHROPIC_API_KEY=... claudeflow demo --live --max-cost 0.05
"""


@click.command("demo", short_help="Watch a busy morning on a simulated API.", epilog=EPILOG)
@click.option("--jobs", type=click.IntRange(7, 2_000), help="How many jobs. Default 330; with --live 8.")
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
    from claudeflow.cli.demo.acts import Wish, real_act, twin_act
    from claudeflow.cli.demo.processes import ending_in_order
    from claudeflow.cli.demo.result import print_result
    from claudeflow.cli.demo.stage import stage

    wish = Wish(as_json=as_json, **options)
    began = time.monotonic()
    with ending_in_order(), stage(keep) as place:
        summary = real_act(wish, place) if live else twin_act(wish, place, began)
        print_result(summary, place, as_json=as_json)
    return Exit.OK if summary.is_good else Exit.FAILED
