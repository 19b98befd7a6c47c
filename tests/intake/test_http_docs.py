"""docs/http.md says what the code does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Route

from claudeflow.domain.batch_report import BatchesView
from claudeflow.domain.errors import IntakeError
from claudeflow.domain.job import JobId, JobState
from claudeflow.intake.envelope import KNOWN_FIELDS
from claudeflow.intake.http.app import build_app
from claudeflow.intake.views.batches import batch_to_json, batches_to_json
from claudeflow.intake.views.jobs import record_to_json
from tests.intake.builders import a_catalog, a_job, parsed
from tests.support.fake_batches import DONE, SPEND, WAITING
from tests.support.fake_desk import FakeDesk

TEXT = (Path(__file__).parents[2] / "docs" / "http.md").read_text(encoding="utf-8")


def first_column(heading: str) -> list[str]:
    """The names in backticks in the first column of the table below a heading."""
    section = TEXT.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def all_kinds(kind: type[IntakeError]) -> Iterator[type[IntakeError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from all_kinds(narrower)


def test_every_error_code_is_documented_with_its_status() -> None:
    documented = {
        (code, int(status))
        for code, status in re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \|", TEXT, re.MULTILINE)
    }
    raised = {
        (kind.code, kind.http_status)
        for kind in all_kinds(IntakeError)
        if kind.__module__.startswith("claudeflow.")
    }
    assert documented == raised


def test_every_error_code_has_a_meaning_and_a_way_out() -> None:
    rows = re.findall(r"^\| `[a-z_]+` \| \d{3} \| (.*) \|$", TEXT, re.MULTILINE)
    assert len(rows) > 20
    assert [row for row in rows if len(list(filter(None, map(str.strip, row.split("|"))))) != 2] == []


def test_every_route_is_documented() -> None:
    app = build_app(FakeDesk(a_catalog()), lambda: 0)
    assert isinstance(app, Starlette)
    served = {
        f"{method} {route.path}"
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert set(first_column("Routes")) == served


def test_every_field_of_a_job_is_documented() -> None:
    assert set(first_column("A job")) == KNOWN_FIELDS


async def test_every_field_of_a_record_is_documented() -> None:
    desk = FakeDesk(a_catalog())
    await desk.submit([parsed(a_job())])
    record = record_to_json(await desk.job(JobId(1)))
    assert set(first_column("Reading a job")) == {*record, "result"}


def test_every_field_of_a_batch_and_of_what_waits_for_one_is_documented() -> None:
    section = TEXT.split("## Batches\n", 1)[1].split("\n## ", 1)[0]
    assert set(first_column("Batches")) == set(batch_to_json(DONE))
    waiting = BatchesView((), (WAITING,), 1.0)
    shown = batches_to_json(waiting, {}, limit=1)
    named = set(re.findall(r"`(\w+)`", section))
    assert {*batch_to_json(DONE, SPEND)["spend"], *shown, *shown["waiting"][0]} <= named


def test_every_state_is_documented() -> None:
    row = next(line for line in TEXT.splitlines() if line.startswith("| `state` |"))
    assert set(re.findall(r"`([a-z]+)`", row)) - {"state"} == {state.value for state in JobState}
