//! Explains one event: its record, its meters, who pays and why, and the price and amount of each meter.
//!
//! The amounts are those that reports sum up. If several pay, reports divide a day's totals and never a single event,
//! so the explanation shows the weights and no parts.

use crate::attribute::matching::{Decision, Usage, decide};
use crate::books::heading::heading_of;
use crate::books::setup::rules::{paid, spelled, weight};
use crate::books::statement::reports::books;
use crate::books::{Books, BooksError};
use crate::domain::currency::Currency;
use crate::domain::event::{Band, Model, PromptSize, ServiceTier};
use crate::domain::meter::Meter;
use crate::domain::money::Amount;
use crate::domain::name::TagValue;
use crate::domain::rule::{Rule, Share};
use crate::domain::tags::TagSet;
use crate::domain::usage::UsageLine;
use crate::ledger::facts::rules::StoredRuleSet;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::proof::find::{FoundEvent, State};
use crate::ledger::{Damage, LedgerError};
use crate::price::{Book, Quoted};
use crate::rating::rate::cost_as;
use crate::rating::{Charge, Cost};
use crate::render::json::Document;
use crate::sheet::{Cell, Column, Sheet};
use crate::text::problem::{counted, grouped};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// The explanation of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The facts about it by name, in the order of display.
    pub facts: Vec<(&'static str, Fact)>,
    /// Its meters, each with its price and its amount. The caveats are in the heading.
    pub charges: Sheet,
}

/// One fact about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A text.
    Text(String),
    /// The tags of the record.
    Tags(TagSet),
    /// Who pays, with the parts of the whole.
    Payers(Vec<Share>),
    /// The states of a record, in the order of their imports.
    States(Vec<State>),
    /// Nothing. The text is what people see instead; it may be empty.
    Absent(&'static str),
}

impl Fact {
    /// The fact as people read it: usually one line, none if there is nothing to show.
    pub fn lines(&self) -> Vec<String> {
        match self {
            // For a record that has not grown, `record` shows everything.
            Self::States(states) if states.len() > 1 => states.iter().map(told).collect(),
            Self::States(_) => Vec::new(),
            _ => Some(self.to_string()).filter(|text| !text.is_empty()).into_iter().collect(),
        }
    }
}

fn told(state: &State) -> String {
    let State { file, line, import, taken, added } = state;
    let added: Vec<String> =
        added.iter().filter(|(_, more)| *more > 0).map(|(meter, more)| format!("{meter} {}", grouped(more))).collect();
    let added = if added.is_empty() { "nothing".to_owned() } else { added.join(", ") };
    format!("{file}:{line} (import {import}, {taken}) added {added}")
}

/// The fact as people read it.
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Tags(tags) => {
                f.write_str(&tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" "))
            }
            Self::Payers(shares) => f.write_str(&paid(shares)),
            Self::States(states) => f.write_str(&states.iter().map(told).collect::<Vec<_>>().join("; ")),
            Self::Absent(word) => f.write_str(word),
        }
    }
}

/// A text, an object of tags, or a list of payers with their weights or of states. Null if there is nothing.
impl Serialize for Fact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Tags(tags) => serializer.collect_map(tags.iter()),
            Self::Payers(shares) => {
                let whole = shares.iter().map(|share| share.part).sum();
                serializer.collect_seq(shares.iter().map(|share| Paying {
                    department: share.payer.department.as_ref().map(TagValue::as_str),
                    project: share.payer.project.as_ref().map(TagValue::as_str),
                    environment: share.payer.environment.as_ref().map(TagValue::as_str),
                    weight: weight(share.part, whole),
                }))
            }
            Self::States(states) => serializer.collect_seq(states.iter().map(|state| StateTaken {
                record: format!("{}:{}", state.file, state.line),
                import: state.import.number(),
                taken: state.taken.to_string(),
                added: state.added.iter().map(|(meter, quantity)| (meter.name(), quantity)).collect(),
            })),
            Self::Absent(_) => serializer.serialize_unit(),
        }
    }
}

