"""Prompt folders: what loads, what is refused and how, and what changes a version."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from claudeflow.domain.errors import PromptError
from claudeflow.domain.prompt import PromptTemplate
from claudeflow.prompts import from_json, load_prompts, to_json
from claudeflow.prompts.json_files import DEEPEST
from tests.prompts.folders import FILES, Files, a_prompt


def loaded(root: Path) -> PromptTemplate:
    return load_prompts(root)["sorter"]


def refusal(root: Path) -> str:
    with pytest.raises(PromptError) as caught:
        load_prompts(root)
    return str(caught.value)


def test_a_folder_becomes_a_template_with_its_texts_unchanged(tmp_path: Path) -> None:
    system = "  {{ not a template }}\r\n{% nor this %}\n\n"
    a_prompt(
        tmp_path,
        {
            "prompt.toml": 'model = "m"\nmax_tokens = 7\neffort = "low"\nlane = "bulk"\nworkflow = "w"\n',
            "system.md": system,
            "tools.json": '[{"name": "look_up"}]',
            "schema.json": '{"type": "object"}',
        },
    )

    template = loaded(tmp_path)

    assert template.system == system
    assert template.user == FILES["user.md"]
    assert (template.name, template.model, template.max_tokens) == ("sorter", "m", 7)
    assert (template.effort, template.lane, template.workflow) == ("low", "bulk", "w")
    assert template.tools == ({"name": "look_up"},)
    assert template.schema == {"type": "object"}


def test_lane_defaults_to_the_default_lane_and_workflow_to_the_folder(tmp_path: Path) -> None:
    a_prompt(tmp_path)

    template = loaded(tmp_path)

    assert (template.lane, template.workflow, template.effort) == ("", "sorter", None)
    assert (template.tools, template.schema) == ((), None)


def test_hidden_and_backup_files_and_loose_files_are_ignored(tmp_path: Path) -> None:
    folder = a_prompt(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("Our prompts.")
    (folder / ".swp").write_text("")
    (folder / "user.md~").write_text("{{ old")

    assert list(load_prompts(tmp_path)) == ["sorter"]


def test_an_empty_prompts_folder_has_no_prompts(tmp_path: Path) -> None:
    assert load_prompts(tmp_path) == {}


def test_a_missing_prompts_folder_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere") == (
        f"{tmp_path}/nowhere: the prompts folder cannot be read: No such file or directory"
    )


GOOD_TOML = FILES["prompt.toml"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"prompt.toml": None}, "sorter/prompt.toml: missing", id="no settings"),
        pytest.param({"system.md": None}, "sorter/system.md: missing", id="no system"),
        pytest.param({"user.md": None}, "sorter/user.md: missing", id="no user"),
        pytest.param({"system.md": " \n"}, "sorter/system.md: is empty", id="empty system"),
        pytest.param(
            {"schemas.json": "{}"},
            "sorter/schemas.json: unknown file; "
            "allowed: prompt.toml, system.md, user.md, tools.json, schema.json",
            id="misspelled file",
        ),
        pytest.param(
            {"prompt.toml": 'modle = "m"\nmax_tokens = 1'},
            "sorter/prompt.toml: modle: unknown key, found 'm'; "
            "allowed: model, max_tokens, effort, lane, fallback, workflow, pack, lint",
            id="unknown key",
        ),
        pytest.param(
            {"prompt.toml": "max_tokens = 1"},
            'sorter/prompt.toml: model: missing; allowed: a model id such as "claude-sonnet-5-5"',
            id="no model",
        ),
        pytest.param(
            {"prompt.toml": 'model = "m"\nmax_tokens = "1024"'},
            "sorter/prompt.toml: max_tokens: found '1024'; allowed: a whole number from 1",
            id="max_tokens is text",
        ),
        pytest.param(
            {"prompt.toml": 'model = "m"\nmax_tokens = true'},
            "sorter/prompt.toml: max_tokens: found True; allowed: a whole number from 1",
            id="max_tokens is a boolean",
        ),
        pytest.param(
            {"prompt.toml": 'model = "m"\nmax_tokens = 0'},
            "sorter/prompt.toml: max_tokens: found 0; allowed: a whole number from 1",
            id="max_tokens is zero",
        ),
        pytest.param(
            {"prompt.toml": GOOD_TOML + 'effort = "maximal"'},
            "sorter/prompt.toml: effort: found 'maximal'; allowed: one of low, medium, high, xhigh, max",
            id="unknown effort",
        ),
        pytest.param(
            {"prompt.toml": GOOD_TOML + 'lane = ["bulk"]'},
            "sorter/prompt.toml: lane: found ['bulk']; allowed: a lane's name; "
            "without the key, the default lane",
            id="lane is a list",
        ),
        pytest.param(
            {"prompt.toml": GOOD_TOML + 'workflow = ""'},
            "sorter/prompt.toml: workflow: found ''; allowed: a workflow's name; "
            "without the key, the folder's name",
            id="empty workflow",
        ),
        pytest.param(
            {"prompt.toml": "model = \n"},
            "sorter/prompt.toml: not valid TOML: Invalid value (at line 1",
            id="TOML",
        ),
        pytest.param({"system.md": b"caf\xe9"}, "sorter/system.md: not valid UTF-8 at byte 3", id="Latin-1"),
        pytest.param(
            {"tools.json": '[\n  {"name": }\n]'},
            "sorter/tools.json: not valid JSON: line 2, column 12: ",
            id="JSON",
        ),
        pytest.param(
            {"tools.json": '{"name": "x"}'},
            "sorter/tools.json: must be an array of objects, each with a name",
            id="tools are an object",
        ),
        pytest.param(
            {"tools.json": '[{"nmae": "x"}]'},
            "sorter/tools.json: must be an array of objects, each with a name",
            id="tool without a name",
        ),
        pytest.param(
            {"schema.json": "[]"},
            "sorter/schema.json: must be an object, found list",
            id="schema is an array",
        ),
        pytest.param(
            {"schema.json": "null"},
            "sorter/schema.json: must not be null; without the file there is none",
            id="null",
        ),
        pytest.param(
            {"user.md": "one\ntwo {{ letters }\n"},
            "sorter/user.md: line 2: unexpected '}'",
            id="Jinja syntax",
        ),
        pytest.param(
            {"user.md": "{{ letters | shout }}"},
            "sorter/user.md: line 1: No filter named 'shout'.",
            id="unknown filter",
        ),
        pytest.param(
            {"user.md": "{% include 'other.md' %}"},
            "sorter/user.md: include, import and extends are not available",
            id="include",
        ),
        pytest.param(
            {"prompt.toml": "a = " + "[" * 100_000},
            "sorter/prompt.toml: is nested too deeply",
            id="deep TOML",
        ),
        pytest.param(
            {"prompt.toml": "model = 'm'\nmax_tokens = " + "9" * 5_000},
            "sorter/prompt.toml: not valid TOML",
            id="a number of 5,000 digits",
        ),
        pytest.param(
            {"prompt.toml": "model = 'm'\nmax_tokens = " + "9" * 30},
            "allowed: a whole number from 1 to 10,000,000",
            id="more tokens than a machine word",
        ),
        pytest.param(
            {"user.md": "{{ " + "(" * 50_000 + "text" + ")" * 50_000 + " }}"},
            "sorter/user.md: is nested too deeply",
            id="deep expression",
        ),
        pytest.param(
            {"user.md": "{% if text %}" * 3_000 + "x" + "{% endif %}" * 3_000},
            "sorter/user.md: is nested too deeply",
            id="deep statements",
        ),
        pytest.param(
            {"user.md": "{% for a in b %}" * 30 + "x" + "{% endfor %}" * 30},
            "sorter/user.md: is nested too deeply",
            id="deep loops",
        ),
        pytest.param(
            {"tools.json": '[{"name": "a", "input_schema": {"a": ' + "[" * 240 + "]" * 240 + "}}]"},
            "sorter/tools.json: is nested too deeply; at most 100 levels are allowed",
            id="deep tools",
        ),
        pytest.param({"tools.json": "[" * 100_000}, "sorter/tools.json: not valid JSON", id="deep JSON"),
        pytest.param(
            {"tools.json": '[{"name": null, "description": 5, "input_schema": []}]'},
            "sorter/tools.json: [0].name: must be a text that is not empty\n"
            "  sorter/tools.json: [0].description: must be a text\n"
            "  sorter/tools.json: [0].input_schema: must be an object",
            id="a tool's fields",
        ),
        pytest.param(
            {"tools.json": '[{"name": "a"}, {"name": "a"}]'},
            "sorter/tools.json: the name a is used twice",
            id="a tool twice",
        ),
        pytest.param(
            {"system.md": "word " * 1_000_000},
            "sorter/system.md: is larger than 4 MiB, which no model reads; shorten it",
            id="too large",
        ),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, changed: Files, message: str) -> None:
    a_prompt(tmp_path, changed)

    assert message in refusal(tmp_path)


def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    folder = a_prompt(tmp_path, {"system.md": None, "user.md": None, "tools.json": None})
    os.mkfifo(folder / "system.md")
    (folder / "user.md").mkdir()
    (folder / "tools.json").symlink_to("/dev/zero")

    assert refusal(tmp_path).splitlines()[1:] == [
        f"  sorter/{file}: is no regular file; write the text itself there"
        for file in ("system.md", "user.md", "tools.json")
    ]


def test_a_link_to_nothing_is_a_mistake_and_a_link_to_a_file_is_none(tmp_path: Path) -> None:
    folder = a_prompt(tmp_path / "prompts", {"system.md": None})
    (folder / "system.md").symlink_to(tmp_path / "shared.md")
    assert "sorter/system.md: is a link to nothing" in refusal(tmp_path / "prompts")

    (tmp_path / "shared.md").write_text("You sort letters.")
    assert loaded(tmp_path / "prompts").system == "You sort letters."


def test_a_name_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    folder = a_prompt(tmp_path)
    (folder / os.fsdecode(b"caf\xe9")).write_text("")

    assert "sorter/caf\\xe9: unknown file" in refusal(tmp_path)


def test_json_may_be_nested_as_deeply_as_the_limit_says(tmp_path: Path) -> None:
    a_prompt(tmp_path, {"schema.json": '{"a":' * DEEPEST + "1" + "}" * DEEPEST})

    template = loaded(tmp_path)

    assert from_json(to_json(template)) == template


def test_a_folder_name_that_cannot_be_a_prompt_name_is_refused(tmp_path: Path) -> None:
    a_prompt(tmp_path, name="two words")

    assert "two words/: a prompt's name is letters, digits" in refusal(tmp_path)


def test_the_mistakes_of_all_folders_come_in_one_error(tmp_path: Path) -> None:
    a_prompt(tmp_path, {"system.md": None, "prompt.toml": 'modle = "m"'}, name="first")
    a_prompt(tmp_path, name="good")
    a_prompt(tmp_path, {"user.md": "{{"}, name="second")

    lines = refusal(tmp_path).splitlines()

    assert lines[0] == f"{tmp_path}: 5 mistakes"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "first/system.md",
        "first/prompt.toml",
        "first/prompt.toml",
        "first/prompt.toml",
        "second/user.md",
    ]


TOOLS = '[{"name": "a", "description": "b"}]'
SCHEMA = '{"type": "object", "additionalProperties": false}'
STRUCTURED: Files = {"tools.json": TOOLS, "schema.json": SCHEMA}


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"prompt.toml": GOOD_TOML.replace("haiku", "sonnet")}, id="model"),
        pytest.param({"prompt.toml": GOOD_TOML + 'effort = "low"'}, id="effort"),
        pytest.param({"system.md": "You sort letters. \n"}, id="a space in system.md"),
        pytest.param({"tools.json": TOOLS.replace("b", "c")}, id="tools"),
        pytest.param({"schema.json": SCHEMA.replace("false", "true")}, id="schema"),
        pytest.param({"schema.json": None}, id="no schema"),
    ],
)
def test_the_version_changes_with_the_stable_part(tmp_path: Path, changed: Files) -> None:
    a_prompt(tmp_path / "before", STRUCTURED)
    a_prompt(tmp_path / "after", {**STRUCTURED, **changed})

    assert loaded(tmp_path / "before").version != loaded(tmp_path / "after").version


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"user.md": "Please sort {{ letters }}."}, id="user.md"),
        pytest.param({"prompt.toml": GOOD_TOML.replace("100", "200")}, id="max_tokens"),
        pytest.param({"prompt.toml": GOOD_TOML + 'lane = "bulk"\nworkflow = "w"'}, id="lane and workflow"),
        pytest.param(
            {"prompt.toml": "# cheap\nmax_tokens = 100\nmodel = 'claude-haiku-5-5'"}, id="TOML style"
        ),
        pytest.param(
            {"schema.json": '{\n  "type": "object",\n  "additionalProperties": false}'}, id="JSON style"
        ),
    ],
)
def test_the_version_stays_when_only_the_rest_changes(tmp_path: Path, changed: Files) -> None:
    a_prompt(tmp_path / "before", STRUCTURED)
    a_prompt(tmp_path / "after", {**STRUCTURED, **changed})

    assert loaded(tmp_path / "before").version == loaded(tmp_path / "after").version


def test_a_version_is_sixteen_hex_digits_that_outlive_the_process(tmp_path: Path) -> None:
    a_prompt(tmp_path)

    assert loaded(tmp_path).version == "87b5e3795653aefd"
