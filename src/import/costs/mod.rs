//! Cost reports as providers export them. The import reads a file whole or not at all, and keeps costs apart from
//! usage.
//!
//! [`COST_FORMATS`] is the registry. A format is a file with a `FORMAT` and a function from a record to cost lines.
//! Costs have no ids: the key of a line is its span and its grouping.

pub mod anthropic_costs;
pub mod deepseek_costs;
pub mod openai_costs;

use crate::domain::currency::Currency;
use crate::domain::name::Name;
use crate::domain::provider_cost::{ProviderCost, Written};
use crate::domain::secret::looks_secret;
use crate::domain::timestamp::Timestamp;
use crate::import::events::natural_key;
use crate::import::format::Format;
use crate::import::formats;
use crate::import::own::csv::{self, explain};
use crate::import::record::Record;
use crate::import::record::head::FileHead;
use crate::import::record::reading::Stated;
use crate::text::csv_line;
use crate::text::problem::Problem;
use crate::text::table::delimiter;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How to read cost reports of one format.
#[derive(Debug)]
pub struct CostFormat {
    /// The name for `--format`.
    pub name: &'static str,
    /// The stored name: the name with a version of how its fields are interpreted.
    pub stored: &'static str,
    /// One line for the list of formats.
    pub summary: &'static str,
    /// An example record, or a header and a record.
    pub example: &'static str,
    /// Whether a file with this beginning has the format.
    pub recognises: fn(&FileHead) -> bool,
    /// Reads a record: a bucket of JSON, or a row.
    pub read: fn(&Record<'_>, &Stated, &mut Lines) -> Result<(), Problem>,
}

/// All formats, in the order in which they are tried.
pub const COST_FORMATS: &[CostFormat] = &[openai_costs::FORMAT, anthropic_costs::FORMAT, deepseek_costs::FORMAT];

/// The format with a name.
pub fn named(name: &str) -> Option<&'static CostFormat> {
    COST_FORMATS.iter().find(|format| format.name == name)
}

/// The most bytes of a cost report, unpacked.
pub const COST_FILE_LIMIT: u64 = 256 << 20;

/// A cost report that has been read.
#[derive(Debug)]
pub struct CostReport {
    /// Its format.
    pub format: &'static CostFormat,
    /// Its lines.
    pub costs: Vec<ProviderCost>,
    /// Records without a cost: buckets with no charge.
    pub empty: u64,
}

/// Reads a whole report. `latest` is the latest instant at which a span may begin.
pub fn read(
    text: &str,
    format: Option<&'static CostFormat>,
    reading: &Stated,
    latest: Timestamp,
) -> Result<CostReport, Vec<Problem>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let head = FileHead::of(text);
    if text.trim().is_empty() {
        return Err(vec![Problem::line("the file is empty", expected())]);
    }
    let told = || COST_FORMATS.iter().find(|format| (format.recognises)(&head));
    let format = format.or_else(told).ok_or_else(|| vec![unknown(&head)])?;
    let mut lines = Lines { line: 0, latest, costs: Vec::new(), empty: 0 };
    let mut problems = Vec::new();
    if head.is_json() {
        for (line, document) in documents(text) {
            lines.line = line;
            problems.extend(json(document, format, reading, &mut lines).err().map(|problem| problem.at(line)));
        }
    } else {
        table(text, format, reading, &mut lines, &mut problems);
    }
    problems.extend(repeated(&lines.costs));
    if problems.is_empty() && lines.costs.is_empty() && lines.empty == 0 {
        problems.push(Problem::line("the file contains no costs", "at least one"));
    }
    if problems.is_empty() { Ok(CostReport { format, costs: lines.costs, empty: lines.empty }) } else { Err(problems) }
}

fn expected() -> String {
    let names: Vec<&str> = COST_FORMATS.iter().map(|format| format.name).collect();
    format!("a cost report: {}", names.join(", "))
}

