"""Delivery: from the answer to a pack to each job's own answer and its part of the bill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from claudeflow.claude.answer import schema_mismatch, text_of
from claudeflow.daemon.calls.assignment import Assignment
from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Reply, Succeeded
from claudeflow.domain.events import OwnTrouble
from claudeflow.domain.usage import NOTHING_BILLED, Bill, Usage
from claudeflow.policy.money.pricing import Rates, UnknownModel
from claudeflow.policy.packing.check import Answered, Findings, check
from claudeflow.policy.packing.frames import Seating
from claudeflow.policy.packing.shares import share_cost, share_ms, share_usage


@dataclass(frozen=True, slots=True)
class MemberShare:
    """A job's part of the call: tokens, money (None: nobody knows) and time."""

    usage: Usage
    bill: Bill | None
    call_ms: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """In the order of the jobs: parts of the call, messages, ids. No `findings`: nothing to check."""

    shares: Sequence[MemberShare]
    messages: Sequence[bytes | None]
    slots: Sequence[str] = ()
    findings: Findings | None = None

    @property
    def items(self) -> int:
        """How many jobs shared the call."""
        return len(self.shares)


def deliver(
    shared: Shared,
    task: Assignment,
    reply: Reply,
    seating: Seating | None,
    *,
    bill: Bill | None,
    call_ms: int,
) -> Delivery:
    """Check the answer item by item, and divide what the call used, cost and took."""
    slots = [] if seating is None else [seat.slot for seat in seating.seats]
    nothing = [None] * len(task.members)
    if seating is None or reply.message is None or not isinstance(reply.outcome, Succeeded):
        return Delivery(_shares(shared, task, reply, bill=bill, call_ms=call_ms), nothing, slots)
    message = orjson.loads(reply.message)
    findings = _checked(shared, task, message, seating)
    if findings is None:
        return Delivery(_shares(shared, task, reply, bill=bill, call_ms=call_ms), nothing, slots)
    shares = _shares(shared, task, reply, bill=bill, call_ms=call_ms, findings=findings)
    messages = [
        _message(message, verdict.answer, share.usage) if isinstance(verdict, Answered) else None
        for verdict, share in zip(findings.verdicts, shares, strict=True)
    ]
    return Delivery(shares, messages, slots, findings)


def _checked(
    shared: Shared, task: Assignment, message: Mapping[str, Any], seating: Seating
) -> Findings | None:
    """None when we failed over an answer: then nothing of it is used."""
    assert task.shape is not None
    fits = partial(schema_mismatch, schema=task.shape.template.schema or {})
    try:
        return check(text_of(message), seating.seats, task.shape.rules.verify, fits)
    except Exception as problem:  # noqa: BLE001 - whatever a model writes must not end the daemon
        shared.emit(OwnTrouble(f"checking the answers of call {task.job.call_id}", type(problem).__name__))
        return None


def _shares(
    shared: Shared,
    task: Assignment,
    reply: Reply,
    *,
    bill: Bill | None,
    call_ms: int,
    findings: Findings | None = None,
) -> list[MemberShare]:
    members = task.members
    input_sizes = [len(member.job.body) for member in members]
    output_sizes = [0] * len(members) if findings is None else [one.size_bytes for one in findings.verdicts]
    usages = share_usage(reply.usage, input_sizes, output_sizes)
    times = share_ms(call_ms, usages)
    if bill is None:
        return [MemberShare(usage, None, ms) for usage, ms in zip(usages, times, strict=True)]
    rates = _rates(shared, task, reply)
    costs = [0] * len(members) if rates is None else share_cost(bill.cost_nanousd, usages, rates)
    return [
        MemberShare(usage, Bill(cost, 0, 0, 0) if cost else NOTHING_BILLED, ms)
        for usage, cost, ms in zip(usages, costs, times, strict=True)
    ]


def _rates(shared: Shared, task: Assignment, reply: Reply) -> Rates | None:
    """At which prices the call was billed; None: at none, for it cost nothing."""
    try:
        price = shared.prices.price_at(task.job.model, task.job.opened_ms)
    except UnknownModel:
        return None
    return price.rates(reply.usage) or price.standard


def _message(message: Mapping[str, Any], answer: bytes, usage: Usage) -> bytes:
    """The answer as the API would have given it to this job alone."""
    return orjson.dumps(
        {
            **message,
            "content": [{"type": "text", "text": answer.decode()}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": _usage_json(usage),
        }
    )


def _usage_json(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.output_tokens,
        "service_tier": usage.service_tier,
    }
