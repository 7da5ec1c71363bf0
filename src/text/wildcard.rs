//! Patterns of names: `*` stands for any text, including none, and `?` for one character. Case is significant.

/// Whether the whole text matches the pattern. It compares from left to right; at a mismatch, the last `*` takes one
/// more character.
pub fn matches(pattern: &str, text: &str) -> bool {
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
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern, text), expected, "{pattern:?} {text:?}");
        }
    }
}
