"""Many jobs: one for each line of a file, answers as JSON lines. Broken off, it can simply run again.

CLAUDEFLOW_SOCKET=my.sock python examples/python/many_jobs.py questions.txt > answers.jsonl
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from claudeflow import Claudeflow
from claudeflow.client import JobFields, Progress


def questions(path: Path) -> Iterator[JobFields]:
    """A job for each line. The same line is the same job, so nothing is paid for twice."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            key = hashlib.sha256(line.encode()).hexdigest()[:32]
            yield {
                "prompt": "ticket-triage",
                "input": {"channel": "file", "text": line.strip()},
                "lane": "bulk",
                "dedupe_key": f"{path.name}-{key}",
            }


def show(progress: Progress) -> None:
    """One line that is written over and over."""
    print(f"\r{progress.ended:,} of {progress.taken:,}, {progress.failed:,} failed", end="", file=sys.stderr)


def main() -> int:
    """The exit code."""
    failed = 0
    with Claudeflow(workflow="ticket-triage") as flow:
        for result in flow.map(questions(Path(sys.argv[1])), ordered=True, progress=show):
            failed += not result.ok
            answer = result.text if result.ok else None
            print(json.dumps({"line": result.index + 1, "answer": answer, "error": str(result.error or "")}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
