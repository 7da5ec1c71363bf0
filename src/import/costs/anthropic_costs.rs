//! Anthropic's costs: pages of the Admin API (`cost_report`), and the console's cost CSV.
//!
//! <https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-cost-report>, read 2026-11-23. `amount` is a text
//! in **cents**: "123.45" in USD is 1.2345 dollars. A bucket is a UTC day. A field that was not grouped by is null. The
//! console's CSV has dollars in `cost_usd`, each row rounded to cents, and UTC days or hours. It names models by
//! display names, which usage does not have, so its rows name no model.

use crate::domain::timestamp::Timestamp;
use crate::import::costs::{CostFormat, Found, Group, Lines, amount};
use crate::import::record::reading::{Stated, instant, instant_utc};
use crate::import::record::{Record, Value};
use crate::text::problem::Problem;
use std::borrow::Cow;

/// Costs of an organisation.
pub const FORMAT: CostFormat = CostFormat {
    name: "anthropic-costs",
    stored: "anthropic-costs/1",
    summary: "Anthropic organisation costs: pages of cost_report (cents) and the console's cost CSV (rounded to cents)",
    example: r#"{"starting_at":"2026-10-01T00:00:00Z","ending_at":"2026-10-02T00:00:00Z","results":[{"currency":"USD","amount":"123.45","workspace_id":"wrkspc_1","description":"Claude Sonnet 4.5 Usage - Input Tokens","cost_type":"tokens","model":"claude-sonnet-4-5","token_type":"uncached_input_tokens","service_tier":"standard","context_window":"0-200k"}]}"#,
    recognises: |head| {
        let page = ["", "data."]
            .iter()
            .any(|page| head.has(&format!("{page}starting_at")) && head.has(&format!("{page}results.amount")));
        page || head.columns(&["usage_date_utc", "cost_usd"])
    },
    read,
};

/// The dimensions that a result may be grouped by.
const GROUPS: [&str; 9] = [
    "workspace_id",
    "description",
    "cost_type",
    "model",
    "service_tier",
    "token_type",
    "context_window",
    "inference_geo",
    "speed",
];

/// The columns that identify a row of the CSV.
const COLUMNS: [&str; 10] = [
    "model",
    "workspace",
    "api_key",
    "api_key_id",
    "usage_type",
    "context_window",
    "token_type",
    "cost_type",
    "inference_geo",
    "speed",
];

/// Reads one bucket, or one row.
pub fn read(record: &Record<'_>, _reading: &Stated, lines: &mut Lines) -> Result<(), Problem> {
    if record.is_table() {
        return row(record, lines);
    }
    let time = |name: &str| instant(record, name)?.ok_or_else(|| record.missing(name, "a time"));
    let span = (time("starting_at")?, time("ending_at")?);
    let results = record.list("results")?.ok_or_else(|| record.missing("results", "an array"))?;
    if results.is_empty() {
        lines.nothing();
    }
    for result in &results {
        if matches!(result.value("amount"), Some(Value::Json(raw)) if !raw.get().starts_with('"')) {
            let what = "is a number, and whether it counts cents is not known";
            return Err(result.wrong("amount", what, "a text in cents, as the cost report has"));
        }
        let cents = result.needed("amount")?;
        let (groups, item) = (groups(result, &GROUPS)?, result.text("description")?);
        lines.push(&Found {
            provider: "anthropic",
            span,
            groups: &groups,
            item: item.or(result.text("cost_type")?),
            model: result.text("model")?,
            currency: result.needed("currency")?,
            amount: amount(result, "amount", &cents, -2)?,
            rounded_to: None,
            quantity: None,
            unit: None,
        })?;
    }
    Ok(())
}

fn groups<'a>(record: &Record<'a>, names: &[&'static str]) -> Result<Vec<Group<'a>>, Problem> {
    names.iter().map(|name| Ok((*name, record.scalar(name)?))).collect()
}

fn row(record: &Record<'_>, lines: &mut Lines) -> Result<(), Problem> {
    let written = record.needed("usage_date_utc")?;
    let from =
        instant_utc(record, "usage_date_utc")?.ok_or_else(|| record.missing("usage_date_utc", "a day of UTC"))?;
    // A day has ten characters. A longer text includes the hour.
    let seconds = if written.len() == 10 { 86_400 } else { 3_600 };
    let until = from.plus_seconds(seconds).unwrap_or(Timestamp::LATEST);
    let dollars = record.needed("cost_usd")?;
    let mut item = String::new();
    for name in ["model", "token_type", "cost_type"] {
        if let Some(text) = record.text(name)? {
            item.push_str(if item.is_empty() { "" } else { ", " });
            item.push_str(&text);
        }
    }
    let groups = groups(record, &COLUMNS)?;
    lines.push(&Found {
        provider: "anthropic",
        span: (from, until),
        groups: &groups,
        item: Some(Cow::Owned(item)),
        model: None,
        currency: Cow::Borrowed("USD"),
        amount: amount(record, "cost_usd", &dollars, 0)?,
        rounded_to: Some(2),
        quantity: None,
        unit: None,
    })
}
