"""The command line as a whole: instant start, help, mistakes and exit codes."""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from claudeflow.cli.exits import Exit
from claudeflow.cli.main import VERBS, cli
from claudeflow.cli.problems import failure_of_error
from claudeflow.domain.errors import ConfigError, DaemonUnreachable, Mistake, StoreError, StoreLocked
from tests.cli.scripted_daemon import CommandLine, ScriptedDaemon, a_job

HEAVY = (
    "aiohttp",
    "aiosqlite",
    "anthropic",
    "orjson",
    "pydantic",
    "rich",
    "starlette",
    "http.client",
    "asyncio",
)
CHECK = "import sys, claudeflow.cli.main; print(*(name for name in {names!r} if name in sys.modules))"

WRITTEN = [name for name in VERBS if importlib.util.find_spec(VERBS[name].module)]
"""All verbs; a package may be built without the demo."""


def commands() -> Iterator[tuple[str, click.Command]]:
    for name in WRITTEN:
        command = importlib.import_module(VERBS[name].module).command
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", below) for sub, below in command.commands.items())


def test_starting_imports_nothing_heavier_than_click() -> None:
    program = CHECK.format(names=HEAVY)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_help_lists_every_verb_without_importing_any() -> None:
    names = [verb.module for verb in VERBS.values()]
    program = "import sys, claudeflow.cli.main; claudeflow.cli.main.cli(['--help'], standalone_mode=False); "
    program += f"sys.exit(any(name in sys.modules for name in {names!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(f"\n  {name} " in done.stdout for name in VERBS)


@pytest.mark.parametrize("name", WRITTEN)
def test_the_groups_text_of_a_verb_is_the_verbs_own(name: str) -> None:
    command = importlib.import_module(VERBS[name].module).command
    own = command.short_help or command.help.splitlines()[0]
    assert VERBS[name].summary == own


@pytest.mark.parametrize(("name", "command"), [pytest.param(*found, id=found[0]) for found in commands()])
def test_every_verb_has_help_with_an_example(name: str, command: click.Command) -> None:
    assert "Example" in (command.epilog or "")
    assert f"claudeflow {name.split(maxsplit=1)[0]}" in (command.epilog or "")
    assert all(option.help for option in command.params if isinstance(option, click.Option))


@pytest.mark.parametrize("command", [cli, *(command for _, command in commands())], ids=lambda c: c.name)
def test_every_option_that_reads_the_environment_says_so(command: click.Command) -> None:
    for option in command.params:
        if isinstance(option, click.Option) and option.envvar:
            assert option.show_envvar, option.name


def test_verbs_complete_without_being_imported() -> None:
    environ = {
        **os.environ,
        "_CLAUDEFLOW_COMPLETE": "fish_complete",
        "COMP_WORDS": "claudeflow",
        "COMP_CWORD": "re",
    }
    program = "from claudeflow.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    assert "result" in done.stdout
    assert "retry" in done.stdout
    assert "submit" not in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(claudeflow: CommandLine, shell: str) -> None:
    done = claudeflow("completion", shell)
    assert done.exit_code == Exit.OK
    assert "_CLAUDEFLOW_COMPLETE" in done.stdout


WRONG = [
    (("nonsense",), "No such command 'nonsense'."),
    (("show",), "Missing argument 'ID'."),
    (("show", "0"), "0 is not in the range x>=1."),
    (("show", "forty"), "'forty' is not a valid integer"),
    (("list", "--state", "lost"), "'lost' is not one of"),
    (("list", "--colour"), "No such option"),
    (("submit",), "give exactly one of FILE, --prompt and --jsonl"),
    (("submit", "a.json", "--prompt", "triage"), "give exactly one of FILE, --prompt and --jsonl"),
    (("submit", "a.json", "--input", "a=b"), "--input needs --prompt"),
    (("submit", "a.json", "--partial"), "--partial needs --jsonl"),
    (("submit", "a.json", "--wait", "soon"), "'soon' is no number of seconds"),
    (("submit", "missing.json"), "missing.json: No such file or directory"),
    (("submit", "--jsonl", "missing.jsonl"), "missing.jsonl: No such file or directory"),
    (("submit", "--jsonl", "a", "--dedupe-key", "k"), "put dedupe_key into the lines"),
    (("submit", "--jsonl", "a", "--wait"), "--wait waits for one job"),
    (("submit", "--prompt", "p", "--input", "=v"), "a name is missing before the ="),
    (("submit", "--prompt", "p", "--metadata", "v"), "write key=value"),
    (("completion", "tcsh"), "'tcsh' is not one of"),
]


