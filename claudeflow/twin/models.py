"""The models that the twin serves, and what differs between them."""

from __future__ import annotations

from dataclasses import dataclass

LIFECYCLE_ACTIVE = "active"
LIFECYCLE_DEPRECATED = "deprecated"
_UNKNOWN_DATE = "1970-01-01"


@dataclass(frozen=True, slots=True)
class Model:
    """One model. Models of one `pool` share one set of limits; `version` orders releases of all lines."""

    id: str
    line: str
    version: tuple[int, int]
    pool: str
    created: str
    context_tokens: int
    max_output_tokens: int
    cache_minimum_tokens: int
    alias: str | None = None
    retires: str | None = None
    takes_forced_tool: bool = True
    takes_fast: bool = False
    default_effort: str = "high"
    rejected_thinking: frozenset[str] = frozenset()

    @property
    def display_name(self) -> str:
        """The name people read."""
        major, minor = self.version
        return (
            f"Claude {self.line.capitalize()} {major}.{minor}"
            if minor
            else f"Claude {self.line.capitalize()} {major}"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Every name by which it may be asked for."""
        return (self.id, self.alias) if self.alias else (self.id,)

    @property
    def lifecycle(self) -> str:
        """`active` or `deprecated`; retired models are not served at all."""
        return LIFECYCLE_ACTIVE if self.retires is None else LIFECYCLE_DEPRECATED

    @property
    def counts_finer(self) -> bool:
        """True for the tokenizer of 4.7 and later, which yields about 30 % more tokens."""
        return self.version >= (4, 7)

    @property
    def takes_prefill(self) -> bool:
        """Whether the conversation may end with an assistant turn."""
        return self.version < (4, 6)

    @property
    def takes_geo(self) -> bool:
        """Whether `inference_geo` may be asked for."""
        return self.version >= (4, 6)

    @property
    def takes_priority(self) -> bool:
        """Whether a Priority Tier commitment may cover it; the newest models have none."""
        return self.version < (5, 0)


_ALWAYS_THINKS = frozenset({"disabled", "enabled"})
_LARGE = (1_000_000, 128_000)
_SMALL = (200_000, 64_000)


def _large(
    line: str, version: tuple[int, int], created: str, minimum: int, pool: str = "", **more: object
) -> Model:
    name = f"{line}-{version[0]}-{version[1]}" if version[1] else f"{line}-{version[0]}"
    return Model(f"claude-{name}", line, version, pool or name, created, *_LARGE, minimum, **more)  # type: ignore[arg-type]


def _dated(  # noqa: PLR0917
    line: str, version: tuple[int, int], day: str, minimum: int, pool: str, retires: str | None = None
) -> Model:
    alias = f"claude-{line}-{version[0]}-{version[1]}"
    created = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    return Model(
        f"{alias}-{day}", line, version, pool, created, *_SMALL, minimum, alias=alias, retires=retires
    )


MODELS: tuple[Model, ...] = (
    _large(
        "fable",
        (5, 2),
        "2026-11-09",
        512,
        "fable-5",
        takes_forced_tool=False,
        takes_fast=True,
        rejected_thinking=_ALWAYS_THINKS,
    ),
    _large("mythos", (5, 2), "2026-11-09", 512, "mythos-5", takes_fast=True),
    _large(
        "haiku", (5, 5), "2026-10-07", 512, default_effort="medium", rejected_thinking=frozenset({"enabled"})
    ),
    _large(
        "sonnet",
        (5, 5),
        "2026-09-28",
        512,
        takes_forced_tool=False,
        rejected_thinking=frozenset({"disabled"}),
    ),
    _large(
        "opus",
        (5, 5),
        "2026-09-22",
        512,
        takes_forced_tool=False,
        takes_fast=True,
        default_effort="medium",
        rejected_thinking=_ALWAYS_THINKS,
    ),
    _large(
        "fable",
        (5, 1),
        "2026-09-01",
        512,
        "fable-5",
        takes_forced_tool=False,
        rejected_thinking=_ALWAYS_THINKS,
    ),
    _large("mythos", (5, 1), "2026-09-01", 512, "mythos-5"),
    _large("opus", (5, 0), "2026-07-24", 512, takes_fast=True),
    _large("sonnet", (5, 0), "2026-06-30", 1024),
    _large("fable", (5, 0), "2026-06-09", 512, "fable-5"),
    _large("mythos", (5, 0), "2026-06-09", 512, "mythos-5"),
    _large("opus", (4, 8), "2026-05-28", 1024, "opus-4", takes_fast=True),
    _large("opus", (4, 7), _UNKNOWN_DATE, 2048, "opus-4"),
    _large("opus", (4, 6), _UNKNOWN_DATE, 4096, "opus-4"),
    _large("sonnet", (4, 6), _UNKNOWN_DATE, 1024, "sonnet-4"),
    _dated("opus", (4, 5), "20251101", 4096, "opus-4"),
    _dated("haiku", (4, 5), "20251001", 4096, "haiku-4-5"),
    _dated("sonnet", (4, 5), "20250929", 1024, "sonnet-4", "2026-11-30"),
)

_BY_NAME: dict[str, Model] = {model.id: model for model in MODELS}
_BY_NAME.update({model.alias: model for model in MODELS if model.alias})

FAST_SUFFIX = "/fast"
"""Fast mode of a pool's models has limits of its own, in a pool of this name."""
POOLS: tuple[str, ...] = tuple(dict.fromkeys(model.pool for model in MODELS))


def find_model(name: str) -> Model | None:
    """The model with this id or alias; None for unknown and retired ones."""
    return _BY_NAME.get(name)
