"""Scenario files: what they say, and the mistakes that they can have."""

from __future__ import annotations

from pathlib import Path

import pytest

from claudeflow.domain.errors import ConfigError
from claudeflow.domain.prompt import CanaryRules, PackRules
from claudeflow.prompts import load_prompts
from claudeflow.simulation.arrivals import arrivals
from claudeflow.simulation.examples import find_examples
from claudeflow.simulation.prompts import read_back, write_prompts
from claudeflow.simulation.scenario import load_scenario, parse_scenario
from claudeflow.twin.tokens import text_tokens
from tests.simulation.builders import a_scenario, a_workflow, mistakes_in, scenario_text

TICKETS = a_workflow("rates = {else = 60}")
HOUR_S = 3_600
WHY = '{type = "object", properties = {why = {type = "string"}}, additionalProperties = false}'
STRUCTURED = f"schema = {WHY}\n"


def test_a_scenario_begins_in_local_time_and_the_twin_with_it() -> None:
    scenario = a_scenario(TICKETS, starts="2026-11-17T08:00", zone="Europe/Berlin", seed=9)
    assert scenario.starts.isoformat() == "2026-11-17T08:00:00+01:00"
    assert scenario.twin.epoch_s == scenario.starts.timestamp()
    assert scenario.twin.seed == scenario.seed == 9
    assert scenario.duration_s == 3 * HOUR_S


def test_a_start_may_be_a_date_and_time_of_toml() -> None:
    text = scenario_text(TICKETS).replace('"2026-11-17T08:00"', "2026-11-17T08:00:00")
    assert parse_scenario(text, "s.toml", Path()) == a_scenario(TICKETS)


def test_the_other_side_is_what_the_api_table_says() -> None:
    twin = a_scenario(
        '[api]\ntier = "build"\nitpm = 5000\nttft_s = 1\nspend_cap_usd = 2.5\nheader_families = "six"\n',
        TICKETS,
    ).twin
    assert (twin.tier, twin.itpm, twin.ttft_s, twin.header_families) == ("build", 5_000, 1.0, "six")
    assert twin.spend_cap_nanousd == 2_500_000_000


def test_faults_consumers_and_changes_come_at_moments_or_seconds() -> None:
    twin = a_scenario(
        '[[fault]]\nkind = "rate_429"\nat = "10:17"\nlasts = "12m"\ncountdown = true\n',
        '[[fault]]\nkind = "overloaded_529"\nfrom_s = 5\nuntil_s = 9.5\nshare = 0.5\n',
        '[[consumer]]\nat = "2026-11-17 09:00"\nlasts = "1h"\nshare = 0.5\n',
        '[[change]]\nat = "09:30"\ntier = "build"\n',
        TICKETS,
    ).twin
    assert [(fault.from_s, fault.until_s) for fault in twin.faults] == [(8_220, 8_940), (5, 9.5)]
    assert [(consumer.from_s, consumer.until_s) for consumer in twin.consumers] == [(3_600, 7_200)]
    assert [(change.at_s, change.tier) for change in twin.changes] == [(5_400, "build")]


def test_the_configuration_is_the_default_a_table_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "flow.toml").write_text('default_lane = "bulk"\n[prompts]\nfolder = ""\n')
    table = '[config.lanes.only]\n[config]\ndefault_lane = "only"\n'

    assert a_scenario(TICKETS).workflows[0].lane == "standard"
    assert a_scenario(table, TICKETS).workflows[0].lane == "only"
    text = 'config = "flow.toml"\n' + scenario_text(TICKETS)
    (tmp_path / "s.toml").write_text(text)
    assert load_scenario(tmp_path / "s.toml").workflows[0].lane == "bulk"


def test_another_configuration_can_take_the_place_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "flow.toml").write_text('default_lane = "bulk"\n')
    (tmp_path / "s.toml").write_text(scenario_text("[config.retry]\nbase_s = 9\n", TICKETS))
    scenario = load_scenario(tmp_path / "s.toml", tmp_path / "flow.toml")
    assert scenario.workflows[0].lane == "bulk"
    assert scenario.config.retry.base_s != 9


