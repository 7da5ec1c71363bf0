"""The month of usage that every engine gets: one CSV and one price list, from `generate.rs`."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .measure import Failed, run, tell


@dataclass
class Month:
    folder: Path
    events: int
    order: str
    seed: int
    bytes: int = 0

    #: As tokenbook writes a period, and its half-open bounds.
    period = "2026-10"
    begin = "2026-10-01"
    end = "2026-11-01"

    @property
    def usage(self) -> Path:
        return self.folder / "usage.csv"

    @property
    def prices(self) -> Path:
        return self.folder / "prices.csv"

    def generate(self, programs: Path) -> None:
        tell(f"generating {self.events:,} events")
        # Cargo puts examples into a folder of their own.
        places = [programs / "examples" / "generate", programs / "generate"]
        program = next((place for place in places if place.exists()), places[0])
        what = ["--events", str(self.events), "--order", self.order, "--seed", str(self.seed)]
        run([str(program), *what, "--out", str(self.usage), "--prices", str(self.prices)])
        self.bytes = self.usage.stat().st_size


def build(root: Path, with_tokenbook: bool) -> Path:
    """Builds the programs as they are released; returns the folder they are in."""
    command = ["cargo", "build", "--release", "--locked", "--example", "generate"]
    if with_tokenbook:
        command += ["--bin", "tokenbook"]
    tell(" ".join(command))
    try:
        code = subprocess.run(command, cwd=root, check=False).returncode
    except OSError as error:
        raise Failed(f"cargo: {error.strerror}; a Rust toolchain is needed") from error
    if code != 0:
        raise Failed(f"cargo build ended with exit code {code}")
    return root / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