#[derive(Serialize)]
struct StateTaken {
    record: String,
    import: i64,
    taken: String,
    added: BTreeMap<&'static str, i64>,
}

#[derive(Serialize)]
struct Paying<'a> {
    department: Option<&'a str>,
    project: Option<&'a str>,
    environment: Option<&'a str>,
    weight: String,
}

/// The facts by name, and the charges as a report's sheet.
impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, fact) in &self.facts {
            map.serialize_entry(name, fact)?;
        }
        map.serialize_entry("charges", &Document(&self.charges))?;
        map.end()
    }
}

impl Books {
    /// Explains the events with an id, of one source or of all.
    pub fn explain(&self, id: &str, source: Option<&str>) -> Result<Vec<Explanation>, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        snapshot.prove_retractions()?;
        snapshot.prove_entries()?;
        let found = snapshot.find(id, source, self.key_hash)?;
        if found.is_empty() {
            let id = id.to_owned();
            let by: Vec<i64> = snapshot.retractions_of(&id, source, self.key_hash)?.into_iter().collect();
            return Err(if by.is_empty() { BooksError::NoEvent(id) } else { BooksError::Retracted { id, by } });
        }
        let subject = Subject::of(&snapshot)?;
        found.iter().map(|event| subject.explained(id, event)).collect()
    }
}

/// The data for an explanation.
struct Subject<'a> {
    snapshot: &'a Snapshot<'a>,
    names: crate::domain::usage::Dictionary,
    book: Book,
    sets: Vec<StoredRuleSet>,
}

impl<'a> Subject<'a> {
    fn of(snapshot: &'a Snapshot<'a>) -> Result<Self, LedgerError> {
        let own = snapshot.ledger().settings().book.as_str();
        let book = books(&snapshot.prices()?, &snapshot.aliases()?).remove(own).unwrap_or_default();
        Ok(Self { snapshot, names: snapshot.dictionary()?, book, sets: snapshot.rule_sets()? })
    }

    fn explained(&self, id: &str, event: &FoundEvent) -> Result<Explanation, BooksError> {
        let missing = |what: &str| {
            LedgerError::Corrupt(Damage::Reference, format!("event {id:?} names a {what} that does not exist"))
        };
        let class = &event.class;
        let model = self.names.models.get(&class.model).ok_or_else(|| missing("model"))?;
        let tier = self.names.tiers.get(&class.tier).ok_or_else(|| missing("service tier"))?;
        let tags = self.names.tags(class.tag_set).ok_or_else(|| missing("tag set"))?;
        let band = class.band(&event.quantities)?;
        let (payers, decided_by, caveat) = self.payers(event, model, tags);
        let text = |text: &dyn fmt::Display| Fact::Text(text.to_string());
        let facts = vec![
            ("event", text(&id)),
            ("source", text(&event.source)),
            ("record", Fact::Text(format!("{}:{}", event.file, event.line))),
            ("states", Fact::States(event.states.clone())),
            ("format", text(&event.format)),
            ("timestamp", text(&event.at)),
            ("billing_day", text(&event.day)),
            ("model", text(&model.name)),
            ("provider", model.provider.as_ref().map_or(Fact::Absent(""), |provider| text(provider))),
            ("service_tier", text(tier)),
            ("outcome", class.outcome.map_or(Fact::Absent(""), |outcome| text(&outcome))),
            ("prompt", Fact::Text(prompt(event, band)?)),
            ("tags", Fact::Tags(tags.clone())),
            ("pays", Fact::Payers(payers)),
            ("decided_by", decided_by.map_or(Fact::Absent("nothing"), Fact::Text)),
        ];
        let mut charges = self.charges(event, model, tier, band)?;
        charges.heading.caveats.extend(caveat);
        Ok(Explanation { facts, charges })
    }

