"""`python -m benchmarks.peers install`: get the peers; `remove`: delete them again."""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.peers import venvs


def main() -> int:
    """The exit code: 1 when a peer could not be installed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("verb", choices=("install", "remove"))
    if parser.parse_args().verb == "remove":
        print(f"removed {venvs.remove()}")
        return 0
    missing = [peer for peer in venvs.peers() if not _install(peer)]
    return 1 if missing else 0


def _install(peer: str) -> bool:
    print(f"{peer}: {venvs.versions_of(peer)} ...", flush=True)
    try:
        print(f"{peer}: in {venvs.install(peer)}")
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as problem:
        print(f"{peer}: not installed: {problem}", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
