"""The Python client: jobs in, answers out, from any program on this machine.

    from claudeflow import Claudeflow

    with Claudeflow(workflow="ticket-triage") as flow:
        print(flow.submit(prompt="triage", input={"ticket": "The VPN is down"}).text())

docs/python.md says the rest. Nothing heavy is imported before the first request.
"""

from claudeflow.client.aio import AsyncClaudeflow, AsyncJobHandle
from claudeflow.client.blocking import Claudeflow, JobHandle
from claudeflow.client.errors import (
    AnswerGone,
    Conflict,
    DaemonTrouble,
    DaemonUnavailable,
    FieldError,
    InvalidRequest,
    JobFailed,
    NotFound,
    NotPermitted,
    RequestRefused,
    TryLater,
    WaitTimedOut,
)
from claudeflow.client.values import Event, Job, JobError, JobFields, Mapped, Message, Progress

__all__ = [
    "AnswerGone",
    "AsyncClaudeflow",
    "AsyncJobHandle",
    "Claudeflow",
    "Conflict",
    "DaemonTrouble",
    "DaemonUnavailable",
    "Event",
    "FieldError",
    "InvalidRequest",
    "Job",
    "JobError",
    "JobFailed",
    "JobFields",
    "JobHandle",
    "Mapped",
    "Message",
    "NotFound",
    "NotPermitted",
    "Progress",
    "RequestRefused",
    "TryLater",
    "WaitTimedOut",
]
