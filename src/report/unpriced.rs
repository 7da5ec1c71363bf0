//! Usage without a price: by model, tier and meter, with the reason. The report is empty if everything has a price.
//!
//! For a model that no price names, it shows the nearest names with prices. A person can then add an alias if one of
//! them is right. tokenbook prices nothing by similarity.

use crate::domain::calendar::Day;
use crate::domain::meter::Meter;
use crate::domain::money::Amount;
use crate::domain::name::{NONE, Name};
use crate::domain::usage::UsageKey;
use crate::price::Book;
use crate::rating::{Charge, Cost, Unpriced};
use crate::report::by::Choice;
use crate::report::{Detail, Inputs, MonthBefore, MonthFile, Payers, Reads, Report, ReportError, Screen};
use crate::sheet::{Cell, Column, Sheet};
use crate::text::problem::listed;
use std::collections::{BTreeMap, BTreeSet};

type Key = (String, String, String, Meter, Unpriced);

struct Span {
    quantity: i128,
    first: Day,
    last: Day,
    /// The least and the most that it costs, where only the size of prompts is not known.
    within: Option<(Amount, Amount)>,
}

pub(crate) const REPORT: Report = Report {
    name: "unpriced",
    summary: "Usage without a price",
    by: Choice::Nothing,
    detail: |_| Detail::Unpriced,
    month_before: MonthBefore::Left,
    reads: Reads::Nothing,
    payers: Payers::Matter,
    sheet,
    screen: Screen::IfRows,
    month_files: &[MonthFile { name: "unpriced.csv", by: &[], departments: None }],
};

/// The unpriced usage of the inputs.
fn sheet(inputs: &Inputs<'_>) -> Result<Sheet, ReportError> {
    let found = found(inputs)?;
    let mut heading = inputs.heading.clone();
    let currency = heading.currency;
    let book = inputs.books.get(inputs.book);
    heading.caveats.extend(advice(found.keys(), book));
    let rows = found.into_iter().map(|((provider, model, tier, meter, why), span)| {
        let nearest = book.map_or_else(Vec::new, |book| book.nearest(&model));
        let bound = |bound: fn((Amount, Amount)) -> Amount| {
            span.within.map_or(Cell::Unknown(NOT_BOUNDED), |within| Cell::Exact(bound(within)))
        };
        let (at_least, at_most) = (bound(|within| within.0), bound(|within| within.1));
        let reason = reason(why, book, &provider, &model);
        vec![
            Cell::Text(provider),
            Cell::Text(model),
            Cell::Text(tier),
            Cell::text(meter.name()),
            Cell::Count(span.quantity),
            Cell::text(meter.unit().name()),
            Cell::Day(span.first),
            Cell::Day(span.last),
            Cell::Text(reason),
            Cell::filled(nearest.join("; ")),
            at_least,
            at_most,
        ]
    });
    let columns = vec![
        Column::text("provider"),
        Column::text("model"),
        Column::text("service_tier"),
        Column::text("meter"),
        Column::quantity("quantity", None),
        Column::text("unit"),
        Column::day("first_day"),
        Column::day("last_day"),
        Column::text("reason"),
        Column::text("nearest_names"),
        Column::money("at_least", Some(currency)),
        Column::money("at_most", Some(currency)),
    ];
    Ok(Sheet { heading, columns, rows: rows.collect(), total: None })
}

/// The unpriced usage by what its rows are about.
fn found(inputs: &Inputs<'_>) -> Result<BTreeMap<Key, Span>, ReportError> {
    let mut found: BTreeMap<Key, Span> = BTreeMap::new();
    for line in inputs.rated.unpriced()? {
        let key = &line.usage.key;
        for charge in &line.charges {
            let Cost::Unpriced(why) = charge.cost else { continue };
            let model = inputs.names.models.get(&key.model);
            let provider =
                model.and_then(|model| model.provider.as_ref()).map_or_else(|| NONE.to_owned(), ToString::to_string);
            let name = model.map_or_else(|| NONE.to_owned(), |model| model.name.to_string());
            let tier = inputs.names.tiers.get(&key.tier).map_or_else(|| NONE.to_owned(), ToString::to_string);
            let span = found.entry((provider, name, tier, charge.meter, why)).or_insert(Span {
                quantity: 0,
                first: key.day,
                last: key.day,
                within: Some((Amount::ZERO, Amount::ZERO)),
            });
            span.within = match (span.within, within(inputs, key, charge)) {
                (Some((least, most)), Some((more, at_most))) => Some((least.plus(more)?, most.plus(at_most)?)),
                _ => None,
            };
            // Lines in memory are too few to fill 128 bits.
            span.quantity = span.quantity.saturating_add(charge.quantity.into());
            span.first = span.first.min(key.day);
            span.last = span.last.max(key.day);
        }
    }
    Ok(found)
}

/// Why a cost has no bounds.
const NOT_BOUNDED: &str = "some size of prompt has no price";

/// The least and the most that a charge may be, where the size of prompts decides it and is not known.
fn within(inputs: &Inputs<'_>, key: &UsageKey, charge: &Charge) -> Option<(Amount, Amount)> {
    if charge.cost != Cost::Unpriced(Unpriced::PromptUnknown) {
        return None;
    }
    let (model, tier) = (inputs.names.models.get(&key.model)?, inputs.names.tiers.get(&key.tier)?);
    let currency = inputs.heading.currency;
    let rates = inputs.books.get(inputs.book)?.rates_of_any_prompt(model, tier, charge.meter, key.priced_at, currency);
    rates.map(|(lowest, highest)| (lowest.price_of(charge.quantity), highest.price_of(charge.quantity)))
}

/// What to do about usage whose price is near: it names no provider, or its model has a date in the name.
fn advice<'k>(keys: impl Iterator<Item = &'k Key>, book: Option<&Book>) -> Vec<String> {
    let (mut unserved, mut dated) = (BTreeSet::new(), BTreeSet::new());
    for (provider, model, _, _, why) in keys.filter(|key| key.4 == Unpriced::NoPrice) {
        if provider == NONE && others(*why, book, provider, model).is_some() {
            unserved.insert(model);
        }
        if book.is_some_and(|book| book.undated(model).is_some()) {
            dated.insert(model);
        }
    }
    let unserved = (!unserved.is_empty()).then(|| {
        format!(
            "{} used without a provider, and only certain providers have prices: name the provider at the import \
             (--provider), or list prices without a provider, which apply to any",
            listed(unserved.len(), "model was", "models were")
        )
    });
    let dated = (!dated.is_empty()).then(|| {
        format!(
            "{} only under the name without the date: map the names with `tokenbook aliases import --shipped`, or with \
             aliases of your own",
            listed(dated.len(), "model has a price", "models have prices")
        )
    });
    unserved.into_iter().chain(dated).collect()
}

/// Why there is no price. If only other providers have prices, it names them.
fn reason(why: Unpriced, book: Option<&Book>, provider: &str, model: &str) -> String {
    match others(why, book, provider, model) {
        Some(others) => format!("{}, only of the provider {}", why.reason(), others.join(", ")),
        None => why.reason().to_owned(),
    }
}

/// The providers with prices of a model, if none applies to a provider's usage.
fn others<'a>(why: Unpriced, book: Option<&'a Book>, provider: &str, model: &str) -> Option<Vec<&'a str>> {
    let providers = book.filter(|_| why == Unpriced::NoPrice)?.providers_of(model);
    let others: Vec<&str> = providers.iter().map(|other| other.map(Name::as_str)).collect::<Option<_>>()?;
    (!others.is_empty() && !others.contains(&provider)).then_some(others)
}
