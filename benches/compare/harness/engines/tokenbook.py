"""tokenbook itself, by its command line."""

from __future__ import annotations

from typing import Callable

from .. import chargeback
from ..engine import Engine, Reading, Setting, Work
from ..measure import Measured, run

INIT = ("init", "--currency", "USD", "--time-zone", "UTC")
REPORT = ("report", "chargeback")
#: The same CSV as REPORT, from the events instead of the daily sums.
RECOMPUTE = ("report", "chargeback", "--recompute")
VERIFY = ("verify",)


class Tokenbook(Engine):
    title = "tokenbook"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, "tokenbook")

    def prepare(self) -> str:
        # The program may not be built yet.
        manifest = (self.setting.root / "Cargo.toml").read_text(encoding="utf-8")
        line = next(line for line in manifest.splitlines() if line.startswith("version"))
        self.version = "tokenbook " + line.split('"')[1]
        return self.version

    def works(self) -> dict[Work, Callable[[], Reading]]:
        return {
            Work.LOAD: self._load,
            Work.AGAIN: lambda: Reading(self._import()),
            Work.REPORT: lambda: self._chargeback(*REPORT),
            Work.RECOMPUTE: lambda: self._chargeback(*RECOMPUTE),
            Work.VERIFY: lambda: Reading(self._tokenbook(*VERIFY)),
        }

    def _load(self) -> Reading:
        self._tokenbook(*INIT)
        self._tokenbook("prices", "import", str(self.setting.month.prices))
        return Reading(self._import())

    def _import(self) -> Measured:
        return self._tokenbook("import", str(self.setting.month.usage))

    def _chargeback(self, *command: str) -> Reading:
        measured = self._tokenbook(*command, "--period", self.setting.month.period, "--format", "csv")
        return Reading(measured, answer=chargeback.from_tokenbook(measured.output))

    def _tokenbook(self, *arguments: str) -> Measured:
        command = [str(self.setting.programs / "tokenbook"), "--ledger", str(self.folder / "ledger.db")]
        return run([*command, *arguments], environment={"RAYON_NUM_THREADS": str(self.setting.threads)})
