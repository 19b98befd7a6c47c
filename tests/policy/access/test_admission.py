"""What a caller may ask for, and where it may send and move jobs."""

from __future__ import annotations

import pytest

from claudeflow.domain.caller import Caller
from claudeflow.policy.access.admission import admission, grantee_of, permission
from claudeflow.policy.access.roles import Need, Role, only_own
from tests.policy.access.builders import ALICE, CI, a_grant, standing_of

MAY = {
    Need.NOTHING: {"", "read", "submit", "operate", "admin"},
    Need.NAME: {"", "read", "submit", "operate", "admin"},
    Need.READ: {"read", "operate", "admin"},
    Need.SEE_JOBS: {"read", "submit", "operate", "admin"},
    Need.SUBMIT: {"submit", "admin"},
    Need.CANCEL_JOBS: {"submit", "operate", "admin"},
    Need.OPERATE: {"operate", "admin"},
    Need.ADMIN: {"admin"},
}
OWN_ONLY = {(Need.SEE_JOBS, "submit"), (Need.CANCEL_JOBS, "submit")}
ROLES = ("", "read", "submit", "operate", "admin")


@pytest.mark.parametrize("need", Need)
@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_suffices_for(need: Need, role: str) -> None:
    standing = standing_of(ALICE, a_grant(roles=(role,) if role else ()))
    assert (permission(standing, need, "this") is None) is (role in MAY[need])
    if role in MAY[need] and role:
        assert only_own(need, standing.roles) is ((need, role) in OWN_ONLY)


def test_a_refusal_says_who_calls_what_it_has_and_whom_to_ask_for_what() -> None:
    refusal = permission(
        standing_of(ALICE, a_grant(roles=("submit", "read"))), Need.OPERATE, "POST /v1/holds"
    )
    assert refusal is not None
    assert (refusal.http_status, refusal.code) == (403, "forbidden")
    assert str(refusal) == (
        "alice (uid 1001) may not: POST /v1/holds needs the role operate, and its roles are: read, submit. "
        'Ask whoever runs claudeflow to add the role operate to [access."user:alice"] in its configuration'
    )


def test_a_refusal_of_someone_without_a_role_says_so() -> None:
    refusal = permission(standing_of(CI), Need.SEE_JOBS, "GET /v1/jobs")
    assert str(refusal) == (
        "token:ci may not: GET /v1/jobs needs the role read or submit, and its roles are: none. "
        "Ask whoever runs claudeflow to add the role read or submit to "
        '[access."token:ci"] in its configuration'
    )


def test_a_job_for_another_lane_or_workflow_is_refused_with_what_is_allowed() -> None:
    standing = standing_of(ALICE, a_grant(lanes=("bulk", "st*"), workflows=("audit",)))
    assert admission(standing, "standard", "audit") is None
    refusal = admission(standing, "interactive", "audit")
    assert refusal is not None
    assert refusal.http_status == 403
    assert str(refusal) == (
        "alice (uid 1001) may not send jobs of workflow audit to lane interactive; "
        "it may send them to: lanes bulk, st* for workflows audit. "
        "Ask whoever runs claudeflow to add the lane and the workflow to "
        '[access."user:alice"] in its configuration'
    )
    assert admission(standing, "bulk", "chat") is not None


def test_moving_needs_a_grant_to_operate_there() -> None:
    standing = standing_of(
        ALICE, a_grant(lanes=("interactive",)), a_grant("all", roles=("operate",), lanes=("bulk",))
    )
    assert admission(standing, "bulk", "x", Role.OPERATE) is None
    refusal = admission(standing, "interactive", "x", Role.OPERATE)
    assert "it may move them to: lanes bulk for workflows *" in str(refusal)


def test_whoever_may_send_nothing_is_told_so() -> None:
    refusal = admission(standing_of(Caller("bob", 7), a_grant()), "bulk", "x")
    assert "it may send none" in str(refusal)
    empty = admission(standing_of(ALICE, a_grant(lanes=())), "bulk", "x")
    assert "lanes none for workflows *" in str(empty)


@pytest.mark.parametrize(
    ("caller", "table"),
    [
        (ALICE, '[access."user:alice"]'),
        (CI, '[access."token:ci"]'),
        (Caller("uid:1234", 1234), '[access."user:1234"]'),
    ],
)
def test_the_table_to_ask_for_is_one_that_the_configuration_takes(caller: Caller, table: str) -> None:
    assert grantee_of(caller) == table
