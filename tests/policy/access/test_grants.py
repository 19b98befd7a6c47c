"""Grants: whom they cover, how they add up, and who needs none."""

from __future__ import annotations

import pytest

from claudeflow.domain.caller import Caller
from claudeflow.policy.access.grants import Caps, Grantee
from claudeflow.policy.access.roles import Role
from claudeflow.policy.access.settings import GrantSettings
from tests.policy.access.builders import ALICE, CI, OWN_UID, a_grant, standing_of


@pytest.mark.parametrize(
    ("to", "number", "covered"),
    [
        ("user:alice", 1001, True),
        ("user:alice", 1002, False),  # ids decide, not names
        ("user:alice", None, False),
        ("group:staff", 50, True),
        ("group:staff", 51, False),
        ("token:alice", None, False),
        ("token:ci", None, False),
        ("all", None, True),
    ],
)
def test_whom_a_grant_covers(to: str, number: int | None, covered: bool) -> None:
    assert a_grant(to, number).grantee.covers(ALICE) is covered


@pytest.mark.parametrize(
    ("to", "covered"), [("token:ci", True), ("token:cd", False), ("all", False), ("user:ci", False)]
)
def test_a_token_is_covered_by_its_own_grants_alone(to: str, covered: bool) -> None:
    assert a_grant(to, None).grantee.covers(CI) is covered


@pytest.mark.parametrize("text", ["alice", "", "user:", "all:x", "role:read", ":x"])
def test_a_key_that_names_nobody_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        Grantee.parse(text)


@pytest.mark.parametrize("text", ["user:alice", "group:staff", "token:ci", "all"])
def test_a_grantee_reads_as_it_is_written(text: str) -> None:
    assert str(Grantee.parse(text)) == text


def test_roles_of_all_grants_add_up() -> None:
    standing = standing_of(ALICE, a_grant(roles=("read",)), a_grant("group:staff", 50, roles=("submit",)))
    assert standing.roles == {Role.READ, Role.SUBMIT}


@pytest.mark.parametrize(
    ("role", "included"),
    [
        ("read", {Role.READ}),
        ("submit", {Role.SUBMIT}),
        ("operate", {Role.READ, Role.OPERATE}),
        ("admin", {Role.READ, Role.SUBMIT, Role.OPERATE, Role.ADMIN}),
    ],
)
def test_what_a_role_includes(role: str, included: set[Role]) -> None:
    assert standing_of(ALICE, a_grant(roles=(role,))).roles == included


def test_lanes_and_workflows_of_a_grant_belong_together() -> None:
    standing = standing_of(
        ALICE,
        a_grant(lanes=("bulk",), workflows=("audit-*",)),
        a_grant("all", lanes=("interactive",), workflows=("chat",)),
    )
    assert standing.reaches(Role.SUBMIT, "bulk", "audit-2026")
    assert standing.reaches(Role.SUBMIT, "interactive", "chat")
    assert not standing.reaches(Role.SUBMIT, "interactive", "audit-2026")
    assert not standing.reaches(Role.SUBMIT, "bulk", "chat")
    assert not standing.reaches(Role.OPERATE, "bulk", "audit-2026")


def test_an_admin_reaches_every_lane_whatever_its_grant_says() -> None:
    standing = standing_of(ALICE, a_grant(roles=("admin",), lanes=("bulk",), workflows=()))
    assert standing.reaches(Role.SUBMIT, "interactive", "chat")
    assert standing.reaches(Role.OPERATE, "interactive", "chat")


def test_wildcards_tell_capitals_apart_and_match_whole_names() -> None:
    standing = standing_of(ALICE, a_grant(lanes=("bul?",), workflows=("a*",)))
    assert standing.reaches(Role.SUBMIT, "bulk", "a")
    assert not standing.reaches(Role.SUBMIT, "bulky", "a")
    assert not standing.reaches(Role.SUBMIT, "bulk", "A")
    assert not standing.reaches(Role.SUBMIT, "bulk", "ba")


def test_the_most_generous_cap_holds() -> None:
    standing = standing_of(
        ALICE,
        a_grant(max_queued=10, jobs_per_min=600, usd_per_day=1.5),
        a_grant("group:staff", 50, max_queued=100, jobs_per_min=60, usd_per_day=0.5),
    )
    assert standing.caps == Caps(100, 600, 1_500_000_000)


def test_a_grant_without_a_cap_lifts_that_of_others() -> None:
    standing = standing_of(ALICE, a_grant(max_queued=10, jobs_per_min=5), a_grant("all", usd_per_day=1))
    assert standing.caps == Caps(None, None, None)


def test_caps_of_grants_that_send_nothing_do_not_count() -> None:
    standing = standing_of(ALICE, a_grant(max_queued=10), a_grant("all", roles=("read", "operate")))
    assert standing.caps == Caps(10, None, None)
    assert standing_of(ALICE, a_grant(roles=("read",), max_queued=10)).caps == Caps()


def test_nothing_caps_an_admin() -> None:
    assert standing_of(ALICE, a_grant(roles=("admin",), max_queued=10), a_grant(max_queued=5)).caps == Caps()


@pytest.mark.parametrize("uid", [0, OWN_UID])
def test_root_and_our_own_user_are_admin_whatever_is_configured(uid: int) -> None:
    somebody = Caller("somebody", uid, uid)
    assert Role.ADMIN in standing_of(somebody, a_grant("all", roles=("read",))).roles
    assert Role.ADMIN not in standing_of(ALICE, a_grant("all", roles=("read",))).roles


def test_without_any_grant_a_unix_user_may_do_all_but_what_is_for_admins() -> None:
    assert standing_of(ALICE).roles == {Role.READ, Role.SUBMIT, Role.OPERATE}
    assert standing_of(ALICE).reaches(Role.SUBMIT, "bulk", "any")
    assert standing_of(CI).roles == frozenset()


def test_with_any_grant_nobody_else_may_do_anything() -> None:
    assert standing_of(ALICE, a_grant("user:bob", 1002)).roles == frozenset()


def test_a_token_has_what_it_was_made_with_and_what_the_configuration_adds() -> None:
    made_with = GrantSettings(roles=("submit",), lanes=("bulk",))
    standing = standing_of(CI, a_grant("token:ci", roles=("read",)), own_grant=made_with)
    assert standing.roles == {Role.READ, Role.SUBMIT}
    assert standing.reaches(Role.SUBMIT, "bulk", "x")
    assert not standing.reaches(Role.SUBMIT, "standard", "x")


def test_a_unix_user_never_has_a_tokens_own_grant() -> None:
    assert (
        standing_of(ALICE, a_grant("token:ci"), own_grant=GrantSettings(roles=("admin",))).roles
        == frozenset()
    )
