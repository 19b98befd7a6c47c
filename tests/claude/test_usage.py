"""The API's `usage` object as a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.claude.usage import is_complete, read_usage
from claudeflow.domain.usage import Usage

FULL = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 30,
    "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
    "cache_read_input_tokens": 1_000,
    "output_tokens": 50,
    "output_tokens_details": {"thinking_tokens": 33},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 7},
    "service_tier": "batch",
    "inference_geo": "us",
    "speed": "fast",
}


def test_every_field_is_read() -> None:
    assert read_usage(FULL, caches_for_1h=False) == Usage(
        input_tokens=100,
        cache_write_5m_tokens=10,
        cache_write_1h_tokens=20,
        cache_read_tokens=1_000,
        output_tokens=50,
        thinking_tokens=33,
        web_searches=2,
        web_fetches=7,
        service_tier="batch",
        speed="fast",
        inference_geo="us",
    )


@pytest.mark.parametrize(("caches_for_1h", "written"), [(False, (30, 0)), (True, (0, 30))])
def test_writes_without_a_split_are_booked_under_the_longest_ttl_asked_for(
    caches_for_1h: bool, written: tuple[int, int]
) -> None:
    raw = {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 30}
    usage = read_usage(raw, caches_for_1h=caches_for_1h)
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == written
    assert not usage.split_known


def test_a_split_that_falls_short_of_the_total_is_filled_up() -> None:
    raw = {**FULL, "cache_creation_input_tokens": 45}
    usage = read_usage(raw, caches_for_1h=True)
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (10, 35)
    assert not usage.split_known


def test_without_writes_the_split_is_known() -> None:
    assert read_usage({"input_tokens": 3, "output_tokens": 4}, caches_for_1h=True).split_known


@pytest.mark.parametrize(
    ("raw", "complete"),
    [
        ({"input_tokens": 0, "output_tokens": 0}, True),
        ({"input_tokens": 1}, False),
        ({"input_tokens": 1, "output_tokens": None}, False),
        ({"input_tokens": True, "output_tokens": 1}, False),
    ],
)
def test_a_bill_needs_both_counts(raw: dict[str, object], complete: bool) -> None:
    assert is_complete(raw) is complete


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*FULL, "thinking_tokens"]), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(FULL)), JSON), st.booleans())
def test_odd_fields_never_raise_and_never_count_below_zero(
    raw: dict[str, object], caches_for_1h: bool
) -> None:
    usage = read_usage(raw, caches_for_1h=caches_for_1h)
    assert min(usage.input_tokens, usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) >= 0
    assert min(usage.cache_read_tokens, usage.output_tokens, usage.web_searches) >= 0
