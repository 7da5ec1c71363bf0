//! The written form of the month: events as lines of CSV and JSONL, and the price list.

use crate::month::{DAY, Event, METERS, MODELS, Model, NANO, TIERS, Tier};
use std::io::{self, Write};

const COLUMNS: &str = "event_id,timestamp,provider,model,department,project,environment,service_tier,\
input_tokens,cache_read_tokens,cache_write_tokens,output_tokens,reasoning_tokens";

/// The last column of a month with users.
const USER_COLUMN: &str = ",tag.user";

const PRICE_COLUMNS: &str = "book,provider,model,meter,service_tier,prompt_above,currency,price,per,valid_from";

pub(crate) fn write_header(out: &mut impl Write, with_user: bool) -> io::Result<()> {
    writeln!(out, "{COLUMNS}{}", if with_user { USER_COLUMN } else { "" })
}

impl Event {
    pub(crate) fn write_csv(&self, line: &mut Vec<u8>) -> io::Result<()> {
        line.extend_from_slice(&self.id);
        line.push(b',');
        self.write_timestamp(line)?;
        for (_, name) in self.names() {
            line.push(b',');
            line.extend_from_slice(name.as_bytes());
        }
        for (_, tokens) in self.meters() {
            line.push(b',');
            if let Some(tokens) = tokens {
                write!(line, "{tokens}")?;
            }
        }
        if let Some(user) = self.user {
            write!(line, ",user-{user}")?;
        }
        line.push(b'\n');
        Ok(())
    }

    pub(crate) fn write_jsonl(&self, line: &mut Vec<u8>) -> io::Result<()> {
        line.extend_from_slice(b"{\"event_id\":\"");
        line.extend_from_slice(&self.id);
        line.extend_from_slice(b"\",\"timestamp\":\"");
        self.write_timestamp(line)?;
        line.push(b'"');
        for (field, name) in self.names() {
            write!(line, ",\"{field}\":\"{name}\"")?;
        }
        for (field, tokens) in self.meters() {
            if let Some(tokens) = tokens {
                write!(line, ",\"{field}\":{tokens}")?;
            }
        }
        if let Some(user) = self.user {
            write!(line, ",\"tags\":{{\"user\":\"user-{user}\"}}")?;
        }
        line.extend_from_slice(b"}\n");
        Ok(())
    }

    /// RFC 3339 in UTC, with milliseconds.
    fn write_timestamp(&self, line: &mut Vec<u8>) -> io::Result<()> {
        let (day, within) = (1 + self.instant / DAY, self.instant % DAY);
        let (hour, minute) = (within / 3_600_000, within / 60_000 % 60);
        let (second, milli) = (within / 1_000 % 60, within % 1_000);
        write!(line, "2026-10-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }

    fn names(&self) -> [(&'static str, &'static str); 6] {
        [
            ("provider", self.model.provider),
            ("model", self.model.name),
            ("department", self.department),
            ("project", self.project),
            ("environment", self.environment),
            ("service_tier", self.service_tier),
        ]
    }

    fn meters(&self) -> [(&'static str, Option<u64>); 5] {
        [
            ("input_tokens", Some(self.input)),
            ("cache_read_tokens", Some(self.cache_read)),
            ("cache_write_tokens", self.cache_write),
            ("output_tokens", Some(self.output)),
            ("reasoning_tokens", self.reasoning),
        ]
    }
}

/// Every model at both tiers, with every meter. One model has a higher price for longer prompts.
pub(crate) fn write_prices(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{PRICE_COLUMNS}")?;
    for model in &MODELS {
        for tier in &TIERS {
            for (meter, rate) in METERS.iter().zip(model.rates) {
                write_price(out, model, meter, tier, None, rate)?;
            }
            let Some((above, rates)) = model.longer_prompts else {
                continue;
            };
            for (meter, rate) in METERS.iter().zip(rates) {
                write_price(out, model, meter, tier, Some(above), rate)?;
            }
        }
    }
    Ok(())
}

fn write_price(
    out: &mut impl Write,
    model: &Model,
    meter: &str,
    tier: &Tier,
    prompt_above: Option<u64>,
    rate: u64,
) -> io::Result<()> {
    let (provider, name) = (model.provider, model.name);
    let above = prompt_above.map(|tokens| tokens.to_string()).unwrap_or_default();
    let nanos = rate / tier.divisor;
    let (units, mut fraction) = (nanos / NANO, format!("{:09}", nanos % NANO));
    while fraction.len() > 2 && fraction.ends_with('0') {
        fraction.pop();
    }
    let tier = tier.priced_as;
    writeln!(out, ",{provider},{name},{meter},{tier},{above},USD,{units}.{fraction},,2026-01-01")
}
