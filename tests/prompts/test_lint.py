"""The leak lint: each planted leak is found once, and reference data is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from claudeflow.prompts.lint import RULES, LintSettings, lint_body, lint_json, lint_prompts, lint_text
from claudeflow.prompts.lint.patterns import Patterns
from claudeflow.simulation.examples import find_examples

EXAMPLES = find_examples()
PLANTED = [
    tuple(line.split("\t"))
    for line in (Path(__file__).parent / "planted_leaks.tsv").read_text(encoding="utf-8").splitlines()
]
SYSTEMS = {
    path.parent.name: path.read_text(encoding="utf-8") for path in EXAMPLES.glob("prompts/*/system.md")
}
REFERENCE = sorted(
    path
    for kind in ("firewall", "questionnaires")
    for path in (EXAMPLES / "inputs" / kind).rglob("*")
    if path.is_file()
)
A_TOOL = {
    "name": "look_up",
    "description": "Finds things.",
    "input_schema": {"type": "object", "properties": {}},
}


def rules_of(text: str, **settings: frozenset[str]) -> list[str]:
    return [finding.rule for finding in lint_text(text, settings=LintSettings(**settings))]  # type: ignore[arg-type]


def test_more_than_forty_leaks_of_every_kind_are_planted() -> None:
    assert len(PLANTED) >= 40
    assert {rule for rule, _ in PLANTED} == RULES.keys() - {"key-order"}


@pytest.mark.parametrize(
    ("rule", "line"), PLANTED, ids=[f"{rule}-{n}" for n, (rule, _) in enumerate(PLANTED, 1)]
)
def test_a_planted_leak_is_found_once(rule: str, line: str) -> None:
    [found] = lint_text(line, "system.md")
    assert (found.rule, found.file, found.line) == (rule, "system.md", 1)
    assert line[found.column - 1 :].startswith(found.text.rstrip("…"))
    assert found.why
    assert found.move


@pytest.mark.parametrize("prompt", SYSTEMS)
def test_leaks_planted_in_an_example_prompt_are_all_found_in_their_lines(prompt: str) -> None:
    lines = SYSTEMS[prompt].split("\n")
    step = max(1, len(lines) // len(PLANTED))
    expected = []
    for number, (rule, leak) in enumerate(PLANTED):
        at = min(number * (step + 1), len(lines))
        lines.insert(at, leak)
        expected.append((at + 1, rule))
    found = lint_text("\n".join(lines))
    assert [(one.line, one.rule) for one in found] == expected


def test_nothing_is_found_in_the_example_prompts() -> None:
    assert lint_prompts(EXAMPLES / "prompts") == []


@pytest.mark.parametrize("path", REFERENCE, ids=lambda path: path.name)
def test_nothing_is_found_in_reference_data_alone_or_within_a_prompt(path: Path) -> None:
    text = path.read_bytes().decode()
    assert lint_text(text, str(path)) == []
    within = f"You explain policies.\n\n# Definitions\n\n{text}\n\n# Task\n\nExplain the change."
    body = {"system": [{"type": "text", "text": within}], "messages": []}
    assert lint_body(body) == []


@pytest.mark.parametrize(
    "line",
    [
        "Follow ISO 27001, SOC 2 Type II, RFC 1918, SHA-256 and CVE-2024-12345.",
        "Version 1.2.3.4 is supported; see section 4.2.1.3.",
        "Office hours are 09:00-17:00; answers come at 08:00 each day.",
        "The private ranges are 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16.",
        "Our sites are 10.1.0.0/16, 10.2.0.0/16 and 10.3.0.0/16.",
        "The loopback is 127.0.0.1 or ::1, the netmask 255.255.255.0.",
        "Write to security@example.com about weaknesses.",
        "See https://docs.python.org/3/library/re.html for the syntax.",
        "The policy version 2024-03-01 is in force.",
        "Regulation of 27 April 2016 applies.",
        "Use `{{ name }}` and `%s` as they are in your answer.",
        "100 % of cases, 50% of the tickets, $100 to $200.",
        "GET /users/{id} returns the user.",
        "The aspect ratio is 16:09, the colour #336699.",
        "Escalate after 30 minutes; week 1 is for accounts.",
        "You may 10 times ask; order 2 of 3; task 12 in the list.",
        "Do not mention the current date or time.",
        "Write dates as YYYY-MM-DD and times as HH:MM.",
        "It runs on release 10.11.6 and on library 1.2.26; section 4.12.3 says why.",
        "A PIN matches [0-9]{4} and a code (ab){2}; e.g. x^{2}.",
        "$schema names the dialect, $ref points; it costs $50 or US$ten.",
        "See https://www.example.org/standards/ISO-27001 and https://example.org/RFC-1918.",
        "Fill in the form templates/FORM-2000 of the handbook.",
        "Pick an item of type i-frame or sub-section; acl-inbound stays.",
        "The limit is 1500000000 bits per second, the port 8443.",
    ],
)
def test_what_only_looks_like_a_leak_is_none(line: str) -> None:
    assert rules_of(line) == []


def test_the_same_address_is_a_leak_in_a_sentence_and_none_in_a_definition() -> None:
    assert rules_of("The server 10.20.30.40 is down.") == ["ip"]
    assert rules_of("```\nthe server 10.20.30.40\n```") == []
    assert rules_of("| Name | Address |\n|---|---|\n| a | 10.20.30.40 |\n| b | 10.20.30.41 |") == []
    assert rules_of("WEB = 10.20.30.40\nMAIL = 10.20.30.41") == []
    assert rules_of("- 10.20.30.40: web\n- 10.20.30.41: mail") == []
    assert rules_of("ip address 10.20.30.40 255.255.255.0\nip route 10.1.2.0 255.255.255.0 10.20.30.40") == []


def test_a_table_with_one_row_and_a_lone_statement_are_no_definitions() -> None:
    assert rules_of("| Host | Address |\n|---|---|\n| a | 10.20.30.40 |") == ["ip"]
    assert rules_of("# Event\n\nhost=srv-db-03.corp.local\n\n# Task") == ["host"]


def test_fields_of_an_incident_are_leaks_wherever_they_stand() -> None:
    assert rules_of('```json\n{"incident": "INC0012345"}\n```') == ["ticket"]
    assert rules_of("WEB = 10.20.30.40\nREPORTED = 10.20.30.41") == ["ip"]
    uuid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    assert rules_of(f"WEB = 10.20.30.40\nID = {uuid}") == ["uuid"]


def test_markers_are_leaks_in_plain_code_blocks_and_none_where_a_language_is_shown() -> None:
    assert rules_of("```\n{{ ticket }}\n```") == ["variable"]
    assert rules_of("```jinja\n{{ ticket }}\n```") == []


def test_two_leaks_in_a_line_are_two_findings_with_their_columns() -> None:
    found = lint_text("ok\nINC0012345 came from 10.20.30.40.")
    assert [(one.line, one.column, one.text) for one in found] == [
        (2, 1, "INC0012345"),
        (2, 22, "10.20.30.40"),
    ]


def test_a_comment_switches_rules_off_for_its_line_or_the_next() -> None:
    leak = "Call 10.20.30.40 about INC0012345."
    assert rules_of(f"{leak} <!-- lint: ignore[ip] -->") == ["ticket"]
    assert rules_of(f"{leak} <!-- lint: ignore -->") == []
    assert rules_of(f"<!-- lint: ignore[ip, ticket] -->\n{leak}\n{leak}") == ["ip", "ticket"]


def test_rules_can_be_switched_off_and_texts_allowed() -> None:
    leak = "Call 10.20.30.40 about INC0012345."
    assert rules_of(leak, ignore=frozenset({"ip"})) == ["ticket"]
    assert rules_of(leak, allow=frozenset({"INC0012345"})) == ["ip"]


def test_own_patterns_are_rules() -> None:
    settings = LintSettings(patterns=Patterns({"asset": r"\bAST\d{5}\b"}))
    [found] = lint_text("The asset AST12345 is new.", settings=settings)
    assert (found.rule, found.text, found.column) == ("asset", "AST12345", 11)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "not a regular expression"),
        (r"(a)\1", "not a regular expression"),
        ("a*", "matches the empty text"),
        (7, "must be a regular expression in quotes"),
        ("a" * 1001, "longer than 1000"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_named(pattern: object, problem: str) -> None:
    with pytest.raises(ValueError, match=f"patterns.own: .*{problem}"):
        Patterns({"own": pattern})


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "1.",
        ":",
        "a-1",
        "{",
        "%(",
        "`",
        "1:1 ",
        "+1 1 ",
        "a@",
        "-1",
        "\\\\a",
        "$a_",
        "<",
        " ",
        "|",
        "0-0-",
        "/A-1",
        "a://A-1 ",
        "$abc ",
        "{0",
        "00-",
        "i-0",
    ],
    ids=repr,
)
def test_no_line_makes_a_rule_explode(piece: str) -> None:
    settings = LintSettings(patterns=Patterns({"explosive": "(a+)+b|(a|a)*c"}))
    lint_text(piece * (20_000 // len(piece)), settings=settings)


def test_descriptions_of_tools_are_read_and_enumerations_are_not() -> None:
    tool = {**A_TOOL, "description": "Looks at 10.20.30.40 only."}
    [found] = lint_json(json.dumps([tool], indent=1), "tools.json")
    assert (found.rule, found.line, found.text) == ("ip", 4, "10.20.30.40")
    assert (
        lint_json('{"enum": ["10.20.30.40", "srv-db-03.corp.local"], "type": "string"}', "schema.json") == []
    )


def test_keys_in_an_order_of_chance_are_found() -> None:
    turned = dict(reversed(A_TOOL.items()))
    assert [one.rule for one in lint_json(json.dumps([turned]), "tools.json")] == ["key-order"]
    assert [one.rule for one in lint_json(json.dumps([A_TOOL, {**A_TOOL}]), "tools.json")] == []
    two = '{"a": 1, "b": 2}\n{"b": 1, "a": 2}'
    assert [(one.rule, one.line) for one in lint_text(two)] == [("key-order", 2)]
    assert lint_text('```json\n{"b": 1, "a": 2}\n```\n{"b": 3, "a": 4}') == []


def test_of_a_body_the_stable_part_is_read_and_the_messages_are_not() -> None:
    body = {
        "model": "claude-haiku-5-5",
        "tools": [{**A_TOOL, "description": "Since 2026-11-17."}],
        "system": [
            {"type": "text", "text": "Fixed.\nINC0012345", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "Today is Tuesday."},
        ],
        "messages": [{"role": "user", "content": "INC0099999 from 10.20.30.40"}],
    }
    found = [(one.file, one.rule) for one in lint_body(body)]
    assert found == [("body: tools", "date"), ("body: system[0]", "ticket")]


def test_any_text_and_any_json_can_be_looked_at() -> None:
    for text in (
        "",
        "\x00",
        "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
        "```\n",
        "{" * 99_999,
    ):
        lint_text(text)
        lint_json(text, "tools.json")
    lint_json("[" * 900 + "]" * 900, "schema.json")
    lint_body({"system": [{}, 3, None], "tools": [1], "output_config": 7})


@pytest.mark.parametrize("at", [0, 19_480, 19_990, 20_000, 38_700, 60_000, 99_980])
def test_a_long_line_is_looked_at_to_its_end_and_each_leak_is_found_once(at: int) -> None:
    line = "word " * 20_000
    line = f"{line[: at - at % 5]}INC0012345 {line[at:]}"
    assert [(one.column, one.rule) for one in lint_text(line)] == [(at - at % 5 + 1, "ticket")]
    [found] = lint_json(json.dumps([{"name": "a", "description": line}]), "tools.json")
    assert found.column == line.index("INC") + len('[{"name": "a", "description": "') + 1


def test_leaks_all_along_a_long_line_are_counted_right() -> None:
    assert len(lint_text("INC0012345 and " * 8_000)) == 8_000


def test_a_text_of_many_lines_is_looked_at_to_its_end() -> None:
    assert lint_text("\n" * 200_000 + "a\n" * 100_000) == []
    found = lint_json("[" + ",\n".join('{"a": "INC0012345"}' for _ in range(5_000)) + "]", "schema.json")
    assert (found[-1].line, found[-1].column) == (5_000, 8)


def test_json_nested_deeply_within_a_text_is_passed_over() -> None:
    assert lint_text('{"a":' * 790 + "1" + "}" * 790) == []


def test_json_nested_too_deeply_for_its_order_still_has_its_texts_looked_at() -> None:
    deep = '{"a": "INC0012345", "b": ' + "[" * 5_000 + "]" * 5_000 + "}"
    assert [one.rule for one in lint_json(deep, "schema.json")] == ["ticket"]
