"""What an engine is to the comparison: work it can do, done each time in a fresh process."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Callable

from .chargeback import Chargeback
from .measure import Measured, tell
from .month import Month


class Work(Enum):
    """In the order it is done; the value is what the table says."""

    LOAD = "load the file"
    AGAIN = "load the same file again"
    REPORT = "chargeback of the month"
    RECOMPUTE = "chargeback, from every event"
    VERIFY = "verify every event"


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
    #: For CSV and databases.
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
    readings: dict[Work, list[Reading]] = field(default_factory=dict)
    bytes_on_disk: int = 0

    def answers(self) -> list[tuple[str, Chargeback]]:
        return [
            (f"{self.title}, {work.value}", reading.answer)
            for work, readings in self.readings.items()
            for reading in readings
            if reading.answer is not None
        ]


class Engine(ABC):
    title: str

    def __init__(self, setting: Setting, name: str) -> None:
        self.setting = setting
        self.folder = setting.folder / name
        self.version = ""

    @abstractmethod
    def prepare(self) -> str:
        """Sees to it that the engine is there, and returns (and keeps) its version."""

    @abstractmethod
    def works(self) -> dict[Work, Callable[[], Reading]]:
        """What the engine can do. LOAD starts from an empty folder; all else finds what LOAD left."""

    def measure(self, repeat: int) -> Results:
        results = Results(self.title, self.version)
        works = self.works()
        for work in Work:
            if work not in works:
                continue
            readings = results.readings[work] = []
            while self._wants_more(work, readings, repeat):
                if work is Work.LOAD:
                    shutil.rmtree(self.folder, ignore_errors=True)
                    self.folder.mkdir(parents=True)
                readings.append(works[work]())
                tell(f"{self.title}: {work.value}: {readings[-1].measured.seconds:.2f} s")
        results.bytes_on_disk = sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())
        return results

    @staticmethod
    def _wants_more(work: Work, readings: list[Reading], repeat: int) -> bool:
        if len(readings) < repeat:
            return True
        spent = sum(reading.measured.seconds for reading in readings)
        reads_only = work not in (Work.LOAD, Work.AGAIN)
        return reads_only and len(readings) < READINGS and spent < READING_SECONDS
