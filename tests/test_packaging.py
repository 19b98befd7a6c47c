"""What an installation is made of: units that systemd accepts, set-up scripts that bash accepts."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from claudeflow.config import KEY_CREDENTIAL, Config

ROOT = Path(__file__).parents[1]
SYSTEMD = ROOT / "systemd"
INSTALLED_PROGRAM = "/opt/claudeflow/bin/claudeflow"
MOST_EXPOSURE = 1.5
Unit = Mapping[str, Sequence[str]]


def needs_program(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def read_unit(name: str) -> Unit:
    """The keys of a unit file in order; a key may stand more than once."""
    keys: dict[str, list[str]] = {}
    for line in (SYSTEMD / name).read_text().splitlines():
        if line and line[0] not in "#;[":
            key, _, value = line.partition("=")
            keys.setdefault(key, []).append(value)
    return keys


def install_units(folder: Path) -> list[Path]:
    """Copies of both units whose program exists on this machine."""
    copies = [folder / "claudeflow.service", folder / "claudeflow.socket"]
    for copy in copies:
        text = (SYSTEMD / copy.name).read_text()
        copy.write_text(text.replace(INSTALLED_PROGRAM, shutil.which("true") or ""))
    return copies


def verify(units: list[Path]) -> str:
    """What systemd says against the units: an unknown key only prints, its exit status stays 0."""
    command = ["systemd-analyze", "verify", "--man=no", *map(str, units)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@needs_program("systemd-analyze")
def test_systemd_has_nothing_to_say_against_the_units(tmp_path: Path) -> None:
    assert verify(install_units(tmp_path)) == ""


@needs_program("systemd-analyze")
def test_a_misspelt_key_would_be_noticed(tmp_path: Path) -> None:
    units = install_units(tmp_path)
    for unit in units:
        unit.write_text(unit.read_text() + "\n[Unit]\nAftre=network.target\n")
    assert verify(units).count("Aftre") == 2


@needs_program("systemd-analyze")
def test_the_service_is_hardened(tmp_path: Path) -> None:
    service, _ = install_units(tmp_path)
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(service)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot judge a unit file offline (systemd < 250)")
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSURE


def test_the_service_calls_the_installed_program_with_the_installed_configuration() -> None:
    assert read_unit("claudeflow.service")["ExecStart"] == [
        f"{INSTALLED_PROGRAM} run --config /etc/claudeflow/claudeflow.toml"
    ]


def test_a_wrong_configuration_is_not_tried_again() -> None:
    assert read_unit("claudeflow.service")["RestartPreventExitStatus"] == ["78"]


def test_systemd_waits_longer_than_the_drain_takes() -> None:
    assert int(read_unit("claudeflow.service")["TimeoutStopSec"][0]) >= Config().daemon.grace_s + 15


def test_the_socket_is_where_the_configuration_looks_for_it() -> None:
    assert read_unit("claudeflow.socket")["ListenStream"] == [Config().socket.path]
    assert read_unit("claudeflow.socket")["SocketMode"] == [Config().socket.mode]


def test_the_store_is_in_the_state_folder() -> None:
    folder = f"/var/lib/{read_unit('claudeflow.service')['StateDirectory'][0]}/"
    assert Config().store.path.startswith(folder)


def test_the_socket_stays_when_the_service_stops() -> None:
    service, listener = read_unit("claudeflow.service"), read_unit("claudeflow.socket")
    folder = f"/run/{service['RuntimeDirectory'][0]}/"
    assert listener["ListenStream"][0].startswith(folder)
    assert service["RuntimeDirectoryPreserve"] == ["yes"]


def test_callers_keep_their_identity() -> None:
    """In a user namespace of its own, SO_PEERCRED would name every caller nobody."""
    assert "PrivateUsers" not in read_unit("claudeflow.service")


def test_the_key_comes_as_a_credential_and_never_by_the_environment() -> None:
    service = read_unit("claudeflow.service")
    name, _, source = service["LoadCredential"][0].partition(":")
    assert name == KEY_CREDENTIAL
    assert f"z {source} 0600 root root -" in (SYSTEMD / "claudeflow.tmpfiles.conf").read_text().splitlines()
    assert not {"Environment", "EnvironmentFile", "PassEnvironment"} & service.keys()


def test_every_user_and_group_in_the_units_is_created_by_sysusers() -> None:
    created = set(
        re.findall(r"^[ug] (\S+)", (SYSTEMD / "claudeflow.sysusers.conf").read_text(), re.MULTILINE)
    )
    service, listener = read_unit("claudeflow.service"), read_unit("claudeflow.socket")
    wanted = {*service["User"], *service["Group"], *listener["SocketUser"], *listener["SocketGroup"]}
    assert wanted <= created


@needs_program("systemd-sysusers")
def test_systemd_accepts_the_user_file(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    command = ["systemd-sysusers", f"--root={tmp_path}", str(SYSTEMD / "claudeflow.sysusers.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "claudeflow:" in (tmp_path / "etc" / "passwd").read_text()


@pytest.mark.parametrize(
    "script", ["scripts/bootstrap", "scripts/check", "scripts/install-clients", ".ci/run"]
)
def test_scripts_can_be_run_and_are_bash_without_mistakes(script: str) -> None:
    assert (ROOT / script).stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(ROOT / script)], check=True)
