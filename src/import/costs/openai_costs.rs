//! OpenAI's costs: pages of `/v1/organization/costs`, and the cost export of the dashboard (CSV).
//!
//! <https://platform.openai.com/docs/api-reference/usage/costs> (`OpenAPI` 2.3.0), read 2026-11-23. A result is what
//! one line item cost in a bucket of one UTC day. `amount.value` is a number in the currency's units. The export's
//! `amount_value` has thirty decimals. A field that was not grouped by is null. A line item such as
//! `gpt-5-nano, input_tokens` names the model before its last comma. For days without costs, an export has rows of
//! empty cells.

use crate::import::costs::{CostFormat, Found, Lines, amount};
use crate::import::record::Record;
use crate::import::record::reading::{Stated, epoch};
use crate::text::problem::Problem;
use std::borrow::Cow;

/// Costs of an organisation.
pub const FORMAT: CostFormat = CostFormat {
    name: "openai-costs",
    stored: "openai-costs/1",
    summary: "OpenAI organisation costs: API pages and the dashboard's cost export",
    example: r#"{"object":"bucket","start_time":1790812800,"end_time":1790899200,"results":[{"object":"organization.costs.result","amount":{"value":0.06,"currency":"usd"},"line_item":"gpt-5-nano, input_tokens","project_id":"proj_1"}]}"#,
    recognises: |head| {
        let page = ["", "data."].iter().any(|page| {
            head.text(&format!("{page}results.object")) == "organization.costs.result"
                || head.has(&format!("{page}results.amount.value"))
        });
        page || head.columns(&["start_time", "end_time", "amount_value"])
    },
    read,
};

/// The dimensions that a cost may be grouped by.
const GROUPS: [&str; 6] = ["organization_id", "project_id", "user_id", "api_key_id", "line_item", "api_source"];

/// Reads one bucket, or one row.
pub fn read(record: &Record<'_>, _reading: &Stated, lines: &mut Lines) -> Result<(), Problem> {
    let time = |name: &str| epoch(record, name)?.ok_or_else(|| record.missing(name, "seconds since 1970"));
    let span = (time("start_time")?, time("end_time")?);
    if record.is_table() {
        let Some(value) = record.scalar("amount_value")? else {
            if record.has("line_item") {
                return Err(record.missing("amount_value", "a decimal number"));
            }
            lines.nothing();
            return Ok(());
        };
        return line(record, span, &value, record.needed("amount_currency")?, lines);
    }
    let results = record.list("results")?.ok_or_else(|| record.missing("results", "an array"))?;
    if results.is_empty() {
        lines.nothing();
    }
    for result in &results {
        let object = result.text("object")?.unwrap_or_default();
        if !object.is_empty() && object != "organization.costs.result" {
            return Err(result.wrong("object", format!("{object} is not a cost"), "organization.costs.result"));
        }
        let Some(cost) = result.object("amount")? else {
            return Err(result.missing("amount", "an object with value and currency"));
        };
        let value = cost.scalar("value")?.ok_or_else(|| cost.missing("value", "a decimal number"))?;
        line(result, span, &value, cost.needed("currency")?, lines)?;
    }
    Ok(())
}

fn line<'a>(
    record: &'a Record<'a>,
    span: (crate::domain::timestamp::Timestamp, crate::domain::timestamp::Timestamp),
    value: &str,
    currency: Cow<'a, str>,
    lines: &mut Lines,
) -> Result<(), Problem> {
    let mut groups = Vec::new();
    for name in GROUPS {
        groups.push((name, record.scalar(name)?));
    }
    let item = record.text("line_item")?;
    let model = item.as_deref().and_then(|item| item.rsplit_once(", ")).map(|(model, _)| Cow::Borrowed(model));
    lines.push(&Found {
        provider: "openai",
        span,
        groups: &groups,
        item: item.clone(),
        model,
        currency,
        amount: amount(record, if record.is_table() { "amount_value" } else { "amount.value" }, value, 0)?,
        rounded_to: None,
        quantity: record
            .scalar("quantity")?
            .filter(|text| !text.is_empty())
            .map(|text| amount(record, "quantity", &text, 0))
            .transpose()?,
        unit: record.text("quantity_unit")?,
    })
}
