"""Where markers go, how prefixes are named, and that nothing else in a request changes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.caching.breakpoints import with_breakpoints
from claudeflow.policy.caching.naming import path_of
from claudeflow.policy.caching.paths import Ttl, keys_of, kind_of, levels_of
from claudeflow.policy.caching.places import asks_for_1h, markers_of
from claudeflow.policy.caching.plan import Mark, Plan, Turn
from claudeflow.twin.prefix import read_prefix
from tests.policy.caching.cachelab import OPUS, Lab, a_body, long_text, model_of, text

SYSTEM = long_text("system", 700)
MARK = {"type": "ephemeral"}
LONG_MARK = {"type": "ephemeral", "ttl": "1h"}
TOOL = {"name": "look", "description": "looks " * 600, "input_schema": {"type": "object"}}


def all_marked(body: dict[str, Any], ttl: Ttl = "5m") -> dict[str, Any]:
    """The body with every level of it marked."""
    path = path_of(body, 512)
    marks = tuple(Mark(level, ttl, writes=True) for level in levels_of(path))
    return dict(with_breakpoints(body, path, Plan(Turn.LEAD, marks)))


def markers_in(value: Any) -> list[Any]:
    """Every marker, wherever it is."""
    if isinstance(value, dict):
        own = [value["cache_control"]] if value.get("cache_control") else []
        return own + [found for part in value.values() for found in markers_in(part)]
    return [found for part in value for found in markers_in(part)] if isinstance(value, list) else []


def without_markers(value: Any) -> Any:
    """A body as the API understands it: texts as blocks, no markers."""
    if isinstance(value, dict):
        plain = {key: without_markers(part) for key, part in value.items() if key != "cache_control"}
        for name in ("system", "content"):
            if isinstance(plain.get(name), str):
                plain[name] = [{"type": "text", "text": plain[name]}] if plain[name] else []
        return plain
    return [without_markers(part) for part in value] if isinstance(value, list) else value


def kinds(body: dict[str, Any]) -> list[str]:
    return [kind_of(level) for level in levels_of(path_of(body, 512))]


def test_the_end_of_the_system_text_is_marked_and_that_of_the_tools() -> None:
    planned = all_marked(a_body(SYSTEM, tools=[TOOL, TOOL | {"name": "find"}]))
    assert planned["system"] == [text(SYSTEM) | {"cache_control": MARK}]
    assert [tool.get("cache_control") for tool in planned["tools"]] == [None, MARK]


def test_without_a_system_text_the_tools_are_marked() -> None:
    planned = all_marked(a_body(tools=[TOOL]))
    assert planned["tools"][0]["cache_control"] == MARK
    assert "system" not in planned


def test_documents_before_the_question_are_marked_and_the_question_is_not() -> None:
    body = a_body(SYSTEM, [text(SYSTEM), text(SYSTEM), text("Why?")])
    assert kinds(body) == ["base", "doc", "docs"]
    content = all_marked(body)["messages"][0]["content"]
    assert [block.get("cache_control") for block in content] == [MARK, MARK, None]


def test_a_conversation_is_marked_where_the_last_turn_ended_and_where_it_ends_now() -> None:
    turns = [{"role": role, "content": SYSTEM} for role in ("user", "assistant", "user", "assistant", "user")]
    planned = all_marked(a_body(SYSTEM, *turns))
    assert [len(markers_in(message)) for message in planned["messages"]] == [0, 0, 1, 0, 1]


def test_what_a_turn_ends_with_is_what_the_next_one_begins_with() -> None:
    turns = [{"role": role, "content": SYSTEM} for role in ("user", "assistant", "user", "assistant", "user")]
    before, after = (levels_of(path_of(a_body(SYSTEM, *turns[:length]), 512)) for length in (3, 5))
    assert kind_of(before[-1]) == "last"
    assert kind_of(after[-2]) == "turn"
    assert keys_of(before[-1]) == keys_of(after[-2])


def test_never_more_than_four_markers() -> None:
    opening = {"role": "user", "content": [text(SYSTEM), text(SYSTEM), text("Why?")]}
    turns = [opening, {"role": "assistant", "content": SYSTEM}, {"role": "user", "content": "And?"}]
    lab = Lab()
    for moment in range(5):
        lab.call(float(moment), a_body(SYSTEM, *turns, tools=[TOOL]))
    assert max(len(markers_in(body)) for body in lab.bodies) == 4


@pytest.mark.parametrize(
    "body",
    [
        a_body(SYSTEM, cache_control=MARK),
        a_body([text(SYSTEM) | {"cache_control": MARK}, text("b")]),
        a_body(SYSTEM, tools=[TOOL | {"cache_control": LONG_MARK}]),
        a_body(SYSTEM, [text(SYSTEM) | {"cache_control": MARK}]),
        a_body(
            SYSTEM,
            [
                {
                    "type": "tool_result",
                    "tool_use_id": "t",
                    "content": [text(SYSTEM) | {"cache_control": MARK}],
                }
            ],
        ),
    ],
)
def test_a_body_with_any_marker_of_the_callers_stays_as_it_is(body: dict[str, Any]) -> None:
    lab, before = Lab(), copy.deepcopy(body)
    for moment in range(5):
        lab.call(float(moment), body)
    assert list(markers_of(body))
    assert all(sent == before for sent in lab.bodies)
    assert {kind_of(level) for level in levels_of(path_of(body, 512))} <= {"5m", "1h"}


def test_the_long_ttl_is_seen_wherever_it_is_asked_for() -> None:
    assert asks_for_1h(a_body(cache_control=LONG_MARK))
    assert asks_for_1h(a_body(None, [text("q") | {"cache_control": LONG_MARK}]))
    assert not asks_for_1h(a_body("s", cache_control=MARK))


def test_parts_below_the_models_minimum_have_no_name() -> None:
    assert path_of(a_body("Be brief."), 512) is None
    assert kinds(a_body("Be brief.", [text(SYSTEM), text("Why?")])) == ["doc"]
    image = {"type": "image", "source": {"type": "url", "url": "https://a.test/b.png"}}
    assert kinds(a_body("Be brief.", [image, text("Why?")])) == ["doc"]


def test_nothing_that_cannot_carry_a_marker_is_given_one() -> None:
    assert path_of(a_body([text(SYSTEM), text("")]), 512) is None
    assert path_of(a_body(tools=[TOOL | {"defer_loading": True}]), 512) is None


BASE_CHANGES: list[dict[str, Any]] = [
    {"model": "claude-opus-4-8"},
    {"speed": "fast"},
    {"system": SYSTEM + "!"},
    {"tools": [TOOL]},
    {"output_config": {"format": {"type": "json_schema", "schema": {}}}},
]
MESSAGE_CHANGES: list[dict[str, Any]] = [
    {"tool_choice": {"type": "none"}},
    {"thinking": {"type": "adaptive"}},
    {"output_config": {"effort": "low"}},
]


@pytest.mark.parametrize("change", BASE_CHANGES + MESSAGE_CHANGES)
def test_what_loses_the_cache_gives_a_prefix_another_name(change: dict[str, Any]) -> None:
    body = a_body(SYSTEM, [text(SYSTEM), text("Why?")])
    plain, changed = levels_of(path_of(body, 512)), levels_of(path_of(body | change, 512))
    assert plain[-1] != changed[-1]
    assert (plain[0] == changed[0]) is (change in MESSAGE_CHANGES)


def test_the_order_of_keys_is_part_of_the_name_as_it_is_part_of_the_prefix() -> None:
    reordered = dict(reversed(TOOL.items()))
    assert path_of(a_body(tools=[TOOL]), 512) != path_of(a_body(tools=[reordered]), 512)


def test_a_prompts_version_names_its_tools_and_system() -> None:
    assert path_of(a_body(SYSTEM), 512, "v1") == "v1"


TEXTS = st.sampled_from(["", "Why?", SYSTEM, "short " * 30])
BLOCK = st.one_of(
    TEXTS.filter(bool).map(text),
    st.just({"type": "image", "source": {"type": "url", "url": "https://a.test/b.png"}}),
    TEXTS.map(lambda words: {"type": "tool_result", "tool_use_id": "t", "content": words}),
)
CONTENT = st.one_of(TEXTS.filter(bool), st.lists(BLOCK, min_size=1, max_size=24))
MESSAGE = st.builds(
    lambda role, content: {"role": role, "content": content}, st.sampled_from(["user", "assistant"]), CONTENT
)
PARTS: dict[str, st.SearchStrategy[Any]] = {
    "system": st.one_of(TEXTS, st.lists(TEXTS.filter(bool).map(text), max_size=3)),
    "tools": st.lists(st.just(TOOL), max_size=2),
    "tool_choice": st.just({"type": "auto"}),
    "output_config": st.just({"effort": "low"}),
    "thinking": st.just({"type": "adaptive"}),
}
BODY = st.builds(
    lambda messages, parts: {"model": OPUS, "max_tokens": 10, "messages": messages, **parts},
    st.lists(MESSAGE, min_size=1, max_size=6),
    st.fixed_dictionaries({}, optional=PARTS),
)
CALL = st.tuples(st.integers(0, 2), st.sampled_from([0.0, 10.0, 400.0, 4_000.0]))


@given(st.lists(BODY, min_size=3, max_size=3), st.lists(CALL, min_size=1, max_size=12))
def test_a_planned_body_is_legal_and_differs_in_its_markers_alone(
    bodies: list[dict[str, Any]], calls: list[tuple[int, float]]
) -> None:
    lab, now = Lab(), 0.0
    for which, gap_s in calls:
        now += gap_s
        before = copy.deepcopy(bodies[which])
        lab.call(now, bodies[which])
        planned = lab.bodies[-1]
        assert bodies[which] == before
        assert without_markers(planned) == without_markers(before)
        assert len(markers_in(planned)) <= 4
        read_prefix(dict(planned), model_of(OPUS), "")


@given(BODY, st.lists(st.sampled_from(["5m", "1h"]), min_size=8, max_size=8))
def test_whatever_lies_in_the_cache_long_lived_markers_come_first(
    body: dict[str, Any], ttls: list[Ttl]
) -> None:
    lab = Lab()
    lab.call(0.0, body)
    for (_, entry), ttl in zip(lab.book._entries.items(), ttls, strict=False):
        entry.ttl = ttl
    lab.call(1.0, body)
    read_prefix(dict(lab.bodies[-1]), model_of(OPUS), "")
