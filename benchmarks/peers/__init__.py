"""What do others make of the same API? Programs on the SDK, inspect_ai, LiteLLM's Router, and claudeflow.

`python -m benchmarks.peers install` gets the peers into environments of their own. A peer that is not
installed is left out, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.size import Size


def run(size: Size) -> Iterator[str]:
    """A table per scene."""
    from benchmarks.peers.contest import run_scenes

    yield from run_scenes(size)
