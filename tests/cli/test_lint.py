"""`claudeflow lint` and `claudeflow prompts`, without a daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from claudeflow.cli.exits import Exit
from claudeflow.simulation.examples import find_examples
from tests.cli.scripted_daemon import CommandLine
from tests.prompts.folders import a_prompt

EXAMPLES = find_examples() / "prompts"
LEAK = "You sort letters. Today is Tuesday.\n"


def test_a_finding_names_place_rule_text_reason_and_way_out(claudeflow: CommandLine, tmp_path: Path) -> None:
    folder = a_prompt(tmp_path / "prompts", {"system.md": LEAK})
    done = claudeflow("lint", str(folder))
    assert done.exit_code == Exit.FAILED
    first, why, fix, *_ = done.stdout.splitlines()
    assert first == f"{folder}/system.md:1:19: now: a statement about now 'Today is Tuesday'"
    assert "every cached copy" in why
    assert "user.md" in fix
    assert "1 finding" in done.stdout


def test_the_configured_folder_is_looked_at_when_none_is_named(
    claudeflow: CommandLine, tmp_path: Path
) -> None:
    a_prompt(tmp_path / "prompts", {"system.md": LEAK})
    claudeflow.config.write_text(f'[prompts]\nfolder = "{tmp_path / "prompts"}"\n')
    assert claudeflow("lint").exit_code == Exit.FAILED


def test_clean_prompts_are_ok(claudeflow: CommandLine) -> None:
    done = claudeflow("lint", str(EXAMPLES))
    assert (done.exit_code, done.stdout) == (Exit.OK, "clean: nothing found\n")


def test_findings_as_json_and_as_annotations(claudeflow: CommandLine, tmp_path: Path) -> None:
    folder = a_prompt(tmp_path / "prompts", {"system.md": LEAK})
    [found] = json.loads(claudeflow("lint", "--json", str(folder)).stdout)
    assert (found["line"], found["column"], found["rule"]) == (1, 19, "now")
    assert claudeflow("lint", "--json", str(EXAMPLES)).stdout == "[]\n"
    annotation = claudeflow("lint", "--github", str(folder)).stdout
    assert annotation.startswith(f"::error file={folder}/system.md,line=1,col=19,title=claudeflow now::")


def test_of_a_saved_body_the_stable_part_is_looked_at(claudeflow: CommandLine, tmp_path: Path) -> None:
    body = {"model": "m", "system": "INC0012345", "messages": [{"role": "user", "content": "10.20.30.40"}]}
    path = tmp_path / "body.json"
    path.write_text(json.dumps({"request": body, "lane": "bulk"}))
    done = claudeflow("lint", "--json", str(path))
    assert [(one["file"], one["rule"]) for one in json.loads(done.stdout)] == [(f"{path}: system", "ticket")]


def test_any_text_file_can_be_looked_at(claudeflow: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Ask jane.doe@example.com.")
    assert "email" in claudeflow("lint", str(path)).stdout


def test_what_leaks_in_a_request_or_a_text_belongs_into_the_message(
    claudeflow: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("You work on INC0012345.")
    (tmp_path / "body.json").write_text(json.dumps({"system": "Help {name}.", "messages": []}))
    done = claudeflow("lint", str(tmp_path / "notes.txt"), str(tmp_path / "body.json")).stdout
    assert "fix: move it into the message\n" in done
    assert "fix: move the sentence with it into the message\n" in done
    assert "user.md" not in done
    folder = a_prompt(tmp_path / "prompts", {"system.md": "You work on INC0012345."})
    for path in (folder, folder / "system.md"):
        assert "fix: move it into user.md as a variable\n" in claudeflow("lint", str(path)).stdout


def test_of_a_folder_of_texts_every_file_is_looked_at(claudeflow: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(LEAK)
    (tmp_path / "b.txt").write_text("You work on INC0012345.")
    (tmp_path / "c.png").write_bytes(b"\xff\xfe")
    (tmp_path / "lint.toml").write_text('ignore = ["now"]')
    done = claudeflow("lint", "--json", str(tmp_path))
    assert done.exit_code == Exit.FAILED
    assert [(one["file"], one["rule"]) for one in json.loads(done.stdout)] == [
        (f"{tmp_path}/b.txt", "ticket")
    ]
    assert f"{tmp_path}/c.png: not UTF-8 at byte 0" in done.stderr


def test_of_a_list_of_jobs_every_request_is_looked_at_and_what_they_share_is_told_once(
    claudeflow: CommandLine, tmp_path: Path
) -> None:
    def body(system: str) -> dict[str, object]:
        return {"model": "m", "system": system, "messages": [{"role": "user", "content": "on INC0099999"}]}

    jobs: list[dict[str, object]] = [
        {"prompt": "triage", "input": {"text": "INC0088888"}},
        {"request": body("You work on INC0012345.")},
        {"request": body("You work on INC0012345.")},
        {"custom_id": "a", "params": body("You work on INC0054321.")},
        body("You sort letters."),
    ]
    path = tmp_path / "jobs.jsonl"
    path.write_text("\n".join(json.dumps(job) for job in jobs) + "\n")
    found = json.loads(claudeflow("lint", "--json", str(path)).stdout)
    assert [(one["file"], one["text"]) for one in found] == [
        (f"{path}: line 2: system", "INC0012345"),
        (f"{path}: line 4: system", "INC0054321"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"), [('{"request": 1}\n{', "line 2: not valid JSON"), ('{"a": 1}', "no line holds a job")]
)
def test_a_list_without_jobs_is_misuse(
    claudeflow: CommandLine, tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "jobs.jsonl"
    path.write_text(text)
    done = claudeflow("lint", str(path))
    assert done.exit_code == Exit.USAGE
    assert reason in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.md", b"\xff\xfe", "not UTF-8 at byte 0"),
        ("empty", None, "neither a prompt"),
        ("no", b"", "does not exist"),
    ],
)
def test_what_cannot_be_looked_at_is_misuse(
    claudeflow: CommandLine, tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    path = tmp_path / name
    if content is None:
        path.mkdir()
    elif content:
        path.write_bytes(content)
    done = claudeflow("lint", str(path))
    assert done.exit_code == Exit.USAGE
    assert reason in done.stderr


@pytest.mark.parametrize("kind", ["/dev/full", "/dev/zero", "a pipe"])
def test_what_is_no_regular_file_is_not_waited_for(
    claudeflow: CommandLine, tmp_path: Path, kind: str
) -> None:
    path = Path(kind)
    if kind == "a pipe":
        path = tmp_path / "pipe.md"
        os.mkfifo(path)
    done = claudeflow("lint", str(path))
    assert done.exit_code == Exit.USAGE
    assert f"{path}: is no regular file" in done.stderr


@pytest.mark.parametrize("deep", [False, True])
def test_broken_json_is_never_clean(claudeflow: CommandLine, tmp_path: Path, deep: bool) -> None:
    broken = "[" * 100_000 if deep else '{"system": "INC0012345",'
    (tmp_path / "body.json").write_text(broken)
    folder = a_prompt(tmp_path / "prompts", {"tools.json": broken})
    for path in (tmp_path / "body.json", tmp_path, folder, tmp_path / "prompts", folder / "tools.json"):
        done = claudeflow("lint", str(path))
        assert done.exit_code == Exit.FAILED
        assert "clean" not in done.stdout
        assert "not valid JSON" in done.stderr or "nested too deeply" in done.stderr


def test_findings_are_told_beside_a_file_that_cannot_be_looked_at(
    claudeflow: CommandLine, tmp_path: Path
) -> None:
    folder = a_prompt(
        tmp_path, {"system.md": LEAK, "schema.json": b"\xff", "prompt.toml": "[lint]\nignore = 5"}
    )
    done = claudeflow("lint", str(folder))
    assert done.exit_code == Exit.FAILED
    assert "1 finding" in done.stdout
    assert f"{folder}/schema.json: not valid UTF-8 at byte 0" in done.stderr


def test_without_any_folder_the_way_out_is_named(claudeflow: CommandLine) -> None:
    done = claudeflow("lint")
    assert done.exit_code == Exit.USAGE
    assert "[prompts] folder" in done.stderr


def test_decisions_and_patterns_of_the_team_hold(claudeflow: CommandLine, tmp_path: Path) -> None:
    root = tmp_path / "prompts"
    a_prompt(root, {"system.md": "Asset AST12345 since 2026-11-17, INC0012345, 10.20.30.40.\n"})
    (root / "lint.toml").write_text('ignore = ["date"]\n[patterns]\nasset = "AST\\\\d+"\n')
    with (root / "sorter" / "prompt.toml").open("a") as file:
        file.write('[lint]\nignore = ["ip"]\nallow = ["INC0012345"]\n')
    found = json.loads(claudeflow("lint", "--json", str(root)).stdout)
    assert [(one["rule"], one["text"]) for one in found] == [("asset", "AST12345")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('ignore = ["dat"]', "no rule is named 'dat'; did you mean date?"),
        ("ignroe = []", "ignroe: unknown key; did you mean ignore?"),
        ('[patterns]\nx = "("', "patterns.x: not a regular expression that can be used"),
        ('[patterns]\ndate = "x"', "patterns.date: is the name of a rule"),
        ("patterns = 1", "patterns: must be a table"),
        ("ignore = 1", "ignore: must be a list of texts"),
        ("=", "not valid TOML"),
    ],
)
def test_mistakes_of_the_lint_file_are_named(
    claudeflow: CommandLine, tmp_path: Path, text: str, reason: str
) -> None:
    a_prompt(tmp_path / "prompts")
    (tmp_path / "prompts" / "lint.toml").write_text(text)
    done = claudeflow("lint", str(tmp_path / "prompts"))
    assert done.exit_code == Exit.FAILED
    assert reason in done.stderr


def test_prompts_are_listed_with_size_and_minimum(claudeflow: CommandLine) -> None:
    [first, *_] = json.loads(claudeflow("prompts", "list", "--folder", str(EXAMPLES), "--json").stdout)[
        "prompts"
    ]
    assert (first["name"], first["model"], first["lane"]) == ("advisory-triage", "claude-sonnet-5-5", "bulk")
    assert first["stable_tokens"] > 3 * first["cache_minimum_tokens"]
    assert first["is_cacheable"]
    table = claudeflow("prompts", "--folder", str(EXAMPLES), "list").stdout
    assert "ticket-triage" in table


def test_a_prompt_is_shown_with_its_variables(claudeflow: CommandLine) -> None:
    done = claudeflow("prompts", "show", "ticket-triage", "--folder", str(EXAMPLES))
    assert "channel, text" in done.stdout
    wrong = claudeflow("prompts", "show", "ticket-triag", "--folder", str(EXAMPLES))
    assert wrong.exit_code == Exit.NOT_FOUND
    assert "did you mean ticket-triage?" in wrong.stderr


def test_a_rendered_prompt_is_the_body_with_its_marker(claudeflow: CommandLine, tmp_path: Path) -> None:
    where = ("--folder", str(EXAMPLES))
    done = claudeflow("prompts", "render", "ticket-triage", "channel=chat", "text=hi", *where)
    body = json.loads(done.stdout)
    assert body["system"][-1]["cache_control"] == {"type": "ephemeral"}
    assert "hi" in body["messages"][0]["content"]
    path = tmp_path / "input.json"
    path.write_text('{"channel": "mail", "text": "bye"}')
    text = claudeflow("prompts", "render", "ticket-triage", "--input", str(path), "text=hi", "--text", *where)
    assert text.stdout.startswith("Channel: mail\n\n<message>\nhi")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("channel=chat",), "'text' is undefined"),
        (("channel=chat", "text=a", "more=b"), "unknown variable more"),
        (("chat",), "write VARIABLE=TEXT"),
    ],
)
def test_a_wrong_input_is_named(claudeflow: CommandLine, given: tuple[str, ...], reason: str) -> None:
    done = claudeflow("prompts", "render", "ticket-triage", *given, "--folder", str(EXAMPLES))
    assert done.exit_code == Exit.USAGE
    assert reason in done.stderr


def test_check_names_mistakes_leaks_and_prompts_too_small_for_the_cache(
    claudeflow: CommandLine, tmp_path: Path
) -> None:
    where = ("--folder", str(tmp_path))
    folder = a_prompt(tmp_path)
    small = claudeflow("prompts", "check", *where)
    assert small.exit_code == Exit.OK
    assert "warning: the stable part has about 6 tokens, minimum 512: too little to be cached" in small.stdout
    (folder / "system.md").write_text(LEAK)
    assert claudeflow("prompts", "check", *where).exit_code == Exit.FAILED
    (folder / "user.md").write_text("{{")
    broken = claudeflow("prompts", "check", *where)
    assert broken.exit_code == Exit.FAILED
    assert "sorter/user.md: line 1" in broken.stderr


def test_a_broken_prompt_hides_no_other(claudeflow: CommandLine, tmp_path: Path) -> None:
    where = ("--folder", str(tmp_path))
    a_prompt(tmp_path, {"system.md": LEAK}, "good")
    a_prompt(tmp_path, {"prompt.toml": "model = 7\n"}, "broken")
    listed = claudeflow("prompts", "list", "--json", *where)
    assert listed.exit_code == Exit.FAILED
    told = json.loads(listed.stdout)
    assert [row["name"] for row in told["prompts"]] == ["good"]
    assert "broken/prompt.toml: model: found 7" in told["mistakes"][1]
    table = claudeflow("prompts", "list", *where)
    assert "good" in table.stdout
    assert f"{tmp_path}: broken/prompt.toml: model: found 7" in table.stderr
    checked = claudeflow("prompts", "check", *where)
    assert checked.exit_code == Exit.FAILED
    assert "Today is Tuesday" in checked.stdout
    assert "1 finding" in checked.stderr
    assert "broken/prompt.toml: max_tokens: missing" in checked.stderr
    assert claudeflow("prompts", "show", "good", *where).exit_code == Exit.OK
    assert claudeflow("prompts", "render", "good", "letters=a", *where).exit_code == Exit.OK
    shown = claudeflow("prompts", "show", "broken", *where)
    assert shown.exit_code == Exit.FAILED
    assert "broken/prompt.toml: model: found 7" in shown.stderr


def test_what_is_shown_of_a_prompt_is_said_once(claudeflow: CommandLine) -> None:
    shown = claudeflow("prompts", "show", "ticket-triage", "--folder", str(EXAMPLES)).stdout
    assert "minimum 512: enough" in shown
    assert "is_cacheable" not in shown
    assert shown.count("512") == 1


def test_the_example_prompts_pass_the_check(claudeflow: CommandLine) -> None:
    done = claudeflow("prompts", "check", "--folder", str(EXAMPLES))
    assert (done.exit_code, done.stdout) == (Exit.OK, f"{EXAMPLES}: 6 prompts without a mistake\n")


def test_the_lint_loads_nothing_heavy() -> None:
    program = (
        "import sys; from claudeflow.cli.main import cli;"
        f"cli.main(['lint', {str(EXAMPLES)!r}], standalone_mode=False);"
        "sys.exit(bool({'anthropic', 'pydantic', 'aiohttp', 'starlette', 'rich'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0
