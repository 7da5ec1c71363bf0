"""What an engine is to the comparison: work it can do, done each time in a fresh process."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from statistics import median

from .chargeback import Chargeback
from .measure import Measured, tell
from .month import NEW_EVENTS, Month


class Work(Enum):
    """In the order of the table; the value is what it says."""

    LOAD = "load the file"
    LOAD_JSONL = "load the same events as JSONL"
    AGAIN = "load the same file again"
    AGAIN_SHUFFLED = "load them again, shuffled, as JSONL"
    REPORT = "chargeback of the month"
    RECOMPUTE = "chargeback, from every event"
    BY_USER = "chargeback by user"
    VERIFY = "verify every event"
    VERIFY_DEEP = "verify --deep"
    ADD = f"a file of {NEW_EVENTS:,} new events"

    @property
    def subject(self) -> str:
        """What an answer to it is about: answers about one thing must be equal."""
        return {Work.BY_USER: "by user", Work.ADD: "with the new events"}.get(self, "of the month")


#: These start from an empty folder. The last of them leaves what all others find.
LOADS = (Work.LOAD_JSONL, Work.LOAD)
#: These are done `--repeat` times, neither more nor less.
AGAINS = (Work.AGAIN, Work.AGAIN_SHUFFLED)
#: New events go in so often, each time others. It comes last, since it changes the answers.
ADDITIONS = 3
#: Reading is repeated so often, unless that takes longer than this many seconds or `--repeat` asks for more.
READINGS = 5
READING_SECONDS = 10.0


@dataclass
class Setting:
    root: Path
    #: This folder, with the requirements.
    here: Path
    #: For what stays: the Python environment and the result.
    own_folder: Path
    #: For databases.
    folder: Path
    programs: Path
    threads: int
    month: Month


@dataclass(frozen=True)
class Reading:
    measured: Measured
    #: The statement alone, as the engine itself timed it.
    statement_seconds: float | None = None
    answer: Chargeback | None = None


@dataclass
class Results:
    title: str
    version: str
    #: What a reader of its figures must know.
    note: str
    readings: dict[Work, list[Reading]] = field(default_factory=dict)
    #: After the load.
    bytes_on_disk: int = 0

    def seconds(self, work: Work) -> float | None:
        """The median of the whole processes."""
        readings = self.readings.get(work)
        return median(reading.measured.seconds for reading in readings) if readings else None

    def statement_seconds(self, work: Work) -> float | None:
        timed = [reading.statement_seconds for reading in self.readings.get(work, [])]
        known = [seconds for seconds in timed if seconds is not None]
        return median(known) if known else None

    def peak_bytes(self, work: Work) -> int | None:
        readings = self.readings.get(work)
        return max(reading.measured.peak_bytes for reading in readings) if readings else None

    def answers(self) -> list[tuple[str, str, Chargeback]]:
        """Each answer with what it is about and who gave it."""
        return [
            (work.subject, f"{self.title}, {work.value}", reading.answer)
            for work, readings in self.readings.items()
            for reading in readings
            if reading.answer is not None
        ]


class Engine(ABC):
    title: str
    note = ""

    def __init__(self, setting: Setting, name: str) -> None:
        self.setting = setting
        self.folder = setting.folder / name
        self.version = ""

    @abstractmethod
    def prepare(self) -> str:
        """Sees to it that the engine is there, and returns (and keeps) its version."""

    @abstractmethod
    def load(self, usage: Path) -> Reading:
        """Loads a file into a store of its own, in an empty folder."""

    @abstractmethod
    def add(self, usage: Path) -> Reading:
        """Loads a CSV with new events into what `load` left."""

    @abstractmethod
    def chargeback(self, by: str) -> Reading:
        """The month by `department` or `user`."""

    def other_works(self) -> Mapping[Work, Callable[[], Reading]]:
        """What else the engine can do with what `load` left."""
        return {}

    #: Whether it reads JSONL.
    reads_jsonl = True

    def measure(self, repeat: int, wanted: Collection[Work]) -> Results:
        results = Results(self.title, self.version, self.note)
        works = self._works()
        for work in [*LOADS, *(work for work in Work if work not in LOADS)]:
            if work not in works or work not in wanted:
                continue
            readings = results.readings[work] = []
            while self._wants_more(work, readings, repeat):
                if work in LOADS:
                    shutil.rmtree(self.folder, ignore_errors=True)
                    self.folder.mkdir(parents=True)
                readings.append(works[work](len(readings)))
                tell(f"{self.title}: {work.value}: {readings[-1].measured.seconds:.2f} s")
            if work is Work.LOAD:
                results.bytes_on_disk = sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())
        return results

    def _works(self) -> dict[Work, Callable[[int], Reading]]:
        """By the number of readings taken before."""
        month = self.setting.month
        works: dict[Work, Callable[[int], Reading]] = {
            Work.LOAD: lambda _: self.load(month.usage),
            Work.REPORT: lambda _: self.chargeback("department"),
            Work.ADD: self._add,
        }
        if self.reads_jsonl:
            works[Work.LOAD_JSONL] = lambda _: self._answered(self.load(month.usage_jsonl))
        if month.users is not None:
            works[Work.BY_USER] = lambda _: self.chargeback("user")
        for work, do in self.other_works().items():
            works[work] = _whatever_number(do)
        return works

    def _add(self, before: int) -> Reading:
        reading = self.add(self.setting.month.new_events(before))
        return self._answered(reading) if before + 1 == ADDITIONS else reading

    def _answered(self, reading: Reading) -> Reading:
        """With the chargeback afterwards, which nobody's time counts."""
        return Reading(reading.measured, reading.statement_seconds, self.chargeback("department").answer)

    @staticmethod
    def _wants_more(work: Work, readings: list[Reading], repeat: int) -> bool:
        if work is Work.ADD:
            return len(readings) < ADDITIONS
        if len(readings) < repeat or work in LOADS + AGAINS:
            return len(readings) < repeat
        spent = sum(reading.measured.seconds for reading in readings)
        return len(readings) < READINGS and spent < READING_SECONDS


def _whatever_number(do: Callable[[], Reading]) -> Callable[[int], Reading]:
    return lambda _: do()
