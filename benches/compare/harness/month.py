"""The month of usage that every engine gets: files of the same events and one price list, from `generate.rs`."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .measure import Failed, run, tell

#: In a file of new events.
NEW_EVENTS = 1_000


@dataclass
class Month:
    folder: Path
    events: int
    order: str
    seed: int
    #: How many, each event tagged with one; `None` without such a tag.
    users: int | None
    bytes: int = 0

    #: As tokenbook writes a period, and its half-open bounds.
    period = "2026-10"
    begin = "2026-10-01"
    end = "2026-11-01"

    @property
    def usage(self) -> Path:
        return self.folder / "usage.csv"

    @property
    def usage_jsonl(self) -> Path:
        """The same lines as `usage`."""
        return self.folder / "usage.jsonl"

    @property
    def shuffled_jsonl(self) -> Path:
        """The same events as `usage`, in an order that has nothing to do with time."""
        return self.folder / "shuffled.jsonl" if self.order == "time" else self.usage_jsonl

    @property
    def prices(self) -> Path:
        return self.folder / "prices.csv"

    def new_events(self, number: int) -> Path:
        """A small CSV of the same days with ids of its own."""
        return self.folder / f"new-{number}.csv"

    def generate(self, programs: Path, new_files: int, *, jsonl: bool) -> None:
        tell(f"generating {self.events:,} events")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._generate(programs, self.usage, "--order", self.order, "--prices", str(self.prices))
        self.bytes = self.usage.stat().st_size
        if jsonl:
            self._generate(programs, self.usage_jsonl, "--order", self.order, "--format", "jsonl")
            self._generate(programs, self.shuffled_jsonl, "--order", "random", "--format", "jsonl")
        for number in range(new_files):
            # Another seed gives other ids.
            seed = str(self.seed + 1 + number)
            self._generate(programs, self.new_events(number), "--events", str(NEW_EVENTS), "--seed", seed)

    def _generate(self, programs: Path, out: Path, *options: str) -> None:
        # Cargo puts examples into a folder of their own.
        places = [programs / "examples" / "generate", programs / "generate"]
        program = next((place for place in places if place.exists()), places[0])
        # An option given twice counts the second time.
        what = ["--events", str(self.events), "--seed", str(self.seed)]
        if self.users is not None:
            what += ["--users", str(self.users)]
        run([str(program), *what, *options, "--out", str(out)])


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
