//! `DeepSeek`'s costs: `cost-*.csv` of its platform's export.
//!
//! No page documents it. The columns are as exports show them, read 2026-11-23. A row is what a wallet paid for a model
//! in a span of time. Times without an offset need `--assume-zone`.

use crate::import::costs::{CostFormat, Found, Lines, amount};
use crate::import::record::Record;
use crate::import::record::reading::{Stated, instant_assumed};
use crate::text::problem::Problem;

/// The cost export.
pub const FORMAT: CostFormat = CostFormat {
    name: "deepseek-costs",
    stored: "deepseek-costs/1",
    summary: "DeepSeek's cost export (cost-*.csv)",
    example: "user_id,start_time_iso,end_time_iso,model,wallet_type,cost,currency\nu1,2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,deepseek-chat,normal,0.000336,USD",
    recognises: |head| head.columns(&["start_time_iso", "end_time_iso", "wallet_type", "cost"]),
    read,
};

/// Reads one row.
pub fn read(record: &Record<'_>, reading: &Stated, lines: &mut Lines) -> Result<(), Problem> {
    let time = |name: &str| instant_assumed(record, name, reading)?.ok_or_else(|| record.missing(name, "a time"));
    let (cost, model, wallet) = (record.needed("cost")?, record.needed("model")?, record.text("wallet_type")?);
    let groups = [("user", record.text("user_id")?), ("model", Some(model.clone())), ("wallet", wallet.clone())];
    lines.push(&Found {
        provider: "deepseek",
        span: (time("start_time_iso")?, time("end_time_iso")?),
        groups: &groups,
        item: wallet,
        model: Some(model),
        currency: record.needed("currency")?,
        amount: amount(record, "cost", &cost, 0)?,
        rounded_to: None,
        quantity: None,
        unit: None,
    })
}
