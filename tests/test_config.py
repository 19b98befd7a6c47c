"""The configuration: the file that explains it, the mistakes it can have, the key, the prices."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from claudeflow.config import (
    KEY_CREDENTIAL,
    KEY_VARIABLE,
    Config,
    PriceSettings,
    SocketSettings,
    as_dict,
    load_config,
    load_prices,
    parse_config,
    to_toml,
)
from claudeflow.domain.errors import ConfigError
from claudeflow.domain.usage import Usage
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.limits.settings import PoolLimits

SAMPLE = Path(__file__).parents[1] / "etc" / "claudeflow.toml"
SECRET = "sk-ant-api03-of-nobody"

A_PRICE = """
[[model]]
id = "{id}"
pool = "{pool}"
cache_minimum_tokens = 512
context_tokens = 200_000
max_output_tokens = 64_000

[[model.price]]
effective_from = 2026-10-07
input = 7
write_5m = 8.75
write_1h = 14
read = 0.7
output = 35
"""


def mistakes_in(text: str) -> dict[str, str]:
    """Key path → message, of a configuration that is refused."""
    with pytest.raises(ConfigError) as refused:
        parse_config(text, "c.toml")
    paths = [mistake.field for mistake in refused.value.mistakes]
    assert len(paths) == len(set(paths)), f"reported twice: {paths}"
    return {mistake.field: mistake.message for mistake in refused.value.mistakes}


def keys_of(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The key path of every scalar and of every table in settings."""
    entries = (
        value.items()
        if isinstance(value, dict)
        else [(field.name, getattr(value, field.name)) for field in fields(value)]
    )
    for name, entry in entries:
        yield (*path, name)
        if is_dataclass(entry) or isinstance(entry, dict):
            yield from keys_of(entry, (*path, name))


def test_the_sample_file_is_the_defaults() -> None:
    assert load_config(SAMPLE) == Config()


WRONG_HOURS = """
[lanes.standard]
reserve = 0.7
pressure_ceiling = 0
max_wait_s = 0
max_in_flight_per_workflow = -1
[lanes.standard.hours]
zone = "Mars/Base"
windows = ["Mon-Fri 18:00-8:00", 5]
zoen = "UTC"
[lanes.standard.hours.days]
"2026-13-01" = []
"2026-12-01" = ["Mon 10:00-11:00"]
"2026-12-02" = "closed"
"""


def test_every_mistake_in_a_lane_and_its_hours_says_what_is_allowed() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(WRONG_HOURS, "c.toml")
    found = {
        mistake.field.removeprefix("lanes.standard."): mistake.message for mistake in caught.value.mistakes
    }
    assert found == {
        "reserve": "must be 0.5 or less; found 0.7",
        "pressure_ceiling": "must be more than 0; found 0",
        "max_wait_s": "must be more than 0; found 0",
        "max_in_flight_per_workflow": "must be 0 or more; found -1",
        "hours.zone": (
            'must be the name of a time zone of this host, such as "Europe/Berlin"; found "Mars/Base"'
        ),
        "hours.windows.0": (
            'must be a window such as "Mon-Fri 18:00-08:00" or "Sat,Sun 00:00-24:00"; '
            'found "Mon-Fri 18:00-8:00"'
        ),
        "hours.windows.1": "must be text in quotes; found 5",
        "hours.zoen": "no such key; did you mean zone?",
        "hours.days.2026-13-01": 'must be a date such as "2026-12-24"; found "2026-13-01"',
        "hours.days.2026-12-01.0": (
            'must be a window without days, such as "18:00-08:00"; found "Mon 10:00-11:00"'
        ),
        "hours.days.2026-12-02": 'must be a list; found "closed"',
    }


@pytest.mark.parametrize("limit", ["1e-10", "1.1e9", "1e30", "-5.0"])
def test_a_limit_that_no_budget_can_have_is_a_mistake(limit: str) -> None:
    [(path, mistake)] = mistakes_in(f"[budgets.team]\nlimit_usd = {limit}").items()
    assert path == "budgets.team.limit_usd"
    assert mistake.startswith("must be a number of US dollars above 0, 1,000,000,000 at most; found ")


@pytest.mark.parametrize("limit", ["1e-9", "1000000000"])
def test_the_least_and_the_largest_limit_are_taken(limit: str) -> None:
    budget = parse_config(f"[budgets.team]\nlimit_usd = {limit}", "c.toml").budgets["team"]
    assert budget.limit_nanousd == round(float(limit) * 1e9)


