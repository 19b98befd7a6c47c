"""LiteLLM's proxy as its manual has it: one worker, no database."""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.doors import Door
from benchmarks.machine import measured_core
from benchmarks.processes import QUIET, free_port, process

PROXY = "through LiteLLM's proxy"
PLACE = "CLAUDEFLOW_CLIENTS"
LEFT_OUT = (
    "LiteLLM's proxy is left out: `scripts/install-clients DIR litellm-proxy` installs it, and "
    "CLAUDEFLOW_CLIENTS=DIR says where it is."
)
READY_S = 120.0
CONFIG = """
model_list:
  - model_name: claude-haiku-5-5
    litellm_params: {{model: anthropic/claude-haiku-5-5, api_base: "{url}", api_key: bench}}
"""


def installed() -> Path | None:
    """The proxy's program, if it is here."""
    program = Path(os.environ.get(PLACE, "/nowhere"), "litellm-proxy", "bin", "litellm")
    return program if program.exists() else None


@contextlib.contextmanager
def proxy(program: Path, folder: Path, url: str) -> Iterator[Door]:
    """The proxy on the measured core, before the API at `url`. Raises RuntimeError if it does not start."""
    key, port, config = f"sk-{secrets.token_hex(24)}", free_port(), folder / "proxy.yaml"
    config.write_text(CONFIG.format(url=url), encoding="utf-8")
    environ = {**os.environ, **QUIET, "LITELLM_MASTER_KEY": key, "LITELLM_MODE": "PRODUCTION"}
    command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--num_workers", "1"]
    with (
        (folder / "proxy.log").open("w", encoding="utf-8") as log,
        process(
            [*command, "--num_workers", "1"], measured_core(), stdout=log, stderr=log, env=environ
        ) as child,
    ):
        _await_proxy(port, folder / "proxy.log")
        yield Door(PROXY, child.pid, port=port, headers={"x-api-key": key})


def _await_proxy(port: int, log: Path) -> None:
    give_up = time.monotonic() + READY_S
    while time.monotonic() < give_up:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health/liveliness")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(log.read_text(encoding="utf-8")[-2000:])
