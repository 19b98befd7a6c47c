"""One event of every kind, with marks where a prompt, an answer, a key or the prose of an error could be."""

from __future__ import annotations

from typing import Any

from claudeflow.domain import batch_events as batch
from claudeflow.domain import cache_events as cache
from claudeflow.domain import door_events as door
from claudeflow.domain import events as ev
from claudeflow.domain import mailbox_events as mailbox
from claudeflow.domain import pack_events as pack
from claudeflow.domain.budget import BudgetAct, BudgetChange
from claudeflow.domain.budget_events import BudgetChanged, BudgetEased, BudgetThreshold
from claudeflow.domain.hold import EVERYTHING, Hold, HoldCause
from claudeflow.domain.job import JobError, JobId, JobState
from claudeflow.domain.usage import Usage

SECRETS = {
    "prose": "messages.0: 'my patient Jane Doe' is too long",
    "prompt": "Summarise the salary list",
    "answer": "Jane earns 70,000",
    "key": "sk-ant-api03-abcdef",
}
ALL_OF_THEM = " / ".join(SECRETS.values())
ERROR = JobError("invalid_request_error", ALL_OF_THEM, "too_long", 400, "req_7")
USAGE = Usage(input_tokens=10, cache_write_5m_tokens=5, cache_read_tokens=80, output_tokens=20)


def a_call(**changes: Any) -> ev.CallEnded:
    """A call that went well."""
    ordinary: dict[str, Any] = {
        "job_id": JobId(7),
        "lane": "bulk",
        "workflow": "triage",
        "model": "claude-haiku-5-5",
        "call_id": 9,
        "attempt": 1,
        "outcome": "succeeded",
        "http_status": 200,
        "request_id": "req_7",
        "error": None,
        "usage": USAGE,
        "cost_nanousd": 1_234,
        "uncached_nanousd": 5_678,
        "queue_age_s": 1.23456,
        "duration_s": 2.0,
        "streamed": False,
    }
    return ev.CallEnded(**(ordinary | changes))


def an_end(state: JobState = JobState.SUCCEEDED, **changes: Any) -> ev.JobFinished:
    """A job that reached a final state."""
    ordinary: dict[str, Any] = {
        "job_id": JobId(7),
        "lane": "bulk",
        "workflow": "triage",
        "state": state,
        "error": None if state is JobState.SUCCEEDED else ERROR,
        "wait_s": 1.5,
        "total_s": 4.0,
    }
    return ev.JobFinished(**(ordinary | changes))


ONE_OF_EACH: list[ev.Event] = [
    ev.DaemonReady("f00d", 3, 1),
    ev.DaemonDraining(5, 30.0),
    ev.DaemonStopped(2),
    ev.ConfigReloaded("/etc/claudeflow/claudeflow.toml"),
    ev.ConfigRefused("/etc/claudeflow/claudeflow.toml", "2 mistakes\n  lanes: none\n  api: none"),
    ev.JobsSubmitted("bulk", "triage", 12),
    a_call(outcome="rejected", http_status=400, error=ERROR),
    an_end(JobState.FAILED),
    ev.JobRequeued(JobId(7), "bulk", "throttled", 0.0),
    ev.PoolGated("haiku-5.5", 31.0, 30.0, 0.9),
    ev.PoolOpened("haiku-5.5"),
    ev.HoldSet(Hold(EVERYTHING, HoldCause.CREDIT, ALL_OF_THEM, since_ms=5, probe_at_ms=6)),
    ev.HoldReleased(EVERYTHING, "a probe went well"),
    ev.LeaseRefused(JobId(7), 9),
    door.DoorOpened(400, 4096, 1024),
    door.DoorRefused("too_slow", "alice", 3),
    door.CallerRefused("alice", "socket", 4711, "POST /v1/jobs", "forbidden", 3),
    ev.OwnTrouble("upkeep", "the store could not be written: disk I/O error"),
    ev.KeyChanged("/etc/claudeflow/key"),
    ev.JobMoved(JobId(7), "bulk", "standard", 3),
    ev.BooksCompared(0, 86_400_000, 3, 1),
    ev.BooksDrifted("2026-11-22", "claude-haiku-5-5", "standard", "output_tokens", 500, 700),
    cache.CacheMissed("triage", "claude-haiku-5-5", "aaaa", None, None, 5_000, 9, "msg_1"),
    cache.CacheMissExplained(
        "triage", "claude-haiku-5-5", "aaaa", None, None, 9, "system_changed", 5_000, "claudeflow lint"
    ),
    cache.CacheShareFell("triage", "triage", "0aaa", "0bbb", 0.9, 0.2, 20, "claudeflow lint"),
    cache.PrefixChurned("triage", None, 19, 20, "claudeflow lint"),
    ev.PromptsReloaded("/etc/claudeflow/prompts", ("triage 1a2b -> 3c4d",)),
    ev.PromptsRefused("/etc/claudeflow/prompts", "1 mistake\n  triage/user.md: missing"),
    ev.PromptLeaks("triage", "ticket", 2, "system.md:3:14"),
    BudgetThreshold("team", "all", "slow", 0.8, False, 0.81, 405, None, 500, 1_800_000),
    BudgetEased("team", "slow at 80 %", "the limit was raised"),
    BudgetChanged(
        BudgetChange(1, "team", BudgetAct.SET, "quarter end", "alice", 600, configured_nanousd=500)
    ),
    batch.BatchCreated(3, "msgbatch_1", 812, 2_100_000, 12.5, found=True),
    batch.BatchRefused(3, 812, "rate_limit_error", "it is tried again"),
    batch.BatchEnded(3, "msgbatch_1", 2_590.0, 800, 8, 0, 4),
    batch.BatchBooked(3, "msgbatch_1", 812, 1_250_000_000, 2_500_000_000),
    batch.BatchLate(3, 5),
    batch.BatchCancelAsked(3, "msgbatch_1", "anna"),
    batch.BatchLost(3, 7, "the API has its results no more"),
    pack.PackAnswered(9, "triage", "ticket", "3f0c", 7, 6, ("missing: 1",), 0),
    pack.CanaryAnswered(10, "ticket", "3f0c", agreed=False),
    pack.PromptUnpacked("ticket", "3f0c", 20, 4, 0.05, "compare its answers"),
    mailbox.MailboxTakenUp("tickets", "otrs", "triage"),
    mailbox.MailboxTroubled("tickets", "locked", "a program keeps it locked", "end its transaction"),
    mailbox.MailboxMended("tickets"),
    mailbox.MailboxGone("tickets"),
    mailbox.PorterDied("tickets", "SIGBUS"),
    pack.PackingJudged("ticket", "3f0c", pays=True, why="a pack of 7 costs 40 % of 7 calls"),
]
