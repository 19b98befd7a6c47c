"""One job: ask for the label of a ticket, and print it.

CLAUDEFLOW_SOCKET=my.sock python examples/python/one_job.py "The ATM kept my card"
"""

from __future__ import annotations

import sys

from claudeflow import Claudeflow
from claudeflow.client import DaemonUnavailable, JobFailed


def main() -> int:
    """The exit code."""
    text = " ".join(sys.argv[1:]) or "The ATM kept my card"
    try:
        with Claudeflow(workflow="ticket-triage") as flow:
            handle = flow.submit(prompt="ticket-triage", input={"channel": "email", "text": text})
            print(handle.text(timeout_s=600))
    except (DaemonUnavailable, JobFailed) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
