"""What the documentation says about the command line is what the command line does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from claudeflow.cli.exits import MEANING, Exit
from claudeflow.cli.main import VERBS
from claudeflow.cli.places import DEFAULT_CONFIG, DEFAULT_SOCKET, DEFAULT_STORE
from claudeflow.domain.batch import BatchState
from claudeflow.policy.batching.settings import BatchSettings

DOCS = Path(__file__).parents[1] / "docs"
CLI = (DOCS / "cli.md").read_text(encoding="utf-8")


def test_every_verb_is_documented_and_no_other() -> None:
    assert set(re.findall(r"^\| `claudeflow (\w+)", CLI, re.MULTILINE)) == set(VERBS)


def test_every_exit_code_is_documented_with_its_meaning_and_no_other() -> None:
    documented = re.findall(r"^\| (\d+) \| ([^|]+) \|", CLI, re.MULTILINE)
    assert {int(code): meaning for code, meaning in documented} == {int(code): MEANING[code] for code in Exit}


@pytest.mark.parametrize("place", [DEFAULT_CONFIG, DEFAULT_SOCKET, DEFAULT_STORE])
def test_every_default_place_is_documented(place: Path) -> None:
    assert f"`{place}`" in CLI


def the_table_below(page: str, heading: str) -> list[list[str]]:
    """The cells of the rows of a table, without its heading."""
    section = (DOCS / page).read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]


def test_every_setting_of_batches_is_documented_with_its_default_and_no_other() -> None:
    documented = {
        name.strip("`"): float(default.replace(",", ""))
        for name, _, default in the_table_below("batches.md", "Settings")
    }
    assert documented == {field.name: field.default for field in fields(BatchSettings)}


def test_every_state_of_a_batch_is_documented_and_no_other() -> None:
    rows = the_table_below("batches.md", "Watch")
    states = {name for row in rows if len(row) == 2 for name in re.findall(r"`(\w+)`", row[0])}
    assert states == {state.value for state in BatchState}
