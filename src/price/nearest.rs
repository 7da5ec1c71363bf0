//! Finds the priced names that look most like a name without a price. They are hints for a person, never a choice.
//!
//! A name is near if it is the other in another spelling, contains it, is contained in it, or differs in few letters.

/// The most names in a hint.
const OFFERED: usize = 3;
/// The minimum length of a contained name. Shorter names are part of too many others.
const PART: usize = 4;

/// The nearest known names, the nearest first. Empty if the name itself is known.
pub fn nearest_names<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let plain_wanted = plain(wanted);
    let scored = known.into_iter().filter_map(|name| Some((distance(&plain_wanted, &plain(name))?, name)));
    let mut scored: Vec<(usize, &str)> = scored.collect();
    scored.sort_unstable();
    scored.into_iter().take(OFFERED).map(|(_, name)| name).collect()
}

/// A name without the date at its end, as vendors write it: `-20251001` or `-2024-08-06`.
pub fn undated(name: &str) -> Option<&str> {
    let is_date = |digits: &str| {
        let digit = |byte: u8| byte.is_ascii_digit();
        digits.len() == 8 && digits.bytes().all(digit) && (digits.starts_with("20"))
    };
    let cut = |length: usize| name.split_at_checked(name.len().checked_sub(length)?);
    let compact = cut(9).filter(|(_, end)| end.strip_prefix('-').is_some_and(is_date));
    let spread = cut(11).filter(|(_, end)| {
        let dashes = [0, 5, 8].into_iter().all(|at| end.as_bytes().get(at) == Some(&b'-'));
        dashes && is_date(&end.replace('-', ""))
    });
    compact.or(spread).map(|(name, _)| name).filter(|name| !name.is_empty())
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The distance between two names; `None` if they are unrelated.
fn distance(one: &str, other: &str) -> Option<usize> {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    if short.len() >= PART && long.contains(short) {
        return Some(long.len() - short.len());
    }
    let letters = strsim::osa_distance(one, other);
    (letters * 4 <= long.len()).then_some(letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_come_first_and_strangers_not_at_all() {
        let known = ["gpt-4", "gpt-4o", "gpt-4o-mini", "gpt-5.4", "claude-sonnet-4-6", "o3"];
        let cases: [(&str, &[&str]); 6] = [
            ("gpt-4o-2024-08-06", &["gpt-4o", "gpt-4"]),
            ("GPT 4o", &["gpt-4o", "gpt-4", "gpt-4o-mini"]),
            ("us.anthropic.claude-sonnet-4-6-v1:0", &["claude-sonnet-4-6"]),
            ("claude-sonet-4-6", &["claude-sonnet-4-6"]),
            ("o3-pro", &[]),
            ("house-model-7b", &[]),
        ];
        for (wanted, expected) in cases {
            assert_eq!(nearest_names(wanted, known), expected, "{wanted}");
        }
    }

    #[test]
    fn a_dated_name_loses_its_date_and_nothing_else() {
        let cases = [
            ("claude-haiku-4-5-20251001", Some("claude-haiku-4-5")),
            ("gpt-4o-2024-08-06", Some("gpt-4o")),
            ("gpt-4o", None),
            ("gpt-4-0613", None),
            ("model-12345678", None),
            ("-20251001", None),
            ("2024-08-06", None),
            ("modèle-2024-08-06", Some("modèle")),
        ];
        for (name, expected) in cases {
            assert_eq!(undated(name), expected, "{name}");
        }
    }
}
