"""Packed and single requests about real texts, and the replies that they get."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import orjson

from claudeflow.simulation.examples import find_examples
from claudeflow.twin.fault_script import parse_faults
from claudeflow.twin.faults import PackFault, mishap
from claudeflow.twin.replies import Reply, answer, chance_of
from tests.twin.builders import a_request

NONCE = "0a1b2c3d4e5f"
OTHER_NONCE = "f5e4d3c2b1a0"
INTENTS = find_examples() / "inputs" / "intents"
PACK_SIZE = 20


@cache
def banking_labels() -> tuple[str, ...]:
    return tuple(json.loads((INTENTS / "banking77-categories.json").read_text()))


@cache
def banking_texts() -> tuple[str, ...]:
    with (INTENTS / "banking77-test-800.csv").open(newline="") as file:
        return tuple(row["text"] for row in csv.DictReader(file))


@cache
def clinc() -> tuple[tuple[str, str], ...]:
    lines = (INTENTS / "clinc150-test-800.jsonl").read_text().splitlines()
    return tuple((record["text"], record["intent"]) for record in map(json.loads, lines))


def labelled(labels: Sequence[str]) -> dict[str, Any]:
    """A schema of a classification, with the labels where references find them."""
    return {
        "type": "object",
        "properties": {
            "label": {"$ref": "#/$defs/label"},
            "sure": {"type": "boolean"},
            "why": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["label", "sure", "why"],
        "additionalProperties": False,
        "$defs": {"label": {"type": "string", "enum": list(labels)}},
    }


BANKING = labelled(banking_labels())


def the_ids(count: int) -> list[str]:
    return [f"k{number:03d}" for number in range(count)]


def the_seals(count: int) -> list[str]:
    return [f"{number * 7_919 + 11:06x}" for number in range(count)]


def framed(texts: Sequence[str], *, sealed: bool = True) -> str:
    frames = []
    for one, seal, text in zip(the_ids(len(texts)), the_seals(len(texts)), texts, strict=True):
        tail = f" seal {seal}" if sealed else ""
        frames.append(f"<<item {one} {NONCE}>>\n{text}\n<<end {one} {NONCE}{tail}>>")
    return "Answer each item.\n\n" + "\n\n".join(frames) + "\n\nThese were all items."


def formatted(schema: dict[str, Any]) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "schema": schema}}


def pack_schema(schema: dict[str, Any], ids: Sequence[str], *, sealed: bool = True) -> dict[str, Any]:
    one = {key: value for key, value in schema.items() if key != "$defs"}
    properties = {"id": {"type": "string", "enum": list(ids)}, "answer": one}
    if sealed:
        properties["seal"] = {"type": "string"}
    entry = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": entry}},
        "required": ["items"],
        "additionalProperties": False,
        "$defs": schema.get("$defs", {}),
    }


def packed(
    texts: Sequence[str], schema: dict[str, Any] | None = None, *, sealed: bool = True, **changes: Any
) -> dict[str, Any]:
    """The changes that make the usual body a packed request; its schema allows ids that are not used."""
    ids = the_ids(len(texts) + 10)
    return {
        "max_tokens": 60_000,
        "messages": [{"role": "user", "content": framed(texts, sealed=sealed)}],
        "output_config": formatted(pack_schema(schema or BANKING, ids, sealed=sealed)),
        **changes,
    }


def single(text: str, schema: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": text}],
        "output_config": formatted(schema or BANKING),
        **changes,
    }


def reply_to(body: dict[str, Any], *, seed: int = 0, packs: Sequence[PackFault] = ()) -> Reply:
    request = a_request(**body)
    return answer(request, chance_of(request, seed), 150, 0.6, seed=seed, packs=packs)


def text_of(reply: Reply) -> str:
    return str(reply.blocks[-1]["text"])


def entries_of(reply: Reply) -> list[dict[str, Any]]:
    document = orjson.loads(text_of(reply))
    assert list(document) == ["items"]
    entries: list[dict[str, Any]] = document["items"]
    return entries


def befallen(*entries: dict[str, Any], call: int = 1, seed: int = 0) -> tuple[PackFault, ...]:
    return mishap(parse_faults(list(entries)), seed, call, 0.0, ["claude-opus-5"]).packs


def packs_of(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), PACK_SIZE):
        yield texts[start : start + PACK_SIZE]