def test_prompts_are_found_beside_the_scenario_and_decide_model_and_lane() -> None:
    workflow = """
[[workflow]]
name = "triage"
prompt = "ticket-triage"
rates = {else = 60}
input_tokens = 50
variables = {channel = "app chat", text = "$text"}
"""
    prompts = '[config.prompts]\nfolder = "prompts"\n'
    scenario = a_scenario(prompts, workflow, folder=find_examples())
    assert scenario.config.prompts.folder == str(find_examples() / "prompts")
    assert scenario.workflows[0].model.id == "claude-haiku-5-5"
    assert scenario.workflows[0].lane == "interactive"


EVERY_KIND = """
starts = "8 o'clock"
duration = "3 hours"
zone = "Europe/Berln"
seed = "x"
sead = 4
[api]
teir = "start"
ttft_s = "x"
spend_cap_usd = -5
seed = 3
faults = []
[[fault]]
kind = "rate_428"
[[fault]]
kind = "rate_429"
from_s = 9
until_s = 3
[[consumer]]
shar = 0.5
[[change]]
at = "10"
[config.lanes.interactive]
weight = 0
[[workflow]]
name = "tickets"
lane = "interactiv"
model = "claude-haiku-55"
rates = {"Mon-Fry 08-09" = 120, else = 10}
burst = [{at = "25:17", job = 800, within_s = -1}]
input_tokens = {median = 400, sgma = 0.6}
system_tokens = -4
priority = 101
deadline = 10
deadline_share = 1.5
[[workflow]]
name = "traced"
model = "claude-haiku-5-5"
trace = {file = "nowhere.csv", speed = 0}
[[workflow]]
model = "claude-haiku-5-5"
"""

EVERY_MESSAGE = {
    "name": "is missing",
    "starts": 'must be a local time such as "2026-11-17T08:00"; found "8 o\'clock"',
    "duration": 'must be a duration such as "90s", "12m", "3h" or "7d"; found "3 hours"',
    "zone": 'must be a time zone such as "Europe/Berlin"; found "Europe/Berln"',
    "seed": 'must be a whole number; found "x"',
    "sead": "no such key; did you mean seed?",
    "api.teir": "no such key; did you mean tier?",
    "api.ttft_s": 'must be a number; found "x"',
    "api.spend_cap_usd": "must be US dollars, more than 0; found -5",
    "api.seed": "write `seed` at the top of the scenario",
    "api.faults": "write each under [[fault]]",
    "fault.1": "(rate_429): until_s must be later than from_s (9)",
    "change.0": 'must be a time of day such as "10:17" or "Mon-Fri 02:00"; found "10"',
    "config.lanes.interactive.weight": "must be more than 0; found 0",
    "config.default_lane": 'no lane has this name; allowed: interactive; found "standard"',
    "workflow.tickets.lane": 'no lane has this name; did you mean interactive?; found "interactiv"',
    "workflow.tickets.rates": (
        'no such days or hours; write for example "Mon-Fri 08-18", "Sat,Sun", "2026-12-24" or "22-06"; '
        'found "Mon-Fry"'
    ),
    "workflow.tickets.burst.0.at": 'no such time of day; found "25:17"',
    "workflow.tickets.burst.0.job": "no such key; did you mean jobs?",
    "workflow.tickets.burst.0.jobs": "is missing",
    "workflow.tickets.burst.0.within_s": "must be 0 or more; found -1",
    "workflow.tickets.input_tokens": (
        'must be a number, {from = 200, to = 900}, {median = 400, sigma = 0.6} or "trace"; '
        "found a table with median, sgma"
    ),
    "workflow.tickets.system_tokens": (
        'must be a whole number of tokens from 0 to 1,000,000, or "trace"; found -4'
    ),
    "workflow.tickets.priority": "must be 100 or less; found 101",
    "workflow.tickets.deadline": 'must be a duration such as "90s", "12m", "3h" or "7d"; found 10',
    "workflow.tickets.deadline_share": "must be 1 or less; found 1.5",
    "workflow.traced.trace.speed": "must be more than 0; found 0",
    "workflow.2.name": "is missing",
}


