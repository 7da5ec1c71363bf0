//! Text that identifies something: an event, a model, a department. It is stored byte for byte, so it must be clean.
//!
//! A name must not be empty, longer than the limit, or look like a secret key. It must have no white space at either
//! end, no control characters, and no characters that are invisible or change the direction of text. Names with letters
//! beyond ASCII are stored in composed form (NFC), so two spellings of one name are one name. Case is significant:
//! `Finance` and `finance` are two names, and the caller may warn about them.
//!
//! `new` checks input by these rules. `recorded` reads a name back from a ledger, which the version that wrote it has
//! checked already. The rules may grow, for example by a new form of secrets, and this must not make an old ledger
//! unreadable.

use crate::domain::secret::{id_looks_secret, looks_secret};
use crate::fault::Code;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use unicode_normalization::{UnicodeNormalization, is_nfc};
use unicode_security::confusable_detection::skeleton;

/// The longest event id, and the longest name of a model, provider, tier or source, in bytes.
pub const NAME_LIMIT: usize = 256;
/// The longest tag value, in bytes.
pub const VALUE_LIMIT: usize = 1_024;
/// The name of usage without a department in reports.
pub const UNALLOCATED: &str = "(unallocated)";
/// The name of usage without any other tag in reports.
pub const NONE: &str = "(none)";

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// No characters.
    #[error("is empty")]
    Empty,
    /// White space at the start or the end.
    #[error("starts or ends with white space")]
    Edges,
    /// A control character.
    #[error("contains a control character")]
    Control,
    /// A character that is invisible or changes the direction of text.
    #[error("contains an invisible or direction-changing character")]
    Invisible,
    /// Longer than the limit.
    #[error("is longer than {0} bytes")]
    TooLong(usize),
    /// A name that reports reserve.
    #[error("is a name reserved for reports")]
    Reserved,
    /// The secret of a vendor or a platform.
    #[error("looks like a secret key")]
    Secret,
}

impl NameError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Secret => Code::SecretFound,
            Self::Empty | Self::Edges | Self::Control | Self::Invisible | Self::TooLong(_) | Self::Reserved => {
                Code::NameInvalid
            }
        }
    }
}

