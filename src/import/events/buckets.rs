//! Vendors' sums over an hour or a day: finds two sums that contain the same usage, by their natural keys.
//!
//! A vendor exports the same usage by the minute, the hour and the day. Each bucket is an event with an id of its own.
//! A file by the hour after a file by the day would count everything twice.

use crate::domain::timestamp::Timestamp;

const MINUTE: i64 = 60_000_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// The widths of vendors' buckets.
const WIDTHS: [i64; 3] = [MINUTE, HOUR, DAY];

/// A bucket's natural key: the text before its span, the span, and the text after it.
struct Key<'k> {
    before: &'k str,
    from: Timestamp,
    width: i64,
    behind: &'k str,
    spelling: Spelling,
}

/// How a key spells instants.
#[derive(Clone, Copy)]
enum Spelling {
    Seconds,
    Rfc3339,
}

impl Spelling {
    fn read(text: &str) -> Option<(Timestamp, Self)> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let nanos = text.parse::<i64>().ok()?.checked_mul(1_000_000_000)?;
            return Some((Timestamp::from_nanos(nanos)?, Self::Seconds));
        }
        Some((Timestamp::parse(text).ok()?, Self::Rfc3339))
    }

    fn write(self, at: Timestamp) -> String {
        match self {
            Self::Seconds => (at.nanos() / 1_000_000_000).to_string(),
            Self::Rfc3339 => at.to_string(),
        }
    }
}

impl<'k> Key<'k> {
    fn of(id: &'k str) -> Option<Self> {
        let (before, rest) = id.split_once("|from=")?;
        let (from, rest) = rest.split_once("|to=")?;
        let (to, behind) = rest.split_at(rest.find('|').unwrap_or(rest.len()));
        let ((from, spelling), (to, _)) = (Spelling::read(from)?, Spelling::read(to)?);
        let width = to.nanos().checked_sub(from.nanos()).filter(|width| *width > 0)?;
        Some(Self { before, from, width, behind, spelling })
    }

    /// The id of the same sum over another span.
    fn over(&self, from: i64, width: i64) -> Option<(String, Timestamp)> {
        let (from, to) = (Timestamp::from_nanos(from)?, Timestamp::from_nanos(from.checked_add(width)?)?);
        let Self { before, behind, spelling, .. } = self;
        Some((format!("{before}|from={}|to={}{behind}", spelling.write(from), spelling.write(to)), from))
    }
}

/// The ids of buckets that would contain usage of a bucket, with their starts: the buckets around it, and the hours of
/// a day.
pub fn overlapping(id: &str) -> Vec<(String, Timestamp)> {
    let Some(key) = Key::of(id) else { return Vec::new() };
    let from = key.from.nanos();
    let wider = WIDTHS.into_iter().filter(|width| *width > key.width);
    let around = wider.filter_map(|width| key.over(from - from.rem_euclid(width), width));
    let hours = if key.width == DAY { 24 } else { 0 };
    around.chain((0..hours).filter_map(|hour| key.over(from + hour * HOUR, HOUR))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(id: &str) -> Vec<String> {
        overlapping(id).into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn an_hour_lies_within_a_day_and_a_day_has_hours() {
        let hour = "openai-usage/completions|from=1791162000|to=1791165600|model=m|batch=false";
        let day = "openai-usage/completions|from=1791158400|to=1791244800|model=m|batch=false";
        assert_eq!(ids(hour), [day]);
        assert!(ids(day).len() == 24 && ids(day).iter().any(|id| id == hour), "{:?}", ids(day));
        let minute = "k|from=2026-10-05T01:30:00Z|to=2026-10-05T01:31:00Z";
        let around = [
            "k|from=2026-10-05T01:00:00Z|to=2026-10-05T02:00:00Z",
            "k|from=2026-10-05T00:00:00Z|to=2026-10-06T00:00:00Z",
        ];
        assert_eq!(ids(minute), around);
    }

    #[test]
    fn of_two_that_overlap_each_finds_the_other() {
        let spelled = [Spelling::Seconds, Spelling::Rfc3339];
        for (spelling, behind) in spelled.into_iter().flat_map(|spelling| ["", "|model=m"].map(|end| (spelling, end))) {
            // Three days with all their hours.
            let first = 1_791_158_400_000_000_000;
            let spans =
                (0..3).map(|day| (first + day * DAY, DAY)).chain((0..72).map(|hour| (first + hour * HOUR, HOUR)));
            let spans: Vec<(i64, i64)> = spans.collect();
            let id = |(from, width): (i64, i64)| {
                let before = "vendor-usage/completions";
                let key = Key { before, from: Timestamp::from_nanos(from)?, width, behind, spelling };
                key.over(from, width).map(|(id, _)| id)
            };
            for (one, other) in spans.iter().flat_map(|one| spans.iter().map(move |other| (*one, *other))) {
                let overlap = one != other && one.0 < other.0 + other.1 && other.0 < one.0 + one.1;
                let (one, other) = (id(one).unwrap_or_default(), id(other).unwrap_or_default());
                assert_eq!(ids(&one).contains(&other), overlap, "{one} {other}");
            }
        }
    }

    #[test]
    fn what_is_no_bucket_has_none() {
        for id in
            ["", "e", "k|from=1|to=2", "k|from=x|to=y", "k|from=1791162000", "k|from=1791165600|to=1791162000|a=b"]
        {
            assert_eq!(ids(id), Vec::<String>::new(), "{id}");
        }
    }
}