    /// Who pays, why, and a caveat.
    fn payers(&self, event: &FoundEvent, model: &Model, tags: &TagSet) -> (Vec<Share>, Option<String>, Option<String>) {
        // The latest start counts, and for one start the latest import.
        let before = self.sets.iter().filter(|set| set.valid_from <= event.day);
        let set = before.max_by_key(|set| set.valid_from);
        let usage = Usage { tags, model: Some(model), source: Some(&event.source) };
        let decision = set.map_or(Decision::NoRule, |set| decide(&set.rules, usage));
        let by_rule = |rule: &Rule| {
            let (file, since) =
                set.map_or((String::new(), String::new()), |set| (set.file.clone(), spelled(set.valid_from)));
            format!("rule \"{}\" ({file}:{}, in force since {since})", rule.name, rule.line)
        };
        let mut caveat = None;
        let decided_by = match &decision {
            Decision::NoRule if tags.department().is_some() => Some("its own tags, as no rule matches".to_owned()),
            Decision::NoRule => {
                caveat = Some("unallocated: no rule matches, and the record names no department".to_owned());
                None
            }
            Decision::OwnTags(rule) => Some(format!("its own tags, which win over {}", by_rule(rule))),
            Decision::Rule(rule, shares) => {
                if shares.len() > 1 {
                    caveat = Some("weights divide the sums of a day, not single events".to_owned());
                } else if shares.iter().all(|share| share.payer.department.is_none()) {
                    caveat = Some("unallocated: neither the rule nor the record names a department".to_owned());
                }
                Some(by_rule(rule))
            }
        };
        (decision.shares(tags), decided_by, caveat)
    }

    fn charges(&self, event: &FoundEvent, model: &Model, tier: &ServiceTier, band: Band) -> Result<Sheet, BooksError> {
        let settings = self.snapshot.ledger().settings();
        // The prices at the event's own instant apply.
        let key = event.class.usage_key(event.day, event.day.month(), event.at, band);
        let (first_at, last_at) = (event.at, event.at);
        let line = UsageLine { key, events: 1, active: 1, first_at, last_at, quantities: event.quantities.clone() };
        let mut heading = heading_of(self.snapshot, "explain", event.day.to_string())?;
        let (mut rows, mut total) = (Vec::new(), Amount::ZERO);
        let (mut priced, mut unpriced) = (false, false);
        for (meter, quantity) in event.quantities.iter() {
            let cost = cost_as(&self.book, model, tier, &line, meter, settings.currency);
            match cost {
                Cost::Priced(amount) => {
                    priced = true;
                    total = total.plus(amount).map_err(crate::report::ReportError::from)?;
                }
                Cost::NotCharged => {}
                Cost::Unpriced(why) => {
                    unpriced = true;
                    heading.caveats.push(format!("{meter} is unpriced: {}", why.reason()));
                }
            }
            let quoted = self.book.quoted(model, tier, meter, band, event.at).filter(|_| quantity != 0);
            rows.push(cells(Charge { meter, quantity, cost }, quoted, settings.book.as_str()));
        }
        let between = std::iter::repeat_n(Cell::Nothing, 10);
        let (name, total) = match (unpriced, priced) {
            (false, _) => ("total", Cell::Exact(total)),
            (true, true) => ("total of what is priced", Cell::Exact(total)),
            (true, false) => ("total", Cell::Unknown("unpriced")),
        };
        let total = std::iter::once(Cell::Word(name)).chain(between).chain([total]).collect();
        Ok(Sheet { heading, columns: columns(settings.currency), rows, total: Some(total) })
    }
}

/// The size of an event's prompt, and which prices apply to that size.
fn prompt(event: &FoundEvent, band: Band) -> Result<String, BooksError> {
    let size = event.quantities.prompt_size().map_err(crate::report::ReportError::from)?;
    let size = counted(size, "token", "tokens");
    let size = match event.class.prompt {
        PromptSize::Exact => size,
        PromptSize::UpToSum => format!("{size} in several requests"),
        PromptSize::Within(bound) => {
            format!("{size} in several requests of at most {} each, as its import states", grouped(bound.tokens()))
        }
    };
    Ok(match band {
        Band::Above(0) => size,
        Band::Above(threshold) => format!("{size}, above {}", grouped(threshold)),
        Band::Unknown => format!("{size}, so that its price by size is not known"),
    })
}

