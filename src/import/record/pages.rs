//! What a vendor's pages report about further pages. A file that ends before the last page lacks usage.
//!
//! OpenAI and Anthropic have `has_more`. LiteLLM has `page` and `total_pages`
//! (<https://docs.litellm.ai/docs/proxy/cost_tracking>), and Langfuse has `meta.page` and `meta.totalPages`
//! (<https://api.reference.langfuse.com>), read 2026-11-25. A page that reports nothing counts as the only page.

use crate::import::record::Record;
use crate::text::problem::Problem;
use std::sync::atomic::{AtomicU8, Ordering};

/// What the pages read so far report. The greater of two values describes both together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Pages {
    /// No page reports how many there are.
    #[default]
    None,
    /// Some pages, and further ones follow.
    Followed,
    /// The last page is included.
    Complete,
}

/// What the pages of a file report, on any thread.
#[derive(Debug, Default)]
pub struct PagesRead(AtomicU8);

const FOLLOWED: u8 = 1;
const COMPLETE: u8 = 2;

impl PagesRead {
    /// Records whether another page follows, if a page reports that.
    pub fn note(&self, followed: Option<bool>) {
        let said = match followed {
            None => return,
            Some(true) => FOLLOWED,
            Some(false) => COMPLETE,
        };
        self.0.fetch_max(said, Ordering::Relaxed);
    }

    /// What all pages report together.
    pub fn said(&self) -> Pages {
        match self.0.load(Ordering::Relaxed) {
            COMPLETE.. => Pages::Complete,
            FOLLOWED => Pages::Followed,
            _ => Pages::None,
        }
    }
}

/// The names of the page's number and of the number of pages.
const NUMBERS: [(&str, &str); 2] = [("page", "total_pages"), ("page", "totalPages")];

/// Whether a page reports that another follows.
pub fn followed(page: &Record<'_>) -> Result<Option<bool>, Problem> {
    if let Some(more) = page.flag("has_more")? {
        return Ok(Some(more));
    }
    let meta = if page.is_object("meta") { page.object("meta")? } else { None };
    let page = meta.as_ref().unwrap_or(page);
    for (number, of) in NUMBERS {
        if let (Some(number), Some(of)) = (page.loose_count(number)?, page.loose_count(of)?) {
            return Ok(Some(number < of));
        }
    }
    Ok(None)
}

/// The same for the text of a page around its records, which may be cut. If a text contains such names, its quotes are
/// escaped.
pub fn followed_around(parts: &[u8]) -> Option<bool> {
    let plain: Vec<u8> = parts.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let after = |name: &str| {
        let name = format!("\"{name}\":");
        let at = memchr::memmem::find(&plain, name.as_bytes())? + name.len();
        plain.get(at..)
    };
    let number = |name: &str| {
        let digits: Vec<u8> = after(name)?.iter().copied().take_while(u8::is_ascii_digit).collect();
        std::str::from_utf8(&digits).ok()?.parse::<u64>().ok()
    };
    match after("has_more") {
        Some(value) if value.starts_with(b"true") => return Some(true),
        Some(value) if value.starts_with(b"false") => return Some(false),
        _ => {}
    }
    NUMBERS.iter().find_map(|(page, of)| Some(number(page)? < number(of)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_whether_others_follow_in_the_way_of_its_vendor() {
        let cases = [
            (r#""has_more":true,"next_page":"p""#, Some(true)),
            (r#""has_more":false,"next_page":null"#, Some(false)),
            (r#""total":60,"page":1,"page_size":50,"total_pages":2"#, Some(true)),
            (r#""total":60,"page":2,"page_size":50,"total_pages":2"#, Some(false)),
            (r#""meta":{"page":1,"limit":50,"totalItems":60,"totalPages":2}"#, Some(true)),
            (r#""meta":{"page":2,"limit":50,"totalItems":60,"totalPages":2}"#, Some(false)),
            (r#""note":"\"has_more\":true""#, None),
            (r#""page":1"#, None),
        ];
        for (text, expected) in cases {
            let page = Record::of_json(&format!("{{{text}}}")).and_then(|page| followed(&page));
            assert_eq!(page, Ok(expected), "{text}");
            let spread = text.replace(':', " : ").replace(',', ",\n  ");
            if !text.contains("note") {
                assert_eq!(followed_around(spread.as_bytes()), expected, "{spread}");
            }
            assert_eq!(followed_around(text.as_bytes()), expected, "{text}");
        }
    }
}
