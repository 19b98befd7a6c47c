"""The desk for packs, over what was learned of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from claudeflow.daemon.packs.packs import Packs
from claudeflow.daemon.shared import Shared
from claudeflow.domain.errors import PackNotFound
from claudeflow.domain.job import PromptRef
from claudeflow.domain.prompt import PromptTemplate
from claudeflow.intake.desks.packs import PackReport
from claudeflow.policy.packing.book import PackRow
from claudeflow.policy.packing.canary import CanaryRow
from claudeflow.store import state as store_state

MEMORY = "packs"
"""Under this name the store keeps what was learned."""

NOT_JUDGED = "its next jobs share calls, where that pays"
NOT_IN_FORCE = "another version is in force: those of its jobs that still wait are packed like that one's"
NO_RULES = "its prompt has no [pack] any more"


class StorePacksDesk:
    """A `PacksDesk` over what the daemon knows, or what its store remembers."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def report(self) -> tuple[PackReport, ...]:
        """Prompts that are packed or were, by name; of each the version in force comes first."""
        packs = self._shared.packs
        return () if packs is None else _reports(packs)

    async def reset(self, prompt: str) -> tuple[PackReport, ...]:
        """Forget what canaries have shown of a prompt, and how it stands then. Raises PackNotFound."""
        shared, packs = self._shared, self._shared.packs
        known = [row for row in await self.report() if row.prompt == prompt]
        if packs is None or not known:
            raise PackNotFound(
                f"prompt {prompt} is not packed and never was; `claudeflow packs` names those that are"
            )
        packs.canaries.reset(prompt)
        now_ms = shared.clock.epoch_ms()
        memory = packs.memory()
        await shared.store.write(partial(store_state.remember, name=MEMORY, value=memory, now_ms=now_ms))
        return tuple(row for row in _reports(packs) if row.prompt == prompt)


def _reports(packs: Packs) -> tuple[PackReport, ...]:
    done = {PromptRef(row.prompt, row.version): row for row in packs.book.rows()}
    shown = {PromptRef(row.prompt, row.version): row for row in packs.canaries.status()}
    in_force = packs.shapes.in_force()
    refs = dict.fromkeys([*(_ref(template) for template in in_force.values()), *done, *shown])
    found = [_report(packs, ref, done.get(ref), shown.get(ref), in_force) for ref in refs]
    return tuple(sorted(found, key=lambda row: row.prompt))


def _ref(template: PromptTemplate) -> PromptRef:
    return PromptRef(template.name, template.version)


def _report(
    packs: Packs,
    ref: PromptRef,
    done: PackRow | None,
    shown: CanaryRow | None,
    in_force: Mapping[str, PromptTemplate],
) -> PackReport:
    done = done or PackRow(ref.name, ref.version, 0, 0, {}, 0)
    shown = shown or CanaryRow(ref.name, ref.version, 0, 0, 0.0, is_unpacked=False)
    is_packed, why = _now(packs, ref, shown, in_force.get(ref.name))
    return PackReport(
        prompt=ref.name,
        version=ref.version,
        packs=done.packs,
        items=done.items,
        answered=done.items - sum(done.returned.values()),
        returned=done.returned,
        unknown=done.unknown,
        saved_requests=done.saved_requests,
        canaries=shown.canaries,
        disagreements=shown.disagreements,
        disagreement=shown.rate,
        is_packed=is_packed,
        why=why,
    )


def _now(packs: Packs, ref: PromptRef, shown: CanaryRow, template: PromptTemplate | None) -> tuple[bool, str]:
    """Whether its jobs share calls now, and why."""
    if template is None:
        return False, NO_RULES
    if shown.is_unpacked:
        counted = f"{shown.disagreements} of {shown.canaries} canaries disagreed"
        return False, f"{counted}: change the prompt, or `claudeflow packs reset {ref.name}`"
    worth = packs.worth(ref)
    if worth is not None:
        return worth.pays, worth.why
    is_in_force = template.version == ref.version
    return is_in_force, NOT_JUDGED if is_in_force else NOT_IN_FORCE