@pytest.mark.parametrize(("args", "message"), WRONG)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    claudeflow: CommandLine, args: tuple[str, ...], message: str
) -> None:
    done = claudeflow(*args)
    first = done.stderr.splitlines()[0]
    assert done.exit_code == Exit.USAGE
    assert first.startswith("claudeflow: error: ")
    assert message in first
    assert done.stdout == ""


def test_without_a_verb_the_help_is_shown(claudeflow: CommandLine) -> None:
    done = claudeflow()
    assert done.exit_code == Exit.USAGE
    assert "Verbs:" in done.stderr


REFUSALS = [
    (422, "invalid_job", Exit.USAGE),
    (400, "invalid_query", Exit.USAGE),
    (413, "body_too_large", Exit.USAGE),
    (415, "unsupported_media_type", Exit.USAGE),
    (401, "unauthorized", Exit.NOT_PERMITTED),
    (403, "forbidden", Exit.NOT_PERMITTED),
    (404, "job_not_found", Exit.NOT_FOUND),
    (404, "not_found", Exit.FAILED),
    (409, "conflict", Exit.CONFLICT),
    (503, "lane_full", Exit.FAILED),
    (503, "not_ready", Exit.FAILED),
    (500, "internal_error", Exit.FAILED),
]


@pytest.mark.parametrize(("status", "code", "expected"), REFUSALS)
def test_a_refusal_has_its_exit_code_and_its_reason(
    claudeflow: CommandLine, daemon: ScriptedDaemon, status: int, code: str, expected: Exit
) -> None:
    daemon.refuses("GET /v1/jobs/42", status, code, "the reason")
    done = claudeflow("show", "42")
    assert (done.exit_code, done.stderr) == (expected, "claudeflow: error: the reason\n")