def test_a_budget_for_nothing_that_is_there_is_a_mistake() -> None:
    text = """
[budgets.team]
limit_usd = 0
period = "week"
[budgets.Nights]
limit_usd = 5
scope = "lane:standrad"
[budgets.night]
limit_usd = 5
scope = "lane:nightly"
[budgets.vendors]
limit_usd = 5
scope = "workflows:vendors"
"""
    assert mistakes_in(text) == {
        "budgets.team.limit_usd": "must be a number of US dollars above 0, 1,000,000,000 at most; found 0",
        "budgets.team.period": "must be one of 'month' or 'day'; found \"week\"",
        "budgets.Nights": (
            "the name of a budget must be at most 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first"
        ),
        "budgets.Nights.scope": 'no lane has this name; did you mean standard?; found "lane:standrad"',
        "budgets.night.scope": (
            'no lane has this name; allowed: interactive, standard, bulk; found "lane:nightly"'
        ),
        "budgets.vendors.scope": ('must be "all", "lane:NAME" or "workflow:NAME"; found "workflows:vendors"'),
    }


def test_hours_survive_being_written_out() -> None:
    text = """
[lanes.standard.hours]
zone = "Europe/Berlin"
windows = ["Mon-Fri 18:00-08:00"]
[lanes.standard.hours.days]
"2026-12-24" = ["00:00-12:00"]
"2026-12-25" = []
"""
    config = parse_config(text, "c.toml")
    assert config.lanes["standard"].hours.days == {"2026-12-24": ("00:00-12:00",), "2026-12-25": ()}
    assert parse_config(to_toml(config), "again.toml") == config


def test_an_empty_file_is_the_defaults() -> None:
    assert parse_config("", "c.toml") == Config()


def test_the_sample_file_sets_every_key() -> None:
    """The hours of a lane are set once: there they are explained."""
    tables = tomllib.loads(SAMPLE.read_text())
    for path in keys_of(Config()):
        node: Any = tables
        repeats_hours = path[2:3] == ("hours",) and path[1] != "interactive"
        if path != ("pools",) and not repeats_hours:
            for name in path:
                assert name in node, f"{'.'.join(path)} is not in etc/claudeflow.toml"
                node = node[name]


def test_what_the_sample_file_shows_as_a_comment_is_valid_too() -> None:
    text = SAMPLE.read_text()
    shown = re.sub(r"^# (\[pools\..*|[a-z_]+ = \d+)$", r"\1", text, flags=re.MULTILINE)
    assert shown != text
    assert parse_config(shown, "c.toml").pools == {"opus-5.5": PoolLimits(1_000, 500_000, 100_000)}


def test_the_sample_file_explains_every_table_and_first_lane() -> None:
    """A comment stands right above each key, or above the key or table before it."""
    lines = SAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("[") and not line.startswith("[lanes."):
            assert lines[number - 1].startswith("#") or lines[number + 1].startswith("#"), line


EVERY_KIND = """
default_lane = "standrd"
nonsense = 1
[store]
pth = "x"
path = 3
[socket]
mode = "rw"
[daemon]
grace_s = -1
lease_s = 3
[log]
format = "xml"
[api]
base_url = "api.anthropic.com"
connect_timeout_s = nan
spend_cap_phrases = "x"
[prompts]
folder = 2026-01-01
[limits]
requests = 1.5
input_tokens = 0
output_tokens = true
[limiter]
gate = 4
[limiter.margin]
burst_s = "5"
cold_theta = 1.5
[limiter.ceiling]
initial = 2
minimum = 3
[pools.haiku]
request = 1
[lanes.standard]
weight = inf
[lanes.Bulk]
max_inflight = 1
"""

EVERY_MESSAGE = {
    "api.base_url": 'must be an address such as https://api.anthropic.com; found "api.anthropic.com"',
    "api.connect_timeout_s": "must be a finite number; found nan",
    "api.spend_cap_phrases": 'must be a list; found "x"',
    "daemon.grace_s": "must be 0 or more; found -1",
    "daemon.lease_s": "must be more than 3; found 3",
    "default_lane": 'no lane has this name; did you mean standard?; found "standrd"',
    "lanes.Bulk": "the name of a lane must be at most 64 of a-z, 0-9, '.', '_' and '-', "
    "a letter or digit first",
    "lanes.Bulk.max_inflight": "no such key; did you mean max_in_flight?",
    "lanes.standard.weight": "must be a finite number; found inf",
    "limiter.ceiling": "minimum <= initial <= maximum must hold; found 3 <= 2 <= 4000",
    "limiter.gate": "must be a table; found 4",
    "limiter.margin.burst_s": 'must be a number; found "5"',
    "limiter.margin.cold_theta": "must be 1 or less; found 1.5",
    "limits.input_tokens": "must be 1 or more; found 0",
    "limits.output_tokens": "must be a whole number; found true",
    "limits.requests": "must be a whole number; found 1.5",
    "log.format": "must be one of 'auto', 'json' or 'text'; found \"xml\"",
    "nonsense": "no such key; allowed: default_lane, store, socket, http, daemon, log, api, admin, "
    "mailboxes, prompts, prices, limits, pools, limiter, retry, cache, packs, batches, enquiries, budgets, "
    "fallback, lanes, access",
    "pools.haiku.request": "no such key; did you mean requests?",
    "prompts.folder": "must not be a date or time; found 2026-01-01",
    "socket.mode": 'must be an octal mode such as "0660"; found "rw"',
    "store.path": "must be text in quotes; found 3",
    "store.pth": "no such key; did you mean path?",
}


