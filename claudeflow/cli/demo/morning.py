"""A team's morning, compressed into seconds: the jobs of six workflows over three lanes, and when they come.

Tickets trickle in all the time. A block of questionnaires arrives, then two floods of bulk work, and in
the middle of them somebody asks for the review of a firewall change. Built from the files in `examples/`.
"""

from __future__ import annotations

import csv
import difflib
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from claudeflow.domain.errors import ClaudeflowError

_CHANGED_DEVICE = "as2dept1"
_QUESTIONNAIRES = (
    "vsaq-security_privacy_programs",
    "vsaq-physical_and_datacenter",
    "vsaq-webapp",
    "vsaq-infrastructure",
)
_QUESTION_TYPES = frozenset({"box", "checkgroup", "line", "radiogroup"})

Job = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One job as a producer would submit it, `at_s` seconds after the morning began."""

    at_s: float
    job: Job


@dataclass(frozen=True, slots=True)
class _Stream:
    """The jobs of one workflow, and when they come."""

    start_s: float
    span_s: float
    shuffled: bool
    read: Callable[[Path], Iterator[Job]]


def morning(examples: Path, jobs: int = 330, seed: int = 7) -> list[Arrival]:
    """Exactly `jobs` arrivals, earliest first; equal arguments give equal mornings.

    Raises ClaudeflowError when a file is missing, ValueError for fewer than six jobs.
    """
    if jobs < len(_STREAMS) + 1:
        raise ValueError(f"a morning has at least {len(_STREAMS) + 1} jobs, not {jobs}")
    rng = random.Random(seed)  # noqa: S311 - a repeatable schedule, no secret
    arrivals: list[Arrival] = []
    try:
        for share, stream in _STREAMS:
            arrivals += _arrivals(stream, examples / "inputs", max(1, int(share * jobs)), rng)
        arrivals += _arrivals(_FLOOD, examples / "inputs", jobs - len(arrivals), rng)
    except OSError as error:
        raise ClaudeflowError(f"the examples are incomplete: {error.filename}: {error.strerror}") from error
    return sorted(arrivals, key=lambda arrival: arrival.at_s)


def _arrivals(stream: _Stream, inputs: Path, count: int, rng: random.Random) -> Iterator[Arrival]:
    jobs = list(stream.read(inputs))
    if stream.shuffled:
        rng.shuffle(jobs)
    times = sorted(stream.start_s + rng.random() * stream.span_s for _ in range(count))
    return map(Arrival, times, islice(cycle(jobs), count))


def _tickets(inputs: Path) -> Iterator[Job]:
    channels = cycle(("app chat", "app chat", "web form", "email"))
    with (inputs / "intents" / "banking77-test-800.csv").open(encoding="utf-8", newline="") as rows:
        for row, channel in zip(csv.DictReader(rows), channels, strict=False):
            yield _job("ticket-triage", {"channel": channel, "text": row["text"]}, priority=5)


def _utterances(inputs: Path) -> Iterator[Job]:
    for line in _text(inputs / "intents" / "clinc150-test-800.jsonl").splitlines():
        yield _job("helpdesk-routing", {"text": json.loads(line)["text"]})


def _advisories(inputs: Path) -> Iterator[Job]:
    records = re.split(
        r"^---\n# .*\n", _text(inputs / "advisories" / "pypa-250.multi.yaml"), flags=re.MULTILINE
    )
    for record in records[1:]:
        advisory = record.partition("\n")[0].removeprefix("id: ")
        yield _job("advisory-triage", {"ecosystem": "PyPI", "record": record}, advisory=advisory)


def _policies(inputs: Path) -> Iterator[Job]:
    folder = inputs / "firewall" / "capirca"
    for path in sorted(folder.glob("*.pol")):
        policy = _text(path)
        included = re.findall(r"^#include '(?:.*/)?(.+)'", policy, flags=re.MULTILINE)
        variables = {
            "audience": "the owners of the services behind this firewall",
            "policy_file": path.name,
            "policy": policy,
            "definitions": {
                name: _text(folder / name) for name in ("NETWORK.net", "SERVICES.svc", *included)
            },
        }
        yield _job("firewall-policy-explainer", variables, policy=path.name)


def _change_reviews(inputs: Path) -> Iterator[Job]:
    """One review of the same change for each device whose traffic it may touch, the nearest first."""
    live_folder = inputs / "firewall" / "batfish-example" / "live"
    changed = live_folder / "configs" / f"{_CHANGED_DEVICE}.cfg"
    live = _text(changed)
    candidate = _text(inputs / "firewall" / "batfish-example" / "candidate" / "configs" / changed.name)
    diff = "\n".join(
        difflib.unified_diff(live.splitlines(), candidate.splitlines(), "live", "candidate", lineterm="")
    )
    others = [path for path in live_folder.rglob("*.*") if path != changed]
    for path in sorted(others, key=lambda path: (not path.name.startswith(("as2", "host")), path.name)):
        variables = {
            "device": _CHANGED_DEVICE,
            "related_device": path.stem,
            "diff": diff,
            "live": live,
            "related": _text(path),
        }
        yield _job("firewall-change-review", variables, priority=9, related_device=path.stem)


def _questions(inputs: Path) -> Iterator[Job]:
    """Every question of every questionnaire, in the order in which they are asked."""
    folder = inputs / "questionnaires"
    customers = json.loads(_text(folder / "customers.json"))
    for name in _QUESTIONNAIRES:
        root = _lenient_json(_text(folder / f"{name}.json"))["questionnaire"][0]
        for number, (section, item) in enumerate(_items(root, ()), start=1):
            variables = {
                "customer": customers[name],
                "questionnaire": root["text"],
                "section": " / ".join(section),
                "question": item["text"],
                "choices": [text for choice in item.get("choices", ()) for text in choice.values()],
                "several": item["type"] == "checkgroup",
            }
            yield _job("vendor-questionnaire", variables, questionnaire=name, question=str(number))


def _items(block: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    for item in block["items"]:
        if item["type"] == "block":
            yield from _items(item, (*above, item["text"]) if "text" in item else above)
        elif item["type"] in _QUESTION_TYPES and item.get("text"):
            yield above, item


def _lenient_json(text: str) -> Any:
    """Read JSON with comments, strings joined by plus signs, and commas after the last item."""
    text = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r'"\s*\+\s*"', "", text)
    return json.loads(re.sub(r",(\s*[\]}])", r"\1", text))


def _job(prompt: str, variables: dict[str, Any], priority: int = 0, **metadata: str) -> Job:
    return {"prompt": prompt, "input": variables, "priority": priority, "metadata": metadata}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


_STREAMS = (  # with the share of all jobs; the flood is the rest
    (0.20, _Stream(start_s=0.0, span_s=7.8, shuffled=True, read=_tickets)),
    (0.08, _Stream(start_s=0.5, span_s=4.0, shuffled=True, read=_policies)),
    (0.22, _Stream(start_s=1.0, span_s=0.5, shuffled=False, read=_questions)),
    (0.17, _Stream(start_s=2.0, span_s=0.5, shuffled=True, read=_advisories)),
    (0.03, _Stream(start_s=3.0, span_s=0.3, shuffled=False, read=_change_reviews)),
)
_FLOOD = _Stream(start_s=2.0, span_s=0.5, shuffled=True, read=_utterances)
