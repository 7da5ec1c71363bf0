//! The sheets of a replay.

use crate::books::BooksError;
use crate::books::controls::replaying::{Line, ReplayRequest, ReplaySheets, Replayed, Shared};
use crate::books::heading::heading_of;
use crate::control::decide::Reason;
use crate::control::replay::sums::Sum;
use crate::control::replay::{By, Decided, What};
use crate::domain::currency::Currency;
use crate::domain::money::Amount;
use crate::ledger::file::transaction::Snapshot;
use crate::sheet::{Cell, Column, Sheet};
use crate::text::problem::{counted, grouped};

/// The columns for a terminal, after the columns of the groups. `false`: only if the column has a number other than 0.
pub const SHORT: [(&str, bool); 13] = [
    ("events", true),
    ("allowed", true),
    ("rate_limited", true),
    ("over_budget", true),
    ("breaker", true),
    ("too_large", false),
    ("unpriced", false),
    ("unknown_department", false),
    ("downgraded", true),
    ("amount_recorded", true),
    ("amount_replayed", true),
    ("avoided_by_refusal", true),
    ("avoided_by_downgrade", false),
];

/// What every replay assumes.
const ASSUMED: [&str; 5] = [
    "a reservation is what was used",
    "a refused request is not asked again",
    "a downgraded request has the same tokens",
    "requests take no time, so a probe of a breaker settles at once",
    "usage before the period fills budgets of longer periods and nothing else",
];

pub(super) fn sheets(
    snapshot: &Snapshot<'_>,
    request: &ReplayRequest,
    replayed: &[Replayed],
    shared: Shared,
) -> Result<ReplaySheets, BooksError> {
    let mut sheets = ReplaySheets { policies: Vec::new(), timelines: Vec::new(), details: Vec::new() };
    for run in replayed {
        let heading =
            |report: &str| heading_of(snapshot, &format!("{report} under {}", run.policy), request.period.to_string());
        let mut summary = heading("replay")?;
        summary.caveats.extend(ASSUMED.map(|text| format!("assumed: {text}")));
        let part = if shared.several == 0 { "none".to_owned() } else { grouped(i128::from(shared.several)) };
        let of = grouped(i128::from(shared.events));
        summary
            .caveats
            .push(format!("assumed: a record of several requests is one request at its start ({part} of {of})"));
        let without: i64 = run.groups.iter().map(|(_, sum)| sum.without_price).fold(0, i64::saturating_add);
        if without > 0 {
            let requests = counted(without, "request has", "requests have");
            summary.caveats.push(format!("{requests} no price for a part of the usage; the amounts do not include it"));
        }
        let currency = summary.currency;
        let mut total = Sum::default();
        run.groups.iter().for_each(|(_, sum)| total.merge(sum));
        let names = request.by.iter().map(|_| Cell::Nothing).collect();
        sheets.policies.push((
            run.policy.clone(),
            Sheet {
                heading: summary,
                columns: columns(&request.by, currency),
                rows: run.groups.iter().map(|(values, sum)| row(values, sum)).collect(),
                total: Some(cells(names, &total)),
            },
        ));
        sheets.timelines.push(timeline(run, heading("timeline")?));
        sheets.details.push(detail(&run.detail, heading("decisions")?));
    }
    Ok(sheets)
}

fn columns(by: &[By], currency: Currency) -> Vec<Column> {
    let mut columns: Vec<Column> = by.iter().map(|by| Column::text(by.name())).collect();
    let counts = [
        "events",
        "allowed",
        "rate_limited",
        "over_budget",
        "breaker",
        "too_large",
        "unpriced",
        "unknown_department",
        "downgraded",
        "tokens",
        "tokens_refused",
    ];
    columns.extend(counts.map(Column::count));
    let amounts = ["amount_recorded", "amount_replayed", "avoided_by_refusal", "avoided_by_downgrade"];
    columns.extend(amounts.map(|name| Column::money(name, Some(currency))));
    columns.push(Column::instant("first_refused"));
    columns.push(Column::count("longest_refused_seconds"));
    columns
}

