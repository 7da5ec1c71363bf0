"""Runs a program as a whole process and takes its wall time and peak memory.

Linux counts what the starting process held at the fork as the new one's peak, so a peak below Python's own size
cannot be seen: `memory_floor` tells where that is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO


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
        began = time.perf_counter()
        try:
            process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=folder,
                env={**os.environ, **(environment or {})},
            )
        except OSError as error:
            raise Failed(f"{command[0]}: {error.strerror}") from error
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise Failed(f"{' '.join(command)}: exit code {process.returncode}\n{_tail(stderr)}")
        stdout.seek(0)
        output = stdout.read().decode()
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(seconds, usage.ru_maxrss * unit, output)


def memory_floor() -> int:
    """The peak of a program that does nothing."""
    return run(["true"]).peak_bytes


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _tail(stream: IO[bytes]) -> str:
    stream.seek(0)
    return "\n".join(stream.read().decode(errors="replace").splitlines()[-20:])
