//! The names with prices that look most like a name without one: text for a person to judge, never a choice.
//!
//! A name is near if it is the other in another spelling, contains it, is contained in it, or differs in few letters.

/// How many names are offered.
const OFFERED: usize = 3;
/// A shorter name is a part of too many others.
const PART: usize = 4;

/// The nearest of the known names, the nearest first; a name that is known itself needs none.
pub fn nearest_names<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let plain_wanted = plain(wanted);
    let scored = known.into_iter().filter_map(|name| Some((distance(&plain_wanted, &plain(name))?, name)));
    let mut scored: Vec<(usize, &str)> = scored.collect();
    scored.sort_unstable();
    scored.into_iter().take(OFFERED).map(|(_, name)| name).collect()
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// How far two names are from each other; `None` where they have nothing to do with each other.
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
}
