"""Runs a program as a whole process and takes its wall time and peak memory.

A peak below that of the small process that starts it (`launch.py`) cannot be seen: `memory_floor` tells where that is.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

#: Isolated and without `site`, so that it is small and soon there.
LAUNCH = (sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")))


class Failed(Exception):
    """Something is missing or ended with an error; the text is for the person who started the comparison."""


@dataclass(frozen=True)
class Measured:
    seconds: float
    peak_bytes: int
    output: str


def run(
    command: Sequence[str],
    *,
    script: str = "",
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Measured:
    """Runs the command to its end with `script` as standard input; an exit code other than 0 is a failure."""
    # What the step before left to be written is not this one's work.
    os.sync()
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        stdin.write(script.encode())
        stdin.seek(0)
        told = _launch(command, (stdin, stdout, stderr), folder, {**os.environ, **(environment or {})})
        if told.startswith("error "):
            raise Failed(f"{command[0]}: {told.removeprefix('error ')}")
        seconds, peak, code = told.split()
        if code != "0":
            raise Failed(f"{' '.join(command)}: exit code {code}\n{_tail(stderr)}")
        stdout.seek(0)
        output = stdout.read().decode()
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(float(seconds), int(peak) * unit, output)


def _launch(
    command: Sequence[str],
    streams: tuple[IO[bytes], IO[bytes], IO[bytes]],
    folder: Path | None,
    environment: Mapping[str, str],
) -> str:
    """What `launch.py` tells of the command."""
    stdin, stdout, stderr = streams
    reader, writer = os.pipe()
    with open(reader, encoding="utf-8") as told:
        try:
            process = subprocess.Popen(
                [*LAUNCH, str(writer), *command],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=folder,
                env=environment,
                pass_fds=[writer],
                start_new_session=True,
            )
        finally:
            os.close(writer)
        try:
            text = told.read()
            process.wait()
        except BaseException:
            # The session is the launcher's own, with the program in it.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    return text or f"error the launcher ended with {process.returncode}\n{_tail(stderr)}"


def memory_floor() -> int:
    """The peak of a program that does nothing."""
    return run(["true"]).peak_bytes


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _tail(stream: IO[bytes]) -> str:
    stream.seek(0)
    return "\n".join(stream.read().decode(errors="replace").splitlines()[-20:])
