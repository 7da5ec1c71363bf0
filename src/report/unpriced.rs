//! Usage without a price: by model, tier and meter, with the reason. The report is empty if everything has a price.
//!
//! For a model that no price names, it shows the nearest names with prices. A person can then add an alias if one of
//! them is right. tokenbook prices nothing by similarity.

use crate::domain::calendar::Day;
use crate::domain::meter::Meter;
use crate::domain::name::{NONE, Name};
use crate::price::Book;
use crate::rating::{Cost, Unpriced};
use crate::report::{Inputs, ReportError};
use crate::sheet::{Cell, Column, Sheet};
use crate::text::problem::listed;
use std::collections::{BTreeMap, BTreeSet};

type Key = (String, String, String, Meter, Unpriced);

struct Span {
    quantity: i128,
    first: Day,
    last: Day,
}

/// The unpriced usage of the inputs.
pub fn sheet(inputs: &Inputs<'_>) -> Result<Sheet, ReportError> {
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
            });
            span.quantity += i128::from(charge.quantity);
            span.first = span.first.min(key.day);
            span.last = span.last.max(key.day);
        }
    }
    let mut heading = inputs.heading.clone();
    let unserved =
        |(provider, model, _, _, why): &Key| provider == NONE && others(*why, inputs.book, provider, model).is_some();
    let models: BTreeSet<&str> =
        found.keys().filter(|key| unserved(key)).map(|(_, model, ..)| model.as_str()).collect();
    if !models.is_empty() {
        heading.caveats.push(format!(
            "{} used without a provider and have prices of providers only: say who served them at their \
             import (--provider), or list prices without a provider, which hold for any",
            listed(models.len(), "model was", "models were")
        ));
    }
    let rows = found.into_iter().map(|((provider, model, tier, meter, why), span)| {
        let nearest = inputs.book.map_or_else(Vec::new, |book| book.nearest(&model));
        let reason = reason(why, inputs.book, &provider, &model);
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
    ];
    Ok(Sheet { heading, columns, rows: rows.collect(), total: None })
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
