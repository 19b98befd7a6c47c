"""Whose jobs cost what."""

from __future__ import annotations

from claudeflow.domain.ledger import SubmitterRow
from tests.intake.builders import NOW_MS
from tests.intake.test_access_http import House, to_me


async def test_what_the_jobs_of_each_submitter_cost_on_whole_days() -> None:
    house = House()
    house.desk.access.grant(to_me("read"))
    house.desk.books.submitters = [SubmitterRow("alice", 5, 6, 7), SubmitterRow("token:ci", 1, 0, 0)]
    found = await house.ask("GET", "/v1/usage/submitters", since="2d")
    assert found.json() == {
        "since": "2026-11-20T00:00:00.000Z",
        "until": None,
        "rows": [
            {"submitted_by": "alice", "cost_nanousd": 5, "unknown_nanousd": 6, "in_flight_nanousd": 7},
            {"submitted_by": "token:ci", "cost_nanousd": 1, "unknown_nanousd": 0, "in_flight_nanousd": 0},
        ],
    }
    day_ms = 86_400_000
    today_ms = NOW_MS - NOW_MS % day_ms
    assert house.desk.books.days == (today_ms - 2 * day_ms, None)


async def test_the_window_ends_with_a_whole_day_and_is_of_this_month_by_itself() -> None:
    house = House()
    house.desk.access.grant(to_me("read"))
    found = await house.ask("GET", "/v1/usage/submitters", until="2026-11-10T12:00:00Z")
    assert (found.json()["since"], found.json()["until"]) == (
        "2026-11-01T00:00:00.000Z",
        "2026-11-11T00:00:00.000Z",
    )
    wrong = await house.ask("GET", "/v1/usage/submitters", since="2026-11-10", until="2026-11-09")
    assert wrong.json()["code"] == "invalid_query"
