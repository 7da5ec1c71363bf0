//! What a period would have cost if its requests had gone to other models.

use crate::aggregate::Events;
use crate::books::controls::gateway;
use crate::books::controls::replaying::requests_of_day;
use crate::books::heading::heading_of;
use crate::books::watching::watched;
use crate::books::{Books, BooksError, Observer};
use crate::control::ask::{Cost, Load, Tariff};
use crate::control::policy::read_routes;
use crate::control::replay::Request;
use crate::control::replay::sums::divided;
use crate::control::routes::{Cache, RouteRule, Routes};
use crate::control::scope::Usage;
use crate::domain::event::{Model, ServiceTier};
use crate::domain::money::Amount;
use crate::domain::period::{Month, Period};
use crate::domain::ratio::half_even;
use crate::domain::tags::TagSet;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::file::watch::Stage;
use crate::sheet::{Cell, Column, Sheet};
use crate::text::problem::{Problem, counted};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// What to route.
#[derive(Debug, Clone)]
pub struct RoutingRequest {
    /// The rules.
    pub routes: Routes,
    /// The period.
    pub period: Period,
    /// What the sums are grouped by.
    pub by: Vec<RoutingBy>,
    /// Whether to list each request.
    pub detail: bool,
}

/// What routed requests are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoutingBy {
    /// The rule that decided.
    Rule,
    /// Who pays.
    Department,
}

impl RoutingBy {
    /// All.
    pub const ALL: [Self; 2] = [Self::Rule, Self::Department];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Department => "department",
        }
    }
}

/// The rule of requests that no rule matches.
const NO_RULE: &str = "(no rule)";

#[derive(Default)]
struct Sum {
    events: i64,
    recorded: i128,
    routed: i128,
    without_price: i64,
}

impl Sum {
    fn add(&mut self, events: i64, recorded: i128, routed: i128, has_price: bool) {
        self.events = self.events.saturating_add(events);
        self.recorded = self.recorded.saturating_add(recorded);
        self.routed = self.routed.saturating_add(routed);
        if !has_price {
            self.without_price = self.without_price.saturating_add(1);
        }
    }
}

impl Books {
    /// Reads a file of routes.
    pub fn read_routes(file: &str, bytes: &[u8]) -> Result<Routes, BooksError> {
        let wrong = |problems| BooksError::Lines { file: file.to_owned(), problems };
        let text = std::str::from_utf8(bytes).map_err(|_| wrong(vec![Problem::line("is not UTF-8", "UTF-8")]))?;
        read_routes::routes(text).map_err(wrong)
    }

    /// What the requests of a period would have cost under some routes: by group, and each request if asked for.
    pub fn routing(
        &self,
        request: &RoutingRequest,
        observer: &dyn Observer,
    ) -> Result<(Sheet, Option<Sheet>), BooksError> {
        watched(observer, |watch| {
            let snapshot = self.snapshot_for_all()?.watched(watch)?;
            let ground = gateway::ground(&snapshot, self.settings())?;
            let names = snapshot.dictionary()?;
            let mut routing =
                Routing { request, ground: &ground, free: BTreeMap::new(), sums: BTreeMap::new(), detail: Vec::new() };
            let events = Events::of(&snapshot, request.period)?;
            snapshot.watch().begin(Stage::Events, snapshot.events_within(request.period));
            let readers = snapshot.readers();
            let days: Vec<_> = request.period.days().collect();
            for days in days.chunks(rayon::current_num_threads().max(1)) {
                let day = |day: &_| requests_of_day(&readers, &events, *day, &names);
                let read: Vec<_> = days.par_iter().map(day).collect::<Result<_, BooksError>>()?;
                for one in read.iter().flat_map(|(requests, _)| requests) {
                    let Ok(class) = events.classes.get(one.class) else { continue };
                    let (Some(model), Some(tier)) = (names.models.get(&class.model), names.tiers.get(&class.tier))
                    else {
                        continue;
                    };
                    let nobody = TagSet::new();
                    let tags = names.tags(class.tag_set).unwrap_or(&nobody);
                    let source = names.sources.get(&class.source).map_or("", String::as_str);
                    routing.take(one, &Of { tags, model, tier, source, currency: self.settings().currency });
                }
            }
            routing.sheets(&snapshot)
        })
    }
}