/// Describes a file that is not a cost report.
fn unknown(head: &FileHead) -> Problem {
    // Any CSV may be tokenbook's own until it has been read.
    let own = |format: &Format| format.name != csv::FORMAT.name || head.columns(&["event_id", "timestamp"]);
    let what = match formats::recognised(head).filter(|format| own(format) && (format.recognises)(head)) {
        Some(usage) => format!("is usage in the format {} for `tokenbook import`", usage.name),
        None => "is not a cost report that tokenbook knows".to_owned(),
    };
    Problem::line(what, expected())
}

/// The records of a text: one on each line, or the text as a whole.
fn documents(text: &str) -> Vec<(u64, &str)> {
    if serde_json::from_str::<&RawValue>(text).is_ok() {
        let before = text.len() - text.trim_start().len();
        let line = 1 + text.as_bytes().iter().take(before).filter(|byte| **byte == b'\n').count();
        return vec![(u64::try_from(line).unwrap_or(u64::MAX), text.trim())];
    }
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).collect()
}

fn json(text: &str, format: &CostFormat, reading: &Stated, lines: &mut Lines) -> Result<(), Problem> {
    if text.starts_with('[') {
        let values: Vec<&RawValue> = serde_json::from_str(text)
            .map_err(|_| Problem::line("is not JSON", "a page, an array, or one bucket on each line"))?;
        return values.into_iter().try_for_each(|value| json(value.get(), format, reading, lines));
    }
    let record = Record::of_json(text)?;
    match record.list("data")? {
        Some(buckets) => buckets.iter().try_for_each(|bucket| (format.read)(bucket, reading, lines)),
        None => (format.read)(&record, reading, lines),
    }
}

fn table(text: &str, format: &CostFormat, reading: &Stated, lines: &mut Lines, problems: &mut Vec<Problem>) {
    let mut rows = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let Some((number, header)) = rows.next() else { return };
    let columns = match columns(header) {
        Ok(columns) => columns,
        Err(problem) => return problems.push(problem.at(number)),
    };
    for (line, row) in rows {
        lines.line = line;
        let read = cells(row, &columns).and_then(|record| (format.read)(&record, reading, lines));
        problems.extend(read.err().map(|problem| problem.at(line)));
    }
    // The end of the text may be a cut number.
    if !text.ends_with(['\n', '"']) {
        let what = "the last line has no line end and may be incomplete";
        problems.push(Problem::line(what, "a line end").at(lines.line));
    }
}

fn columns(header: &str) -> Result<Vec<String>, Problem> {
    let mut names = Vec::new();
    csv_line::split(header, &mut names).map_err(|error| Problem::line(error.to_string(), "a header of field names"))?;
    delimiter(header, &names)?;
    let columns: Vec<String> = names.into_iter().map(Cow::into_owned).collect();
    let twice = (1..columns.len()).find(|at| columns[..*at].contains(&columns[*at]));
    match twice {
        Some(at) => Err(Problem::field(&columns[at], "stands twice in the header", "each field once")),
        None => Ok(columns),
    }
}

fn cells<'a>(row: &'a str, columns: &'a [String]) -> Result<Record<'a>, Problem> {
    let mut cells = Vec::with_capacity(columns.len());
    csv_line::split(row, &mut cells).map_err(explain)?;
    if cells.len() != columns.len() {
        let expected = format!("{}, as the header has", columns.len());
        return Err(Problem::line(format!("{} fields", cells.len()), expected));
    }
    Ok(Record::of_cells(columns, cells))
}

/// Lines that share their key with another line. The report does not distinguish them, so one would replace the other.
fn repeated(costs: &[ProviderCost]) -> Vec<Problem> {
    let mut first: BTreeMap<&str, u64> = BTreeMap::new();
    let mut problems = Vec::new();
    for cost in costs {
        if let Some(line) = first.get(cost.key.as_str()) {
            let what = format!("is for the same span and the same groups as one of line {line}: {}", cost.key);
            problems.push(Problem::line(what, "a report in which each cost has a group of its own").at(cost.line));
        }
        first.entry(&cost.key).or_insert(cost.line);
    }
    problems
}

/// Collects the cost lines of one record after another.
#[derive(Debug)]
pub struct Lines {
    line: u64,
    latest: Timestamp,
    costs: Vec<ProviderCost>,
    empty: u64,
}

