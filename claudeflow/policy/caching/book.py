"""The prefix book: what is believed of the API's cache, which prefixes to mark, and who writes a cold one.

An entry is usable only once the response that writes it has begun (Prompt caching), so N parallel
first requests pay for N writes. Here one job leads, the others of its prefix wait until its
response begins; if the leader fails, the next one leads. Times are epoch seconds: what is known
outlives the process.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from claudeflow.domain.job import Candidate
from claudeflow.policy.caching.balances import Balances
from claudeflow.policy.caching.economics import (
    GROUP_MEMORY,
    OWN_MEMORY,
    YOUNG,
    Choice,
    Ratios,
    Record,
    choose,
)
from claudeflow.policy.caching.entry import Entry, Group, PrefixRow, from_json, latest, to_json
from claudeflow.policy.caching.paths import key_of, kind_of, levels_of, ttl_of_caller
from claudeflow.policy.caching.plan import NO_PLAN, Mark, Plan, Sight, Turn, marks_of
from claudeflow.policy.caching.settings import CacheSettings
from claudeflow.policy.money.pricing import Rates

LEADER_PATIENCE_S = 60.0
"""How long others wait for a leader's first byte before another one leads."""
ENTRIES_KEPT = 5_000
ENTRIES_REMEMBERED = 500
GROUPS_KEPT = 1_000