def test_every_mistake_of_a_job_is_a_line(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    mistakes = [{"field": "lane", "message": "unknown"}, {"field": "request.model", "message": "is missing"}]
    daemon.refuses("GET /v1/jobs/42", 422, "invalid_job", errors=mistakes)
    done = claudeflow("show", "42")
    assert done.stderr.splitlines() == [
        "claudeflow: error: lane: unknown",
        "claudeflow: error: request.model: is missing",
    ]


ERRORS = [
    (DaemonUnreachable("no daemon"), Exit.UNREACHABLE),
    (StoreLocked("in use"), Exit.UNREACHABLE),
    (StoreError("broken"), Exit.FAILED),
    (PermissionError(13, "Permission denied", "/etc/x"), Exit.NOT_PERMITTED),
    (ConfigError("c.toml", [Mistake("socket.path", "is no path")]), Exit.BAD_CONFIG),
]


@pytest.mark.parametrize(("error", "expected"), ERRORS, ids=lambda value: type(value).__name__)
def test_a_known_error_has_its_exit_code(error: Exception, expected: Exit) -> None:
    failure = failure_of_error(error)
    assert failure is not None
    assert failure.exit_code is expected


def test_where_only_a_daemon_will_do_the_way_to_one_is_told(claudeflow: CommandLine) -> None:
    done = claudeflow("limits")
    assert done.exit_code == Exit.UNREACHABLE
    assert f"no daemon on {claudeflow.socket} (No such file or directory): start it" in done.stderr
    assert "--socket" in done.stderr


def test_an_answer_of_something_else_is_named(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/jobs/42", "Bad Gateway", status=502)
    done = claudeflow("show", "42")
    assert done.exit_code == Exit.FAILED
    assert "HTTP status 502" in done.stderr


def test_an_unexpected_error_is_one_line_without_traceback(
    claudeflow: CommandLine, daemon: ScriptedDaemon
) -> None:
    daemon.answers("GET /v1/jobs/42", {"unheard": "of"})
    done = claudeflow("show", "42")
    assert done.exit_code == Exit.FAILED
    assert done.stderr.splitlines() == [
        "claudeflow: error: unexpected KeyError: 'id' (CLAUDEFLOW_DEBUG=1 shows the traceback)"
    ]


def test_debug_shows_the_traceback(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/jobs/42", {"unheard": "of"})
    done = claudeflow("show", "42", CLAUDEFLOW_DEBUG="1")
    assert isinstance(done.exception, KeyError)


def test_a_reader_that_leaves_early_is_no_error(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/jobs", {"jobs": [a_job(number) for number in range(1, 2000)], "next": None})
    command = f"'{sys.executable}' -m claudeflow.cli.main --socket {daemon.socket} list --json | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_ctrl_c_is_exit_code_130_without_a_word(claudeflow: CommandLine) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(claudeflow.socket))
        silent.listen()
        command = [sys.executable, "-m", "claudeflow.cli.main", "--socket", str(claudeflow.socket), "status"]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as waiting:
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(3) == b"GET"
                waiting.send_signal(signal.SIGINT)
                _, said = waiting.communicate()
    assert (waiting.returncode, said.strip()) == (Exit.INTERRUPTED, b"")


def test_the_socket_comes_from_the_verb_then_the_group_then_the_environment_then_the_configuration(
    claudeflow: CommandLine, daemon: ScriptedDaemon, tmp_path: Path
) -> None:
    daemon.answers("GET /v1/jobs/42", a_job())
    here, nowhere = str(daemon.socket), str(tmp_path / "nowhere.sock")
    assert claudeflow("--socket", nowhere, "show", "42", "--socket", here).exit_code == Exit.OK
    assert claudeflow("--socket", here, "show", "42", CLAUDEFLOW_SOCKET=nowhere).exit_code == Exit.OK
    assert claudeflow("show", "42", CLAUDEFLOW_SOCKET=here).exit_code == Exit.OK
    claudeflow.config.write_text(f'[socket]\npath = "{here}"\n')
    assert claudeflow("show", "42", CLAUDEFLOW_SOCKET="").exit_code == Exit.OK


BAD_CONFIGS = ["[socket", "socket = 3", "[socket]\npath = 3", '[socket]\npath = ""']


@pytest.mark.parametrize("text", BAD_CONFIGS)
def test_a_bad_configuration_is_exit_code_78(claudeflow: CommandLine, text: str) -> None:
    claudeflow.config.write_text(text)
    done = claudeflow("status", CLAUDEFLOW_SOCKET="")
    assert done.exit_code == Exit.BAD_CONFIG
    assert done.stderr.startswith(f"claudeflow: error: {claudeflow.config}: ")


def test_a_missing_configuration_that_somebody_named_is_exit_code_78(claudeflow: CommandLine) -> None:
    done = claudeflow("--config", "/nonexistent/c.toml", "status", CLAUDEFLOW_SOCKET="")
    assert done.exit_code == Exit.BAD_CONFIG


def test_version_names_what_claudeflow_stands_on(claudeflow: CommandLine) -> None:
    versions = json.loads(claudeflow("version", "--json").stdout)
    assert set(versions) == {"claudeflow", "python", "sqlite", "anthropic"}
    assert claudeflow("version").stdout.splitlines()[0] == f"claudeflow {versions['claudeflow']}"
    assert claudeflow("--version").stdout == f"claudeflow {versions['claudeflow']}\n"
