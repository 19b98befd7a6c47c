"""What to do about each reason that the API gives for a miss."""

from __future__ import annotations

import pytest

from claudeflow.domain.attempt import CacheMiss
from claudeflow.policy.caching.misses import way_out

TYPES = (
    "model_changed",
    "system_changed",
    "tools_changed",
    "messages_changed",
    "previous_message_not_found",
    "unavailable",
    "pending",
    "field_refused",
)


@pytest.mark.parametrize("reason", TYPES)
@pytest.mark.parametrize("stable_messages", [False, True])
def test_every_reason_has_words_of_its_own(reason: str, stable_messages: bool) -> None:
    words = way_out(CacheMiss(reason), stable_messages=stable_messages)
    others = {
        way_out(CacheMiss(other), stable_messages=stable_messages) for other in TYPES if other != reason
    }
    assert words not in others
    assert reason not in words


def test_no_difference_means_that_there_is_nothing_to_do() -> None:
    assert "do nothing" in way_out(None, stable_messages=False)


def test_messages_always_differ_unless_they_are_part_of_the_prefix() -> None:
    miss = CacheMiss("messages_changed", 400)
    assert "do nothing" in way_out(miss, stable_messages=False)
    assert "leading blocks" in way_out(miss, stable_messages=True)


def test_a_reason_that_nobody_knows_yet_is_passed_on() -> None:
    assert "colour_changed" in way_out(CacheMiss("colour_changed"), stable_messages=False)
