"""What the porter says to a mailbox, and the columns that it reads and writes."""

from __future__ import annotations

ASKED = (
    "lane",
    "workflow",
    "priority",
    "not_before",
    "deadline",
    "dedupe_key",
    "traceparent",
    "metadata",
    "prompt",
    "input",
    "request",
)
TAKE = f"SELECT id, nonce, {', '.join(ASKED)} FROM inbox WHERE id = ? AND state = 'new'"  # noqa: S608 - constants
ACCEPT = (
    "UPDATE inbox SET state = 'accepted', job_id = ?, accepted_at = ?, request = NULL, input = NULL"
    " WHERE id = ? AND nonce = ? AND state = 'new'"
)
ANSWERED = (
    "UPDATE inbox SET state = 'answered', job_id = ?, request = NULL, input = NULL,"
    " accepted_at = coalesce(accepted_at, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"
    " WHERE id = ? AND nonce = ? AND state IN ('new', 'accepted')"
)
REFUSED = (
    "UPDATE inbox SET state = 'refused', request = NULL, input = NULL"
    " WHERE id = ? AND nonce = ? AND state = 'new'"
)
RECEIPT = "INSERT INTO receipts (inbox_id, nonce) VALUES (?, ?) ON CONFLICT (inbox_id, nonce) DO NOTHING"

CLEANING = (
    """DELETE FROM inbox WHERE id IN (SELECT id FROM inbox
       WHERE state IN ('answered', 'refused') AND coalesce(accepted_at, created_at) < ? LIMIT ?)""",
    """DELETE FROM outbox WHERE id IN (SELECT id FROM outbox
       WHERE read_at IS NOT NULL OR written_at < ? LIMIT ?)""",
    """DELETE FROM receipts WHERE (inbox_id, nonce) IN
       (SELECT inbox_id, nonce FROM receipts WHERE written_at < ? LIMIT ?)""",
)

OUTBOX_COLUMNS = (
    "inbox_id",
    "job_id",
    "state",
    "text",
    "stop_reason",
    "error_code",
    "error_message",
    "errors",
    "model",
    "input_tokens",
    "cache_write_tokens",
    "cache_read_tokens",
    "output_tokens",
    "cost_nanousd",
    "cost_usd",
    "metadata",
    "submitted_at",
    "started_at",
    "finished_at",
    "answer",
)
