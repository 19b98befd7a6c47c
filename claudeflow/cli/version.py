"""`claudeflow version`: versions of claudeflow and of what it stands on."""

from __future__ import annotations

import click

from claudeflow import __version__
from claudeflow.cli.output import print_json


@click.command(
    "version",
    short_help="Show the versions of claudeflow and what it stands on.",
    epilog="\b\nExample:\n  claudeflow version --json",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """Show the versions of claudeflow and what it stands on.

    For a bug report: claudeflow, Python, SQLite and the Anthropic SDK.
    """
    versions = _versions()
    if as_json:
        print_json(versions)
        return
    for name, version in versions.items():
        click.echo(f"{name} {version}")


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    from claudeflow.store.version import SQLITE_VERSION

    try:
        sdk = installed("anthropic")
    except PackageNotFoundError:
        sdk = "not installed"
    return {
        "claudeflow": __version__,
        "python": platform.python_version(),
        "sqlite": SQLITE_VERSION,
        "anthropic": sdk,
    }
