"""Asks through a mailbox and waits for the answer, with nothing but Python's own sqlite3.

python3 ask.py /var/spool/claudeflow/tickets/mailbox.db "What is a VLAN?"
"""

import json
import sqlite3
import sys
import time


def ask(mailbox: sqlite3.Connection, text: str) -> int:
    """Insert a row; its id."""
    request = {
        "model": "claude-haiku-5-5",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": text}],
    }
    row_id = mailbox.execute("INSERT INTO inbox (request) VALUES (?)", (json.dumps(request),)).lastrowid
    assert row_id is not None
    return row_id


def answer_to(mailbox: sqlite3.Connection, row_id: int) -> sqlite3.Row:
    """Wait for the row of outbox, and delete it there. `data_version` changes when somebody has written."""
    seen = None
    while True:
        version = mailbox.execute("PRAGMA data_version").fetchone()[0]
        if version != seen:
            seen = version
            row = mailbox.execute("SELECT * FROM outbox WHERE inbox_id = ?", (row_id,)).fetchone()
            if row is not None:
                mailbox.execute("DELETE FROM outbox WHERE id = ?", (row["id"],))
                return row
        time.sleep(0.02)


def main() -> None:
    """Ask, wait, print."""
    path, text = sys.argv[1:]
    mailbox = sqlite3.connect(path, timeout=10, isolation_level=None)
    mailbox.row_factory = sqlite3.Row
    answer = answer_to(mailbox, ask(mailbox, text))
    if answer["state"] != "succeeded":
        sys.exit(f"{answer['error_code']}: {answer['error_message']}")
    print(answer["text"])


if __name__ == "__main__":
    main()
