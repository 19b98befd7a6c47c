"""What is served below /v1/mailboxes."""

from __future__ import annotations

from claudeflow.domain.errors import MailboxNotFound
from claudeflow.intake.http.openapi.operation import Operation, Parameter, ok
from claudeflow.intake.http.openapi.shapes import (
    COUNT,
    MOMENT,
    TEXT,
    Components,
    Schema,
    answer_of,
    array_of,
    nullable,
    one_of,
)

STATES = ("serving", "full", "opening", "trouble", "offline")


def mailbox_operations(known: Components) -> tuple[Operation, ...]:
    """All that is served below /v1/mailboxes."""
    mailbox = known.add("Mailbox", _mailbox())
    every = answer_of(mailboxes=array_of(mailbox))
    return (
        Operation("list_mailboxes", "GET", "/v1/mailboxes", "How every mailbox stands", ok(every)),
        Operation(
            "get_mailbox",
            "GET",
            "/v1/mailboxes/{name}",
            "How one mailbox stands",
            ok(mailbox),
            (Parameter("name", TEXT, where="path"),),
            problems=(MailboxNotFound,),
        ),
    )


def _mailbox() -> Schema:
    return answer_of(
        name=TEXT,
        state=one_of(STATES),
        waiting=nullable(COUNT),
        owed=COUNT,
        last_transfer_at=nullable(MOMENT),
        code=nullable(TEXT),
        problem=nullable(TEXT),
        remedy=nullable(TEXT),
        owner=nullable(TEXT),
        group=nullable(TEXT),
        workflow=nullable(TEXT),
        lanes=nullable(array_of(TEXT)),
        max_row_bytes=nullable(COUNT),
        keep_days=nullable(COUNT),
    )
