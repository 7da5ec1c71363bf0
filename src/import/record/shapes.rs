//! Recognises records with usage in a shape that no format reads, by names that only such records have.
//!
//! The import checks records that gave no event, because a file of such records must not pass for a file without usage.
//! Inside a text, the quotes of a name are escaped, so a prompt that quotes such a record does not match.

use memchr::memmem;

/// The kinds of records, each with the names that all must occur.
const SHAPES: [(&str, &[&str]); 6] = [
    ("Langfuse traces", &["\"observations\"", "\"htmlPath\""]),
    ("Langfuse traces", &["\"observations\"", "\"trace\""]),
    ("sessions of Qwen Code", &["\"sessionId\"", "\"usageMetadata\""]),
    ("OpenInference spans", &["\"llm.token_count."]),
    ("OpenInference spans", &["\"openinference.span.kind\""]),
    ("spans of older OpenLLMetry versions", &["\"llm.usage."]),
];
/// The endings of names of token counts.
const COUNTS: [&str; 3] = ["okens\"", "okenCount\"", "okens_count\""];

/// What a record is, if it contains usage that no format reads.
pub fn unread(record: &str) -> Option<&'static str> {
    let has = |name: &&str| memmem::find(record.as_bytes(), name.as_bytes()).is_some();
    SHAPES.iter().find(|(_, names)| names.iter().all(has)).map(|(what, _)| *what)
}

/// The same, or whether it has token counts above 0. For formats that accept any record of a session.
pub fn unread_or_counts(record: &str) -> Option<&'static str> {
    unread(record)
        .or_else(|| COUNTS.iter().any(|name| counts(record, name)).then_some("counts of tokens in another shape"))
}

fn counts(record: &str, name: &str) -> bool {
    memmem::find_iter(record.as_bytes(), name.as_bytes()).any(|at| {
        let value = record.get(at + name.len()..).unwrap_or("").trim_start();
        let value = value.strip_prefix(':').map(str::trim_start);
        value.is_some_and(|value| value.starts_with(|digit: char| matches!(digit, '1'..='9')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_known_by_its_names_and_not_by_what_a_text_quotes() {
        let cases = [
            (r#"{"id":"t","sessionId":"s","htmlPath":"/t","observations":["o"]}"#, Some("Langfuse traces")),
            (r#"{"trace":{"id":"t"},"observations":[]}"#, Some("Langfuse traces")),
            (r#"{"sessionId":"s","type":"assistant","usageMetadata":{}}"#, Some("sessions of Qwen Code")),
            (r#"{"key":"llm.token_count.prompt","value":{"intValue":"5"}}"#, Some("OpenInference spans")),
            (r#"{"sessionId":"s","text":"{\"usageMetadata\":{\"totalTokens\":5}}"}"#, None),
            (r#"{"sessionId":"s","totalTokens": 0,"tokens":[]}"#, None),
        ];
        for (record, expected) in cases {
            assert_eq!((unread(record), unread_or_counts(record)), (expected, expected), "{record}");
        }
        for counts in [r#"{"totalTokens": 12}"#, r#"{"a":{"input_tokens":7}}"#, r#"{"promptTokenCount":1}"#] {
            assert_eq!((unread(counts), unread_or_counts(counts)), (None, Some("counts of tokens in another shape")));
        }
    }
}
