//! Formats of vendors and gateways, one file each: how they spell usage, and what their numbers mean.
//!
//! Each file states its source and the day it was read. It says which numbers include which, where the id and the time
//! come from, and what a record cannot report. A new format is a file and a line in [`FORMATS`].

pub mod anthropic_messages;
pub mod anthropic_usage;
pub mod azure_apim;
pub mod bedrock_converse;
pub mod bedrock_logs;
pub mod bodies;
pub mod claude_code;
pub mod codex_cli;
pub mod cohere_chat;
pub mod deepseek;
pub mod gathered;
pub mod gemini;
pub mod helicone;
pub mod langfuse;
pub mod litellm;
pub mod mapped;
pub mod openai_activity;
pub mod openai_chat;
pub mod openai_responses;
pub mod openai_usage;
pub mod openrouter;
pub mod openrouter_daily;
pub mod otlp;
pub mod vercel_gateway;
pub mod vertex_logs;

use crate::import::format::{Beginning, Format, How};
use crate::import::own::{csv, jsonl};
use crate::import::record::head::FileHead;
use crate::import::record::reading::Stated;
use crate::import::vendor;
use crate::text::problem::Problem;

/// All formats, in the order in which they are tried on a file.
pub const FORMATS: &[Format] = &[
    jsonl::FORMAT,
    claude_code::FORMAT,
    codex_cli::FORMAT,
    litellm::FORMAT,
    helicone::FORMAT,
    langfuse::FORMAT,
    vercel_gateway::FORMAT,
    openrouter::FORMAT,
    openrouter_daily::FORMAT,
    bedrock_logs::FORMAT,
    azure_apim::FORMAT,
    vertex_logs::FORMAT,
    otlp::FORMAT,
    openai_usage::FORMAT,
    openai_activity::FORMAT,
    anthropic_usage::FORMAT,
    deepseek::FORMAT,
    openai_chat::FORMAT,
    openai_responses::FORMAT,
    anthropic_messages::FORMAT,
    gemini::FORMAT,
    bedrock_converse::FORMAT,
    cohere_chat::FORMAT,
    bodies::FORMAT,
    mapped::FORMAT,
    csv::FORMAT,
];

/// The format with a name.
pub fn named(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// The format an import was stored with.
pub fn stored(stored: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.stored == stored)
}

/// The format of a file with this beginning, or of a record in it.
pub fn known(head: &FileHead) -> Option<&'static Format> {
    FORMATS.iter().find(|format| (format.recognises)(head))
}

/// Like `known`. If no format matches, one of tokenbook's own, whose reader reports what is wrong.
pub fn recognised(head: &FileHead) -> Option<&'static Format> {
    known(head).or_else(|| named(if head.is_json() { jsonl::FORMAT.name } else { csv::FORMAT.name }))
}

/// Starts reading a file, from its first line that is not blank.
pub fn begin(format: &'static Format, first: &str, reading: &Stated) -> Result<Beginning, Problem> {
    match format.how {
        How::Own(begin) => begin(first),
        How::Records(read) => vendor::begin(format, read, first, reading),
        How::Gathered(reader) => Ok(Beginning { reader: reader(reading), header: false, ignored: Vec::new() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::record::head::PAGES;
    use std::collections::BTreeSet;

    #[test]
    fn lists_are_known_by_the_pages_of_every_format() {
        let named: BTreeSet<&str> = FORMATS.iter().flat_map(|format| format.pages).copied().collect();
        assert_eq!(named, PAGES.into_iter().collect());
    }
}
