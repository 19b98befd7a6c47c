"""What the documentation says about the command line is what the command line does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from claudeflow.cli.exits import MEANING, Exit
from claudeflow.cli.main import VERBS
from claudeflow.cli.places import DEFAULT_CONFIG, DEFAULT_SOCKET, DEFAULT_STORE

CLI = (Path(__file__).parents[1] / "docs" / "cli.md").read_text(encoding="utf-8")


def test_every_verb_is_documented_and_no_other() -> None:
    assert set(re.findall(r"^\| `claudeflow (\w+)", CLI, re.MULTILINE)) == set(VERBS)


def test_every_exit_code_is_documented_with_its_meaning_and_no_other() -> None:
    documented = re.findall(r"^\| (\d+) \| ([^|]+) \|", CLI, re.MULTILINE)
    assert {int(code): meaning for code, meaning in documented} == {int(code): MEANING[code] for code in Exit}


@pytest.mark.parametrize("place", [DEFAULT_CONFIG, DEFAULT_SOCKET, DEFAULT_STORE])
def test_every_default_place_is_documented(place: Path) -> None:
    assert f"`{place}`" in CLI