fn columns(currency: Currency) -> Vec<Column> {
    vec![
        Column::text("meter"),
        Column::quantity("quantity", None),
        Column::text("unit"),
        Column::rate("per_million"),
        Column::text("currency"),
        Column::text("book"),
        Column::text("price_provider"),
        Column::text("price_model"),
        Column::text("price_meter"),
        Column::number("prompt_above"),
        Column::instant("valid_from"),
        Column::money("amount_exact", Some(currency)),
    ]
}

fn cells(charge: Charge, quoted: Option<Quoted<'_>>, book: &str) -> Vec<Cell> {
    let Charge { meter, quantity, cost } = charge;
    let mut cells = vec![Cell::text(meter.name()), Cell::Count(quantity.into()), Cell::text(meter.unit().name())];
    if let Some(Quoted { price, model, meter, provider, prompt_above, valid_from }) = quoted {
        cells.extend([
            Cell::Rate(price.rate),
            Cell::text(price.currency.code()),
            Cell::text(book),
            provider.map_or(Cell::Unknown("any"), |provider| Cell::text(provider.as_str())),
            Cell::text(model.as_str()),
            Cell::text(Meter::name(meter)),
            Cell::Count(prompt_above.into()),
            Cell::Instant(valid_from),
        ]);
    } else {
        cells.push(Cell::Unknown(if cost == Cost::NotCharged { "none needed" } else { "no price" }));
        cells.extend(std::iter::repeat_n(Cell::Nothing, 7));
    }
    cells.push(match cost {
        Cost::Priced(amount) => Cell::Exact(amount),
        Cost::NotCharged => Cell::Unknown("not charged"),
        Cost::Unpriced(_) => Cell::Unknown("unpriced"),
    });
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::usage::import::ImportOptions;
    use crate::books::{Act, Silent};
    use crate::domain::calendar::Calendar;
    use crate::domain::currency::Currency;
    use crate::domain::name::Name;
    use crate::domain::timestamp::Timestamp;
    use crate::import::file::input::Input;
    use crate::ledger::Settings;
    use crate::rows::key::KeyHash;
    use std::error::Error;
    use std::fmt::Write;

    #[test]
    fn an_event_is_found_although_others_took_its_key() -> Result<(), Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let act = Act { now: Timestamp::parse("2026-11-02T09:00:00Z")?, actor: "test" };
        let settings = Settings::new(Currency::parse("USD")?, Calendar::UTC, Name::new("contract")?);
        let books = Books::create(&folder.path().join("tokenbook.db"), &settings, act)?;
        // Eight keys a day for seven events, so nearly all collide, and some wrap around the end of the day.
        let books = books.with_key_hash(KeyHash::narrowed(3));
        let mut text = "event_id,timestamp,model,input_tokens\n".to_owned();
        for number in 0..7 {
            writeln!(text, "e{number},2026-10-05T10:00:00Z,m,{number}")?;
        }
        let file = folder.path().join("u.csv");
        std::fs::write(&file, text)?;
        books.import(&Input::File(file.clone()), &ImportOptions::plain(), act, &Silent)?;
        for number in 0..7 {
            let explained = books.explain(&format!("e{number}"), None)?;
            let records: Vec<String> = explained
                .iter()
                .flat_map(|one| &one.facts)
                .filter(|(name, _)| *name == "record")
                .map(|(_, fact)| fact.to_string())
                .collect();
            assert_eq!(records, [format!("{}:{}", file.display(), number + 2)]);
        }
        assert!(matches!(books.explain("e7", None), Err(BooksError::NoEvent(_))));
        Ok(())
    }
}
