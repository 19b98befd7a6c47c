"""Rendering: from a template and a job's input to a Messages body, and templates in the store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.errors import PromptError
from claudeflow.domain.prompt import PromptTemplate
from claudeflow.prompts import from_json, render, to_json

PLAIN = PromptTemplate(
    name="sorter",
    version="0123456789abcdef",
    model="claude-haiku-5-5",
    max_tokens=100,
    lane="bulk",
    workflow="letters",
    system="You sort {{ letters }}.",
    user="Sort {{ letters }}.",
)
RICH = replace(
    PLAIN,
    effort="low",
    tools=({"name": "b", "description": "é"}, {"name": "a", "input_schema": {"type": "object"}}),
    schema={"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "integer"}}},
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def a_template(user: str) -> PromptTemplate:
    return replace(PLAIN, user=user)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(inner) for key, inner in reversed(value.items())}
    return [reordered(inner) for inner in value] if isinstance(value, list) else value


def user_text(user: str, **variables: Any) -> str:
    text = render(a_template(user), variables)["messages"][0]["content"]
    assert isinstance(text, str)
    return text


def refusal(user: str, **variables: Any) -> str:
    with pytest.raises(PromptError) as caught:
        render(a_template(user), variables)
    return str(caught.value)


def test_a_plain_prompt_becomes_the_smallest_body() -> None:
    assert render(PLAIN, {"letters": "c, b"}) == {
        "model": "claude-haiku-5-5",
        "max_tokens": 100,
        "system": [{"type": "text", "text": "You sort {{ letters }}."}],
        "messages": [{"role": "user", "content": "Sort c, b."}],
    }


def test_tools_effort_and_schema_are_in_the_body() -> None:
    body = render(RICH, {"letters": "x"})

    assert body["tools"] == list(RICH.tools)
    assert body["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": RICH.schema},
    }


def test_a_body_may_be_marked_without_marking_the_next_one() -> None:
    marked = render(RICH, {"letters": "x"})
    marked["system"][0]["cache_control"] = marked["tools"][-1]["cache_control"] = {"type": "ephemeral"}

    assert "cache_control" not in orjson.dumps(render(RICH, {"letters": "x"})).decode()


@given(first=JSON_VALUES, second=JSON_VALUES)
def test_equal_inputs_give_equal_bytes_in_any_key_order(first: Any, second: Any) -> None:
    template = a_template(
        "{{ first | tojson }}\n{% if second is mapping %}m{% endif %} {{ second | tojson }}"
    )

    one = render(template, {"first": first, "second": second})
    other = render(template, reordered({"first": first, "second": second}))

    assert orjson.dumps(one) == orjson.dumps(other)


@given(st.text())
def test_input_text_arrives_unchanged_and_is_never_a_template(text: str) -> None:
    assert user_text("<m>{{ text }}</m>", text=text) == f"<m>{text}</m>"


def test_tojson_writes_plain_json_with_sorted_keys() -> None:
    assert user_text("{{ x | tojson }}", x={"b": "<é>", "a": [1]}) == '{"a":[1],"b":"<é>"}'


def test_a_missing_variable_is_named_with_those_the_template_uses() -> None:
    assert refusal("{{ subject }} {{ text }}", text="x") == (
        "prompt sorter: 'subject' is undefined; user.md uses: subject, text"
    )


def test_a_missing_part_of_a_variable_is_named() -> None:
    assert refusal("{{ mail.subject }}", mail={"subjekt": "x"}) == (
        "prompt sorter: 'dict object' has no attribute 'subject'; user.md uses: mail"
    )


def test_unknown_variables_are_named_because_they_are_probably_misspelled() -> None:
    assert refusal("{{ subject }}", subject="x", txet="y", body="z") == (
        "prompt sorter: unknown variable body, txet; user.md uses: subject"
    )


def test_a_variable_may_be_optional() -> None:
    template = "{{ text }}{% if note is defined %} ({{ note }}){% endif %}"

    assert user_text(template, text="a") == "a"
    assert user_text(template, text="a", note="b") == "a (b)"


def test_a_prompt_without_variables_takes_none() -> None:
    assert user_text("Go.") == "Go."
    assert refusal("Go.", text="x") == "prompt sorter: unknown variable text; user.md uses: none"


def test_an_empty_message_is_refused_because_the_api_would() -> None:
    assert (
        refusal(" {{ text }}\n", text=" \n")
        == "prompt sorter: user.md renders to nothing; user.md uses: text"
    )


def test_a_wrong_type_of_input_is_the_jobs_error() -> None:
    assert refusal("{% for x in items %}{{ x }}{% endfor %}", items=7).startswith(
        "prompt sorter: 'int' object is not iterable"
    )


def test_an_error_that_could_quote_the_input_does_not() -> None:
    message = refusal("{{ '%d' | format(1) }}{{ table['k'].index(word) }}", table={"k": [1]}, word="secret")

    assert message == "prompt sorter: ValueError while rendering; user.md uses: table, word"


@pytest.mark.parametrize(
    "user",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ text.__init__.__globals__ }}",
        "{{ '{0.__class__}'.format(text) }}",
        "{{ range(10000000) | list }}",
        "{% for x in [1] %}{{ loop.__class__.__base__ }}{% endfor %}",
    ],
)
def test_a_template_cannot_leave_the_sandbox(user: str) -> None:
    with pytest.raises(PromptError):
        render(a_template(user + "{{ text }}"), {"text": "x"})


def test_a_template_cannot_change_its_input() -> None:
    items = ["a"]

    refusal("{{ items.append('b') }}", items=items)

    assert items == ["a"]


@pytest.mark.parametrize("user", ["{{ lipsum() }}", "{{ [1, 2] | random }}"])
def test_nothing_random_is_at_hand(user: str) -> None:
    with pytest.raises(PromptError):
        render(a_template(user), {})


@pytest.mark.parametrize("template", [PLAIN, RICH])
def test_a_template_comes_back_from_the_store_as_it_was(template: PromptTemplate) -> None:
    restored = from_json(to_json(template))

    assert restored == template
    assert to_json(restored) == to_json(template)
    assert orjson.dumps(render(restored, {"letters": "x"})) == orjson.dumps(
        render(template, {"letters": "x"})
    )


@pytest.mark.parametrize("stored", [b"", b"[]", b"{}", b'{"tools": [], "name": "x", "colour": "red"}'])
def test_something_else_in_the_store_is_refused(stored: bytes) -> None:
    with pytest.raises(PromptError, match="a stored prompt template cannot be read"):
        from_json(stored)
