//! The grammar of LiteLLM's price keys: a base, and suffixes for a prompt size, a cache's time and a service tier.
//!
//! `cache_creation_input_token_cost_above_1hr_above_272k_tokens_flex` has the base `cache_creation_input_token_cost`,
//! kept for an hour, above 272,000 tokens, at the tier `flex`. Suffixes may be in any order, because the catalogue uses
//! both orders.

use super::quote::Reason;
use crate::domain::event::ServiceTier;
use crate::domain::meter::Meter;

/// The parts of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key<'a> {
    /// What is priced.
    pub(super) base: &'a str,
    /// tokenbook's tier, or why the suffix is not a tier.
    pub(super) tier: Result<&'static str, Reason>,
    /// The prompt size it names; 0 for none.
    pub(super) above: i64,
    /// How long a cache keeps what is written.
    kept: Kept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Minutes,
    Hour,
    HalfDay,
}

/// Suffixes of service tiers. `_decisions` belongs to another endpoint.
const TIERS: [(&str, Result<&str, Reason>); 6] = [
    ("_batches", Ok("batch")),
    ("_flex", Ok("flex")),
    ("_priority", Ok("priority")),
    ("_balanced", Ok("balanced")),
    ("_ultrafast", Ok("ultrafast")),
    ("_decisions", Err(Reason::Condition)),
];

/// Bases that price one of tokenbook's meters in every model.
const METERS: [(&str, Meter); 14] = [
    ("input_cost_per_token", Meter::Input),
    ("output_cost_per_token", Meter::Output),
    ("output_cost_per_reasoning_token", Meter::Reasoning),
    ("cache_read_input_token_cost", Meter::CacheRead),
    ("input_cost_per_token_cache_hit", Meter::CacheRead),
    ("cache_creation_input_token_cost", Meter::CacheWrite),
    ("input_cost_per_audio_token", Meter::InputAudio),
    ("output_cost_per_audio_token", Meter::OutputAudio),
    ("cache_read_input_audio_token_cost", Meter::CacheReadAudio),
    ("input_cost_per_image_token", Meter::InputImage),
    ("output_cost_per_image_token", Meter::OutputImage),
    ("cache_read_input_image_token_cost", Meter::CacheReadImage),
    ("input_cost_per_video_token", Meter::InputVideo),
    ("output_cost_per_video_token", Meter::OutputVideo),
];

/// Bases of things that chat models also charge by the token.
const ALTERNATIVES: [&str; 9] = [
    "input_cost_per_character",
    "output_cost_per_character",
    "input_cost_per_image",
    "output_cost_per_image",
    "input_cost_per_second",
    "output_cost_per_second",
    "input_cost_per_audio_per_second",
    "input_cost_per_video_per_second",
    "output_cost_per_video_per_second",
];

/// The properties of a model that decide what a key means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind<'a> {
    /// The model's `mode`.
    pub(super) mode: &'a str,
    /// Whether it prices its output by tokens.
    pub(super) output_by_tokens: bool,
    /// Whether it has a price for each image made.
    pub(super) output_by_images: bool,
}

impl<'a> Key<'a> {
    /// Splits a key into its parts.
    pub(super) fn of(key: &'a str) -> Self {
        let mut found = Self { base: key, tier: Ok(ServiceTier::STANDARD), above: 0, kept: Kept::Minutes };
        while let Some(rest) = found.shortened() {
            found.base = rest;
        }
        found
    }

    /// Removes one suffix and notes it. Returns the shorter base.
    fn shortened(&mut self) -> Option<&'a str> {
        if let Some((suffix, tier)) = TIERS.iter().find(|(suffix, _)| self.base.ends_with(suffix)) {
            self.tier = *tier;
            return self.base.strip_suffix(suffix);
        }
        let kept = [("_above_1hr", Kept::Hour), ("_above_12hr", Kept::HalfDay)];
        if let Some((suffix, kept)) = kept.into_iter().find(|(suffix, _)| self.base.ends_with(suffix)) {
            self.kept = kept;
            return self.base.strip_suffix(suffix);
        }
        let (rest, size) = self.base.strip_suffix("_tokens")?.rsplit_once("_above_")?;
        let (digits, thousands) = size.strip_suffix('k').map_or((size, 1), |digits| (digits, 1_000));
        self.above = digits.parse::<i64>().ok()?.checked_mul(thousands)?;
        Some(rest)
    }

    /// The meter that it prices in such a model, or why it prices none.
    pub(super) fn meter(&self, kind: Kind<'_>) -> Result<Meter, Reason> {
        let meter = METERS.iter().find(|(base, _)| *base == self.base).map(|(_, meter)| *meter);
        match (meter, self.kept) {
            (Some(Meter::CacheWrite), Kept::Hour) => return Ok(Meter::CacheWrite1h),
            (_, Kept::Hour | Kept::HalfDay) => return Err(Reason::NoMeter),
            (Some(meter), Kept::Minutes) => return Ok(meter),
            (None, Kept::Minutes) => {}
        }
        let makes_images = matches!(kind.mode, "image_generation" | "image_edit") && !kind.output_by_tokens;
        match self.base {
            "input_cost_per_request" => Ok(Meter::Request),
            "output_cost_per_image" if makes_images => Ok(Meter::Image),
            "input_cost_per_image" if makes_images && !kind.output_by_images => Ok(Meter::Image),
            "input_cost_per_character" if kind.mode == "audio_speech" => Ok(Meter::Character),
            "input_cost_per_second" if kind.mode == "audio_transcription" => Ok(Meter::AudioSecond),
            "input_dbu_cost_per_token" | "output_dbu_cost_per_token" => Err(Reason::ForeignUnit),
            "explicit_cache_read_input_token_cost" => Err(Reason::Condition),
            base if ALTERNATIVES.contains(&base) => Err(Reason::Alternative),
            base if base.contains("multiplier") => Err(Reason::Factor),
            _ => Err(Reason::NoMeter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_come_off_in_any_order() {
        let chat = Kind { mode: "chat", output_by_tokens: true, output_by_images: false };
        let read = |key| {
            let key = Key::of(key);
            (key.meter(chat), key.tier, key.above)
        };
        let standard = Ok("standard");
        assert_eq!(read("input_cost_per_token"), (Ok(Meter::Input), standard, 0));
        assert_eq!(read("input_cost_per_token_above_272k_tokens_flex"), (Ok(Meter::Input), Ok("flex"), 272_000));
        assert_eq!(
            read("input_cost_per_token_priority_above_200k_tokens"),
            (Ok(Meter::Input), Ok("priority"), 200_000)
        );
        let hour = "cache_creation_input_token_cost_above_1hr_above_100k_tokens_batches";
        assert_eq!(read(hour), (Ok(Meter::CacheWrite1h), Ok("batch"), 100_000));
        let half_day = "cache_creation_input_token_cost_above_12hr";
        assert_eq!(read(half_day), (Err(Reason::NoMeter), standard, 0));
        assert_eq!(read("input_cost_per_token_above_512_tokens"), (Ok(Meter::Input), standard, 512));
        assert_eq!(read("output_cost_per_token_decisions"), (Ok(Meter::Output), Err(Reason::Condition), 0));
        assert_eq!(read("input_cost_per_character"), (Err(Reason::Alternative), standard, 0));
        assert_eq!(read("ocr_cost_per_page_batches"), (Err(Reason::NoMeter), Ok("batch"), 0));
        let seconds = "input_cost_per_video_per_second_above_15s_interval";
        assert_eq!(read(seconds), (Err(Reason::NoMeter), standard, 0));
    }
}
