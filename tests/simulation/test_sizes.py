"""Sizes: how many tokens texts and answers have."""

from __future__ import annotations

from random import Random
from statistics import median
from typing import Any

import pytest

from claudeflow.simulation.sizes import AsTrace, LogNormal, Uniform, read_shared_size, read_size
from claudeflow.simulation.texts import own_text, sized_text
from claudeflow.twin.models import find_model
from claudeflow.twin.prefix import read_prefix
from claudeflow.twin.tokens import MESSAGE_TOKENS, text_tokens


def draws(size: Any, count: int = 4_000) -> list[int]:
    chance = Random(1)
    return [size.draw(chance) for _ in range(count)]


def test_a_number_is_always_the_same_size() -> None:
    assert set(draws(read_size(250))) == {250}


def test_a_range_gives_every_size_in_it_alike() -> None:
    found = draws(read_size({"from": 3, "to": 7}))
    assert {3, 4, 5, 6, 7} == set(found)
    assert all(700 < found.count(size) < 900 for size in range(3, 8))


def test_a_log_normal_size_has_its_median_and_spread() -> None:
    found = sorted(draws(read_size({"median": 400, "sigma": 0.5})))
    assert 380 < median(found) < 420
    assert 1.55 < found[len(found) * 84 // 100] / median(found) < 1.75


def test_a_log_normal_size_keeps_within_its_bounds() -> None:
    assert max(draws(LogNormal(400, 2.0, most=1_000))) == 1_000
    assert min(draws(LogNormal(1, 3.0))) == 1


def test_sizes_are_read_as_they_are_written() -> None:
    assert read_size({"from": 2, "to": 9}) == Uniform(2, 9)
    assert read_size({"median": 4, "sigma": 1, "most": 9}) == LogNormal(4, 1.0, 9)
    assert read_size("trace") == AsTrace()
    assert read_shared_size(0) == 0
    assert read_shared_size("trace") == AsTrace()


@pytest.mark.parametrize(
    "wrong",
    [
        *(0, -1, 1.5, True, "large", None, 10_000_000, {}, {"from": 9, "to": 2}),
        *({"median": 400}, {"median": 0, "sigma": 1}, {"median": 4, "sigma": -1}),
        {"median": 4, "sigma": 1, "max": 9},
    ],
)
def test_wrong_sizes_are_refused_with_what_is_allowed(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"must"):
        read_size(wrong)


@pytest.mark.parametrize("wrong", [-1, True, "large", 1.5])
def test_wrong_shared_sizes_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="must be a whole number of tokens from 0"):
        read_shared_size(wrong)


@pytest.mark.parametrize("name", ["claude-haiku-5-5", "claude-opus-4-6"])
@pytest.mark.parametrize("tokens", [30, 100, 5_000, 400_000])
def test_a_text_counts_as_many_tokens_as_asked_for(name: str, tokens: int) -> None:
    model = find_model(name)
    assert model is not None
    system = sized_text("You work for tickets.", tokens, model)
    assert text_tokens(len(system), model) == pytest.approx(tokens, abs=1)

    body = {"messages": [{"role": "user", "content": own_text(12, tokens, model, 44)}]}
    assert read_prefix(body, model, "w").total_tokens == pytest.approx(tokens, abs=1)


def test_a_text_is_never_cut_shorter_than_its_marks() -> None:
    model = find_model("claude-haiku-5-5")
    assert model is not None
    assert own_text(7, 1 + MESSAGE_TOKENS, model, 12) == "#7 [[answer 12 tokens]]"


def test_texts_differ_from_job_to_job_from_their_first_word_on() -> None:
    model = find_model("claude-haiku-5-5")
    assert model is not None
    starts = {own_text(number, 200, model, None).split()[0] for number in range(2_000)}
    assert len(starts) == 2_000
