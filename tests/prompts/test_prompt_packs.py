"""`[pack]` in a prompt.toml: what it holds, what is refused and how, and that no version changes by it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from claudeflow.domain.errors import PromptError
from claudeflow.domain.prompt import CanaryRules, PackRules, PromptTemplate, Verify
from claudeflow.prompts import from_json, load_prompts, to_json
from tests.prompts.folders import FILES, Files, a_prompt

TOML = FILES["prompt.toml"]
assert isinstance(TOML, str)
SCHEMA = """{
  "type": "object",
  "properties": {"label": {"type": "string"}, "route": {"$ref": "#/$defs/route"}},
  "additionalProperties": false,
  "$defs": {"route": {"type": "object", "properties": {"team": {"type": "string"}}}}
}"""


def packed(pack: str, **changed: str | None) -> Files:
    files = {name.replace("_", "."): content for name, content in changed.items()}
    return {"prompt.toml": f"{TOML}{pack}\n", "schema.json": SCHEMA, **files}


def loaded(root: Path, files: Files) -> PromptTemplate:
    a_prompt(root, files)
    return load_prompts(root)["sorter"]


def mistakes(root: Path, files: Files) -> list[str]:
    a_prompt(root, files)
    with pytest.raises(PromptError) as caught:
        load_prompts(root)
    return [line.strip().removeprefix("sorter/") for line in str(caught.value).splitlines()[1:]]


def test_without_the_table_jobs_never_share_a_call(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"schema.json": SCHEMA}).pack is None


def test_the_number_of_items_is_all_that_must_be_said(tmp_path: Path) -> None:
    assert loaded(tmp_path, packed("[pack]\nmax_items = 20")).pack == PackRules(
        max_items=20,
        max_input_tokens=20_000,
        max_wait_s=2.0,
        verify=Verify.SEAL,
        canary=CanaryRules(share=0.0, fields=(), command=(), max_disagreement=0.05),
    )


EVERYTHING = """
[pack]
max_items = 50
max_input_tokens = 1_000_000
max_wait_s = 0
verify = "id"
[pack.canary]
share = 0.02
max_disagreement = 1
"""


@pytest.mark.parametrize(
    ("compare", "fields", "command"),
    [
        ('"equal"', (), ()),
        ('["label", "route.team"]', ("label", "route.team"), ()),
        ('{command = ["/usr/local/bin/agree", "-q"]}', (), ("/usr/local/bin/agree", "-q")),
    ],
)
def test_every_key_is_taken_up_and_comes_back_from_the_store(
    tmp_path: Path, compare: str, fields: tuple[str, ...], command: tuple[str, ...]
) -> None:
    template = loaded(tmp_path, packed(f"{EVERYTHING}compare = {compare}"))

    assert template.pack == PackRules(50, 1_000_000, 0, Verify.ID, CanaryRules(0.02, fields, command, 1))
    restored = from_json(to_json(template))
    assert restored == template
    assert restored.pack is not None
    assert restored.pack.verify is Verify.ID
    assert hash(restored.pack) == hash(template.pack)


def test_a_template_that_was_stored_before_there_were_packs_can_be_read(tmp_path: Path) -> None:
    template = loaded(tmp_path, {"schema.json": SCHEMA})
    stored = orjson.loads(to_json(template))
    del stored["pack"]

    assert from_json(orjson.dumps(stored)) == template


@pytest.mark.parametrize(
    "pack",
    [
        {},
        [],
        "seal",
        {"max_items": 2, "verify": "wax", "canary": {"fields": [], "command": []}},
        {"max_items": 2, "verify": "id", "canary": {"fields": [], "command": [], "colour": "red"}},
        {"max_items": 2, "verify": "id", "canary": {"fields": 5, "command": []}},
    ],
)
def test_other_rules_in_the_store_are_refused(tmp_path: Path, pack: object) -> None:
    stored = {**orjson.loads(to_json(loaded(tmp_path, packed("[pack]\nmax_items = 2")))), "pack": pack}

    with pytest.raises(PromptError, match="a stored prompt template cannot be read"):
        from_json(orjson.dumps(stored))


def test_packing_changes_no_version(tmp_path: Path) -> None:
    singly = loaded(tmp_path / "singly", {"schema.json": SCHEMA})
    together = loaded(tmp_path / "together", packed(EVERYTHING))

    assert together.version == singly.version


COMPARE = (
    'allowed: "equal", a list of fields such as ["label", "route.team"], '
    'or {command = ["/usr/local/bin/agree"]}'
)
ITEMS = "allowed: a whole number from 2 to 50"
KEYS = "allowed: max_items, max_input_tokens, max_wait_s, verify, canary"
ONE = "allowed: a number from 0 to 1"


@pytest.mark.parametrize(
    ("pack", "message"),
    [
        ("pack = 5", "pack: found 5; allowed: a table with `max_items`, which lets jobs share calls"),
        ("[pack]", f"pack.max_items: missing; {ITEMS}"),
        ("[pack]\nmax_items = 1", f"pack.max_items: found 1; {ITEMS}"),
        ("[pack]\nmax_items = 51", f"pack.max_items: found 51; {ITEMS}"),
        ("[pack]\nmax_items = true", f"pack.max_items: found True; {ITEMS}"),
        ("[pack]\nmax_items = 2.0", f"pack.max_items: found 2.0; {ITEMS}"),
        (
            "pack = {max_items = 2, max_item = 3}",
            f"pack.max_item: unknown key, found 3; {KEYS}",
        ),
        (
            "pack = {max_items = 2, max_input_tokens = 0}",
            "pack.max_input_tokens: found 0; allowed: a whole number from 1 to 1,000,000",
        ),
        (
            "pack = {max_items = 2, max_input_tokens = 1_000_001}",
            "pack.max_input_tokens: found 1000001; allowed: a whole number from 1 to 1,000,000",
        ),
        (
            "pack = {max_items = 2, max_wait_s = -0.1}",
            "pack.max_wait_s: found -0.1; allowed: seconds from 0 to 3,600",
        ),
        (
            "pack = {max_items = 2, max_wait_s = 3600.5}",
            "pack.max_wait_s: found 3600.5; allowed: seconds from 0 to 3,600",
        ),
        (
            "pack = {max_items = 2, max_wait_s = nan}",
            "pack.max_wait_s: found nan; allowed: seconds from 0 to 3,600",
        ),
        (
            'pack = {max_items = 2, max_wait_s = "2"}',
            "pack.max_wait_s: found '2'; allowed: seconds from 0 to 3,600",
        ),
        ('pack = {max_items = 2, verify = "wax"}', "pack.verify: found 'wax'; allowed: one of seal, id"),
        ("pack = {max_items = 2, verify = []}", "pack.verify: found []; allowed: one of seal, id"),
        (
            "pack = {max_items = 2, canary = 0.02}",
            "pack.canary: found 0.02; allowed: a table with `share`, `compare` and `max_disagreement`",
        ),
        (
            "pack = {max_items = 2, canary.shares = 1}",
            "pack.canary.shares: unknown key, found 1; allowed: share, compare, max_disagreement",
        ),
        ("pack = {max_items = 2, canary.share = 2}", f"pack.canary.share: found 2; {ONE}"),
        ("pack = {max_items = 2, canary.share = true}", f"pack.canary.share: found True; {ONE}"),
        (
            "pack = {max_items = 2, canary.max_disagreement = 5}",
            f"pack.canary.max_disagreement: found 5; {ONE}",
        ),
        ('pack = {max_items = 2, canary.compare = "all"}', f"pack.canary.compare: found 'all'; {COMPARE}"),
        ("pack = {max_items = 2, canary.compare = []}", f"pack.canary.compare: found []; {COMPARE}"),
        (
            'pack = {max_items = 2, canary.compare = ["a..b"]}',
            f"pack.canary.compare: found ['a..b']; {COMPARE}",
        ),
        (
            "pack = {max_items = 2, canary.compare = {command = []}}",
            f"pack.canary.compare: found {{'command': []}}; {COMPARE}",
        ),
        (
            'pack = {max_items = 2, canary.compare = {command = "agree"}}',
            f"pack.canary.compare: found {{'command': 'agree'}}; {COMPARE}",
        ),
        (
            'pack = {max_items = 2, canary.compare = {run = ["agree"]}}',
            f"pack.canary.compare: found {{'run': ['agree']}}; {COMPARE}",
        ),
        (
            'pack = {max_items = 2, canary.compare = ["label", "lable"]}',
            "pack.canary.compare: found 'lable'; allowed: fields that answers by schema.json have",
        ),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, pack: str, message: str) -> None:
    assert mistakes(tmp_path, packed(pack)) == [f"prompt.toml: {message}"]


def test_all_mistakes_of_the_table_come_at_once(tmp_path: Path) -> None:
    found = mistakes(tmp_path, packed("pack = {max_items = 1, verify = 1, canary = {share = 2, colour = 1}}"))

    assert [mistake.split(": ")[1] for mistake in found] == [
        "pack.max_items",
        "pack.verify",
        "pack.canary.colour",
        "pack.canary.share",
    ]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        pytest.param(
            {"schema_json": None},
            "schema.json: missing; a prompt with [pack] needs one, or remove [pack]",
            id="no schema",
        ),
        pytest.param(
            {"tools_json": '[{"name": "look_up"}]'},
            "tools.json: a prompt with [pack] has no tools; remove this file, or [pack]",
            id="tools",
        ),
        pytest.param(
            {"schema_json": '{"type": "array"}'},
            'schema.json: type: must be "object" in a prompt with [pack]; '
            "give the answer as a field of an object",
            id="no object",
        ),
        pytest.param(
            {"schema_json": '{"type": "object", "properties": {"a": {"$ref": "#"}}}'},
            "schema.json: properties.a.$ref: must begin with #/$defs/ or #/definitions/ in a prompt with "
            "[pack]; move what it refers to into $defs",
            id="reference",
        ),
        pytest.param({"schema_json": "[]"}, "schema.json: must be an object, found list", id="broken schema"),
    ],
)
def test_what_packs_need_of_the_other_files_is_named(
    tmp_path: Path, files: dict[str, str | None], found: str
) -> None:
    assert mistakes(tmp_path, packed("[pack]\nmax_items = 2", **files)) == [found]


def test_without_the_table_schemas_and_tools_are_free(tmp_path: Path) -> None:
    files = {
        "schema.json": '{"type": "array", "items": {"$ref": "#"}}',
        "tools.json": '[{"name": "look_up"}]',
    }

    assert loaded(tmp_path, files).pack is None
