"""Draws docs/job-states.md from the table of transitions.

python -m tests.domain.job_states_page > docs/job-states.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from claudeflow.domain.job import FINAL_STATES, TRANSITIONS, JobState

MEANING = {
    JobState.QUEUED: "It waits for its turn, or until a given time for its next try.",
    JobState.RUNNING: "One daemon holds a lease on it and makes a call.",
    JobState.SUCCEEDED: "It has its answer.",
    JobState.FAILED: "It has an error: its request was refused, or its retry window is over.",
    JobState.CANCELLED: "Somebody did not want it any more.",
    JobState.EXPIRED: "Its deadline passed while it waited.",
    JobState.HELD: "It waits for a person: it may be what brings the daemon down.",
}

INTRODUCTION = """\
# The states of a job

This page is drawn from the table of transitions in `claudeflow/domain/job.py`; a test compares the two. What
is not in the table is an error, and most of it is impossible in the store as well: its CHECK constraints
refuse such rows.
"""

NOTES = """\
A throttled or interrupted job goes back to `queued` without having used up an attempt. A job that was running
when the daemon died goes back as well; that is counted apart from its attempts, and at the third time it is
`held`.
"""


def page() -> str:
    """The whole page."""
    sections = (
        INTRODUCTION,
        "```mermaid\n" + "\n".join(_diagram()) + "\n```\n",
        "\n".join(_states()) + "\n",
        "\n".join(_transitions()) + "\n",
        NOTES,
    )
    return "\n".join(sections)


def _diagram() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    [*] --> {JobState.QUEUED}: submitted"
    for state, targets in TRANSITIONS.items():
        for target, why in targets.items():
            yield f"    {state} --> {target}: {why.replace(':', ',')}"
    yield f"    {JobState.SUCCEEDED} --> [*]"


def _states() -> Iterator[str]:
    yield "| State | Means | Moves by itself |"
    yield "|---|---|---|"
    for state, meaning in MEANING.items():
        moves = "no" if state in FINAL_STATES or state is JobState.HELD else "yes"
        yield f"| `{state}` | {meaning} | {moves} |"


def _transitions() -> Iterator[str]:
    yield "| From | To | When |"
    yield "|---|---|---|"
    for state, targets in TRANSITIONS.items():
        for target, why in targets.items():
            yield f"| `{state}` | `{target}` | {why} |"


if __name__ == "__main__":
    sys.stdout.write(page())
