//! `DeepSeek`'s usage export of its platform: `amount-*.csv` of the archive.
//!
//! No page documents it. The columns are as exports show them, read 2026-11-23. A row is the sum of one kind of token,
//! for one API key, over a span of time. Kinds do not overlap. A row has no id: the natural key is everything except
//! the amount. The time is the span's start. A time without an offset needs `--assume-zone`.
//!
//! The import keeps the names of keys, not the keys. A digest distinguishes a masked key from another key of the same
//! name. A row may grow until its time is over. The file `cost-*.csv` has charges, so the import rejects it.

use crate::domain::meter::Meter;
use crate::import::events::{Event, Events, natural_key};
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::{Stated, instant_assumed};
use crate::text::problem::{Problem, excerpt};
use std::borrow::Cow;

/// The usage export.
pub const FORMAT: Format = Format {
    name: "deepseek",
    stored: "deepseek/1",
    untold: "the prompt sizes and the hours of requests",
    summary: "DeepSeek's usage export (amount-*.csv)",
    example: "user_id,start_time_iso,end_time_iso,model,api_key_name,api_key,type,price,amount\nu1,2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,deepseek-chat,prod,sk-0***1,input_cache_miss_tokens,0.00000028,1200",
    cumulative: true,
    kept: Kept { ids: &[], times: &["start_time_iso"], usage: &["amount"] },
    recognises: |head| head.columns(&["start_time_iso", "end_time_iso", "model"]) && !head.columns(&["start_time"]),
    how: How::Records(read),
    ..Format::PLAIN
};

/// Reads one row.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    if record.knows("cost") {
        return Err(Problem::line(
            "a record of the provider's charges, which is not usage",
            "amount-*.csv (for this file, use `tokenbook costs import`)",
        ));
    }
    let kind = record.needed("type")?;
    let meter = match kind.as_ref() {
        "input_cache_hit_tokens" => Meter::CacheRead,
        "input_cache_miss_tokens" => Meter::Input,
        "output_tokens" => Meter::Output,
        "request_count" => Meter::Request,
        _ => {
            return Err(record.wrong(
                "type",
                format!("{} is not known", excerpt(&kind)),
                "input_cache_hit_tokens, output_tokens, …",
            ));
        }
    };
    let start = instant_assumed(record, "start_time_iso", reading)?;
    let at = start.ok_or_else(|| record.missing("start_time_iso", "a time"))?;
    let end = instant_assumed(record, "end_time_iso", reading)?;
    let end = end.ok_or_else(|| record.missing("end_time_iso", "a time"))?;
    let (from, end, model) = (at.to_string(), end.to_string(), record.needed("model")?);
    let (user, key) = (record.text("user_id")?, record.text("api_key_name")?);
    // Two keys may have the same name, and a kind may have two prices on one day.
    let digest = record.text("api_key")?.map(|masked| blake3::hash(masked.as_bytes()).to_hex()[..8].to_owned());
    let price = record.scalar("price")?;
    let parts = [
        ("from", Some(from.as_str())),
        ("to", Some(end.as_str())),
        ("user", user.as_deref()),
        ("key", key.as_deref()),
        ("key_digest", digest.as_deref()),
        ("price", price.as_deref()),
        ("model", Some(model.as_ref())),
        ("type", Some(kind.as_ref())),
    ];
    let mut event = Event::bucket(natural_key("deepseek", &parts), at, model.clone());
    event.provider = Cow::Borrowed("deepseek");
    event.tags.add("user", user);
    event.tags.add("api_key", key);
    let amount = record.loose_count("amount")?;
    event.meters.put(meter, Some(amount.ok_or_else(|| record.missing("amount", "a whole number"))?));
    events.push(&event)
}
