//! Which models of a catalogue are asked for: exact names, or patterns with `*` for anything and `?` for one character.
//!
//! A pattern is held against a model's name and against `provider/name`. Case counts, as it does in names.

/// A name or pattern of `--only`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern; every text is one.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a model of a provider is meant.
    pub fn means(&self, provider: &str, model: &str) -> bool {
        matches(&self.0, model) || matches(&self.0, &format!("{provider}/{model}"))
    }
}

/// Matches from left to right; at a mismatch the last `*` takes one character more.
fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut star: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let (ahead, rest) = (pattern.clone().next(), text.clone().next());
        match (ahead, rest) {
            (Some('*'), _) => {
                pattern.next();
                star = Some((pattern.clone(), text.clone()));
            }
            (Some(p), Some(t)) if p == '?' || p == t => {
                pattern.next();
                text.next();
            }
            (None, None) => return true,
            _ => {
                let Some((after, from)) = &mut star else { return false };
                if from.next().is_none() {
                    return false;
                }
                pattern = after.clone();
                text = from.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_anything_and_a_question_mark_one_character() {
        let cases = [
            ("gpt-5.4", "gpt-5.4", true),
            ("gpt-5.4", "gpt-5.4-mini", false),
            ("gpt-5.4*", "gpt-5.4-mini", true),
            ("gpt-?.4", "gpt-5.4", true),
            ("gpt-?.4", "gpt-.4", false),
            ("*mini*", "gpt-5.4-mini-2026", true),
            ("*a*b", "xaxxbxb", true),
            ("*a*b", "xaxxbxbc", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("GPT*", "gpt-5", false),
            ("openai/*", "gpt-5", true),
        ];
        for (pattern, model, expected) in cases {
            assert_eq!(Pattern::new(pattern).means("openai", model), expected, "{pattern:?} {model:?}");
        }
    }
}