/// What a request has, by name.
struct Of<'a> {
    tags: &'a TagSet,
    model: &'a Model,
    tier: &'a ServiceTier,
    source: &'a str,
    currency: crate::domain::currency::Currency,
}

struct Routing<'a> {
    request: &'a RoutingRequest,
    ground: &'a gateway::Ground,
    /// What is left of free credits, by rule and month.
    free: BTreeMap<(usize, Month), i128>,
    sums: BTreeMap<Vec<String>, Sum>,
    detail: Vec<Vec<Cell>>,
}

impl Routing<'_> {
    fn take(&mut self, request: &Request, of: &Of<'_>) {
        let Of { tags, model, tier, source, currency } = *of;
        let gateway::Ground { book, rules, .. } = self.ground;
        let own = Tariff::of_band(book, model, tier, request.band, request.at, currency);
        let recorded = Load::recorded(&request.quantities).cost(&own);
        let prompt = request.quantities.prompt_size().unwrap_or(i64::MAX);
        let usage = Usage { tags, model };
        let month = request.day.month();
        let mut chosen = None;
        for (place, rule) in self.request.routes.rules.iter().enumerate() {
            if !rule.matches(usage, prompt) {
                continue;
            }
            let routed = self.routed(rule, request, of, recorded);
            let Some(free) = rule.free else {
                chosen = Some((rule, routed));
                break;
            };
            // A request that the rest of the credits does not cover goes to the next rule.
            let left = self.free.entry((place, month)).or_insert(free);
            if routed.is_whole && routed.femtos <= *left {
                *left = left.saturating_sub(routed.femtos);
                chosen = Some((rule, Cost { femtos: 0, is_whole: true }));
                break;
            }
        }
        let (name, routed, to) = match &chosen {
            Some((rule, routed)) => (rule.name.as_str(), *routed, rule.model.as_str()),
            None => (NO_RULE, recorded, model.name.as_str()),
        };
        let has_price = recorded.is_whole && routed.is_whole;
        let shares = rules
            .shares(request.day, crate::attribute::matching::Usage { tags, model: Some(model), source: Some(source) });
        let parts = divided(recorded.femtos, &shares).into_iter().zip(divided(routed.femtos, &shares));
        for (place, (share, (recorded, routed))) in shares.iter().zip(parts).enumerate() {
            let payer = tags.paid_by(&share.payer);
            let group = |by: &RoutingBy| match by {
                RoutingBy::Rule => name.to_owned(),
                RoutingBy::Department => payer.get("department").unwrap_or_default().to_owned(),
            };
            let values = self.request.by.iter().map(group).collect();
            // A shared request is counted where its first payer is.
            self.sums.entry(values).or_default().add(i64::from(place == 0), recorded, routed, has_price);
        }
        if self.request.detail {
            let amount = |cost: Cost| {
                if cost.is_whole { Cell::Exact(Amount::from_femtos(cost.femtos)) } else { Cell::Unknown("unpriced") }
            };
            self.detail.push(vec![
                Cell::Instant(request.at),
                Cell::text(source),
                Cell::text(request.id.clone()),
                Cell::text(name),
                Cell::text(model.name.as_str()),
                Cell::text(to),
                amount(recorded),
                amount(routed),
            ]);
        }
    }

    /// What a request costs with the model of a rule. One that stays with its model keeps its amount.
    fn routed(&self, rule: &RouteRule, request: &Request, of: &Of<'_>, recorded: Cost) -> Cost {
        if rule.model == of.model.name {
            return recorded;
        }
        let book = &self.ground.book;
        let model = book.model_named(&rule.model);
        let tariff = Tariff::of(book, &model, of.tier, request.at, of.currency);
        let used = rule.used(&request.quantities, self.request.routes.cache);
        Load::recorded(&used).cost(&tariff)
    }

    fn sheets(self, snapshot: &Snapshot<'_>) -> Result<(Sheet, Option<Sheet>), BooksError> {
        let Self { request, sums, detail, .. } = self;
        let period = request.period.to_string();
        let mut heading = heading_of(snapshot, "routing", period.clone())?;
        let cache = match request.routes.cache {
            Cache::Cold => "assumed: nothing is cached at another model, so tokens read from the cache are input there",
            Cache::AsRecorded => "assumed: as much is cached at another model as was recorded",
        };
        heading.caveats.extend(["assumed: another model gives the same answer".to_owned(), cache.to_owned()]);
        let without = sums.values().map(|sum| sum.without_price).fold(0, i64::saturating_add);
        if without > 0 {
            let requests = counted(without, "request has", "requests have");
            heading
                .caveats
                .push(format!("{requests} no price for a part of the usage, so what they would save is unknown"));
        }
        let currency = heading.currency;
        let mut columns: Vec<Column> = request.by.iter().map(|by| Column::text(by.name())).collect();
        columns.push(Column::count("events"));
        columns.extend(["amount_recorded", "amount_routed", "saved"].map(|name| Column::money(name, Some(currency))));
        columns.push(Column::percent("saved_percent"));
        columns.push(Column::count("without_price"));
        let mut total = Sum::default();
        let mut rows = Vec::new();
        // The rules in their order, then the rest.
        let order = |values: &Vec<String>| {
            let rules = &request.routes.rules;
            let place =
                |value: &String| rules.iter().position(|rule| rule.name.as_str() == value).unwrap_or(usize::MAX);
            request
                .by
                .iter()
                .zip(values)
                .map(|(by, value)| (if *by == RoutingBy::Rule { place(value) } else { 0 }, value.clone()))
                .collect::<Vec<_>>()
        };
        let mut groups: Vec<(Vec<String>, Sum)> = sums.into_iter().collect();
        groups.sort_by_key(|(values, _)| order(values));
        for (values, sum) in groups {
            let named = values.into_iter().map(Cell::filled).collect();
            total.events = total.events.saturating_add(sum.events);
            total.recorded = total.recorded.saturating_add(sum.recorded);
            total.routed = total.routed.saturating_add(sum.routed);
            total.without_price = total.without_price.saturating_add(sum.without_price);
            rows.push(row(named, &sum));
        }
        let total = Some(row(request.by.iter().map(|_| Cell::Nothing).collect(), &total));
        let detail = request.detail.then(|| {
            let texts = ["at", "source", "id", "rule", "model", "model_routed"];
            let column = |name: &'static str| if name == "at" { Column::instant(name) } else { Column::text(name) };
            let mut columns: Vec<Column> = texts.into_iter().map(column).collect();
            columns.extend(["amount_recorded", "amount_routed"].map(|name| Column::money(name, Some(currency))));
            Ok::<_, BooksError>(Sheet {
                heading: heading_of(snapshot, "routed requests", period)?,
                columns,
                rows: detail,
                total: None,
            })
        });
        Ok((Sheet { heading, columns, rows, total }, detail.transpose()?))
    }
}

fn row(mut cells: Vec<Cell>, sum: &Sum) -> Vec<Cell> {
    let saved = sum.recorded.saturating_sub(sum.routed);
    let exact = |femtos: i128| Cell::Exact(Amount::from_femtos(femtos));
    cells.extend([Cell::Count(sum.events.into()), exact(sum.recorded)]);
    if sum.without_price > 0 {
        cells.extend([Cell::Unknown("unpriced"), Cell::Unknown("unpriced"), Cell::Unknown("unpriced")]);
    } else {
        let percent = match sum.recorded {
            0 => Cell::Nothing,
            recorded => Cell::Fixed { value: half_even(saved.saturating_mul(1_000), recorded), digits: 1 },
        };
        cells.extend([exact(sum.routed), exact(saved), percent]);
    }
    cells.push(Cell::Count(sum.without_price.into()));
    cells
}
