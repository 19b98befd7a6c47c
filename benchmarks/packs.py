"""1,600 real texts are classified through the simulated API, each by a call of its own and packed.

In virtual time. What the store delivers is compared, text by text, with what the simulated model says to that
text alone; faults of packs are then thrown in.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from heapq import merge
from operator import attrgetter
from pathlib import Path
from random import Random
from typing import Any

import orjson

from benchmarks.flow.loads import A_TUESDAY_S
from benchmarks.flow.witness import Witness
from benchmarks.size import Size, number, percentile, table
from claudeflow.config import Config
from claudeflow.domain.events import CallEnded, JobFinished
from claudeflow.domain.job import JobId, JobState
from claudeflow.domain.pack_events import PackAnswered
from claudeflow.policy.packing.request import item_text
from claudeflow.policy.packing.settings import PackSettings
from claudeflow.simulation.arrivals import Arrival
from claudeflow.simulation.examples import find_examples
from claudeflow.simulation.prompts import PromptFolder
from claudeflow.simulation.run import Stage, simulate
from claudeflow.store import jobs
from claudeflow.twin.faults import Fault
from claudeflow.twin.models import find_model
from claudeflow.twin.schema_walk import structured
from claudeflow.twin.settings import TwinSettings

MODEL = "claude-haiku-5-5"
SEED = 77
PER_S = 4 / 3
"""How many texts of each set come in a second: two and a half times what the requests a minute carry."""
DURATION_S = 3_600.0
PACK = "\n[pack]\nmax_items = 20\nmax_wait_s = 20\n"
LIMITED = TwinSettings(rpm=64, itpm=400_000, otpm=80_000, ttft_s=0.8, tokens_per_s=90.0, seed=SEED)
USD = 1_000_000_000

OF_ITEMS = (
    "pack_drop",
    "pack_duplicate",
    "pack_crosslabel",
    "pack_unknown",
    "pack_invalid",
    "pack_seal",
    "pack_reorder",
)
OF_CALLS = ("pack_prose", "pack_truncate")
FIVE_PERCENT = (
    *(Fault(kind, item_share=0.05) for kind in OF_ITEMS),
    *(Fault(kind, share=0.05) for kind in OF_CALLS),
)
"""Each fault by itself hits one item in twenty, or one call."""


@dataclass(frozen=True, slots=True)
class Classified:
    """What came of the texts. `wrong` answers are not what the text gets alone, `missing` jobs have none."""

    texts: int
    wrong: int
    missing: int
    witness: Witness

    @property
    def calls(self) -> list[CallEnded]:
        """Every call."""
        return self.witness.calls()

    def tokens(self, kind: str) -> int:
        """All tokens of a kind, named as in `Usage`."""
        return sum(getattr(call.usage, kind) for call in self.calls)

    @property
    def waits_s(self) -> list[float]:
        """From submit to the answer."""
        found = [event for _, event in self.witness.events if isinstance(event, JobFinished)]
        return [event.total_s for event in found if event.state is JobState.SUCCEEDED]

    @property
    def returned(self) -> Counter[str]:
        """Items that had to be asked again, by reason."""
        reasons: Counter[str] = Counter()
        for _, event in self.witness.events:
            if isinstance(event, PackAnswered):
                reasons.update({why: int(times) for why, times in map(_split, event.returned)})
        return reasons


def classified(texts: int, *, packed: bool, faults: tuple[Fault, ...] = ()) -> Classified:
    """So many texts of each of the two sets, which come at random moments."""
    tickets, utterances = _texts("banking77-test-800.csv"), _texts("clinc150-test-800.jsonl")
    streams = (
        _coming(
            "ticket-triage", [{"channel": "chat", "text": text} for text in tickets[:texts]], "interactive"
        ),
        _coming("helpdesk-routing", [{"text": text} for text in utterances[:texts]], "bulk"),
    )
    witness = Witness()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store.db"
        stage = Stage(
            Config(packs=PackSettings(enabled=packed)),
            replace(LIMITED, faults=faults),
            merge(*streams, key=attrgetter("at_s")),
            A_TUESDAY_S,
            DURATION_S,
            SEED,
            (_prompt("ticket-triage"), _prompt("helpdesk-routing")),
            store,
        )
        simulate(stage, witness, DURATION_S)
        wrong, missing = _judged(store)
    return Classified(2 * texts, wrong, missing, witness)


def run(size: Size) -> Iterator[str]:
    """One by one, packed, and packed with every fault."""
    texts = size.of(tiny=30, quick=800, full=800)
    runs = {
        "one by one": classified(texts, packed=False),
        "packed": classified(texts, packed=True),
        "packed, each fault at 5 %": classified(texts, packed=True, faults=FIVE_PERCENT),
    }
    yield table(
        (f"{2 * texts:,} texts", *runs),
        [(name, *(text(found) for found in runs.values())) for name, text in _ROWS],
    )
    asked_again = runs["packed, each fault at 5 %"].returned
    yield table(
        ("asked again alone, because the answer was", "texts"),
        [(reason, number(times, 0)) for reason, times in sorted(asked_again.items())],
    )


_ROWS: Sequence[tuple[str, Any]] = (
    ("requests", lambda found: number(len(found.calls), 0)),
    ("of them shared", lambda found: number(sum(call.kind == "pack" for call in found.calls), 0)),
    ("input tokens, uncached", lambda found: number(found.tokens("input_tokens"), 0)),
    (
        "written to the cache",
        lambda found: number(
            found.tokens("cache_write_5m_tokens") + found.tokens("cache_write_1h_tokens"), 0
        ),
    ),
    ("read from the cache", lambda found: number(found.tokens("cache_read_tokens"), 0)),
    ("output tokens", lambda found: number(found.tokens("output_tokens"), 0)),
    ("cost, $", lambda found: number(sum(call.cost_nanousd for call in found.calls) / USD, 3)),
    ("answer after, s, p50", lambda found: number(percentile(found.waits_s, 0.5), 1)),
    ("p95", lambda found: number(percentile(found.waits_s, 0.95), 1)),
    ("answered", lambda found: number(len(found.waits_s), 0)),
    ("wrong answers delivered", lambda found: number(found.wrong, 0)),
    ("without an answer", lambda found: number(found.missing, 0)),
)


def _texts(name: str) -> list[str]:
    path = find_examples() / "inputs" / "intents" / name
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)
        return [row["text"] for row in rows]


def _coming(prompt: str, inputs: Sequence[dict[str, str]], lane: str) -> Iterator[Arrival]:
    chance = Random(f"{SEED}/{prompt}")
    moments_s = sorted(chance.random() * len(inputs) / PER_S for _ in inputs)
    for at_s, given in zip(moments_s, inputs, strict=True):
        yield Arrival(at_s, {"prompt": prompt, "input": given, "lane": lane})


def _prompt(name: str) -> PromptFolder:
    """The example prompt, whose jobs may share calls."""
    folder = find_examples() / "prompts" / name
    files = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    return PromptFolder(name, {**files, "prompt.toml": files["prompt.toml"].partition("\n[pack]")[0] + PACK})


def _judged(store: Path) -> tuple[int, int]:
    """How many jobs were delivered another answer than their text gets alone, and how many none."""
    wrong = missing = 0
    with closing(sqlite3.connect(store)) as raw:
        for job_id, prompt, body in raw.execute("SELECT id, prompt_name, body FROM jobs").fetchall():
            answer = jobs.answer(raw, JobId(job_id))
            if answer is None:
                missing += 1
            else:
                wrong += _said(answer) != _right(prompt, orjson.loads(body))
    return wrong, missing


def _said(message: bytes) -> Any:
    blocks = orjson.loads(message)["content"]
    return orjson.loads("".join(block["text"] for block in blocks if block["type"] == "text"))


def _right(prompt: str, messages: Any) -> Any:
    schema, model = orjson.loads(_prompt(prompt).files["schema.json"]), find_model(MODEL)
    assert model is not None
    return structured(schema, schema, item_text(messages) or "", SEED, model)


def _split(reason: str) -> tuple[str, str]:
    why, _, times = reason.rpartition(": ")
    return why, times
