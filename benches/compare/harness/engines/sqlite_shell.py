"""The sqlite3 shell: `.import` into a table with a text primary key, all settings as they come (synchronous FULL)."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from .. import rates
from ..chargeback import METERS, Totals
from ..engine import Engine, Reading, Setting
from ..measure import Failed, Measured, run

TEXTS = ("timestamp", "provider", "model", "department", "project", "environment", "service_tier")
#: An i64 of femto-units ends at 9,223 units of currency, so sums are kept in two parts.
HALF = 10**9


class SqliteShell(Engine):
    title = "sqlite3 shell"
    reads_jsonl = False

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, "sqlite")

    def prepare(self) -> str:
        if shutil.which("sqlite3") is None:
            raise Failed(
                "sqlite3: not found; install it (Debian: apt-get install sqlite3; macOS has it), "
                "or leave it out with --skip sqlite"
            )
        self.version = "SQLite " + run(["sqlite3", "--version"]).output.split()[0]
        return self.version

    def load(self, usage: Path) -> Reading:
        texts = ", ".join(f"{name} TEXT" for name in TEXTS)
        tokens = ", ".join(f"{meter}_tokens INTEGER" for meter in METERS)
        user = "" if self.setting.month.users is None else ", user TEXT"
        table = f"CREATE TABLE usage_event (event_id TEXT PRIMARY KEY, {texts}, {tokens}{user});"
        return self._import(usage, table)

    def add(self, usage: Path) -> Reading:
        return self._import(usage, "")

    def _import(self, usage: Path, before: str) -> Reading:
        # The path is relative to the engine's own folder, so nothing in it needs quoting.
        script = f"""
            {before}
.mode csv
.import --skip 1 {os.path.relpath(usage, self.folder)} usage_event
"""
        return Reading(self._sqlite(script))

    def chargeback(self, by: str) -> Reading:
        measured = self._sqlite(self._chargeback_script(by))
        answer: dict[str, Totals] = {}
        seconds = None
        for line in measured.output.splitlines():
            timer = re.match(r"Run Time: real (\d+\.\d+)", line)
            if timer:
                seconds = float(timer[1])
                continue
            group, *numbers = line.split("|")
            events, *tokens, high, low = map(int, numbers)
            answer[group] = Totals(events, tuple(tokens), high * HALF + low)
        return Reading(measured, seconds, answer)

    def _chargeback_script(self, by: str) -> str:
        """Rates every event, since that is faster here than to group by more."""
        month, listed = self.setting.month, rates.read(self.setting.month.prices)
        rows = ",\n".join(
            f"('{rate.provider}', '{rate.model}', '{rate.service_tier}', {rate.band}, "
            + ", ".join(map(str, rate.nanos))
            + ")"
            for rate in listed.rows
        )
        # An empty cell is an empty text to .import.
        counts = {meter: f"CAST({meter}_tokens AS INTEGER)" for meter in METERS}
        band = listed.band("(" + rates.PROMPT.format(cache_write=counts["cache_write"]) + ")")
        tokens = ", ".join(f"{count} AS {meter}_count" for meter, count in counts.items())
        femto = " + ".join(f"{count} * {meter}" for meter, count in counts.items())
        sums = ", ".join(f"sum({meter}_count)" for meter in METERS)
        return f"""
            CREATE TEMP TABLE price (
                provider, model, service_tier, band, {", ".join(METERS)},
                PRIMARY KEY (model, provider, service_tier, band)
            ) WITHOUT ROWID;
            INSERT INTO price VALUES {rows};
.mode list
.separator |
.headers off
.timer on
            WITH rated AS (
                SELECT {by}, {tokens}, {femto} AS femto
                FROM usage_event AS event CROSS JOIN price
                ON price.provider = event.provider AND price.model = event.model
                    AND price.service_tier = event.service_tier AND price.band = {band}
                WHERE timestamp >= '{month.begin}' AND timestamp < '{month.end}'
            )
            SELECT {by}, count(*), {sums}, sum(femto / {HALF}), sum(femto % {HALF})
            FROM rated GROUP BY {by} ORDER BY {by};
"""

    def _sqlite(self, script: str) -> Measured:
        command = ["sqlite3", "-batch", "-bail", "-init", os.devnull, "usage.db"]
        return run(command, script=script, folder=self.folder, environment={"SQLITE_TMPDIR": str(self.folder)})
