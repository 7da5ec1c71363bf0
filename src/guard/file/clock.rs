//! The time of the guard file. It does not go back, so that a clock that was set back gives nothing out twice.

use crate::domain::timestamp::Timestamp;
use rusqlite::Connection;

/// A clock that went back by less is ignored: the time of the file goes on.
const IGNORED: i64 = 60 * NANOS;

const NANOS: i64 = 1_000_000_000;

/// Where Linux names its boot. Without it, all rates are written as carefully as budgets.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// What names this boot of the machine; `None` if the system does not say.
pub(super) fn boot() -> Option<String> {
    let text = std::fs::read_to_string(BOOT).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The time that counts inside a transaction: that of the caller, or the file's own if the caller's is a little behind it. After a clock that
/// went back by more, or after a new boot, nobody knows what rates gave out, so every bucket is empty.
pub(super) fn settle(connection: &Connection, now: Timestamp, boot: Option<&str>) -> rusqlite::Result<Timestamp> {
    let (known, booted): (i64, String) = connection
        .prepare_cached("SELECT now, boot FROM guard")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let boot = boot.unwrap_or_default();
    let went_back = known.saturating_sub(now.nanos()) > IGNORED;
    let is_new_boot = booted != boot;
    if went_back || is_new_boot {
        connection.execute("UPDATE bucket SET base = ?1, full = -1", [now.nanos()])?;
    }
    let step = now.nanos().saturating_sub(known);
    if went_back || is_new_boot || step >= NANOS {
        connection.prepare_cached("UPDATE guard SET now = ?1, boot = ?2")?.execute((now.nanos(), boot))?;
    }
    if went_back { Ok(now) } else { Ok(Timestamp::from_nanos(known).map_or(now, |known| known.max(now))) }
}
