//! Selects the models of a catalogue: exact names, or patterns with `*` for anything and `?` for one character.
//!
//! A pattern matches a model's name or `provider/name`. Upper and lower case differ, as in names.

use crate::text::wildcard::matches;

/// A name or pattern of `--only`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern. Every text is valid.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern matches a provider's model.
    pub fn means(&self, provider: &str, model: &str) -> bool {
        matches(&self.0, model) || matches(&self.0, &format!("{provider}/{model}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_a_model_or_a_provider_and_a_model() {
        let cases = [
            ("gpt-5.4*", "gpt-5.4-mini", true),
            ("GPT*", "gpt-5", false),
            ("openai/*", "gpt-5", true),
            ("openai/gpt-?", "gpt-5", true),
            ("other/*", "gpt-5", false),
        ];
        for (pattern, model, expected) in cases {
            assert_eq!(Pattern::new(pattern).means("openai", model), expected, "{pattern:?} {model:?}");
        }
    }
}
