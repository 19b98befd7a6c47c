"""The API's side of a scenario: `[api]`, `[[fault]]`, `[[consumer]]` and `[[change]]` → a twin's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

from claudeflow.config.checks import shown
from claudeflow.config.tables import validate
from claudeflow.domain.errors import Mistake
from claudeflow.simulation.when import Moment, Period, read_duration, read_moment
from claudeflow.twin.changes import parse_changes
from claudeflow.twin.consumers import parse_consumers
from claudeflow.twin.fault_script import parse_faults
from claudeflow.twin.settings import TwinSettings

_ELSEWHERE = {
    "seed": "write `seed` at the top of the scenario",
    "epoch_s": "write `starts` at the top of the scenario",
    "faults": "write each under [[fault]]",
    "consumers": "write each under [[consumer]]",
    "changes": "write each under [[change]]",
    "keys": "a simulated API takes any key",
    "admin_keys": "nobody asks for reports in a simulation",
    "report_delay_s": "nobody asks for reports in a simulation",
    "report_lost_share": "nobody asks for reports in a simulation",
    "analytics": "nobody asks for reports in a simulation",
}
T = TypeVar("T")

_CAP = "spend_cap_usd"
_USD = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Tables:
    """What this module reads with the rules that all tables have."""

    api: TwinSettings

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


def read_api(tables: Mapping[str, Any], period: Period | None) -> tuple[TwinSettings, list[Mistake]]:
    """The twin's settings from the tables of a scenario, and every mistake; what is wrong keeps its default.

    Without a `period`, because that is wrong, moments are taken for its start.
    """
    settings, mistakes = _read_settings(tables.get("api"))
    reader = _SectionReader(period)
    settings = replace(
        settings,
        faults=reader.read("fault", tables.get("fault", []), parse_faults),
        consumers=reader.read("consumer", tables.get("consumer", []), parse_consumers),
        changes=reader.read("change", tables.get("change", []), parse_changes),
    )
    return settings, mistakes + reader.mistakes


def _read_settings(api: Any) -> tuple[TwinSettings, list[Mistake]]:
    if api is None:
        return TwinSettings(), []
    if not isinstance(api, Mapping):
        return TwinSettings(), [Mistake("api", "must be a table")]
    mistakes = [Mistake(f"api.{key}", way) for key, way in _ELSEWHERE.items() if key in api]
    tables = {key: value for key, value in api.items() if key not in (*_ELSEWHERE, _CAP)}
    if _CAP in api:
        mistakes += _cap_mistakes(api)
        tables["spend_cap_nanousd"] = None if mistakes else round(api[_CAP] * _USD)
    checked, found = validate(_Tables, {"api": tables})
    return (checked.api if checked else TwinSettings()), mistakes + found


def _cap_mistakes(api: Mapping[str, Any]) -> list[Mistake]:
    cap = api[_CAP]
    if not isinstance(cap, int | float) or isinstance(cap, bool) or cap <= 0:
        return [Mistake(f"api.{_CAP}", f"must be US dollars, more than 0; found {shown(cap)}")]
    if "spend_cap_nanousd" in api:
        return [Mistake(f"api.{_CAP}", "is given beside spend_cap_nanousd; give one of the two")]
    return []


class _SectionReader:
    """Reads the sections of a twin's script; what is wrong with them gathers in `mistakes`.

    A scenario may write `at = "10:17"` and `lasts = "12m"` instead of seconds from the start.
    """

    def __init__(self, period: Period | None) -> None:
        self._period = period
        self.mistakes: list[Mistake] = []

    def read(self, section: str, entries: Any, parse: Callable[[Any], tuple[T, ...]]) -> tuple[T, ...]:
        """The entries of a section that are right."""
        if not isinstance(entries, list):
            self.mistakes.append(Mistake(section, f"must be a list; write each entry under [[{section}]]"))
            return ()
        found: list[T] = []
        for number, entry in enumerate(entries):
            try:
                found += parse([self._in_seconds(section, entry)])
            except ValueError as error:
                message = str(error).removeprefix(f"{section} 1").lstrip(" :")
                self.mistakes.append(Mistake(f"{section}.{number}", message))
        return tuple(found)

    def _in_seconds(self, section: str, entry: Any) -> Any:
        """The entry as the twin takes it. Raises ValueError."""
        if not isinstance(entry, Mapping) or not {"at", "lasts"} & entry.keys():
            return entry
        begin = "at_s" if section == "change" else "from_s"
        seconds = {key: value for key, value in entry.items() if key not in ("at", "lasts")}
        if "at" in entry:
            seconds[begin] = self._first(read_moment(entry["at"]), entry["at"])
        if "lasts" in entry:
            seconds["until_s"] = seconds.get(begin, 0.0) + read_duration(entry["lasts"])
        return seconds

    def _first(self, moment: Moment, text: str) -> float:
        if self._period is None:
            return 0.0
        at_s = next(self._period.occurrences(moment), None)
        if at_s is None:
            raise ValueError(f"`at` does not come within the scenario; found {shown(text)}")
        return at_s