def test_every_mistake_is_reported_at_once_with_what_was_found_and_what_is_allowed() -> None:
    assert mistakes_in(EVERY_KIND) == EVERY_MESSAGE


WRONG_SHAPES = [
    ("store = 3", "store", "must be a table; found 3"),
    ("lanes = [1]", "lanes", "must be a table; found a list"),
    ("[lanes]", "lanes", "name at least one lane, or leave the table out for the three default lanes"),
    ("[lanes]\nbulk = 2", "lanes.bulk", "must be a table; found 2"),
    ("[limits]\nrequests = {a = 1}", "limits.requests", "must be a whole number; found a table"),
    ("[api]\ncredit_phrases = [3]", "api.credit_phrases.0", "must be text in quotes; found 3"),
    ("default_lane = 3", "default_lane", "must be text in quotes; found 3"),
]


@pytest.mark.parametrize(("text", "path", "message"), WRONG_SHAPES)
def test_a_wrong_shape_is_named(text: str, path: str, message: str) -> None:
    assert mistakes_in(text)[path] == message


@pytest.mark.parametrize("mode", ["660", "0600", "0777"])
def test_octal_modes_are_taken(mode: str) -> None:
    assert parse_config(f'[socket]\nmode = "{mode}"', "c.toml").socket.mode == mode


@pytest.mark.parametrize("mode", ["0880", "06600", "u=rw", "", "-660"])
def test_other_modes_are_refused(mode: str) -> None:
    assert "octal" in mistakes_in(f'[socket]\nmode = "{mode}"')["socket.mode"]


def test_lanes_of_ones_own_replace_the_default_ones() -> None:
    config = parse_config('default_lane = "night"\n[lanes.night]\nweight = 2', "c.toml")
    assert config.lanes == {"night": LaneSettings(weight=2.0)}


def test_the_default_lane_must_be_among_lanes_of_ones_own() -> None:
    message = mistakes_in("[lanes.night]\nweight = 2")["default_lane"]
    assert message == 'no lane has this name; allowed: night; found "standard"'


SECRETS = [
    (f'[api]\nkey = "{SECRET}"', "api.key"),
    ('[api]\napi_key = "anything"', "api.api_key"),
    ('anthropic-api-key = "anything"', "anthropic-api-key"),
    (f'[store]\npath = "{SECRET}"', "store.path"),
    (f'[daemon]\ngrace_s = "{SECRET}"', "daemon.grace_s"),
    (f'store = "{SECRET}"', "store"),
    (f'[api]\ncredit_phrases = ["{SECRET}"]', "api.credit_phrases.0"),
]


@pytest.mark.parametrize(("text", "path"), SECRETS)
def test_an_api_key_in_the_file_is_refused_and_never_repeated(text: str, path: str) -> None:
    mistakes = mistakes_in(text)
    assert KEY_CREDENTIAL in mistakes[path]
    assert KEY_VARIABLE in mistakes[path]
    assert SECRET not in str(mistakes)


def test_a_lane_may_be_called_key() -> None:
    assert "key" in parse_config('default_lane = "key"\n[lanes.key]\nweight = 1', "c.toml").lanes


def test_a_file_that_is_not_toml_is_refused_with_the_place() -> None:
    assert re.search(r"not TOML: .*line 1", mistakes_in("[store\n")[""])


