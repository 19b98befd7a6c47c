"""docs/access.md says what the routes need: written down a second time, so that neither changes alone."""

from __future__ import annotations

from pathlib import Path

from claudeflow.intake.http.needs import NEEDS
from claudeflow.policy.access.roles import Need, Role

TEXT = (Path(__file__).parents[2] / "docs" / "access.md").read_text(encoding="utf-8")
WORDS = {
    Need.NOTHING: "nothing",
    Need.NAME: "being known",
    Need.READ: "`read`",
    Need.SEE_JOBS: "`read`, or `submit` for one's own jobs",
    Need.SUBMIT: "`submit`",
    Need.CANCEL_JOBS: "`operate`, or `submit` for one's own jobs",
    Need.OPERATE: "`operate`",
    Need.ADMIN: "`admin`",
}


def rows(heading: str) -> list[list[str]]:
    section = TEXT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]


def test_every_route_is_documented_with_what_it_needs() -> None:
    documented = {request.strip("`"): need for request, need in rows("Routes")}
    assert documented == {route: WORDS[need] for route, need in NEEDS.items()}


def test_every_role_is_documented() -> None:
    assert {row[0].strip("`") for row in rows("Roles")} == set(Role)
