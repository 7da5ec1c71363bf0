//! Compares what providers charge with what the ledger computes: by provider, or by model if both sides name it.
//!
//! The report never adds the two up. Currencies stay separate. If only one side has a value, the other is unknown.
//! `rounding` is how much of a difference the provider's own rounding can explain. There is no total, because sums over
//! providers hide what a reconciliation looks for.

use crate::domain::calendar::Calendar;
use crate::domain::money::Amount;
use crate::domain::name::NONE;
use crate::domain::period::Period;
use crate::domain::provider_cost::ProviderCost;
use crate::domain::ratio::Overflow;
use crate::report::by::{Choice, Dimension};
use crate::report::group::Totals;
use crate::report::{Detail, Inputs, MonthBefore, Payers, Reads, Report, ReportError, Screen};
use crate::sheet::{Cell, Column, Sheet};
use crate::text::problem::{excerpt, listed};
use std::collections::BTreeMap;

/// The detail of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grain {
    /// Providers.
    Provider,
    /// Models. Line items that name no model stay separate.
    Model,
}

impl Grain {
    /// The detail that dimensions request.
    fn of(by: &[Dimension]) -> Self {
        if by.contains(&Dimension::Model) { Self::Model } else { Self::Provider }
    }

    /// The dimensions of the computed side.
    const fn dimensions(self) -> &'static [Dimension] {
        match self {
            Self::Provider => &[Dimension::Provider],
            Self::Model => &[Dimension::Provider, Dimension::Model],
        }
    }
}

pub(super) const REPORT: Report = Report {
    name: "provider-cost",
    summary: "What providers charge, compared with the computed cost",
    by: Choice::Some { allowed: &[Dimension::Provider, Dimension::Model], default: &[Dimension::Provider] },
    detail: |by| Detail::Groups(Grain::of(by).dimensions().to_vec()),
    month_before: MonthBefore::Left,
    reads: Reads::ProviderCosts,
    payers: Payers::Ignored,
    sheet,
    screen: Screen::Never,
    month_files: &[],
};

/// Provider, model, line item, currency.
type Key = (String, String, String, &'static str);

/// The two sides of a row.
#[derive(Default)]
struct Sides {
    charged: Option<Amount>,
    rounding: Option<Amount>,
    computed: Option<Totals>,
}

/// Compares the costs that begin in the period with its usage.
fn sheet(inputs: &Inputs<'_>) -> Result<Sheet, ReportError> {
    let lacks = ReportError::Lacks { report: REPORT.name, needed: "what providers charge" };
    let (costs, grain) = (inputs.costs.ok_or(lacks)?, Grain::of(inputs.by));
    let currency = inputs.heading.currency.code();
    let mut rows: BTreeMap<Key, Sides> = BTreeMap::new();
    for cost in &costs.lines {
        let (model, item) = match (grain, &cost.model) {
            (Grain::Provider, _) => (String::new(), String::new()),
            (Grain::Model, Some(model)) => (model.to_string(), String::new()),
            (Grain::Model, None) => {
                (String::new(), cost.item.as_ref().map_or_else(|| NONE.to_owned(), ToString::to_string))
            }
        };
        let sides = rows.entry((cost.provider.to_string(), model, item, cost.currency.code())).or_default();
        let amount = cost.amount.amount().ok_or(Overflow)?;
        sides.charged = Some(sides.charged.unwrap_or(Amount::ZERO).plus(amount)?);
        sides.rounding = Some(sides.rounding.unwrap_or(Amount::ZERO).plus(cost.rounding())?);
    }
    for (names, totals) in inputs.rated.grouped(grain.dimensions(), inputs.names)?.into_owned().into_groups() {
        let mut names = names.into_iter();
        let (provider, model) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        rows.entry((provider, model, String::new(), currency)).or_default().computed = Some(totals);
    }
    let mut columns = vec![Column::text("provider")];
    if grain == Grain::Model {
        columns.extend(["model", "line_item"].map(Column::text));
    }
    columns.extend(["provider_cost", "computed", "difference", "rounding"].map(|name| Column::money(name, None)));
    columns.extend([Column::count("unpriced_events"), Column::text("currency")]);
    let mut heading = inputs.heading.clone();
    heading.caveats.extend(coverage(&costs.lines, inputs.period, inputs.calendar));
    heading.caveats.extend(costs.to_import_again.iter().map(|file| {
        format!(
            "the report {} has to be imported again, because some costs were duplicates of retracted ones",
            excerpt(file)
        )
    }));
    heading.caveats.extend(costs.beside.iter().map(|(provider, source)| {
        format!(
            "costs of {provider} (source {source}) were imported beside others of the same days that the later report does \
             not have: all count, so the same costs in another grouping count twice"
        )
    }));
    let rows = rows.into_iter().map(|(key, sides)| row(key, &sides, grain)).collect::<Result<_, _>>()?;
    Ok(Sheet { heading, columns, rows, total: None })
}

fn row((provider, model, item, currency): Key, sides: &Sides, grain: Grain) -> Result<Vec<Cell>, ReportError> {
    let Sides { charged, rounding, computed } = sides;
    let known = computed.as_ref().filter(|totals| !totals.is_unknown()).map(|totals| totals.amount);
    let exact = |amount: &Option<Amount>, why| amount.map_or(Cell::Unknown(why), Cell::Exact);
    let difference = match (charged, known) {
        (Some(charged), Some(computed)) => Some(charged.minus(computed)?),
        _ => None,
    };
    let why = if computed.is_some() { "unpriced" } else { "no usage" };
    let mut cells = vec![Cell::Text(provider)];
    if grain == Grain::Model {
        cells.extend([model, item].map(Cell::filled));
    }
    cells.extend([
        exact(charged, "no costs"),
        exact(&known, why),
        exact(&difference, "one side only"),
        exact(rounding, "no costs"),
        computed.as_ref().map_or(Cell::Unknown("no usage"), Totals::unpriced_cell),
        Cell::text(currency),
    ]);
    Ok(cells)
}

/// Which part of the period the costs of each provider cover.
fn coverage(costs: &[ProviderCost], period: Period, calendar: Calendar) -> Vec<String> {
    let mut by_provider: BTreeMap<&str, Vec<&ProviderCost>> = BTreeMap::new();
    for cost in costs {
        by_provider.entry(cost.provider.as_str()).or_default().push(cost);
    }
    let end = period.last().next().map(|next| calendar.start_of(next));
    let mut sentences = Vec::new();
    for (provider, costs) in by_provider {
        let is_covered = |at| costs.iter().any(|cost| cost.from <= at && at < cost.until);
        let touched = |day| costs.iter().any(|cost| calendar.day_of(cost.from) == day);
        let days = period.days().count();
        let with = period.days().filter(|day| touched(*day) || is_covered(calendar.start_of(*day))).count();
        if with < days {
            sentences
                .push(format!("{provider} reports costs for {with} of {} of the period", listed(days, "day", "days")));
        }
        let across = costs.iter().filter(|cost| end.is_some_and(|end| cost.until > end)).count();
        if across > 0 {
            sentences.push({
                let costs = listed(across, "cost extends", "costs extend");
                format!("{provider}: {costs} past the end of the period; all of it counts here")
            });
        }
    }
    sentences
}
