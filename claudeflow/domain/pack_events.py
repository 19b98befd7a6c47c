"""Events of packs: calls that several jobs shared, and prompts that are packed or not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PackAnswered:
    """A pack came back: `answered` of its `items` have their answer, the others go alone.

    `returned` says why, as `missing: 1`; `unknown` counts entries that belonged to no item.
    """

    call_id: int
    workflow: str
    prompt_name: str
    prompt_version: str
    items: int
    answered: int
    returned: tuple[str, ...]
    unknown: int


@dataclass(frozen=True, slots=True)
class CanaryAnswered:
    """A job that a pack had answered was asked again, alone; `agreed`: by its rule both answers are alike."""

    call_id: int
    prompt_name: str
    prompt_version: str
    agreed: bool


@dataclass(frozen=True, slots=True)
class PromptUnpacked:
    """Packed answers of a prompt differ from single ones too often: it is packed no more in this version."""

    prompt_name: str
    prompt_version: str
    canaries: int
    disagreements: int
    max_disagreement: float
    way_out: str


@dataclass(frozen=True, slots=True)
class PackingJudged:
    """Whether packs of a prompt pay has changed; `why` has the numbers."""

    prompt_name: str
    prompt_version: str
    pays: bool
    why: str


PackEvent = PackAnswered | CanaryAnswered | PromptUnpacked | PackingJudged
