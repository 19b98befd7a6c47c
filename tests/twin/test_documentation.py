"""What docs/twin.md says about scripts is what the twin takes."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from claudeflow.twin.changes import Change
from claudeflow.twin.consumers import Consumer
from claudeflow.twin.faults import KINDS, Fault
from claudeflow.twin.script import read_script

DOCUMENT = (Path(__file__).parents[2] / "docs" / "twin.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"\w+", DOCUMENT))


def test_the_script_in_the_documentation_can_be_read() -> None:
    found = re.search(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found is not None
    script = read_script(found[1])
    assert (len(script.faults), len(script.consumers), len(script.changes)) == (3, 2, 2)


def test_every_kind_and_every_key_is_documented() -> None:
    assert KINDS <= NAMED
    for section in (Fault, Consumer, Change):
        assert {field.name for field in fields(section)} <= NAMED
