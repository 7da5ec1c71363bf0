//! Splits one line of a CSV file into fields, after RFC 4180. It rejects line breaks inside quotes.
//!
//! It also rejects text after a closing quote, a quote inside an unquoted field, and a quote that is never closed. The
//! common readers accept all three and return something.

use memchr::{memchr, memchr_iter};
use std::borrow::Cow;

/// Why a line cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// A quote is not closed on its line.
    #[error("a quote is not closed on its line")]
    Unclosed,
    /// Text between a closing quote and the next comma.
    #[error("text follows a closing quote")]
    AfterQuote,
    /// A quote inside a field that does not start with one.
    #[error("a quote stands inside an unquoted field")]
    InsideField,
}

/// Splits a line (without its line end) into fields. `fields` is cleared first.
pub fn split<'a>(line: &'a str, fields: &mut Vec<Cow<'a, str>>) -> Result<(), SplitError> {
    fields.clear();
    if memchr(b'"', line.as_bytes()).is_none() {
        let mut start = 0;
        for comma in memchr_iter(b',', line.as_bytes()) {
            fields.push(Cow::Borrowed(&line[start..comma]));
            start = comma + 1;
        }
        fields.push(Cow::Borrowed(&line[start..]));
        return Ok(());
    }
    let mut rest = line;
    loop {
        let (field, after) =
            if let Some(quoted) = rest.strip_prefix('"') { quoted_field(quoted)? } else { plain_field(rest)? };
        fields.push(field);
        match after {
            None => return Ok(()),
            Some(after) => rest = after,
        }
    }
}

type Field<'a> = (Cow<'a, str>, Option<&'a str>);

fn plain_field(rest: &str) -> Result<Field<'_>, SplitError> {
    let (field, after) = match rest.split_once(',') {
        Some((field, after)) => (field, Some(after)),
        None => (rest, None),
    };
    if field.contains('"') { Err(SplitError::InsideField) } else { Ok((Cow::Borrowed(field), after)) }
}

/// Reads a field after its opening quote.
fn quoted_field(quoted: &str) -> Result<Field<'_>, SplitError> {
    let mut value = Cow::Borrowed("");
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"').ok_or(SplitError::Unclosed)?;
        if value.is_empty() {
            value = Cow::Borrowed(part);
        } else {
            value.to_mut().push_str(part);
        }
        if let Some(doubled) = after.strip_prefix('"') {
            value.to_mut().push('"');
            rest = doubled;
        } else if after.is_empty() {
            return Ok((value, None));
        } else {
            return Ok((value, Some(after.strip_prefix(',').ok_or(SplitError::AfterQuote)?)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(line: &str) -> Result<Vec<String>, SplitError> {
        let mut fields = Vec::new();
        split(line, &mut fields).map(|()| fields.into_iter().map(Cow::into_owned).collect())
    }

    proptest! {
        #[test]
        fn reads_what_the_csv_crate_writes(record in prop::collection::vec("[a-c\",; =é]{0,6}", 1..6)) {
            let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
            writer.write_record(&record).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let written = writer.into_inner().map_err(|e| TestCaseError::fail(e.to_string()))?;
            let line = String::from_utf8(written).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(fields(line.trim_end_matches('\n')), Ok(record));
        }
    }

    #[test]
    fn what_the_usual_readers_let_pass_is_refused() {
        assert_eq!(fields("a,\"b"), Err(SplitError::Unclosed));
        assert_eq!(fields("\"a\"x,1"), Err(SplitError::AfterQuote));
        assert_eq!(fields("a\"b,1"), Err(SplitError::InsideField));
        assert_eq!(fields("\"a\"\"\",\"\",c,"), Ok(vec!["a\"".into(), String::new(), "c".into(), String::new()]));
    }
}
