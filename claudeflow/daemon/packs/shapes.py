"""Shapes: what the packs of a prompt version have in common, and how large that is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from claudeflow.daemon.calls.requests import Requests
from claudeflow.domain.errors import PromptError
from claudeflow.domain.job import PromptRef
from claudeflow.domain.prompt import PackRules, PromptTemplate
from claudeflow.policy.caching.naming import path_of
from claudeflow.policy.caching.paths import BASE, kind_of, levels_of
from claudeflow.policy.money.pricing import UnknownModel
from claudeflow.policy.packing.frames import slot_ids
from claudeflow.policy.packing.request import INSTRUCTIONS
from claudeflow.policy.packing.schema import pack_schema
from claudeflow.prompts import assemble

if TYPE_CHECKING:
    from claudeflow.daemon.shared import Shared

MOST_SHAPES = 500
"""How many shapes are remembered, and how many templates of earlier versions; the oldest is forgotten."""

_NOTHING_ASKED = [{"role": "user", "content": ""}]


@dataclass(frozen=True, slots=True)
class PackShape:
    """The stable part of a packed request. `prefix` names it for the cache, if it can be cached.

    `single_bytes` and `packed_bytes` are what a single and a packed request have beside their items' texts.
    """

    ref: PromptRef
    template: PromptTemplate
    rules: PackRules
    slots: tuple[str, ...]
    prefix: str | None
    single_bytes: int
    packed_bytes: int

    def body(self, text: str, model: str, max_tokens: int) -> dict[str, Any]:
        """The Messages body of a pack with this text."""
        body = _packed_body(self.template, self.rules, self.slots, text)
        return {**body, "model": model, "max_tokens": max_tokens}


def ref_of(pack: str) -> PromptRef:
    """The prompt as which a job says that it may be packed: `name@version`."""
    name, _, version = pack.rpartition("@")
    return PromptRef(name, version)


class PackShapes:
    """The shapes of the prompts in force; those of versions that only waiting jobs still have are loaded."""

    def __init__(
        self, shared: Shared, requests: Requests, prompts: Callable[[], Mapping[str, PromptTemplate]]
    ) -> None:
        """`prompts` are those in force: the rules are always theirs."""
        self._shared = shared
        self._requests = requests
        self._prompts = prompts
        self._shapes: dict[tuple[str, PackRules, str], PackShape | None] = {}
        self._templates: dict[PromptRef, PromptTemplate | None] = {}
        self._wanted: dict[PromptRef, None] = {}
        self.needed = asyncio.Event()
        """Set while a version is to be loaded."""

    def rules(self, name: str) -> PackRules | None:
        """How jobs of a prompt may share calls now; None: each goes alone."""
        if not self._shared.config.packs.enabled:
            return None
        template = self._prompts().get(name)
        return None if template is None else template.pack

    def in_force(self) -> Mapping[str, PromptTemplate]:
        """The prompts whose jobs may share calls, by name."""
        found = self._prompts().items()
        return {name: template for name, template in found if template.pack is not None}

    def of(self, pack: str, model: str) -> PackShape | None:
        """The shape for jobs that may be packed so; None: they go alone, for now or for good."""
        ref = ref_of(pack)
        rules = self.rules(ref.name)
        if rules is None:
            return None
        key = (pack, rules, model)
        if key not in self._shapes:
            template = self._template(ref)
            if template is None:
                return None
            self._keep(key, self._shape(ref, template, rules, model))
        return self._shapes[key]

    async def load(self) -> None:
        """Read what was asked for and is not in force any more. Raises StoreError."""
        while self._wanted:
            ref = next(iter(self._wanted))
            try:
                self._templates[ref] = await self._requests.template(ref)
            except PromptError:
                self._templates[ref] = None
            del self._wanted[ref]
            _forget_oldest(self._templates)
        self.needed.clear()

    def _template(self, ref: PromptRef) -> PromptTemplate | None:
        present = self._prompts().get(ref.name)
        if present is not None and present.version == ref.version:
            return present
        if ref not in self._templates and len(self._wanted) < MOST_SHAPES:
            self._wanted[ref] = None
            self.needed.set()
        return self._templates.get(ref)

    def _keep(self, key: tuple[str, PackRules, str], shape: PackShape | None) -> None:
        self._shapes[key] = shape
        _forget_oldest(self._shapes)

    def _shape(
        self, ref: PromptRef, template: PromptTemplate, rules: PackRules, model: str
    ) -> PackShape | None:
        """None when this version cannot be packed, whatever the one in force says."""
        if template.schema is None or template.tools:
            return None
        try:
            least_tokens = self._shared.prices.find(model).cache_minimum_tokens
        except UnknownModel:
            return None
        slots = slot_ids(ref.version, rules.max_items)
        body = {**_packed_body(template, rules, slots, "?"), "model": model}
        name = f"{ref.version}p{rules.max_items}{rules.verify[0]}"
        single = assemble(template, _NOTHING_ASKED)
        return PackShape(
            ref=ref,
            template=template,
            rules=rules,
            slots=slots,
            prefix=_base_of(path_of(body, least_tokens, name)),
            single_bytes=len(orjson.dumps(single)),
            packed_bytes=len(orjson.dumps(body)),
        )


def _forget_oldest(found: dict[Any, Any]) -> None:
    if len(found) > MOST_SHAPES:
        del found[next(iter(found))]


def _packed_body(
    template: PromptTemplate, rules: PackRules, slots: tuple[str, ...], text: str
) -> dict[str, Any]:
    packed = replace(template, schema=pack_schema(template.schema or {}, slots, rules.verify))
    body = assemble(packed, [{"role": "user", "content": text}])
    instructions = {"type": "text", "text": INSTRUCTIONS[rules.verify]}
    return {**body, "system": [*body["system"], instructions]}


def _base_of(path: str | None) -> str | None:
    first = next(iter(levels_of(path)), None)
    return first if first is not None and kind_of(first) == BASE else None
