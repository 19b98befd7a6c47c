"""What failed requests about batches mean: the one table, and whether they may have arrived."""

from __future__ import annotations

import httpx2
import pytest

from claudeflow.domain.attempt import Overloaded, Rejected, Throttled, ThrottleKind, Transient
from claudeflow.domain.batch import BatchTrouble, ResultsBroken
from tests.claude.batch_calls import BODY, ID, all_results, scripted, trouble
from tests.claude.test_batches import ASKING, EACH_WAY, Ask
from tests.claude.test_failures import CAP_TEXT, CREDIT_TEXT, meaning
from tests.support.scripted import Answer, Silence, error_answer, json_answer

PAGE = b"<html>bad gateway SECRET</html>"


async def broken(answer: Answer | Exception | Silence, **settings: float) -> BatchTrouble:
    """How reading the results went wrong."""
    with pytest.raises(ResultsBroken) as caught:
        await all_results(scripted(answer, **settings))
    assert str(caught.value) == caught.value.trouble.failure.error.message
    return caught.value.trouble


@EACH_WAY
@pytest.mark.parametrize(
    ("status", "error_type", "code", "expected", "may_have_arrived"),
    [
        (400, "invalid_request_error", None, "rejected", False),
        (400, "invalid_request_error", "organization_on_hold", "blocked organization_on_hold", False),
        (400, "invalid_request_error", "request_body_timeout", "transient", False),
        (401, "authentication_error", None, "blocked authentication", False),
        (402, "billing_error", None, "blocked billing", False),
        (403, "permission_error", None, "blocked permission", False),
        (404, "not_found_error", None, "rejected", False),
        (408, "timeout_error", None, "transient", True),
        (409, "conflict_error", None, "transient", True),
        (413, "request_too_large", None, "rejected", False),
        (422, "invalid_request_error", None, "rejected", False),
        (429, "rate_limit_error", None, "throttled rate", False),
        (429, "rate_limit_error", "ramp_limit_exceeded", "throttled ramp", False),
        (429, "rate_limit_error", "enforced_spend_limit_reached", "blocked spend_cap", False),
        (500, "api_error", None, "transient", True),
        (502, "api_error", None, "transient", True),
        (503, "api_error", "cmek_key_unreachable", "transient", True),
        (504, "timeout_error", None, "transient", True),
        (529, "overloaded_error", None, "overloaded", True),
    ],
)
async def test_an_error_has_the_meaning_of_the_table(
    ask: Ask, *, status: int, error_type: str, code: str | None, expected: str, may_have_arrived: bool
) -> None:
    answer = error_answer(status, error_type, "model: no", code)
    found = trouble(await ask(scripted(answer)))
    assert meaning(found.failure) == expected
    assert found.may_have_arrived is may_have_arrived
    assert found.failure.error.status == status
    assert found.failure.error.request_id == "req_1"
    assert await broken(answer) == BatchTrouble(found.failure, may_have_arrived, is_missing=status == 404)


@pytest.mark.parametrize(
    ("text", "expected"), [(CAP_TEXT, "blocked spend_cap"), (CREDIT_TEXT, "blocked credit")]
)
async def test_money_gone_holds_everything_and_created_nothing(text: str, expected: str) -> None:
    found = trouble(await scripted(error_answer(400, "invalid_request_error", text)).create(BODY))
    assert meaning(found.failure) == expected
    assert not found.may_have_arrived


async def test_retry_after_is_kept() -> None:
    for status, error_type in ((429, "rate_limit_error"), (529, "overloaded_error"), (500, "api_error")):
        answer = error_answer(status, error_type, retry_after="17")
        for found in (trouble(await scripted(answer).create(BODY)), await broken(answer)):
            assert isinstance(found.failure, Throttled | Overloaded | Transient)
            assert found.failure.retry_after_s == 17.0
    found = trouble(await scripted(error_answer(429, "rate_limit_error", retry_after="17")).retrieve(ID))
    assert found.failure == Throttled(found.failure.error, 17.0, ThrottleKind.RATE)


@pytest.mark.parametrize("message", ["No batch with this id", "model batch not found"])
async def test_a_batch_that_the_api_does_not_know_is_missing_and_holds_no_model(message: str) -> None:
    answer = error_answer(404, "not_found_error", message)
    for found in (
        trouble(await scripted(answer).retrieve(ID)),
        trouble(await scripted(answer).cancel(ID)),
        await broken(answer),
    ):
        assert isinstance(found.failure, Rejected)
        assert found.is_missing
        assert not found.may_have_arrived


async def test_a_request_that_names_no_batch_can_miss_none() -> None:
    answer = error_answer(404, "not_found_error", "Not found")
    for found in (trouble(await scripted(answer).create(BODY)), trouble(await scripted(answer).recent(0))):
        assert isinstance(found.failure, Rejected)
        assert not found.is_missing


@EACH_WAY
@pytest.mark.parametrize("status", [302, 400, 403, 404, 413, 429, 500, 502, 504, 522])
async def test_a_page_of_the_edge_proves_nothing(ask: Ask, status: int) -> None:
    answer = Answer((PAGE,), status, {"content-type": "text/html", "location": "http://evil.test/"})
    for found in (trouble(await ask(scripted(answer))), await broken(answer)):
        assert found.may_have_arrived
        assert not found.is_missing
        assert found.failure.error.type == f"http_{status}"
        assert "SECRET" not in str(found)


async def test_a_404_of_the_edge_may_pass() -> None:
    found = trouble(await scripted(json_answer({"detail": "no route"}, status=404)).retrieve(ID))
    assert isinstance(found.failure, Transient)


@EACH_WAY
@pytest.mark.parametrize(
    ("error", "kind", "may_have_arrived"),
    [
        (httpx2.ConnectError("refused"), "connection_error", False),
        (httpx2.ConnectTimeout("late"), "timeout", False),
        (httpx2.ProxyError("407"), "connection_error", False),
        (httpx2.ReadError("reset"), "connection_error", True),
        (httpx2.WriteError("broken pipe"), "connection_error", True),
        (httpx2.RemoteProtocolError("closed"), "connection_error", True),
        (httpx2.ReadTimeout("late"), "timeout", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_what_did_not_leave_did_not_arrive(
    ask: Ask, error: Exception, kind: str, may_have_arrived: bool
) -> None:
    for found in (trouble(await ask(scripted(error))), await broken(error)):
        assert isinstance(found.failure, Transient)
        assert found.failure.error.type == kind
        assert found.may_have_arrived is may_have_arrived


async def test_a_create_that_is_never_answered_may_have_arrived() -> None:
    found = trouble(await scripted(Silence(), attempt_timeout_s=0.01).create(BODY))
    assert isinstance(found.failure, Transient)
    assert found.failure.error.type == "timeout"
    assert found.may_have_arrived


async def test_results_that_never_begin_are_a_timeout() -> None:
    found = await broken(Silence(), content_timeout_s=0.01)
    assert isinstance(found.failure, Transient)
    assert found.failure.error.type == "timeout"


@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
async def test_no_key_is_in_the_words_of_a_failure(ask: Ask) -> None:
    answer = error_answer(400, "invalid_request_error", "odd header sk-ant-test")
    found = trouble(await ask(scripted(answer)))
    assert "sk-ant-test" not in str(found)
    assert "[key]" in found.failure.error.message
