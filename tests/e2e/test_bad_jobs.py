"""Wrong jobs on the command line: each is refused with the field and the way out, and nothing is stored.

Most run in this process for speed; a few as real processes, to see that it makes no difference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from claudeflow.cli.main import cli
from tests.support.books import states_of
from tests.support.daemons import a_job
from tests.support.processes import Site, short_folder


class Wrong(NamedTuple):
    """A wrong way to ask: what is on stdin, the arguments, and what stderr must name."""

    stdin: Any
    names: tuple[str, ...]
    arguments: tuple[str, ...] = ("-",)


def asking(**changes: Any) -> dict[str, Any]:
    """A job whose request has changes; None drops a field."""
    request = {**a_job()["request"], **changes}
    return {"request": {key: value for key, value in request.items() if value is not None}}


def saying(*messages: Any) -> dict[str, Any]:
    return asking(messages=list(messages))


PROMPT = ("--prompt", "triage")
GOOD = json.dumps(a_job())
WRONG: dict[str, Wrong] = {
    "nothing at all": Wrong("", ("body", "JSON object")),
    "no JSON": Wrong('{"request": ', ("body", "line 1, column 13")),
    "a list": Wrong("[]", ("body", "found a list")),
    "NaN": Wrong('{"request": {"max_tokens": NaN}}', ("body", "finite")),
    "a key given twice": Wrong('{"lane": "a", "lane": "b", "request": {}}', ("lane", "keep one")),
    "neither body nor job": Wrong({"model": "claude-haiku-5-5"}, ("neither a Messages body", '"request"')),
    "an unknown field": Wrong(a_job(lanes="bulk"), ("lanes", 'Did you mean "lane"?')),
    "an unknown lane": Wrong(a_job(lane="bluk"), ("lane: ", 'Did you mean "bulk"?')),
    "an unknown lane as option": Wrong(a_job(), ("lane: ", "interactive"), ("-", "--lane", "fast")),
    "a workflow in capitals": Wrong(a_job(workflow="Triage"), ("workflow: ", "a-z")),
    "a priority out of range": Wrong(a_job(priority=500), ("priority: ", "-100 to 100")),
    "a priority option out of range": Wrong(
        a_job(), ("--priority", "-100<=x<=100"), ("-", "--priority", "500")
    ),
    "a deadline in the past": Wrong(a_job(deadline="2020-01-01T00:00:00Z"), ("deadline: ", "later")),
    "a deadline without zone": Wrong(a_job(deadline="2090-01-01T00:00:00"), ("deadline: ", 'add "Z"')),
    "a deadline in words": Wrong(a_job(), ("deadline: ", '"+30m"'), ("-", "--deadline", "tomorrow")),
    "a not_before without unit": Wrong(a_job(), ("not_before: ", '"+30m"'), ("-", "--not-before", "+30")),
    "a deadline before not_before": Wrong(
        a_job(deadline="+1h", not_before="+2h"), ("deadline: ", "not after not_before")
    ),
    "an empty dedupe_key": Wrong(a_job(dedupe_key=""), ("dedupe_key: ", "1 to 200")),
    "metadata with a number": Wrong(a_job(metadata={"ticket": 7}), ("metadata.ticket: ", "as text")),
    "metadata without equals": Wrong(
        a_job(), ("--metadata ticket", "key=value"), ("-", "--metadata", "ticket")
    ),
    "a request that is text": Wrong({"request": "hi"}, ("request: ", "Messages body")),
    "no model": Wrong(asking(model=None), ("request.model: ", "is missing")),
    "a misspelt model": Wrong(
        asking(model="claude-opus-55"), ("request.model: ", 'Did you mean "claude-opus-5-5"?')
    ),
    "a model without price": Wrong(asking(model="gpt-x"), ("request.model: ", "[prices] file")),
    "no max_tokens": Wrong(asking(max_tokens=None), ("request.max_tokens: ", "is missing")),
    "max_tokens as text": Wrong(asking(max_tokens="500"), ("request.max_tokens: ", "integer")),
    "max_tokens of zero": Wrong(asking(max_tokens=0), ("request.max_tokens: ", "ask for 1 or more")),
    "too many max_tokens": Wrong(asking(max_tokens=1_000_000), ("request.max_tokens: ", "128,000")),
    "no messages": Wrong(
        {"request": {"model": "claude-haiku-5-5", "max_tokens": 5}}, ("request.messages: ", "at least one")
    ),
    "an empty list of messages": Wrong(saying(), ("request.messages: ", "at least one")),
    "a wrong role": Wrong(
        saying({"role": "human", "content": "x"}), ("messages[0].role: ", "user, assistant")
    ),
    "an empty message": Wrong(saying({"role": "user", "content": ""}), ("messages[0].content: ", "empty")),
    "prefill": Wrong(
        saying({"role": "user", "content": "x"}, {"role": "assistant", "content": "{"}),
        ("request.messages[1].role: ", "end with a user message"),
    ),
    "temperature": Wrong(asking(temperature=0.2), ("request.temperature: ", "drop it")),
    "stream": Wrong(asking(stream=True), ("request.stream: ", "the daemon chooses")),
    "a wrong effort": Wrong(asking(output_config={"effort": "hihg"}), ("output_config.effort: ", '"high"')),
    "tools as an object": Wrong(asking(tools={}), ("request.tools: ", "list")),
    "a wrong cache ttl": Wrong(
        asking(cache_control={"type": "ephemeral", "ttl": "2h"}), ("request.cache_control.ttl: ", '"1h"')
    ),
    "an unknown prompt": Wrong("", ("prompt: ", 'Did you mean "triage"?'), ("--prompt", "triag")),
    "a missing variable": Wrong("", ("input: ", "ticket"), PROMPT),
    "an unknown variable": Wrong(
        "", ("input: ", "tikcet"), (*PROMPT, "--input", "tikcet=x", "--input", "ticket=y")
    ),
    "a variable without a name": Wrong("", ("--input =x", "name is missing"), (*PROMPT, "--input", "=x")),
    "a prompt and a request": Wrong(a_job(prompt="triage"), ("prompt: ", "either")),
    "a file that is not there": Wrong("", ("nowhere.json", "No such file"), ("nowhere.json",)),
    "a file and a prompt": Wrong("", ("exactly one of FILE, --prompt and --jsonl",), ("-", *PROMPT)),
    "neither file nor prompt": Wrong("", ("exactly one of FILE, --prompt and --jsonl",), ()),
    "input without prompt": Wrong(a_job(), ("--input needs --prompt",), ("-", "--input", "a=b")),
    "one dedupe key for many": Wrong(
        GOOD, ("put dedupe_key into the lines",), ("--jsonl", "-", "--dedupe-key", "k")
    ),
    "a bad line among good ones": Wrong(
        f"{GOOD}\n{json.dumps(a_job(lane='fast'))}\n{GOOD}\n",
        ("line 2: lane: ", "nothing was stored"),
        ("--jsonl", "-"),
    ),
    "several bad lines": Wrong(
        f"{{\n{GOOD}\n[]\n", ("line 1: body: ", "line 3: body: ", "2 lines are no jobs"), ("--jsonl", "-")
    ),
    "no lines": Wrong("", ("body: ", "one JSON object per line"), ("--jsonl", "-")),
    "many mistakes in one job": Wrong(
        {**asking(model="gpt-x", temperature=1), "lane": "fast", "priority": 500},
        ("lane: ", "priority: ", "request.model: ", "request.temperature: "),
    ),
}
AS_PROCESSES = ("an unknown lane", "a misspelt model", "a bad line among good ones")


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@pytest.fixture
def site() -> Iterator[Site]:
    """A place without a daemon, with one prompt."""
    with short_folder() as folder:
        prompt = folder / "prompts" / "triage"
        prompt.mkdir(parents=True)
        (prompt / "prompt.toml").write_text('model = "claude-haiku-5-5"\nmax_tokens = 300\n')
        (prompt / "system.md").write_text("You sort tickets.")
        (prompt / "user.md").write_text("Ticket: {{ ticket }}")
        yield Site(folder, tables={"prompts": {"folder": str(folder / "prompts")}})


def check(site: Site, wrong: Wrong, exit_code: int, stdout: str, stderr: str) -> None:
    """Exit code 2, every field and remedy named, nothing on stdout, and nothing in the store."""
    assert exit_code == 2, stderr
    assert stdout == ""
    missing = [name for name in wrong.names if name not in stderr]
    assert not missing, stderr
    assert "Traceback" not in stderr
    assert jobs_in(site.store) == {}


def jobs_in(store: Path) -> dict[str, int]:
    return states_of(store) if store.exists() else {}


def run_here(site: Site, arguments: Sequence[str], stdin: str) -> tuple[int, str, str]:
    environ = {"CLAUDEFLOW_CONFIG": str(site.config), "CLAUDEFLOW_SOCKET": None, "CLAUDEFLOW_LANE": None}
    done = CliRunner().invoke(cli, ["submit", *arguments], stdin, environ, prog_name="claudeflow")
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_job_is_refused_with_field_and_remedy(site: Site, wrong: Wrong) -> None:
    check(site, wrong, *run_here(site, wrong.arguments, as_text(wrong.stdin)))


@pytest.mark.parametrize("name", AS_PROCESSES)
def test_a_real_process_refuses_a_wrong_job_alike(site: Site, name: str) -> None:
    wrong = WRONG[name]
    done = site.cli("submit", *wrong.arguments, stdin=as_text(wrong.stdin))
    check(site, wrong, done.returncode, done.stdout, done.stderr)


def test_the_right_job_is_accepted_where_the_wrong_ones_were_refused(site: Site) -> None:
    exit_code, stdout, stderr = run_here(site, ("-",), GOOD)
    assert (exit_code, stdout) == (0, "1\n"), stderr
    with_prompt = run_here(site, (*PROMPT, "--input", "ticket=VPN"), "")
    assert with_prompt[:2] == (0, "2\n")
