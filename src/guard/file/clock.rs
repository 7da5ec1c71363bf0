//! The time of the guard file. It does not go back, so that a clock that was set back gives nothing out twice.

use crate::control::window::IGNORED_STEP_BACK;
use crate::domain::timestamp::Timestamp;
use rusqlite::Connection;

const NANOS: i64 = 1_000_000_000;

/// Where Linux names its boot. Without it, all rates are written as carefully as budgets.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// What names this boot of the machine; `None` if the system does not say.
pub(super) fn boot() -> Option<String> {
    let text = std::fs::read_to_string(BOOT).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Returns the time of a transaction: the caller's time, or the time of the file if the caller is less than a minute behind it.
///
/// If the clock went back further, or the machine was started again, nobody knows what quotas gave out. Then every bucket is emptied. The
/// ledger is read again too, because a day that was over may be open again.
pub(super) fn settle(connection: &Connection, now: Timestamp, boot: Option<&str>) -> rusqlite::Result<Timestamp> {
    let (known, booted): (i64, String) = connection
        .prepare_cached("SELECT now, boot FROM guard")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let boot = boot.unwrap_or_default();
    let went_back = known.saturating_sub(now.nanos()) > IGNORED_STEP_BACK;
    let at = if went_back { now } else { Timestamp::from_nanos(known).map_or(now, |known| known.max(now)) };
    let is_unknown = went_back || booted != boot;
    if is_unknown {
        connection.execute("UPDATE bucket SET base = ?1, full = -1", [at.nanos()])?;
        let until = at.nanos().saturating_add(NANOS);
        let shorten = "UPDATE lease SET until = ?1 WHERE until > ?1 AND counter IN (SELECT counter FROM bucket)";
        connection.execute(shorten, [until])?;
        connection.execute("UPDATE guard SET head = 0, head_hash = x''", [])?;
    }
    if is_unknown || at.nanos().saturating_sub(known) >= NANOS {
        connection.prepare_cached("UPDATE guard SET now = ?1, boot = ?2")?.execute((at.nanos(), boot))?;
    }
    Ok(at)
}
