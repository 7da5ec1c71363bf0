//! When a message is sent: how often it is tried, and how long after the alert.

use crate::domain::timestamp::Timestamp;

/// The attempts of a message: how long after its alert each is made, in seconds.
pub const ATTEMPTS: [i64; 10] = [0, 60, 300, 1_800, 7_200, 21_600, 43_200, 86_400, 172_800, 259_200];

/// How long a sender has a message for itself, in seconds.
pub const OWN_FOR: i64 = 120;

/// The longest wait that a receiver may ask for, in seconds.
pub const LONGEST_WAIT: i64 = 3_600;

/// Alerts older than this are sent no more, in seconds.
pub const LASTS: i64 = 7 * 86_400;

const NANOS: i64 = 1_000_000_000;

/// When an attempt is due; `None` after the last. `number` counts from 0. Each is up to a tenth earlier or later, always the same for
/// one message, so that the messages of many ledgers do not come at once.
pub fn due(alert: Timestamp, number: usize, id: &str) -> Option<Timestamp> {
    let seconds = *ATTEMPTS.get(number)?;
    let hash = blake3::hash(format!("{id} {number}").as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(hash.as_bytes().first_chunk::<8>()?);
    // From -1,000 to 1,000 thousandths of a tenth.
    let share = i64::try_from(u64::from_le_bytes(bytes).checked_rem(2_001)?).ok()?.checked_sub(1_000)?;
    let nanos = seconds.checked_mul(NANOS)?;
    let moved = nanos.checked_div(10_000)?.checked_mul(share)?;
    Some(after(alert, nanos.checked_add(moved)?))
}

/// An instant so many seconds later.
pub fn seconds_after(at: Timestamp, seconds: i64) -> Timestamp {
    after(at, seconds.saturating_mul(NANOS))
}

fn after(at: Timestamp, nanos: i64) -> Timestamp {
    Timestamp::from_nanos(at.nanos().saturating_add(nanos)).unwrap_or(Timestamp::LATEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_up_to_a_tenth_off_and_always_the_same() {
        let alert = Timestamp::EARLIEST;
        let mut offsets = std::collections::BTreeSet::new();
        for message in 0..200 {
            let id = format!("alert_{message}");
            for (number, seconds) in ATTEMPTS.iter().enumerate() {
                let at = due(alert, number, &id).map_or(0, |at| at.nanos() - alert.nanos());
                assert_eq!(due(alert, number, &id).map(|at| at.nanos() - alert.nanos()), Some(at));
                let exact = seconds * NANOS;
                assert!((at - exact).abs() <= exact / 10, "{number} {at} {exact}");
                if *seconds > 0 {
                    offsets.insert((at - exact) * 1_000 / exact);
                }
            }
            assert_eq!(due(alert, ATTEMPTS.len(), &id), None);
        }
        assert!(offsets.len() > 150, "they are spread: {}", offsets.len());
    }
}
