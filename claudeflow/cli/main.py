"""The command line: which verbs there are, and what an error looks like.

Nothing heavier than click is imported before a verb has been chosen: `claudeflow status` must feel instant.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click

from claudeflow import __version__
from claudeflow.cli.exits import Exit
from claudeflow.cli.places import places_options
from claudeflow.cli.problems import Failure, failure_of_error

DEBUG_VARIABLE = "CLAUDEFLOW_DEBUG"


class Verb(NamedTuple):
    """Where a verb lives, and its one line in `claudeflow --help`."""

    module: str
    summary: str


VERBS: Mapping[str, Verb] = {
    "run": Verb("claudeflow.cli.run", "Run the daemon in the foreground."),
    "demo": Verb("claudeflow.cli.demo.command", "Watch a busy morning on a simulated API."),
    "twin": Verb(
        "claudeflow.cli.twin",
        "Run the simulated Claude API: limits, cache, errors and an invoice, without the network or money.",
    ),
    "simulate": Verb(
        "claudeflow.cli.simulate.command", "Live through a scenario in virtual time, and compare."
    ),
    "submit": Verb("claudeflow.cli.submit", "Ask for one job, or for many."),
    "list": Verb("claudeflow.cli.list", "List jobs, newest first."),
    "show": Verb("claudeflow.cli.show", "Show everything about a job."),
    "result": Verb("claudeflow.cli.result", "Print the answer of a job."),
    "wait": Verb("claudeflow.cli.wait", "Wait until jobs are finished."),
    "cancel": Verb("claudeflow.cli.cancel", "Cancel jobs that are not finished."),
    "retry": Verb("claudeflow.cli.retry", "Queue jobs again that did not succeed."),
    "move": Verb("claudeflow.cli.move", "Give waiting jobs another lane or priority."),
    "explain": Verb("claudeflow.cli.explain", "Say why a job waits, and when it goes."),
    "hold": Verb("claudeflow.cli.hold", "Keep jobs from going out."),
    "release": Verb("claudeflow.cli.release", "Let held jobs go."),
    "holds": Verb("claudeflow.cli.holds", "Show what is held, why, and the way out."),
    "pause": Verb("claudeflow.cli.pause", "Hold a lane."),
    "resume": Verb("claudeflow.cli.resume", "Let a paused lane go on."),
    "status": Verb("claudeflow.cli.status", "Show lanes, limits, holds and spend."),
    "follow": Verb("claudeflow.cli.follow", "Print what happens, as it happens."),
    "batches": Verb("claudeflow.cli.batches", "Show Message Batches and what waits for one, or stop one."),
    "packs": Verb("claudeflow.cli.packs", "Show what shared calls have done, or pack a prompt again."),
    "mailbox": Verb("claudeflow.cli.mailbox", "Make, show and remove mailboxes of producers."),
    "usage": Verb("claudeflow.cli.usage", "Show what was used and what it cost, by any dimension."),
    "prices": Verb("claudeflow.cli.prices", "List prices, or check those of the models in use."),
    "limits": Verb("claudeflow.cli.limits", "Show limits, how they are used, and who waits for what."),
    "cache": Verb(
        "claudeflow.cli.cache", "Show what is cached, for how long and why, and what it has saved."
    ),
    "reconcile": Verb(
        "claudeflow.cli.reconcile", "Compare the books with the provider's usage and cost reports."
    ),
    "prompts": Verb("claudeflow.cli.prompts", "List, show, render and check prompt templates."),
    "lint": Verb("claudeflow.cli.lint", "Find what spoils the cache of a prompt."),
    "budget": Verb("claudeflow.cli.budget", "Show budgets, set their limits, release what they hold."),
    "token": Verb("claudeflow.cli.token", "Make, list and revoke tokens."),
    "whoami": Verb("claudeflow.cli.whoami", "Say who you are to the daemon, and what you may do."),
    "config": Verb("claudeflow.cli.config", "Check or show the configuration."),
    "completion": Verb("claudeflow.cli.completion", "Print the completion script of a shell."),
    "version": Verb("claudeflow.cli.version", "Show the versions of claudeflow and what it stands on."),
}


class VerbGroup(click.Group):
    """Verbs that are imported when they are used, and errors that are lines instead of tracebacks."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """All verbs, in the order in which people meet them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one verb."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        command = importlib.import_module(verb.module).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete a verb's name without importing any."""
        from click.shell_completion import CompletionItem

        verbs = [(name, verb) for name, verb in VERBS.items() if name.startswith(incomplete)]
        items = [CompletionItem(name, help=verb.summary) for name, verb in verbs]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run one command line; with `standalone_mode`, leave the process with its exit code."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()
        except click.Abort:
            code = Exit.INTERRUPTED
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = Exit.FAILED
        except Exception as error:  # noqa: BLE001 (users get a line, not a traceback)
            code = _tell(error)
        sys.exit(int(code) if isinstance(code, int) else Exit.OK)


def _tell(error: Exception) -> Exit:
    """Say on stderr what went wrong, one line for each mistake."""
    if os.environ.get(DEBUG_VARIABLE) and not isinstance(error, click.ClickException | Failure):
        raise error
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return Exit.USAGE
    failure = failure_of_error(error)
    if failure is None:
        text = f"unexpected {type(error).__name__}: {error} ({DEBUG_VARIABLE}=1 shows the traceback)"
        failure = Failure(Exit.FAILED, " ".join(text.split()))
    for line in failure.lines:
        click.echo(f"claudeflow: error: {line}", err=True)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f"see: {error.ctx.command_path} --help", err=True)
    return failure.exit_code


@click.command(
    cls=VerbGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: claudeflow submit request.json --lane bulk\n\nExit codes and more: docs/cli.md",
)
@click.version_option(__version__, prog_name="claudeflow", message="%(prog)s %(version)s")
@places_options("socket", "config", environment=True)
def cli() -> None:
    """Hold, pace, cache and book a team's Claude API calls."""


def main() -> None:
    """The `claudeflow` program."""
    cli.main(prog_name="claudeflow")


if __name__ == "__main__":
    main()
