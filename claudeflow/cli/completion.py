"""`claudeflow completion`: what a shell needs to complete verbs and options."""

from __future__ import annotations

import click


@click.command(
    "completion",
    short_help="Print the completion script of a shell.",
    epilog=(
        "\b\nExamples:\n"
        '  eval "$(claudeflow completion bash)"      in ~/.bashrc\n'
        '  eval "$(claudeflow completion zsh)"       in ~/.zshrc\n'
        "  claudeflow completion fish > ~/.config/fish/completions/claudeflow.fish"
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    completion = get_completion_class(shell)
    assert completion is not None
    root = context.find_root().command
    click.echo(completion(root, {}, "claudeflow", "_CLAUDEFLOW_COMPLETE").source())