/// A clean, non-empty text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// A name of at most [`NAME_LIMIT`] bytes.
    pub fn new(text: &str) -> Result<Self, NameError> {
        // The composed form is stored, and it may be longer than the input.
        let text = composed(text);
        check(&text, NAME_LIMIT, looks_secret)?;
        Ok(Self(text.into()))
    }

    /// A name read from a ledger.
    pub fn recorded(text: &str) -> Result<Self, NameError> {
        check_recorded(text, NAME_LIMIT)?;
        Ok(Self(text.into()))
    }

    /// A name of tokenbook's own, which is known to be clean.
    pub(super) fn own(text: &'static str) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of a tag, and everything that may become one: a department, a payer of a rule, the text of a condition. It
/// has at most [`VALUE_LIMIT`] bytes and is not a name that reports reserve. It may contain a line break.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagValue(Box<str>);

impl TagValue {
    /// Checks a value and stores it.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let text = composed(text);
        not_reserved(&text)?;
        match check(&text, VALUE_LIMIT, looks_secret) {
            Err(NameError::Control) if text.contains('\n') => {
                check(&text.replace('\n', " "), VALUE_LIMIT, looks_secret)?;
            }
            other => other?,
        }
        Ok(Self(text.into()))
    }

    /// A value of tokenbook's own, which is known to be clean.
    pub(super) fn own(text: String) -> Self {
        Self(text.into())
    }

    /// A value read from a ledger.
    pub fn recorded(text: &str) -> Result<Self, NameError> {
        not_reserved(text)?;
        match check_recorded(text, VALUE_LIMIT) {
            Err(NameError::Control) if text.contains('\n') => check_recorded(&text.replace('\n', " "), VALUE_LIMIT)?,
            other => other?,
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TagValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn not_reserved(text: &str) -> Result<(), NameError> {
    if text == UNALLOCATED || text == NONE { Err(NameError::Reserved) } else { Ok(()) }
}

/// The rules for names of every version: not empty, not longer than the limit, and without control characters.
fn check_recorded(text: &str, limit: usize) -> Result<(), NameError> {
    match () {
        () if text.is_empty() => Err(NameError::Empty),
        () if text.len() > limit => Err(NameError::TooLong(limit)),
        () if text.chars().any(char::is_control) => Err(NameError::Control),
        () => Ok(()),
    }
}

/// Checks an id without storing it.
pub fn check_id(id: &str) -> Result<(), NameError> {
    check(id, NAME_LIMIT, id_looks_secret)
}

/// Clean ASCII, which nearly every name is, takes one pass over the bytes.
fn check(text: &str, limit: usize, is_secret: fn(&str) -> bool) -> Result<(), NameError> {
    let bytes = text.as_bytes();
    if bytes.len() > limit {
        return Err(NameError::TooLong(limit));
    }
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return Err(NameError::Empty);
    };
    if is_secret(text) {
        return Err(NameError::Secret);
    }
    if *first == b' ' || *last == b' ' {
        return Err(NameError::Edges);
    }
    if bytes.iter().all(|b| (0x20..0x7f).contains(b)) {
        return Ok(());
    }
    if text.trim() != text {
        return Err(NameError::Edges);
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    if holds_invisible(text) {
        return Err(NameError::Invisible);
    }
    Ok(())
}

/// The composed (NFC) form.
pub fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

/// Characters that are invisible or change the direction of text. Two names that differ only by them look the same. The
/// list has all of Unicode's `Default_Ignorable_Code_Point` (DerivedCoreProperties.txt, version 17.0) except the
/// selectors below. It also has the separators of lines and paragraphs, the marks of annotations, and the blank pattern
/// of Braille.
const INVISIBLE: [RangeInclusive<char>; 17] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    // Two fillers of Hangul. Other forms of them are further below.
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    // This range includes the joiner U+200D, so an emoji that joins several is rejected.
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    // Tags, and more variation selectors.
    '\u{e0000}'..='\u{e0fff}',
];

/// Variation selectors of symbols: `❤` with one of them is a red heart. After anything except a symbol they are
/// invisible.
const SELECTORS: RangeInclusive<char> = '\u{fe00}'..='\u{fe0f}';

fn holds_invisible(text: &str) -> bool {
    let mut before = ' ';
    text.chars().any(|c| {
        let behind = std::mem::replace(&mut before, c);
        if SELECTORS.contains(&c) {
            return behind.is_ascii() || behind.is_alphanumeric() || SELECTORS.contains(&behind);
        }
        !c.is_ascii() && INVISIBLE.iter().any(|range| range.contains(&c))
    })
}

/// A name without case, spacing and the differences of letters that look alike.
pub fn look(name: &str) -> String {
    skeleton(&name.to_lowercase()).filter(|c| c.is_alphanumeric()).collect()
}

/// Pairs of names that differ only in case, in spacing, or in letters that look alike. At least one name of each pair
/// is new.
pub fn similar_names(known: &BTreeSet<String>, new: &BTreeSet<String>) -> Vec<(String, String)> {
    let mut first: BTreeMap<String, &String> = BTreeMap::new();
    let mut similar = Vec::new();
    for name in known.union(new) {
        let look = look(name);
        match first.get(&look) {
            None => {
                first.insert(look, name);
            }
            Some(other) if new.contains(*other) || new.contains(name) => {
                similar.push(((*other).clone(), name.clone()));
            }
            Some(_) => {}
        }
    }
    similar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_clean() {
        let cases = [
            ("", NameError::Empty),
            ("Finance ", NameError::Edges),
            ("\u{a0}Finance", NameError::Edges),
            ("Fin\u{1b}[31mance", NameError::Control),
            ("Fin\0ance", NameError::Control),
            ("\u{202e}gnp.exe", NameError::Invisible),
            ("Fin\u{200b}ance", NameError::Invisible),
        ];
        for (text, error) in cases {
            assert_eq!(Name::new(text), Err(error), "{text:?}");
            assert_eq!(TagValue::new(text), Err(error), "{text:?}");
        }
        assert_eq!(TagValue::new("(unallocated)"), Err(NameError::Reserved));
        assert_eq!(TagValue::new("sk-live-0123456789abcdef0123"), Err(NameError::Secret));
        assert!(TagValue::new("a,\"b\"\nc").is_ok());
    }

    #[test]
    fn what_cannot_be_seen_is_no_part_of_a_name() {
        let marks =
            ["3164", "115F", "1160", "FFA0", "2800", "200D", "200C", "34F", "180E", "2060", "E0001", "E0041", "E0100"];
        let marks = marks.into_iter().filter_map(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?));
        let mut count = 0;
        for mark in marks.chain(['\u{fe0f}']) {
            for text in
                [format!("{mark}"), format!("{mark}a"), format!("a{mark}b"), format!("a{mark}"), format!("é{mark}")]
            {
                assert_eq!(Name::new(&text), Err(NameError::Invisible), "{text:?}");
                assert_eq!(TagValue::new(&text), Err(NameError::Invisible), "{text:?}");
                count += 1;
            }
        }
        assert_eq!(count, 70);
        for text in ["❤\u{fe0f} Team", "🚀", "한국", "日本", "Ⅷ", "⠓⠑"] {
            assert!(Name::new(text).is_ok(), "{text:?}");
        }
        assert!(Name::new("❤\u{fe0f}\u{fe0f}").is_err());
    }

    #[test]
    fn what_is_kept_is_what_was_checked() {
        // U+0958 and U+1D160 are longer in composed form; U+212A composes to a plain K.
        for (one, kept) in [("\u{958}", 6), ("\u{1d160}", 12)] {
            let most = NAME_LIMIT / kept;
            assert_eq!(Name::new(&one.repeat(most)).map(|name| name.as_str().len()), Ok(most * kept));
            assert_eq!(Name::new(&one.repeat(most + 1)), Err(NameError::TooLong(NAME_LIMIT)));
        }
        assert_eq!(TagValue::new("A\u{212a}IAIOSFODNN7EXAMPLE"), Err(NameError::Secret));
        for text in ["a", "Caf\u{e9}", "\u{958}", "a\nb", "sk-live-0123456789abcdef0123", "\u{3164}", " a"] {
            assert_eq!(TagValue::recorded(text).map(|value| value.to_string()), Ok(text.to_owned()), "{text:?}");
        }
        for text in ["", "a\u{1b}b", NONE, UNALLOCATED] {
            assert!(TagValue::recorded(text).is_err(), "{text:?}");
        }
        assert!(Name::recorded("a\nb").is_err());
    }

    #[test]
    fn names_that_look_alike_are_found() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
        let (known, new) = (names(&["Finance", "Legal", "finance"]), names(&["F\u{456}nance", "Sales"]));
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(similar_names(&known, &new), [pair("Finance", "F\u{456}nance")]);
        let both = [pair("Finance", "F\u{456}nance"), pair("Finance", "finance")];
        assert_eq!(similar_names(&new, &known), both);
    }

    #[test]
    fn two_spellings_of_one_name_are_one() {
        assert_eq!(Name::new("Caf\u{e9}"), Name::new("Cafe\u{301}"));
        assert_ne!(Name::new("Finance"), Name::new("finance"));
    }
}
