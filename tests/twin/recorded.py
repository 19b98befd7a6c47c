"""Reads the recordings, whichever tool made them, into one shape."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "recordings"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded response. Header names are in lower case."""

    source: str
    path: str
    status: int
    headers: dict[str, str]
    body: str

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def streamed(self) -> bool:
        return "text/event-stream" in self.headers.get("content-type", "")


def exchanges() -> list[Exchange]:
    """Every response in the folder."""
    found: list[Exchange] = []
    for file in sorted(FOLDER.rglob("*.*")):
        if file.suffix in (".yaml", ".yml"):
            found += _from_yaml(file)
        elif file.suffix == ".json":
            found += _from_snapshot(file)
    return found


def observations() -> list[dict[str, Any]]:
    """A line for each response whose headers are on record."""
    with gzip.open(FOLDER / "header-observations.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def _from_yaml(file: Path) -> list[Exchange]:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    recorded = document.get("interactions") or document["http_interactions"]
    return [_exchange(file, one["request"]["uri"], one["response"]) for one in recorded]


def _exchange(file: Path, uri: str, response: dict[str, Any]) -> Exchange:
    headers = {name.lower(): values[0] for name, values in response["headers"].items()}
    body = response["body"]["string"]
    if isinstance(body, bytes):
        body = (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode()
    path = uri.removeprefix("https://api.anthropic.com").partition("?")[0]
    return Exchange(file.name, path, response["status"]["code"], headers, body)


def _from_snapshot(file: Path) -> list[Exchange]:
    found = []
    for one in json.loads(file.read_text(encoding="utf-8")):
        response = one["response"]
        path = one["request"]["url"].removeprefix("https://api.anthropic.com").partition("?")[0]
        body = json.dumps(response["body"])
        found.append(Exchange(file.name, path, response["status_code"], response["headers"], body))
    return found
