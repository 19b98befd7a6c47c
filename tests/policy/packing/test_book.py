"""The pack book adds up what packing has done."""

from __future__ import annotations

import json

from claudeflow.policy.packing.book import MOST_VERSIONS, PackBook, PackRow
from claudeflow.policy.packing.check import Answered, Findings, Reason, Returned

ANSWERED = Answered(b"{}", 10)


def test_packs_items_and_reasons_are_added_up_by_version() -> None:
    book = PackBook()
    book.note("triage", "v1", Findings((ANSWERED,) * 3, unknown=0))
    book.note(
        "triage", "v1", Findings((ANSWERED, Returned(Reason.MISSING), Returned(Reason.INVALID)), unknown=2)
    )
    book.note("triage", "v2", Findings((Returned(Reason.MISSING),) * 2, unknown=0))
    assert book.rows() == (
        PackRow("triage", "v2", 1, 2, {"missing": 2}, 0),
        PackRow("triage", "v1", 2, 6, {"missing": 1, "invalid": 1}, 2),
    )


def test_a_pack_saves_a_request_for_each_answer_but_one() -> None:
    assert PackRow("triage", "v1", 2, 6, {"missing": 1, "invalid": 1}, 2).saved_requests == 2
    assert PackRow("triage", "v1", 1, 2, {"missing": 2}, 0).saved_requests == -1


def test_sums_outlive_a_restart() -> None:
    before, after = PackBook(), PackBook()
    before.note("triage", "v1", Findings((ANSWERED, Returned(Reason.MISSING)), unknown=1))
    after.recall(json.loads(json.dumps(before.memory())))
    assert after.rows() == before.rows()
    after.note("triage", "v1", Findings((Returned(Reason.MISSING),), unknown=0))
    assert after.rows()[0].returned == {"missing": 2}
    assert before.rows()[0].returned == {"missing": 1}


def test_the_version_not_heard_of_for_longest_is_forgotten() -> None:
    book = PackBook()
    for version in [*map(str, range(MOST_VERSIONS)), "0", "new"]:
        book.note("triage", version, Findings((ANSWERED,), unknown=0))
    versions = [row.version for row in book.rows()]
    assert len(versions) == MOST_VERSIONS
    assert versions[:2] == ["new", "0"]
    assert "1" not in versions