class PrefixBook:
    """What we believe of the server's cache, by model and hash of the prefix."""

    def __init__(self, settings: CacheSettings | None = None) -> None:
        self.settings = settings or CacheSettings()
        self._entries: dict[tuple[str, str], Entry] = {}
        self._groups: OrderedDict[Group, Record] = OrderedDict()
        self._balances = Balances()
        self._begun: set[int] = set()

    def decide(self, candidate: Candidate, rates: Rates, now: float, *, company: bool = False) -> Plan:
        """What a job should do about the cache if it went now, at these prices. Changes nothing.

        `company`: another job of its path waits behind it.
        """
        if not self.settings.enabled or candidate.prefix is None:
            return NO_PLAN
        sights = self._sights(candidate, Ratios.of(rates), now, company=company)
        marks = marks_of(sights)
        led = {sight.level for sight in sights if sight.led}
        awaited = next((mark.key for mark in marks if mark.writes and mark.level in led), None)
        if awaited is not None:
            return Plan(Turn.WAIT, (), awaited)
        plan = Plan(Turn.LEAD if self.settings.cold_prefix else Turn.GO, marks)
        if plan.written and self._may_write(candidate, plan, rates, company=company):
            return plan
        return Plan(Turn.GO, tuple(mark for mark in marks if not mark.writes))

    def start(
        self, candidate: Candidate, plan: Plan, rates: Rates, now: float, *, company: bool = False
    ) -> None:
        """The job goes, by the plan that was made of the same."""
        if not self.settings.enabled or candidate.prefix is None:
            return
        ratios = Ratios.of(rates)
        for sight in self._sights(candidate, ratios, now, company=company):
            self._see(candidate, sight, ratios, now)
        for level in levels_of(candidate.prefix):
            self._entries[candidate.model, key_of(level)].seen_at = now
        if plan.turn is Turn.LEAD:
            for mark in plan.written:
                entry = self._entries[candidate.model, mark.key]
                entry.leader, entry.lead_since, entry.ttl = candidate.id, now, mark.ttl
        self._begun.discard(candidate.id)
        stake = self._stake(candidate, plan, rates)
        self._balances.begin(candidate.workflow, candidate.model, candidate.id, stake)

    def leader_of(self, model: str, key: str) -> tuple[int | None, float]:
        """The job that writes a cold prefix, if any, and until when others wait for it."""
        entry = self._entries.get((model, key))
        if entry is None or entry.leader is None:
            return None, -math.inf
        return entry.leader, entry.lead_since + LEADER_PATIENCE_S

    def is_warm(self, model: str, path: str | None, now: float) -> bool:
        """Whether any part of the path is believed to be in the cache."""
        keys = (key_of(level) for level in levels_of(path))
        return any(
            entry.warm_until > now for key in keys if (entry := self._entries.get((model, key))) is not None
        )

    def entry(self, model: str, key: str) -> Entry | None:
        """What is known of a prefix."""
        return self._entries.get((model, key))

    def recorded(self, model: str, plan: Plan, message_id: str, *, instead_of: str | None) -> None:
        """The API can compare later calls with this one: of what it wrote, and of what had `instead_of`."""
        for mark, entry in self._marked(model, plan):
            if mark.writes or entry.message_id == instead_of:
                entry.message_id = message_id

    def began(self, job_id: int, model: str, plan: Plan, sent_at: float) -> None:
        """A response begins: each entry lives for its TTL from the start of the request."""
        self._begun.add(job_id)
        for mark, entry in self._marked(model, plan):
            if mark.writes:
                entry.wrote(mark.ttl, sent_at)
            else:
                entry.was_read(sent_at)
            if entry.leader == job_id:
                entry.leader = None

    def give_up(self, job_id: int, candidate: Candidate, plan: Plan) -> None:
        """The call failed, or never left: the next one leads, unless its response had begun.

        One whose response had begun counts as paid, by its plan: what it cost is not known.
        """
        self._lead_no_more(job_id, candidate.model, plan)
        begun = job_id in self._begun
        self._begun.discard(job_id)
        lost = self._balances.give_up(candidate.workflow, candidate.model, job_id, paid=begun)
        written = [entry for mark, entry in self._marked(candidate.model, plan) if mark.writes and begun]
        for entry in written:
            entry.writes += 1
        if written:
            written[-1].saved_picousd -= round(lost)

    def pay(self, candidate: Candidate, plan: Plan, tokens: int, uncached: int, excess: int) -> None:
        """A call with `tokens` of input is settled: its pico-dollars uncached, and what caching added."""
        job_id, workflow, model = candidate.id, candidate.workflow, candidate.model
        self._lead_no_more(job_id, model, plan)
        self._begun.discard(job_id)
        self._balances.settle(workflow, model, job_id, uncached, 0 if plan.is_the_callers else excess)
        self._balances.learn_size(workflow, model, candidate.input_bytes, tokens)

    def rows(self, now: float) -> tuple[PrefixRow, ...]:
        """All prefixes that are known, the last used first. `now` in epoch seconds."""
        return tuple(entry.row(key, now) for (_, key), entry in latest(self._entries.items(), ENTRIES_KEPT))

    def forget(self, now: float) -> None:
        """Drop what no longer tells anything, so that the book stays small."""
        kept = [(key, entry) for key, entry in self._entries.items() if not entry.is_over(now)]
        self._entries = dict(latest(kept, ENTRIES_KEPT))
        while len(self._groups) > GROUPS_KEPT:
            self._groups.popitem(last=False)
        self._balances.forget()

    def memory(self) -> dict[str, object]:
        """What was learned, as JSON."""
        known = latest(
            ((key, entry) for key, entry in self._entries.items() if entry.sightings), ENTRIES_REMEMBERED
        )
        return {
            "prefixes": [to_json(key, entry) for (_, key), entry in known],
            "groups": [
                [*group, record.calls, record.five, record.hour] for group, record in self._groups.items()
            ],
            "balances": self._balances.memory(),
            "all": self._balances.all_memory(),
        }

    def recall(self, memory: object) -> None:
        """Take up what `memory` gave; what cannot be read is left out."""
        if not isinstance(memory, Mapping):
            return
        try:
            self._recall(memory)
        except (KeyError, TypeError, ValueError):
            return

    def _recall(self, memory: Mapping[str, Any]) -> None:
        for stored in memory["prefixes"]:
            key, entry = from_json(stored)
            self._entries[entry.group[1], key] = entry
        for workflow, model, kind, *sums in memory["groups"]:
            self._groups[workflow, model, kind] = Record(*sums)
        self._balances.recall(memory["balances"], memory["all"])

    def _sights(self, candidate: Candidate, ratios: Ratios, now: float, *, company: bool) -> list[Sight]:
        return [
            self._sight(candidate, level, ratios, now, company=company)
            for level in levels_of(candidate.prefix)
            if not self._is_refused(candidate.model, level, now)
        ]

    def _is_refused(self, model: str, level: str, now: float) -> bool:
        """Whether the API does not cache it, as far as is known: nobody waits for it or marks it then."""
        entry = self._entries.get((model, key_of(level)))
        return entry is not None and entry.refused_until > now

    def _sight(self, candidate: Candidate, level: str, ratios: Ratios, now: float, *, company: bool) -> Sight:
        entry = self._entries.get((candidate.model, key_of(level)))
        warm = entry is not None and entry.warm_until > now
        led = (
            self.settings.cold_prefix
            and entry is not None
            and entry.leader not in (None, candidate.id)
            and now - entry.lead_since < LEADER_PATIENCE_S
        )
        own = self._own(candidate, entry, ratios, now, company=company)
        return Sight(level, entry, self._choice(candidate, level, entry, own), warm, led)

    @staticmethod
    def _own(
        candidate: Candidate, entry: Entry | None, ratios: Ratios, now: float, *, company: bool
    ) -> Record:
        """What each choice would have cost, with this call and the one behind it; nothing of a first one."""
        entry = entry or Entry((candidate.workflow, candidate.model, ""), "")
        if not entry.sightings and not company:
            return Record()
        own = entry.own
        if entry.seen_job != candidate.id:
            own = own.seen_after(now - entry.seen_at, ratios)
        return own.seen_after(0.0, ratios) if company else own

    def _choice(self, candidate: Candidate, level: str, entry: Entry | None, own: Record) -> Choice:
        by_caller = ttl_of_caller(level)
        if by_caller is not None:
            return Choice(by_caller)
        group = (candidate.workflow, candidate.model, kind_of(level)) if entry is None else entry.group
        present = entry.choice if entry is not None else None
        return choose(own, self._groups.get(group, Record()), present, self.settings.ttl)

    def _see(self, candidate: Candidate, sight: Sight, ratios: Ratios, now: float) -> None:
        """Note that a level was seen: what each choice would have cost follows from the times alone."""
        where = (candidate.model, key_of(sight.level))
        entry = self._entries.get(where)
        if entry is None:
            group = (candidate.workflow, candidate.model, kind_of(sight.level))
            entry = self._entries[where] = Entry(group, sight.level)
        if entry.seen_job != candidate.id:
            gap_s = now - entry.seen_at
            entry.own.add(gap_s, ratios, OWN_MEMORY)
            if entry.sightings < YOUNG:
                self._groups.setdefault(entry.group, Record()).add(gap_s, ratios, GROUP_MEMORY)
                self._groups.move_to_end(entry.group)
            entry.sightings += 1
        entry.seen_at, entry.seen_job, entry.choice = now, candidate.id, sight.choice

    def _may_write(self, candidate: Candidate, plan: Plan, rates: Rates, *, company: bool) -> bool:
        """Whether a write that nobody reads can be afforded, by its workflow and by all calls.

        What others ask for as well is not refused for the risks of calls under way: when many prefixes
        come at once, each is written. What the next job in the queue will read is no risk.
        """
        if self.settings.ttl != "auto" or plan.is_the_callers or self._has_proved_itself(candidate, plan):
            return True
        if company and plan.dearest_ttl == "5m":
            return True
        seen = company or any(
            (entry := self._entries.get((candidate.model, mark.key))) is not None and entry.sightings
            for mark in plan.written
        )
        stake = self._stake(candidate, plan, rates)
        return self._balances.allow(candidate.workflow, candidate.model, stake, alone=seen)

    def _has_proved_itself(self, candidate: Candidate, plan: Plan) -> bool:
        """Whether the past of every prefix that would be written shows that its TTL pays.

        Such a write is no attempt. Held to the allowance for attempts, a prefix that is most of its jobs'
        input would never be kept for an hour: one such write costs as much as the whole allowance.
        """
        found = [(mark, self._entries.get((candidate.model, mark.key))) for mark in plan.written]
        return all(entry is not None and entry.own.shows_that_it_pays(mark.ttl) for mark, entry in found)

    def _stake(self, candidate: Candidate, plan: Plan, rates: Rates) -> tuple[float, float]:
        """Pico-dollars of the whole input uncached, and what its writes may add at most, as estimated."""
        tokens = self._balances.estimate(candidate.workflow, candidate.model, candidate.input_bytes)
        if not plan.written:
            return tokens * rates.input, 0.0
        expected = plan.expected
        entry = self._entries.get((candidate.model, expected.key)) if expected is not None else None
        new = max(0.0, tokens - (entry.tokens if entry is not None else 0))
        dearest = max((rates.write_1h if mark.ttl == "1h" else rates.write_5m) for mark in plan.written)
        return tokens * rates.input, new * (dearest - rates.input)

    def _lead_no_more(self, job_id: int, model: str, plan: Plan) -> None:
        for _, entry in self._marked(model, plan):
            if entry.leader == job_id:
                entry.leader = None

    def _marked(self, model: str, plan: Plan) -> list[tuple[Mark, Entry]]:
        found = ((mark, self._entries.get((model, mark.key))) for mark in plan.marks)
        return [(mark, entry) for mark, entry in found if entry is not None]
