"""The examples that come with claudeflow, the scenarios among them."""

from __future__ import annotations

from pathlib import Path

from claudeflow.domain.errors import ClaudeflowError

_PACKAGE = Path(__file__).resolve().parents[1]


def find_examples(package: Path = _PACKAGE) -> Path:
    """The examples inside the installed package, or beside it in a checkout. Raises ClaudeflowError."""
    places = (package / "examples", package.parent / "examples")
    for place in places:
        if (place / "prompts" / "ticket-triage").is_dir():
            return place
    raise ClaudeflowError(
        f"the examples are neither in {places[0]} nor in {places[1]}: install claudeflow again"
    )


def shipped_scenarios() -> dict[str, Path]:
    """The files of the scenarios that come with claudeflow, by name. Raises ClaudeflowError."""
    return {path.stem: path for path in sorted((find_examples() / "scenarios").glob("*.toml"))}
