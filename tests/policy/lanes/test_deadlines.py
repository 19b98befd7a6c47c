"""Which waiting jobs can only expire."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from claudeflow.domain.job import Candidate
from claudeflow.policy.lanes.deadlines import too_late
from tests.policy.builders import a_candidate


@dataclass
class Usually:
    """Every call takes this long."""

    seconds: float | None = None

    def duration_s(self, candidate: Candidate) -> float | None:
        return self.seconds


@pytest.mark.parametrize(
    ("deadline_ms", "typical_s", "error"),
    [
        (None, 5.0, None),
        (10_000, None, None),
        (10_000, 9.0, None),
        (10_000, 9.1, "deadline_out_of_reach"),
        (1_000, None, "deadline_passed"),
        (500, 0.0, "deadline_passed"),
    ],
)
def test_a_deadline_is_met_only_if_a_usual_call_ends_before_it(
    deadline_ms: int | None, typical_s: float | None, error: str | None
) -> None:
    found = too_late(a_candidate(1, deadline_ms=deadline_ms), Usually(typical_s), 1_000)
    assert (found.type if found else None) == error


def test_the_reason_names_the_numbers() -> None:
    found = too_late(a_candidate(1, deadline_ms=3_000), Usually(40.0), 1_000)
    assert found is not None
    assert "2.0 s" in found.message
    assert "40.0 s" in found.message
