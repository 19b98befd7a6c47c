"""Everything that can be set, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from claudeflow.claude.settings import ClaudeSettings, EnquirySettings
from claudeflow.intake.http.door.settings import HttpSettings
from claudeflow.intake.mailbox.settings import MailboxSettings
from claudeflow.observe.settings import LogSettings
from claudeflow.policy.access.settings import GrantSettings
from claudeflow.policy.batching.settings import BatchSettings
from claudeflow.policy.caching.settings import CacheSettings
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.limits.settings import LimiterSettings, PoolLimits
from claudeflow.policy.money.reconcile import AdminSettings
from claudeflow.policy.money.settings import BudgetSettings
from claudeflow.policy.packing.settings import PackSettings
from claudeflow.policy.retries.retry import RetrySettings


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the store is. The file belongs to the daemon alone."""

    path: str = "/var/lib/claudeflow/claudeflow.db"


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """The Unix socket: `mode` in octal, `group` owns it when named. systemd's socket goes first."""

    path: str = "/run/claudeflow/claudeflow.sock"
    mode: str = "0660"
    group: str = ""


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """`grace_s`: how long calls may go on after SIGTERM. `lease_s`: how long a claim holds unrenewed."""

    grace_s: Annotated[float, Ge(0), Le(86_400)] = 60.0
    lease_s: Annotated[float, Gt(3), Le(86_400)] = 60.0


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """`folder` holds one folder per prompt template; empty for none.

    With `strict` a prompt whose stable part holds what changes is refused instead of reported.
    """

    folder: str = ""
    strict: bool = False


@dataclass(frozen=True, slots=True)
class PriceSettings:
    """`file` adds to or overrides the prices that come with claudeflow; empty for none."""

    file: str = ""


def _default_lanes() -> dict[str, LaneSettings]:
    return {
        "interactive": LaneSettings(weight=8.0, reserve=0.05, max_wait_s=60.0, retry_window_s=300.0),
        "standard": LaneSettings(weight=3.0),
        "bulk": LaneSettings(weight=1.0, max_wait_s=86_400.0, retry_window_s=86_400.0),
    }


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set. `pools` overrides `limits` for single pools.

    `fallback` names the cheaper model that may answer instead of a model, where a budget says so.
    `access` says who may do what, by `user:NAME`, `group:NAME`, `token:NAME` or `all`.
    """

    default_lane: str = "standard"
    store: StoreSettings = field(default_factory=StoreSettings)
    socket: SocketSettings = field(default_factory=SocketSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    daemon: DaemonSettings = field(default_factory=DaemonSettings)
    log: LogSettings = field(default_factory=LogSettings)
    api: ClaudeSettings = field(default_factory=ClaudeSettings)
    admin: AdminSettings = field(default_factory=AdminSettings)
    mailboxes: MailboxSettings = field(default_factory=MailboxSettings)
    prompts: PromptSettings = field(default_factory=PromptSettings)
    prices: PriceSettings = field(default_factory=PriceSettings)
    limits: PoolLimits = field(default_factory=PoolLimits)
    pools: dict[str, PoolLimits] = field(default_factory=dict)
    limiter: LimiterSettings = field(default_factory=LimiterSettings)
    retry: RetrySettings = field(default_factory=RetrySettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    packs: PackSettings = field(default_factory=PackSettings)
    batches: BatchSettings = field(default_factory=BatchSettings)
    enquiries: EnquirySettings = field(default_factory=EnquirySettings)
    budgets: dict[str, BudgetSettings] = field(default_factory=dict)
    fallback: dict[str, str] = field(default_factory=dict)
    lanes: dict[str, LaneSettings] = field(default_factory=_default_lanes)
    access: dict[str, GrantSettings] = field(default_factory=dict)

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
