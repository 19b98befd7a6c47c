"""`claudeflow twin`: run the simulated Claude API as a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from claudeflow.twin.settings import TwinSettings

_TIERS = ("evaluation", "start", "build", "scale")
_FAMILIES = ("all", "nine", "six", "none")
_NANOUSD = 10**9
_EPILOG = """\b
Example: a twin with the limits of the Build tier, answers after about 0.8 s, and a storm of 429s
  claudeflow twin --port 8787 --tier build --ttft-ms 800 --tokens-per-s 70 --faults storm.toml
  ANTHROPIC_BASE_URL=http://127.0.0.1:8787 ANTHROPIC_API_KEY=any your-program
  curl -s http://127.0.0.1:8787/twin/stats
"""
_POSITIVE = click.IntRange(min=1)
_NOT_NEGATIVE = click.FloatRange(min=0)
_POSITIVE_FLOAT = click.FloatRange(min=0, min_open=True)


@click.command("twin", epilog=_EPILOG)
@click.option("--port", type=click.IntRange(0, 65_535), help="TCP port; 0 picks a free one. Default 8787.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--uds", type=click.Path(path_type=Path), help="Listen on this Unix socket instead of TCP.")
@click.option("--tier", type=click.Choice(_TIERS), default="start", show_default=True, help="Usage tier.")
@click.option("--rpm", type=_POSITIVE, help="Requests a minute for each pool, instead of the tier's.")
@click.option("--itpm", type=_POSITIVE, help="Input tokens a minute for each pool, instead of the tier's.")
@click.option("--otpm", type=_POSITIVE, help="Output tokens a minute for each pool, instead of the tier's.")
@click.option("--burst-s", type=_POSITIVE_FLOAT, help="Also enforce the limits over windows of this length.")
@click.option(
    "--ttft-ms", type=_NOT_NEGATIVE, default=0.0, show_default=True, help="Median time to first token."
)
@click.option(
    "--tokens-per-s",
    type=_NOT_NEGATIVE,
    default=0.0,
    show_default=True,
    help="Median speed; 0 means at once.",
)
@click.option(
    "--batch-start-s", type=_NOT_NEGATIVE, default=0.0, show_default=True, help="When a batch's work begins."
)
@click.option(
    "--batch-item-s",
    type=_NOT_NEGATIVE,
    default=0.0,
    show_default=True,
    help="Median time of a wave of a batch; 0 means at once.",
)
@click.option(
    "--batch-concurrency", type=_POSITIVE, default=100, show_default=True, help="Items in a wave of a batch."
)
@click.option(
    "--batch-hidden-s",
    type=_NOT_NEGATIVE,
    default=0.0,
    show_default=True,
    help="How long asking for a new batch gives 404.",
)
@click.option(
    "--batch-cache-hit-share",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Share of items in batches that find what is cached.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same answers.")
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Script in TOML: faults, other consumers, changes of limits.",
)
@click.option(
    "--headers",
    type=click.Choice(_FAMILIES),
    default="all",
    show_default=True,
    help="Rate-limit headers to send.",
)
@click.option("--spend-cap-usd", type=_NOT_NEGATIVE, help="Refuse everything once this much was billed.")
@click.option("--key", "keys", multiple=True, help="Accepted API key; repeatable. Default: any key.")
@click.option(
    "--admin-key", "admin_keys", multiple=True, help="Accepted admin key; repeatable. Default: any."
)
@click.option(
    "--report-delay-s",
    type=_NOT_NEGATIVE,
    default=300.0,
    show_default=True,
    help="How late calls appear in usage and cost reports.",
)
@click.option("--legacy-reports", is_flag=True, help="Serve the legacy usage and cost reports alone.")
def command(port: int | None, host: str, uds: Path | None, **options: Any) -> None:
    """Run the simulated Claude API: limits, cache, errors and an invoice, without the network or money."""
    if uds is not None and port is not None:
        raise click.UsageError("--port and --uds exclude each other")
    settings = _settings(options)
    from claudeflow.twin.child import run_server

    try:
        run_server(settings, host=host, port=8787 if port is None else port, uds=uds)
    except OSError as error:
        where = f"--uds {uds}" if uds is not None else f"--port {8787 if port is None else port}"
        raise click.UsageError(f"{where}: cannot listen: {error.strerror or error}") from error


def _settings(options: dict[str, Any]) -> TwinSettings:
    from claudeflow.twin.script import Script, load_script
    from claudeflow.twin.settings import TwinSettings

    path, cap = options["faults"], options["spend_cap_usd"]
    try:
        script = load_script(path) if path is not None else Script()
    except (ValueError, OSError) as error:
        raise click.BadParameter(str(error), param_hint="--faults") from error
    return TwinSettings(
        tier=options["tier"],
        rpm=options["rpm"],
        itpm=options["itpm"],
        otpm=options["otpm"],
        burst_s=options["burst_s"],
        spend_cap_nanousd=None if cap is None else round(cap * _NANOUSD),
        header_families=options["headers"],
        ttft_s=options["ttft_ms"] / 1_000,
        tokens_per_s=options["tokens_per_s"],
        seed=options["seed"],
        **{name: value for name, value in options.items() if name.startswith("batch_")},
        keys=options["keys"],
        admin_keys=options["admin_keys"],
        report_delay_s=options["report_delay_s"],
        analytics=not options["legacy_reports"],
        faults=script.faults,
        consumers=script.consumers,
        changes=script.changes,
    )
