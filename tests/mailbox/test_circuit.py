"""How long a mailbox in trouble is left alone, whose turn it is, and what rows become."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claudeflow.domain.errors import InvalidJob
from claudeflow.domain.job import JobError, JobId
from claudeflow.domain.mailbox import Ended, InboxRow, Tokens
from claudeflow.intake.mailbox.circuit import DEADLY_PAUSE_S, FIRST_PAUSE_S, FORGIVEN_S, PATIENCE_S, Circuit
from claudeflow.intake.mailbox.description import Description
from claudeflow.intake.mailbox.frames import Frames, pack
from claudeflow.intake.mailbox.rounds import COLD_PER_LOOK, WARM_FOR_S, Rounds
from claudeflow.intake.mailbox.rows import answer_row, job_from_row
from claudeflow.intake.mailbox.statements import ASKED
from claudeflow.intake.mailbox.trouble import MailboxTrouble
from tests.intake.builders import NOW_MS, a_catalog, a_job

BROKEN, LOCKED, DEADLY, CLOSED = (
    MailboxTrouble(code, "it is", "mend it") for code in ("broken", "locked", "deadly", "closed")
)
MAILBOX = Description("m", "u", "otrs", "otrs", "triage", ("bulk",))


def test_pauses_double_up_to_a_bound_and_begin_anew_when_it_works() -> None:
    circuit = Circuit()
    pauses = [circuit.failed(BROKEN, 0.0) for _ in range(20)]
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == 30.0
    circuit.worked()
    assert circuit.failed(BROKEN, 1.0) == FIRST_PAUSE_S
    assert max(circuit.failed(LOCKED, 1.0) for _ in range(20)) == 1.0


def test_each_death_of_a_porter_doubles_the_pause_although_it_worked_in_between() -> None:
    circuit, pauses = Circuit(), []
    for number in range(4):
        pauses.append(circuit.failed(DEADLY, 100.0 * number))
        circuit.worked()
    assert pauses == [DEADLY_PAUSE_S * 2**n for n in range(4)]
    assert circuit.failed(DEADLY, 300.0 + FORGIVEN_S + 1) == DEADLY_PAUSE_S


def test_trouble_is_told_once_and_a_lock_when_it_has_lasted() -> None:
    circuit = Circuit()
    told = []
    for trouble, now in [(LOCKED, 0.0), (LOCKED, PATIENCE_S), (LOCKED, 9.0), (BROKEN, 9.0), (BROKEN, 10.0)]:
        circuit.failed(trouble, now)
        told.append(circuit.has_news(now))
    assert told == [False, True, False, True, False]
    assert circuit.worked()
    circuit.failed(CLOSED, 11.0)
    assert not circuit.has_news(99.0)
    assert not circuit.worked()


def test_quiet_mailboxes_are_looked_at_some_at_a_time_and_busy_ones_each_time() -> None:
    rounds = Rounds()
    names = [f"m{number}" for number in range(3 * COLD_PER_LOOK)]
    for name in names:
        rounds.add(name, 1, 0.0)
    seen = [name for _ in range(3) for name in rounds.next(1.0)]
    assert sorted(seen) == sorted(names)
    assert rounds.has_changed("m7", 2, 1.0)
    assert not rounds.has_changed("m7", 2, 1.0)
    assert all("m7" in rounds.next(2.0) for _ in range(3))
    rounds.next(1.0 + WARM_FOR_S)
    assert sum("m7" in rounds.next(30.0) for _ in range(3)) == 1
    rounds.remove("m7")
    assert all("m7" not in rounds.next(40.0) for _ in range(3))


def test_messages_come_out_as_they_went_in_however_they_are_cut() -> None:
    messages: list[dict[str, Any]] = [{"n": 1, "value": "ä" * 1000}, {"changed": ["a"]}, {}]
    stream, frames = b"".join(pack(message) for message in messages), Frames()
    found = [one for at in range(0, len(stream), 7) for one in frames.feed(stream[at : at + 7])]
    assert found == messages


def a_row(**columns: Any) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(ASKED)
    request = json.dumps(a_job()["request"])
    return {"id": 1, "nonce": "x", "wrong": {}, **empty, "request": request, **columns}


def test_a_row_cannot_leave_its_mailboxs_workflow_or_lanes() -> None:
    job = job_from_row(a_row(), MAILBOX, a_catalog(), NOW_MS)
    assert (job.workflow, job.lane, job.submitted_by) == ("triage", "bulk", "otrs")
    smuggled = json.dumps(a_job()["request"]) + ', "workflow": "other", "lane": "interactive"'
    for wrong in (
        {"workflow": "other"},
        {"lane": "interactive"},
        {"request": smuggled},
        {"request": 7},
        {"lane": 7},
    ):
        with pytest.raises(InvalidJob):
            job_from_row(a_row(**wrong), MAILBOX, a_catalog(), NOW_MS)


def test_what_is_no_json_is_one_mistake_beside_those_of_the_other_columns() -> None:
    row = a_row(request=None, prompt="triage", input="{nope", lane="interactive", deadline="soon")
    with pytest.raises(InvalidJob) as refused:
        job_from_row(row, MAILBOX, a_catalog(), NOW_MS)
    assert sorted(mistake.field for mistake in refused.value.mistakes) == ["deadline", "input", "lane"]


def test_an_answer_has_its_text_cost_and_error() -> None:
    message = {
        "content": [{"type": "thinking", "thinking": "x"}, *({"type": "text", "text": t} for t in "ab")]
    }
    row, usage = InboxRow(7, "n"), Tokens(1, 2, 3, 4)
    good = answer_row(
        Ended(row, JobId(9), "succeeded", json.dumps(message).encode(), tokens=usage, cost_nanousd=5)
    )
    assert (good["text"], good["cost_usd"], good["output_tokens"]) == ("ab", 5e-9, 4)
    bad = answer_row(Ended(row, JobId(9), "failed", error=JobError("overloaded_error", "try later")))
    assert (bad["error_code"], bad["error_message"], bad["text"]) == ("overloaded_error", "try later", None)
    gone = answer_row(Ended(row, JobId(9), "forgotten"))
    assert (gone["state"], gone["error_code"]) == ("failed", "forgotten")
