//! Spans of time, parts and factors as a policy writes them: `"300s"`, `"82.5%"`, `"2x"`.

use crate::domain::decimal;
use std::fmt;

/// A span of time in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(u64);

impl Seconds {
    /// This many seconds.
    pub const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    /// The number of seconds.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Reads a whole number with `s`, `m`, `h` or `d`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let unit = text.chars().last()?;
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let number = text.strip_suffix(unit).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?;
        number.parse::<u64>().ok()?.checked_mul(factor).map(Self)
    }
}

/// In the largest unit that it is a whole number of: `90s`, `5m`, `1h`, `7d`.
impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
        let whole = units.into_iter().find(|(factor, _)| self.0 > 0 && self.0.is_multiple_of(*factor));
        let (factor, unit) = whole.unwrap_or((1, 's'));
        write!(f, "{}{unit}", self.0.div_euclid(factor))
    }
}

/// A part of a whole in hundredths of a percent: `82.5 %` is 8,250.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part(u32);

impl Part {
    /// The whole.
    pub const WHOLE: Self = Self(10_000);

    /// This many hundredths of a percent.
    pub const fn of_hundredths(hundredths: u32) -> Self {
        Self(hundredths)
    }

    /// Hundredths of a percent.
    pub const fn hundredths(self) -> u32 {
        self.0
    }

    /// Reads a number with `%` and at most two decimals; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let number = decimal::plain(text.strip_suffix('%')?).ok()?;
        decimal::scaled(number, 2).and_then(|hundredths| u32::try_from(hundredths).ok()).map(Self)
    }

    /// Whether a figure is at or above this part of a limit. `None` if the numbers are too large to compare.
    pub fn is_reached(self, figure: i128, limit: i128) -> Option<bool> {
        let (figure, threshold) = (figure.checked_mul(10_000)?, limit.checked_mul(self.0.into())?);
        Some(figure >= threshold)
    }

    /// This part of a whole number, rounded down. `None` if it does not fit.
    pub fn of(self, whole: i128) -> Option<i128> {
        whole.checked_mul(self.0.into()).map(|product| product.div_euclid(10_000))
    }
}

/// `82.5%`, with as many decimals as it has.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0.div_euclid(100), self.0.rem_euclid(100));
        match (rest, rest.rem_euclid(10)) {
            (0, _) => write!(f, "{whole}%"),
            (_, 0) => write!(f, "{whole}.{}%", rest.div_euclid(10)),
            _ => write!(f, "{whole}.{rest:02}%"),
        }
    }
}

/// How many times a limit, in hundredths: `2x` is 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Times(u32);

impl Times {
    /// Once.
    pub const ONCE: Self = Self(100);

    /// Hundredths.
    pub const fn hundredths(self) -> u32 {
        self.0
    }

    /// Reads a number with `x` and at most two decimals; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let number = decimal::plain(text.strip_suffix('x')?).ok()?;
        decimal::scaled(number, 2).and_then(|hundredths| u32::try_from(hundredths).ok()).map(Self)
    }
}

/// `2x`, with as many decimals as it has.
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = Part(self.0).to_string();
        write!(f, "{}x", part.trim_end_matches('%'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_time_is_a_whole_number_and_a_unit() {
        for (text, seconds, shown) in [
            ("1s", 1, "1s"),
            ("90s", 90, "90s"),
            ("300s", 300, "5m"),
            ("1h", 3_600, "1h"),
            ("24h", 86_400, "1d"),
            ("7d", 604_800, "7d"),
            ("0s", 0, "0s"),
        ] {
            assert_eq!(Seconds::parse(text), Some(Seconds::new(seconds)), "{text}");
            assert_eq!(Seconds::new(seconds).to_string(), shown);
        }
        for text in
            ["", "s", "1", "-1s", "+1s", "1.5h", "1 h", "1w", "1S", "99999999999999999999s", "300000000000000d", "é"]
        {
            assert_eq!(Seconds::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_part_has_two_decimals_at_most_and_prints_as_written() {
        for (text, hundredths) in
            [("50%", 5_000), ("0.01%", 1), ("82.5%", 8_250), ("1000%", 100_000), ("99.99%", 9_999)]
        {
            assert_eq!(Part::parse(text).map(Part::hundredths), Some(hundredths), "{text}");
            assert_eq!(Part::of_hundredths(hundredths).to_string(), text);
        }
        for text in ["50", "%", "0.001%", "-1%", "5 %", "1e2%", "99999999999%"] {
            assert_eq!(Part::parse(text), None, "{text}");
        }
        assert_eq!(Part::of_hundredths(50_005).to_string(), "500.05%");
        for (text, hundredths) in [("2x", 200), ("1.5x", 150), ("0.25x", 25)] {
            assert_eq!(Times::parse(text).map(Times::hundredths), Some(hundredths), "{text}");
            assert_eq!(Times(hundredths).to_string(), text);
        }
    }

    #[test]
    fn a_threshold_is_reached_at_it_and_not_just_below() {
        let part = Part::of_hundredths(8_000);
        assert_eq!(part.is_reached(399_999, 500_000), Some(false));
        assert_eq!(part.is_reached(400_000, 500_000), Some(true));
        assert_eq!(part.is_reached(i128::MAX, 1), None);
        assert_eq!((part.of(499), part.of(501), Part::WHOLE.of(7)), (Some(399), Some(400), Some(7)));
    }
}
