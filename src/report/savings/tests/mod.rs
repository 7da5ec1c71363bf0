//! A ledger in memory for the tests of the savings report: prices as a list, usage as literals.

mod cases;
mod oracle;
mod rows;

use super::*;
use crate::domain::calendar::{Calendar, Day};
use crate::domain::event::{Band, Model, ServiceTier};
use crate::domain::meter::Meter;
use crate::domain::name::Name;
use crate::domain::number::{ModelId, PayerOf, SourceId, TagSetId, TierId};
use crate::domain::quantities::Quantities;
use crate::domain::tags::{Tag, TagSet};
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::{UsageKey, UsageLine};
use crate::price::PriceRow;
use crate::price::read::price_list;
use crate::rating::rate::Rater;
use crate::sheet::{Cell, Heading, Sheet, State};
use std::error::Error;
use std::sync::Arc;

type Failure = Box<dyn Error>;
type Outcome = Result<(), Failure>;

/// A ledger in memory.
struct Ledger {
    currency: Currency,
    lines: Vec<RatedLine>,
    names: Dictionary,
    books: BTreeMap<String, Book>,
    thresholds: BTreeMap<String, Vec<i64>>,
    months: u32,
}

/// What a line of usage covers: tags, `provider/model` or `model`, and tier.
type About<'a> = (&'a [&'a str], &'a str, &'a str);

const ENGINEERING: &[&str] = &["department=engineering"];
const MARKETING: &[&str] = &["department=marketing"];
const SUPPORT: &[&str] = &["department=support"];
const HEADER: &str = "book,provider,model,meter,service_tier,prompt_above,currency,price,per,valid_from\n";

impl Ledger {
    fn new(currency: &str, prices: &str) -> Result<Self, Failure> {
        let own = Name::new("contract")?;
        let calendar = Calendar::of_zone("UTC").map_err(|_| "zone")?;
        let prices = price_list(prices.as_bytes(), &own, calendar).map_err(|problems| format!("{problems:?}"))?;
        let mut rows: BTreeMap<String, Vec<PriceRow>> = BTreeMap::new();
        let mut thresholds: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for price in prices {
            let key = &price.row.key;
            if key.prompt_above > 0 {
                thresholds.entry(key.model.to_string()).or_default().push(key.prompt_above);
            }
            rows.entry(key.book.to_string()).or_default().push(price.row);
        }
        let books = rows.iter().map(|(name, rows)| (name.clone(), Book::new(rows))).collect();
        let currency = Currency::parse(currency)?;
        Ok(Self { currency, lines: Vec::new(), names: Dictionary::default(), books, thresholds, months: 1 })
    }

    fn used(&mut self, about: About<'_>, quantities: &[(Meter, i64)]) -> Outcome {
        let (tags, model, tier) = about;
        let number = i64::try_from(self.lines.len())?;
        let (provider, model) =
            model.split_once('/').map_or((None, model), |(provider, model)| (Some(provider), model));
        let model = Model { provider: provider.map(Name::new).transpose()?, name: Name::new(model)? };
        let tags = tags.iter().map(|tag| Tag::parse(tag).map(|tag| (tag.key, tag.value)));
        self.names.models.insert(ModelId::new(number), model);
        self.names.tiers.insert(TierId::new(number), ServiceTier::new(tier)?);
        Arc::make_mut(&mut self.names.tag_sets).insert(TagSetId::new(number), tags.collect::<Result<TagSet, _>>()?);
        let mut sums = Quantities::NONE;
        for (meter, quantity) in quantities {
            sums.set(*meter, *quantity);
        }
        let priced_at = Timestamp::parse("2026-10-05T00:00:00Z")?;
        let at = Timestamp::parse("2026-10-05T14:15:00Z")?;
        let day = Day::from_number(20_731).ok_or("day")?;
        let key = UsageKey {
            day,
            posted: day.month(),
            priced_at,
            source: SourceId::NONE,
            tag_set: TagSetId::new(number),
            model: ModelId::new(number),
            tier: TierId::new(number),
            band: Band::Above(0),
        };
        let usage = UsageLine { key, events: 1, active: 1, first_at: at, last_at: at, quantities: sums };
        let own = self.books.get("contract").ok_or("no own book")?;
        let charges = Rater::new(own, &self.names, self.currency).charges(&usage);
        let payer = PayerOf::Tags(key.tag_set);
        self.lines.push(RatedLine { usage, payer, charges, unpriced_events: 0, of_unpriced: false });
        Ok(())
    }

    /// Input and output tokens of a standard request.
    fn tokens(&mut self, tags: &[&str], model: &str, input: i64, output: i64) -> Outcome {
        self.used((tags, model, ""), &[(Meter::Input, input), (Meter::Output, output)])
    }

    fn compare(&self, offers: &str) -> Result<Vec<Comparison>, Failure> {
        let offers = Offers::read(offers, self.currency).map_err(|problems| format!("{problems:?}"))?;
        let usage = Usage {
            lines: &self.lines,
            names: &self.names,
            book: "contract",
            books: &self.books,
            thresholds: &self.thresholds,
            months: NonZeroU32::new(self.months).ok_or("no months")?,
        };
        Ok(compare(&offers, &usage)?)
    }

    fn report(&self, offers: &str, by: By) -> Result<Sheet, Failure> {
        let heading = Heading {
            report: "savings".to_owned(),
            period: "2026-10".to_owned(),
            time_zone: "UTC".to_owned(),
            currency: self.currency,
            ledger_head: String::new(),
            state: Some(State::Open),
            caveats: Vec::new(),
        };
        Ok(sheet(&self.compare(offers)?, by, heading)?)
    }

    /// The rows by offer, as CSV.
    fn by_offer(&self, offers: &str) -> Result<Vec<String>, Failure> {
        Ok(printed(&self.report(offers, By::Offer)?))
    }
}

fn printed(sheet: &Sheet) -> Vec<String> {
    sheet.rows.iter().map(|row| row.iter().map(Cell::plain).collect::<Vec<_>>().join(",")).collect()
}