/// A dimension that a cost is grouped by, with its value.
pub type Group<'a> = (&'a str, Option<Cow<'a, str>>);

/// A cost line as a format found it.
#[derive(Debug)]
pub struct Found<'a> {
    /// The provider that charges.
    pub provider: &'static str,
    /// The span.
    pub span: (Timestamp, Timestamp),
    /// Everything that it is grouped by.
    pub groups: &'a [Group<'a>],
    /// The item that is charged.
    pub item: Option<Cow<'a, str>>,
    /// The model, if the report names it as usage does.
    pub model: Option<Cow<'a, str>>,
    /// The currency's code, in any case.
    pub currency: Cow<'a, str>,
    /// The amount.
    pub amount: Written,
    /// The decimals to which the provider rounded it.
    pub rounded_to: Option<u8>,
    /// How much was used, if the report says so.
    pub quantity: Option<Written>,
    /// What the quantity counts.
    pub unit: Option<Cow<'a, str>>,
}

impl Lines {
    /// Counts a bucket or row without a cost.
    pub const fn nothing(&mut self) {
        self.empty += 1;
    }

    /// Checks a line and stores it.
    pub fn push(&mut self, found: &Found<'_>) -> Result<(), Problem> {
        let Found { provider, span: (from, until), groups, item, model, currency, amount, rounded_to, quantity, unit } =
            found;
        if until <= from {
            return Err(Problem::line(format!("the span ends at {until}, before it begins at {from}"), "a span"));
        }
        if *from > self.latest {
            return Err(Problem::line(format!("the span begins at {from}, in the future"), "costs of the past"));
        }
        let code = currency.to_ascii_uppercase();
        let currency = Currency::parse(&code).map_err(|error| Problem::value("currency", &code, error, "USD"))?;
        if amount.amount().is_none() {
            return Err(Problem::value("amount", &amount.to_string(), "is implausibly large", "an amount"));
        }
        let text = |field: &str, text: &Option<Cow<'_, str>>| {
            let text = text.as_deref().filter(|text| !text.is_empty());
            let wrong = |text: &str, error| Problem::value(field, text, error, "a name of up to 256 bytes");
            text.map(|text| Name::new(text).map_err(|error| wrong(text, error))).transpose()
        };
        let (item, model) = (text("line item", item)?, text("model", model)?);
        let unit = if quantity.is_some() { text("quantity_unit", unit)? } else { None };
        let provider = Name::new(provider).map_err(|error| Problem::line(error.to_string(), "a provider"))?;
        let spelled = [("from", from.to_string()), ("to", until.to_string()), ("currency", code)];
        let mut parts: Vec<(&str, Option<&str>)> =
            spelled.iter().map(|(name, text)| (*name, Some(text.as_str()))).collect();
        let groups: Vec<(&str, Option<Cow<'_, str>>)> =
            groups.iter().map(|(name, text)| (*name, text.clone().map(unsecret))).collect();
        parts.extend(groups.iter().map(|(name, text)| (*name, text.as_deref().filter(|text| !text.is_empty()))));
        let key = natural_key(&format!("{provider}-cost"), &parts);
        let (line, from, until) = (self.line, *from, *until);
        let (amount, rounded_to, quantity) = (*amount, *rounded_to, *quantity);
        self.costs.push(ProviderCost {
            line,
            key,
            provider,
            item,
            model,
            from,
            until,
            currency,
            amount,
            rounded_to,
            quantity,
            unit,
        });
        Ok(())
    }
}

/// Replaces a secret by its digest, which distinguishes it from other secrets.
fn unsecret(text: Cow<'_, str>) -> Cow<'_, str> {
    if looks_secret(&text) { Cow::Owned(blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()) } else { text }
}

/// The amount of a field, in units of `10^power`.
pub fn amount(record: &Record<'_>, name: &str, text: &str, power: i32) -> Result<Written, Problem> {
    Written::parse(text, power).map_err(|error| Problem::value(&record.path_of(name), text, error, "a decimal number"))
}