def test_a_file_that_is_not_utf_8_is_refused_with_the_place(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_bytes(b'[store]\npath = "a\xff"\n')
    with pytest.raises(ConfigError, match="not UTF-8 at byte 17"):
        load_config(file)


@pytest.mark.parametrize(("name", "reason"), [("missing.toml", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_refused_with_the_way_out(
    tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match=rf"{reason}.*--config"):
        load_config(tmp_path / name)


def test_what_is_printed_can_be_read_again() -> None:
    config = replace(
        Config(),
        socket=SocketSettings(path='/run/a "b"\\c é', group="staff"),
        pools={"opus-5.5": PoolLimits(requests=7), "p": PoolLimits()},
        default_lane="a.b",
        lanes={"a.b": LaneSettings(weight=0.5), "c": LaneSettings(max_queued=9)},
    )
    assert parse_config(to_toml(config), "printed") == config
    assert parse_config(to_toml(Config()), "printed") == Config()


def test_printed_defaults_are_marked_and_nothing_else() -> None:
    lines = to_toml(replace(Config(), socket=SocketSettings(group="staff"))).splitlines()
    unmarked = [line for line in lines if "=" in line and not line.endswith("# default")]
    assert unmarked == ['group = "staff"']


def test_plain_values_keep_every_key() -> None:
    assert as_dict(Config())["limiter"]["gate"]["jitter_share"] == 0.2


def prices_with(file: Path, text: str) -> PriceSettings:
    file.write_text(text)
    return PriceSettings(str(file))


def test_own_prices_add_models_and_replace_rows(tmp_path: Path) -> None:
    text = A_PRICE.format(id="claude-own-1", pool="own") + A_PRICE.format(id="claude-haiku-5-5", pool="mine")
    table = load_prices(prices_with(tmp_path / "p.toml", text))
    shipped = load_prices(PriceSettings())
    assert table.models.keys() == shipped.models.keys() | {"claude-own-1"}
    assert table.pool_of("claude-haiku-5-5") == "mine"
    output = Usage(output_tokens=1_000_000)
    assert (
        table.bill("claude-haiku-5-5", output, 0).cost_nanousd
        > shipped.bill("claude-haiku-5-5", output, 0).cost_nanousd
    )


BAD_PRICES = [
    ("[[model", "not TOML"),
    ("model = 3", "at least one"),
    ('[[model]]\nid = "x"', "pool"),
]


@pytest.mark.parametrize(("text", "message"), BAD_PRICES)
def test_wrong_prices_name_their_file(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "p.toml"
    with pytest.raises(ConfigError, match=message) as refused:
        load_prices(prices_with(file, text))
    assert refused.value.source == str(file)


def test_every_wrong_price_is_a_mistake_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load_prices(prices_with(tmp_path / "p.toml", '[[model]]\nid = "x"'))
    assert len(refused.value.mistakes) > 3
    assert not any("\n" in mistake.message for mistake in refused.value.mistakes)


def test_wrong_prices_are_counted_in_the_file_that_has_them(tmp_path: Path) -> None:
    text = A_PRICE.format(id="claude-own-1", pool="own") + "[[model]]\npool = 'p'\n"
    with pytest.raises(ConfigError) as refused:
        load_prices(prices_with(tmp_path / "p.toml", text))
    places = {mistake.message.split(".")[0].split(" ")[0] for mistake in refused.value.mistakes}
    assert places == {"model[1]"}


def test_a_missing_price_file_is_named_with_the_key_that_names_it() -> None:
    with pytest.raises(ConfigError, match=r"No such file or directory; it is the file of `\[prices\] file`"):
        load_prices(PriceSettings("/nonexistent/prices.toml"))


def test_a_price_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 0"):
        load_prices(PriceSettings(str(file)))


def test_an_address_that_other_hosts_reach_must_be_meant() -> None:
    open_to_all = '[http]\ntcp = "0.0.0.0:8765"\n'
    assert "nothing is encrypted" in mistakes_in(open_to_all)["http.tcp"]
    assert parse_config(open_to_all + "tcp_beyond_loopback = true\n", "c.toml").http.tcp == "0.0.0.0:8765"
    assert parse_config('[http]\ntcp = "127.0.0.1:8765"\n', "c.toml").http.tcp == "127.0.0.1:8765"
    names = '[http]\ntcp_hosts = ["claude.example.com", "[fd00::1]", "http://claude", "claude:443", ""]\n'
    assert set(mistakes_in(names)) == {f"http.tcp_hosts.{number}" for number in (2, 3, 4)}
    assert "must be an address and a port" in mistakes_in('[http]\ntcp = "8765"\n')["http.tcp"]


def test_grants_name_somebody_and_lanes_that_are_there() -> None:
    found = mistakes_in(
        """
        [access."user:alice"]
        roles = ["submit", "root"]
        lanes = ["bulk", "interactiv", "b*", "z*"]
        workflows = ["triage-*", "Triage", ""]
        max_queued = -1
        [access.alice]
        """
    )
    assert found == {
        "access.user:alice.roles.1": "must be one of 'read', 'submit', 'operate' or 'admin'; found \"root\"",
        "access.user:alice.lanes.1": 'no lane has this name; did you mean interactive?; found "interactiv"',
        "access.user:alice.lanes.3": found["access.user:alice.lanes.3"],
        "access.user:alice.workflows.1": found["access.user:alice.workflows.1"],
        "access.user:alice.workflows.2": found["access.user:alice.workflows.2"],
        "access.user:alice.max_queued": "must be 0 or more; found -1",
        "access.alice": 'must be "user:NAME", "group:NAME", "token:NAME" or "all"; found "alice"',
    }
    assert "or a pattern" in found["access.user:alice.lanes.3"]
    assert found["access.user:alice.workflows.1"].startswith("must be a workflow or a pattern for some: ")
    assert found["access.user:alice.workflows.1"].endswith('; found "Triage"')
