//! Azure API Management's log of language models, the table `ApiManagementGatewayLlmLog`, as JSON, JSONL or CSV.
//!
//! <https://learn.microsoft.com/azure/azure-monitor/reference/tables/apimanagementgatewayllmlog>, read 2026-11-23. The
//! id is `CorrelationId`, the time `TimeGenerated`. The table reports prompt tokens, completion tokens and their total.
//! It does not report cached tokens, so the whole prompt is `input`. Messages have rows of their own, without tokens.
//! Azure's request logs (`RequestResponse`) have no token counts, so the import rejects them.

use crate::domain::meter::Meter;
use crate::import::events::{Event, Events};
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::{Stated, instant_assumed};
use crate::text::problem::Problem;
use std::borrow::Cow;

/// The gateway's log.
pub const FORMAT: Format = Format {
    name: "azure-apim",
    stored: "azure-apim/1",
    untold: "how much of a prompt was cached (all of it counts as input), nor tiers and kinds of deployments",
    summary: "Azure API Management: ApiManagementGatewayLlmLog (JSON, JSONL or CSV)",
    example: r#"{"TimeGenerated":"2026-10-01T08:30:00Z","CorrelationId":"c1","OperationId":"chat","ApimSubscriptionId":"search","ModelName":"gpt-5.4","DeploymentName":"prod","PromptTokens":100,"CompletionTokens":20,"TotalTokens":120}"#,
    pages: &["value"],
    kept: Kept {
        ids: &["CorrelationId"],
        times: &["TimeGenerated"],
        usage: &["PromptTokens", "CompletionTokens", "TotalTokens"],
    },
    recognises: |head| {
        let names = ["CorrelationId", "PromptTokens", "CompletionTokens"];
        let azure = head.text("category") == "RequestResponse" || head.text("Category") == "RequestResponse";
        azure || head.columns(&names) || names.iter().all(|name| head.has(name) || head.has(&format!("value.{name}")))
    },
    how: How::Records(read),
    ..Format::PLAIN
};

/// Reads one row.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    if [record.text("category")?, record.text("Category")?].iter().flatten().any(|name| name == "RequestResponse") {
        let expected = "ApiManagementGatewayLlmLog, or the cost export of the subscription";
        return Err(Problem::line("a log of requests without token counts, which is not usage", expected));
    }
    let (prompt, completion) = (record.loose_count("PromptTokens")?, record.loose_count("CompletionTokens")?);
    let total = record.loose_count("TotalTokens")?;
    if prompt.unwrap_or(0) == 0 && completion.unwrap_or(0) == 0 {
        return match total.filter(|total| *total > 0) {
            None => Ok(()),
            Some(total) => {
                let what = format!("the total {total} is reported, but neither prompt nor completion");
                Err(record.wrong("TotalTokens", what, "PromptTokens and CompletionTokens"))
            }
        };
    }
    let time = instant_assumed(record, "TimeGenerated", reading)?;
    let at = time.ok_or_else(|| record.missing("TimeGenerated", "a time"))?;
    let mut event = Event::request(record.needed("CorrelationId")?, at, record.needed("ModelName")?);
    event.provider = Cow::Borrowed("azure");
    let tags = [
        ("deployment", "DeploymentName"),
        ("subscription", "ApimSubscriptionId"),
        ("api", "ApiId"),
        ("user", "UserId"),
        ("region", "Region"),
    ];
    for (key, name) in tags {
        event.tags.add(key, record.text(name)?);
    }
    event.meters.put(Meter::Input, prompt);
    event.meters.put(Meter::Output, completion);
    event.total = total;
    events.push(&event)
}