def test_every_mistake_is_reported_at_once_with_its_key_path() -> None:
    found = mistakes_in(EVERY_KIND)
    assert {path: found.get(path) for path in EVERY_MESSAGE} == EVERY_MESSAGE
    assert found["fault.0"].startswith("kind 'rate_428' is unknown; allowed: auth_401")
    assert found["consumer.0"].startswith("unknown key 'shar'; allowed: duty")
    assert found["workflow.tickets.model"].startswith('the twin does not serve "claude-haiku-55"')
    assert set(found) == {*EVERY_MESSAGE, "fault.0", "consumer.0", "workflow.tickets.model"}


@pytest.mark.parametrize(
    ("workflow", "key", "message"),
    [
        (a_workflow(""), "", "its jobs never come; give `rates`, `burst`, `backlog` or `trace`"),
        (a_workflow("rates = {else = 0}"), "", "its jobs never come"),
        (a_workflow("rates = {else = -1}"), ".rates", '"else": jobs an hour must be a number from 0 up'),
        (a_workflow("rates = 7"), ".rates", "must be a table such as"),
        (a_workflow("backlog = 1", input_tokens=""), ".input_tokens", "is missing: give a size, or `texts`"),
        (a_workflow('backlog = 1\noutput_tokens = "trace"'), ".output_tokens", "needs a trace"),
        (a_workflow('backlog = 1\nsystem_tokens = "trace"'), ".system_tokens", "needs a trace"),
        (a_workflow('backlog = 1\nprompt = "x"'), ".prompt", 'no such prompt; found "x"; prompts are none'),
        (a_workflow("backlog = 1").replace("model", "#"), ".model", "give either `model` or `prompt`"),
        (a_workflow('backlog = 1\nvariables = {a = "b"}'), ".variables", "are those of a `prompt`"),
        (a_workflow('backlog = 1\ntexts = "gone.csv"'), ".texts", "No such file or directory"),
        (a_workflow('trace = {file = "gone.csv"}'), ".trace.file", "No such file or directory; found"),
        (a_workflow("backlog = 1\nmax_tokens = 900000"), ".max_tokens", "must be from 1 to"),
        (a_workflow("backlog = 1", name="Big Tickets"), ".workflow", "must be 1 to 64 of a-z"),
        (a_workflow("backlog = 1\nschema = 5"), ".schema", "must be the path of a JSON file, or a table"),
        (a_workflow('backlog = 1\nschema = "gone.json"'), ".schema", "No such file or directory; found"),
        (a_workflow("backlog = 1\npack = {max_items = 5}"), ".pack", "needs `schema`"),
        (a_workflow("backlog = 1\n" + STRUCTURED + "pack = {max_items = 1}"), ".pack.max_items", "found 1"),
        (
            a_workflow("backlog = 1\n" + STRUCTURED + "pack = {max_items = 5, items = 5}"),
            ".pack.items",
            "unknown key",
        ),
        (a_workflow('backlog = 1\nschema = {type = "array"}\npack = {max_items = 5}'), ".schema", "object"),
        (a_workflow("backlog = 1") + a_workflow("backlog = 2"), ".name", "there is a workflow of this name"),
    ],
)
def test_what_contradicts_itself_is_told(workflow: str, key: str, message: str) -> None:
    name = "Big Tickets" if "Big" in workflow else "tickets"
    found = mistakes_in(scenario_text(workflow))
    assert list(found) == [f"workflow.{name}{key}"]
    assert message in found[f"workflow.{name}{key}"]


def test_a_workflow_with_a_schema_has_a_prompt_of_its_own_that_the_daemon_loads() -> None:
    keys = "backlog = 1\nsystem_tokens = 2000\nmax_tokens = 300\n" + STRUCTURED
    scenario = a_scenario(a_workflow(keys + "pack = {max_items = 5, max_wait_s = 9, canary = {share = 0.5}}"))
    [prompt] = scenario.prompts
    template, mistakes = read_back(prompt)
    assert mistakes == []
    assert template is not None
    assert (template.name, template.lane, template.max_tokens) == ("tickets", "standard", 300)
    assert template.pack == PackRules(5, max_wait_s=9, canary=CanaryRules(share=0.5))
    assert text_tokens(len(template.system), scenario.workflows[0].model) == pytest.approx(2_000, abs=3)
    [arrival] = arrivals(scenario)
    assert arrival.job["prompt"] == "tickets"
    assert list(arrival.job["input"]) == ["text"]


