"""Where jobs go that do not say."""

from __future__ import annotations

from typing import Any

import pytest

from claudeflow.policy.access.defaults import usual_place
from tests.policy.access.builders import ALICE, a_grant, standing_of

LANES = ("standard", "bulk", "night")


@pytest.mark.parametrize(
    ("allowed", "place"),
    [
        ({}, ("standard", "default")),
        ({"lanes": ("bulk", "standard")}, ("standard", "default")),
        ({"lanes": ("bulk",)}, ("bulk", "default")),
        ({"lanes": ("n*", "night", "bulk")}, ("night", "default")),
        ({"lanes": ("n*",)}, ("standard", "default")),
        ({"lanes": ("gone", "bulk")}, ("bulk", "default")),
        ({"workflows": ("audit-*", "audit")}, ("standard", "audit")),
        ({"workflows": ("audit-*",)}, ("standard", "default")),
        ({"lanes": ("bulk",), "workflows": ("audit",)}, ("bulk", "audit")),
        ({"roles": ("read",), "lanes": ("bulk",)}, ("standard", "default")),
        ({"roles": ("admin",), "lanes": ("bulk",)}, ("standard", "default")),
    ],
)
def test_what_is_usual_stays_where_it_is_allowed(allowed: dict[str, Any], place: tuple[str, str]) -> None:
    assert usual_place(standing_of(ALICE, a_grant(**allowed)), "standard", "default", LANES) == place


def test_one_grant_says_both() -> None:
    audit = a_grant(lanes=("bulk",), workflows=("audit",))
    night = a_grant(lanes=("night",), workflows=("default",))
    everything = a_grant("all", None)
    assert usual_place(standing_of(ALICE, audit, night), "standard", "default", LANES) == ("bulk", "audit")
    found = usual_place(standing_of(ALICE, audit, everything), "standard", "default", LANES)
    assert found == ("standard", "default")


def test_whoever_may_send_nothing_has_no_place_of_its_own() -> None:
    nobody = standing_of(ALICE, a_grant("user:bob", 1002))
    assert usual_place(nobody, "standard", "default", LANES) == ("standard", "default")
