//! Meters: the disjoint kinds of usage that vendors charge for. A token is counted under exactly one.
//!
//! Names and codes are frozen. Names appear in price lists and reports, codes in the ledger and in every digest.

use std::fmt;

/// One kind of usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Meter {
    /// Prompt tokens that were neither read from nor written to a cache.
    Input,
    /// Prompt tokens read from a cache.
    CacheRead,
    /// Prompt tokens written to a cache for five minutes, or for a time that the vendor does not report.
    CacheWrite,
    /// Prompt tokens written to a cache for an hour.
    CacheWrite1h,
    /// Text tokens of the answer, without reasoning.
    Output,
    /// Reasoning tokens. They cost as much as output if no price for reasoning is in force.
    Reasoning,
    /// Requests: 1 for each record unless the record states another number.
    Request,
    /// Audio tokens of the prompt, not cached.
    InputAudio,
    /// Audio tokens of the prompt read from a cache.
    CacheReadAudio,
    /// Audio tokens of the answer.
    OutputAudio,
    /// Image tokens of the prompt, not cached.
    InputImage,
    /// Image tokens of the prompt read from a cache.
    CacheReadImage,
    /// Image tokens of the answer.
    OutputImage,
    /// Video tokens of the prompt.
    InputVideo,
    /// Video tokens of the answer.
    OutputVideo,
    /// Web searches made on the request's behalf.
    WebSearch,
    /// Images made or read, if they are billed by piece.
    Image,
    /// Characters, if they are billed (speech).
    Character,
    /// Seconds of audio, if they are billed (transcription).
    AudioSecond,
    /// Milliseconds from the request to the end of its answer.
    DurationMs,
    /// Milliseconds from the request to the first token of its answer.
    FirstTokenMs,
}

/// What a meter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// Tokens.
    Tokens,
    /// Requests.
    Requests,
    /// Searches.
    Searches,
    /// Images.
    Images,
    /// Characters.
    Characters,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    /// The unit's name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Requests => "requests",
            Self::Searches => "searches",
            Self::Images => "images",
            Self::Characters => "characters",
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
        }
    }
}

/// The side of the conversation a meter belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Part of the prompt: counts towards the prompt's size.
    Prompt,
    /// Part of the answer.
    Answer,
    /// Neither: requests, searches, pieces.
    Other,
}

/// The number of meters that nearly every record has. The ledger has columns for them.
pub const FREQUENT: usize = 7;

impl Meter {
    /// Every meter, frequent ones first, in the order of report columns.
    pub const ALL: [Self; 21] = [
        Self::Input,
        Self::CacheRead,
        Self::CacheWrite,
        Self::CacheWrite1h,
        Self::Output,
        Self::Reasoning,
        Self::Request,
        Self::InputAudio,
        Self::CacheReadAudio,
        Self::OutputAudio,
        Self::InputImage,
        Self::CacheReadImage,
        Self::OutputImage,
        Self::InputVideo,
        Self::OutputVideo,
        Self::WebSearch,
        Self::Image,
        Self::Character,
        Self::AudioSecond,
        Self::DurationMs,
        Self::FirstTokenMs,
    ];

    /// The frozen code of the meter in the ledger and in digests.
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless repr(u8) enum")]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The meter of a code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The meter's position among the frequent ones, if it is frequent.
    pub fn frequent(self) -> Option<usize> {
        let place = usize::from(self.code());
        (place < FREQUENT).then_some(place)
    }

    /// The name in price lists and `--by meter`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
            Self::CacheWrite1h => "cache_write_1h",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::Request => "request",
            Self::InputAudio => "input_audio",
            Self::CacheReadAudio => "cache_read_audio",
            Self::OutputAudio => "output_audio",
            Self::InputImage => "input_image",
            Self::CacheReadImage => "cache_read_image",
            Self::OutputImage => "output_image",
            Self::InputVideo => "input_video",
            Self::OutputVideo => "output_video",
            Self::WebSearch => "web_search",
            Self::Image => "image",
            Self::Character => "character",
            Self::AudioSecond => "audio_second",
            Self::DurationMs => "duration_ms",
            Self::FirstTokenMs => "first_token_ms",
        }
    }

    /// The name of the import field and of the report column.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Input => "input_tokens",
            Self::CacheRead => "cache_read_tokens",
            Self::CacheWrite => "cache_write_tokens",
            Self::CacheWrite1h => "cache_write_1h_tokens",
            Self::Output => "output_tokens",
            Self::Reasoning => "reasoning_tokens",
            Self::Request => "requests",
            Self::InputAudio => "input_audio_tokens",
            Self::CacheReadAudio => "cache_read_audio_tokens",
            Self::OutputAudio => "output_audio_tokens",
            Self::InputImage => "input_image_tokens",
            Self::CacheReadImage => "cache_read_image_tokens",
            Self::OutputImage => "output_image_tokens",
            Self::InputVideo => "input_video_tokens",
            Self::OutputVideo => "output_video_tokens",
            Self::WebSearch => "web_searches",
            Self::Image => "images",
            Self::Character => "characters",
            Self::AudioSecond => "audio_seconds",
            Self::DurationMs => "duration_ms",
            Self::FirstTokenMs => "first_token_ms",
        }
    }

    /// The meter of a name in a price list.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|meter| meter.name() == name)
    }

    /// The meter of an import field.
    pub fn from_field(field: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|meter| meter.field() == field)
    }

    /// What the meter counts.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Request => Unit::Requests,
            Self::WebSearch => Unit::Searches,
            Self::Image => Unit::Images,
            Self::Character => Unit::Characters,
            Self::AudioSecond => Unit::Seconds,
            Self::DurationMs | Self::FirstTokenMs => Unit::Milliseconds,
            _ => Unit::Tokens,
        }
    }

    /// Whether the meter measures calls and is never charged. Such a meter has no price, and no amount depends on it.
    pub const fn is_measure(self) -> bool {
        matches!(self, Self::DurationMs | Self::FirstTokenMs)
    }

    /// The side of the conversation the meter belongs to.
    pub const fn side(self) -> Side {
        match self {
            Self::Input
            | Self::CacheRead
            | Self::CacheWrite
            | Self::CacheWrite1h
            | Self::InputAudio
            | Self::CacheReadAudio
            | Self::InputImage
            | Self::CacheReadImage
            | Self::InputVideo => Side::Prompt,
            Self::Output | Self::Reasoning | Self::OutputAudio | Self::OutputImage | Self::OutputVideo => Side::Answer,
            Self::Request
            | Self::WebSearch
            | Self::Image
            | Self::Character
            | Self::AudioSecond
            | Self::DurationMs
            | Self::FirstTokenMs => Side::Other,
        }
    }
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_names_and_fields_lead_back_to_their_meter() {
        for meter in Meter::ALL {
            assert_eq!(Meter::from_code(meter.code()), Some(meter));
            assert_eq!(Meter::from_name(meter.name()), Some(meter));
            assert_eq!(Meter::from_field(meter.field()), Some(meter));
        }
        assert_eq!(Meter::from_code(21), None);
    }
}
