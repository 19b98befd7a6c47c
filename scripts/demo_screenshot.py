"""Draws docs/demo.svg from a real run of the demo: .venv/bin/python scripts/demo_screenshot.py

Runs `claudeflow demo` on a terminal of its own, then keeps the table as it was while a 429 closed a gate, and
what stood there at the end.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
COLUMNS, ROWS = 96, 40
FRAME = re.compile(r"\x1b\[34m╭.*?╯\x1b\[0m", re.DOTALL)
REMOTE_FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)


def main() -> None:
    """Write the picture to the file that the command line names, or to docs/demo.svg."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "demo.svg"
    said = run_on_a_terminal([str(ROOT / ".venv" / "bin" / "claudeflow"), "demo"])
    target.write_text(draw(said), encoding="utf-8")


def run_on_a_terminal(command: list[str]) -> str:
    """Everything that a command writes to a terminal. Raises CalledProcessError when it fails."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "TERM": "xterm-256color", "TMPDIR": folder}
        environ["PATH"] = f"{Path(command[0]).parent}:{environ['PATH']}"
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ)  # noqa: S603
        os.close(theirs)
        said = read_to_the_end(ours)
        if process.wait() != 0:
            raise subprocess.CalledProcessError(process.returncode, command, said)
    return said.replace(folder, "/tmp")  # noqa: S108 - only a shorter name for the picture


def read_to_the_end(terminal: int) -> str:
    """What arrives until the other side has closed the terminal, which Linux reports as an error."""
    pieces = []
    try:
        while piece := os.read(terminal, 65_536):
            pieces.append(piece)
    except OSError:
        pass
    os.close(terminal)
    return b"".join(pieces).decode()


def draw(said: str) -> str:
    """The picture as SVG, without fonts from elsewhere."""
    frames = list(FRAME.finditer(said))
    chosen = next((frame for frame in frames if "closed" in frame[0]), frames[len(frames) // 2])
    rest = said[frames[-1].end() :].replace("\x1b[?25h", "").replace("\r", "")
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ make demo\n", style="bold"), Text.from_ansi(chosen[0].replace("\r", "")), sep="")
    console.print(Text("  …\n", style="dim"), Text.from_ansi(rest.strip("\n")), sep="")
    return REMOTE_FONTS.sub("", console.export_svg(title="claudeflow demo", theme=MONOKAI))


if __name__ == "__main__":
    main()