def test_a_schema_may_stand_in_a_file_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"type": "object", "properties": {}}')
    [workflow] = a_scenario(a_workflow('backlog = 1\nschema = "s.json"'), folder=tmp_path).workflows
    assert workflow.schema == {"type": "object", "properties": {}}
    (tmp_path / "s.json").write_text("[1]")
    text = scenario_text(a_workflow('backlog = 1\nschema = "s.json"'))
    assert mistakes_in(text, tmp_path) == {"workflow.tickets.schema": "must be an object; found list"}


def test_a_prompt_of_its_own_may_not_hide_one_of_the_folder() -> None:
    head = '[config.prompts]\nfolder = "prompts"\n'
    text = scenario_text(head, a_workflow("backlog = 1\n" + STRUCTURED, name="ticket-triage"))
    found = mistakes_in(text, find_examples())
    assert list(found) == ["workflow.ticket-triage.name"]


def test_the_prompts_of_a_run_stand_beside_those_of_the_folder(tmp_path: Path) -> None:
    scenario = a_scenario(a_workflow("backlog = 1\n" + STRUCTURED))
    write_prompts(scenario.prompts, tmp_path / "all", beside=str(find_examples() / "prompts"))
    found = load_prompts(tmp_path / "all")
    assert found.keys() == {"tickets", *load_prompts(find_examples() / "prompts")}


def test_own_columns_need_one_for_the_time(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n1,2,3\n")
    text = scenario_text(a_workflow('trace = {file = "t.csv", input = "ContextTokens"}'))
    assert list(mistakes_in(text, tmp_path)) == ["workflow.tickets.trace.time"]


def test_a_prompt_and_its_variables_belong_together() -> None:
    head = '[config.prompts]\nfolder = "prompts"\n[[workflow]]\nname = "t"\nbacklog = 1\ninput_tokens = 9\n'
    head += 'prompt = "ticket-triage"\n'
    wrong = {
        'variables = {channel = "a"}': "workflow.t.variables",
        'variables = {text = "$text"}': "workflow.t.input",
        'max_tokens = 9\nvariables = {channel = "a", text = "$text"}': "workflow.t.prompt",
    }
    for keys, path in wrong.items():
        assert list(mistakes_in(scenario_text(head + keys), find_examples())) == [path]


def test_tables_of_another_kind_are_told() -> None:
    text = "api = 1\nfault = 2\nconfig = 3\nworkflow = 4\n" + scenario_text()
    assert mistakes_in(text) == {
        "api": "must be a table",
        "fault": "must be a list; write each entry under [[fault]]",
        "config": "must be the path of a configuration file, or a table",
        "workflow": "must be one or more tables, each under [[workflow]]",
    }


def test_a_moment_outside_the_scenario_is_a_mistake() -> None:
    text = scenario_text('[[fault]]\nkind = "error_500"\nat = "07:00"\n', TICKETS)
    assert mistakes_in(text) == {"fault.0": '`at` does not come within the scenario; found "07:00"'}


def test_an_api_key_is_never_repeated() -> None:
    secret = "sk-ant-api03-of-nobody"
    with pytest.raises(ConfigError) as refused:
        a_scenario(f'[api]\napi_key = "{secret}"\n', TICKETS)
    assert secret not in str(refused.value)


def test_a_file_that_cannot_be_read_or_is_no_toml_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory; name a scenario"):
        load_scenario(tmp_path / "gone.toml")
    (tmp_path / "s.toml").write_text("name = ")
    with pytest.raises(ConfigError, match="not TOML"):
        load_scenario(tmp_path / "s.toml")


def test_mistakes_of_a_named_configuration_file_tell_the_file(tmp_path: Path) -> None:
    (tmp_path / "flow.toml").write_text("[retry]\nbase_s = 0\n")
    found = mistakes_in('config = "flow.toml"\n' + scenario_text(TICKETS), tmp_path)
    assert found == {f"{tmp_path / 'flow.toml'}: retry.base_s": "must be more than 0; found 0"}
