"""What can be set about access."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from claudeflow.policy.money.settings import MOST_USD, nanousd_of

WORKFLOW_PATTERN_FORM = (
    "must be a workflow or a pattern for some: 1 to 64 of a-z, 0-9, dot, underscore, hyphen, "
    "and the wildcards * and ?"
)
_WORKFLOW_PATTERN = re.compile(r"[a-z0-9._*?-]{1,64}", re.ASCII)

RoleName = Literal["read", "submit", "operate", "admin"]


@dataclass(frozen=True, slots=True)
class GrantSettings:
    """What somebody may do. Names of lanes and workflows may have the wildcards `*` and `?`.

    `lanes` and `workflows` say where jobs may be sent (`submit`) or moved (`operate`). The caps hold for
    the sender: `max_queued` jobs in the queue at once, `jobs_per_min` on average, and no more jobs in a
    day (UTC) once its jobs have cost `usd_per_day`. 0 is no cap.
    """

    roles: tuple[RoleName, ...] = ("submit",)
    lanes: tuple[str, ...] = ("*",)
    workflows: tuple[str, ...] = ("*",)
    max_queued: Annotated[int, Ge(0)] = 0
    jobs_per_min: Annotated[float, Ge(0), Le(1_000_000)] = 0.0
    usd_per_day: Annotated[float, Ge(0), Le(MOST_USD)] = 0.0

    @property
    def nanousd_per_day(self) -> int:
        """The cap on a day's spend in nano-dollars; 0 for none."""
        return nanousd_of(self.usd_per_day)


def is_workflow_pattern(text: str) -> bool:
    """Whether there can be a workflow of this name, or one that this pattern is for."""
    return _WORKFLOW_PATTERN.fullmatch(text) is not None