fn row(values: &[String], sum: &Sum) -> Vec<Cell> {
    cells(values.iter().map(|value| Cell::filled(value.clone())).collect(), sum)
}

fn cells(mut cells: Vec<Cell>, sum: &Sum) -> Vec<Cell> {
    let refused =
        |reasons: &[Reason]| reasons.iter().map(|reason| sum.refused_for(*reason)).fold(0, i64::saturating_add);
    let counts = [
        sum.events,
        sum.allowed,
        refused(&[Reason::Rate]),
        refused(&[Reason::Budget]),
        refused(&[Reason::BreakerOpen, Reason::BreakerProbing]),
        refused(&[Reason::RequestTooLarge]),
        refused(&[Reason::Unpriced]),
        refused(&[Reason::UnknownDepartment]),
        sum.downgraded,
    ];
    cells.extend(counts.map(|count| Cell::Count(count.into())));
    cells.extend([sum.tokens, sum.tokens_refused].map(Cell::Count));
    let amounts = [sum.recorded, sum.replayed, sum.avoided_by_refusal, sum.avoided_by_downgrade];
    cells.extend(amounts.map(|femtos| Cell::Exact(Amount::from_femtos(femtos))));
    cells.push(sum.first_refused.map_or(Cell::Nothing, Cell::Instant));
    let seconds = sum.longest_refused.div_euclid(1_000_000_000);
    cells.push(if sum.first_refused.is_some() { Cell::Count(seconds.into()) } else { Cell::Nothing });
    cells
}

fn timeline(run: &Replayed, heading: crate::sheet::Heading) -> Sheet {
    let row = |happened: &crate::control::replay::Happened| {
        let what = match happened.what {
            What::Reached(part) => format!("reached {part}"),
            What::Opened => "opened".to_owned(),
            What::Closed => "closed".to_owned(),
        };
        vec![
            Cell::Instant(happened.at),
            Cell::text(happened.limit.as_str()),
            Cell::filled(happened.value.clone()),
            Cell::text(what),
        ]
    };
    let columns = vec![Column::instant("at"), Column::text("limit"), Column::text("subject"), Column::text("what")];
    Sheet { heading, columns, rows: run.happened.iter().map(row).collect(), total: None }
}

fn detail(lines: &[Line], heading: crate::sheet::Heading) -> Sheet {
    let row = |line: &Line| {
        let (decision, reason, used) = match &line.decided {
            Decided::Allowed => ("allow", Cell::Nothing, Cell::text(line.model.clone())),
            Decided::Downgraded { to, .. } => ("downgrade", Cell::Nothing, Cell::text(to.to_string())),
            Decided::Refused(reason) => ("refuse", Cell::text(reason.name()), Cell::Nothing),
        };
        vec![
            Cell::Instant(line.at),
            Cell::text(line.source.clone()),
            Cell::text(line.id.clone()),
            Cell::some(line.department.clone()),
            Cell::text(line.model.clone()),
            Cell::Word(decision),
            reason,
            used,
        ]
    };
    let columns = vec![
        Column::instant("at"),
        Column::text("source"),
        Column::text("id"),
        Column::text("department"),
        Column::text("model"),
        Column::text("decision"),
        Column::text("reason"),
        Column::text("model_used"),
    ];
    Sheet { heading, columns, rows: lines.iter().map(row).collect(), total: None }
}

/// The sheets of several policies as one, with the policy in the first column.
pub fn together(sheets: Vec<(String, Sheet)>) -> Option<Sheet> {
    let mut all: Option<Sheet> = None;
    for (policy, Sheet { heading, columns, rows, .. }) in sheets {
        let named = |mut row: Vec<Cell>| {
            row.insert(0, Cell::text(policy.clone()));
            row
        };
        let rows = rows.into_iter().map(named);
        if let Some(all) = &mut all {
            all.rows.extend(rows);
        } else {
            let columns = std::iter::once(Column::text("policy")).chain(columns).collect();
            all = Some(Sheet { heading, columns, rows: rows.collect(), total: None });
        }
    }
    all
}
