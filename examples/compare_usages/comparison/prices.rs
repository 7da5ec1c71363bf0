//! Compares what bodies cost by the catalogue with the prices that the project computed from it.
//!
//! It first imports and rates a body. If the price differs, it tries the rules one after another. A rule counts only if
//! it leads to the expected price, to the last digit.

use super::bodies::Reading;
use super::clauses::{Known, Model, Provider, meant, spelled_out};
use super::scratch::{MEANT, Rated, Scratch, Used};
use super::{Account, Extractor, Recorded, Verdict};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::Path;
use tokenbook::domain::event::ServiceTier;
use tokenbook::domain::meter::{Meter, Side};
use tokenbook::domain::money::Amount;
use tokenbook::domain::quantities::Quantities;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::price::catalog::providers::ours;
use tokenbook::price::{Book, Resolution};
use tokenbook::rating::{Cost, RatedLine, Unpriced};

/// The digits of tokenbook's amounts. Finer expected prices are rounded to them.
const DIGITS: u32 = 15;

/// One expected price.
struct Pair<'a> {
    place: usize,
    extractor: &'a Extractor,
    model: &'a str,
    body: &'a str,
    /// How the catalogue knows the model, if it does.
    known: Option<Known>,
    /// Whether the model's prices depend on the hour of the day.
    by_hour: bool,
    /// The expected usage in tokenbook's meters, or what cannot be one of them.
    usage: Result<Quantities, String>,
    /// Why the body's meters differ from the expected usage.
    usage_differs: Option<&'static str>,
}

/// The cost of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Figures {
    input: Amount,
    output: Amount,
    total: Amount,
}

/// The expected amounts, as far as the file has them.
struct Expected {
    input: Option<Amount>,
    output: Option<Amount>,
    total: Option<Amount>,
}

/// What the project does and tokenbook does not.
#[derive(Clone, Copy)]
struct Ways {
    /// A part without its own price has the price of the whole it belongs to.
    parts_as_wholes: bool,
    /// Every request was of the standard tier.
    tiers_as_standard: bool,
}

impl Ways {
    /// Ordered by the number of differences, the fewest first.
    const ALL: [Self; 4] = [
        Self { parts_as_wholes: false, tiers_as_standard: false },
        Self { parts_as_wholes: true, tiers_as_standard: false },
        Self { parts_as_wholes: false, tiers_as_standard: true },
        Self { parts_as_wholes: true, tiers_as_standard: true },
    ];

    fn rules(self) -> impl Iterator<Item = &'static str> {
        let parts = self.parts_as_wholes.then_some("parts-need-prices");
        parts.into_iter().chain(self.tiers_as_standard.then_some("tiers-are-read"))
    }
}

/// Compares every expected price.
pub(super) fn compare(
    recorded: &[Recorded<'_>],
    readings: &[Reading],
    catalog: &Path,
    at: Timestamp,
    out: &mut dyn Write,
) -> Result<Account, Box<dyn Error>> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", catalog.display());
    let text = std::fs::read_to_string(catalog).map_err(|error| said(&error))?;
    let providers: Vec<Provider<'_>> = serde_json::from_str(&text).map_err(|error| said(&error))?;
    let mut names: BTreeMap<(&str, &str), &Model<'_>> = BTreeMap::new();
    let pairs = pairs(recorded, readings, &providers, &mut names);
    if pairs.is_empty() {
        return Ok(Account::default());
    }
    let scratch = Scratch::new(at)?;
    scratch.catalogue(catalog)?;
    scratch.meant(spelled_out(&names, at))?;
    let numbered = || pairs.iter().enumerate();
    let bodies: Vec<_> = numbered().map(|(number, pair)| pair.used(number, "body", pair.body)).collect();
    let refused = scratch.bodies(&bodies)?;
    let usages = numbered().filter_map(|(number, pair)| Some(pair.used(number, "usage", pair.usage.clone().ok()?)));
    scratch.usages(&usages.collect::<Vec<_>>())?;
    let rated = scratch.rated()?;
    let lines = rated.lines()?;
    let (mut account, mut rounded) = (Account::default(), 0_usize);
    for (number, pair) in pairs.iter().enumerate() {
        let lines_of = |what: &str| lines.get(format!("{what}-{number}").as_str()).map_or(&[][..], Vec::as_slice);
        let expected = Expected::of(pair.extractor, &mut rounded);
        let verdict = match (expected, refused.get(&number)) {
            (Err(what), _) => Verdict::Different(what),
            (_, Some(problem)) => Verdict::Different(problem.clone()),
            (Ok(expected), None) => judge(pair, &expected, &rated, lines_of("body"), lines_of("usage")),
        };
        let Pair { place, extractor, model, .. } = pair;
        let what = format!("body {place}, {}:{} {model}", extractor.provider_id, extractor.api_flavor);
        account.count(&verdict, &what, out)?;
    }
    if rounded > 0 {
        writeln!(
            out,
            "{rounded} expected prices are finer than {DIGITS} decimals and were rounded to them, half to even"
        )?;
    }
    Ok(account)
}

impl<'a> Pair<'a> {
    /// The usage of the model at the provider that the price is for.
    fn used<T>(&self, number: usize, kind: &str, what: T) -> Used<'a, T> {
        let (provider, _) = ours(&self.extractor.provider_id);
        Used { of: format!("{kind}-{number}"), provider, model: self.model, what }
    }
}

/// Every expected price, and the models that the project means by the names in its bodies.
fn pairs<'a, 'b, 'c>(
    recorded: &'a [Recorded<'_>],
    readings: &[Reading],
    providers: &'b [Provider<'c>],
    names: &mut BTreeMap<(&'a str, &'a str), &'b Model<'c>>,
) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    for (place, (one, reading)) in recorded.iter().zip(readings).enumerate() {
        let model = one.model.as_deref().unwrap_or("not-told");
        for (at, extracted) in one.extracted.iter().enumerate() {
            for extractor in extracted.extractors.iter().filter(|extractor| extractor.has_prices()) {
                let found = meant(providers, &extractor.provider_id, model);
                if let Some((meant, _)) = found {
                    names.insert((&extractor.provider_id, model), meant);
                }
                pairs.push(Pair {
                    place,
                    extractor,
                    model,
                    body: one.body.get(),
                    known: found.map(|(_, known)| known),
                    by_hour: found.is_some_and(|(meant, _)| meant.is_by_hour()),
                    usage: quantities(&extracted.usage),
                    usage_differs: reading.differs_from(at, extracted),
                });
            }
        }
    }
    pairs
}

/// The expected usage in tokenbook's meters: totals less their parts.
fn quantities(usage: &BTreeMap<String, i64>) -> Result<Quantities, String> {
    const PARTS: [(&str, Meter, Meter); 8] = [
        ("cache_read_tokens", Meter::CacheRead, Meter::Input),
        ("cache_write_tokens", Meter::CacheWrite, Meter::Input),
        ("input_audio_tokens", Meter::InputAudio, Meter::Input),
        ("input_image_tokens", Meter::InputImage, Meter::Input),
        ("input_video_tokens", Meter::InputVideo, Meter::Input),
        ("output_reasoning_tokens", Meter::Reasoning, Meter::Output),
        ("output_audio_tokens", Meter::OutputAudio, Meter::Output),
        ("output_image_tokens", Meter::OutputImage, Meter::Output),
    ];
    const NOT_NEEDED: [&str; 4] =
        ["input_text_tokens", "output_text_tokens", "input_tool_tokens", "cache_write_5m_tokens"];
    let of = |name: &str| usage.get(name).copied().unwrap_or(0);
    let (mut input, mut output) = (of("input_tokens"), of("output_tokens"));
    let mut quantities = Quantities::NONE;
    for (name, meter, whole) in PARTS {
        quantities.set(meter, of(name));
        *(if whole == Meter::Input { &mut input } else { &mut output }) -= of(name);
    }
    let hour = of("cache_write_1h_tokens");
    quantities.set(Meter::CacheWrite, of("cache_write_tokens") - hour);
    quantities.set(Meter::CacheWrite1h, hour);
    quantities.set(Meter::WebSearch, of("web_searches"));
    quantities.set(Meter::Input, input);
    quantities.set(Meter::Output, output);
    let known = |name: &str| {
        let others = ["input_tokens", "output_tokens", "cache_write_1h_tokens", "web_searches"];
        PARTS.iter().any(|(part, ..)| *part == name) || NOT_NEEDED.contains(&name) || others.contains(&name)
    };
    match usage.keys().find(|name| !known(name)) {
        Some(name) => Err(format!("{name} of the expected usage is no meter")),
        None if quantities.iter().any(|(_, quantity)| quantity < 0) => {
            Err("the parts of the expected usage are more than the whole".to_owned())
        }
        None => Ok(quantities),
    }
}

impl Expected {
    /// The prices of an extractor.
    fn of(extractor: &Extractor, rounded: &mut usize) -> Result<Self, String> {
        let mut amount = |text: &Option<String>| {
            let Some(text) = text else { return Ok(None) };
            let wrong = || format!("the expected price {text:?} is not a number");
            let value = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text));
            let value = value.map_err(|_| wrong())?;
            *rounded += usize::from(value.normalize().scale() > DIGITS);
            Amount::from_decimal(value.round_dp(DIGITS)).map(Some).map_err(|_| wrong())
        };
        let (input, output) = (amount(&extractor.input_price)?, amount(&extractor.output_price)?);
        let total = amount(&extractor.total_price)?;
        // The file has the total if it is more than its parts.
        let sum = input.zip(output).and_then(|(input, output)| input.plus(output).ok());
        Ok(Self { input, output, total: total.or(sum) })
    }

    fn is(&self, found: &Figures) -> bool {
        let same = |expected: Option<Amount>, found: Amount| expected.is_none_or(|expected| expected == found);
        same(self.input, found.input) && same(self.output, found.output) && same(self.total, found.total)
    }

    fn shown(&self) -> String {
        let shown = |amount: Option<Amount>| amount.map_or_else(|| "?".to_owned(), |amount| amount.to_string());
        format!("{} + {} = {}", shown(self.input), shown(self.output), shown(self.total))
    }
}

/// Compares the imported and rated amounts with the expected ones, and then the amounts that each rule would give.
fn judge(pair: &Pair<'_>, expected: &Expected, rated: &Rated, body: &[&RatedLine], usage: &[&RatedLine]) -> Verdict {
    let own = figures(body, |line| line.charges.iter().map(|charge| (charge.meter, charge.cost)).collect());
    if own.as_ref().is_ok_and(|found| expected.is(found)) {
        return Verdict::Same;
    }
    let naming = match pair.known {
        None => return Verdict::Different(format!("the catalogue has no model {}", pair.model)),
        Some(Known::Exactly) => None,
        Some(Known::ByPattern) => Some("names-are-exact"),
        Some(Known::ElsewhereOnly) => Some("a-provider-is-itself"),
    };
    let of_model: Vec<&str> = naming.into_iter().chain(pair.by_hour.then_some("no-prices-by-the-hour")).collect();
    let book = if of_model.is_empty() { rated.0.book.as_str() } else { MEANT };
    let empty = Book::default();
    let book = rated.0.books.get(book).unwrap_or(&empty);
    let of = |lines: &[&RatedLine], ways| figures(lines, |line| costs(rated, book, line, ways));
    let readings = std::iter::once((body, None)).chain(pair.usage_differs.map(|rule| (usage, Some(rule))));
    let readings: Vec<_> = readings.collect();
    for ways in Ways::ALL {
        for (lines, reader) in &readings {
            let rules: Vec<&str> = of_model.iter().copied().chain(*reader).chain(ways.rules()).collect();
            if !rules.is_empty() && of(lines, ways).is_ok_and(|found| expected.is(&found)) {
                return Verdict::Explained(rules);
            }
        }
    }
    let shown = |found: Result<Figures, String>| match found {
        Ok(found) => format!("{} + {} = {}", found.input, found.output, found.total),
        Err(unpriced) => unpriced,
    };
    let by = if of_model.is_empty() {
        String::new()
    } else {
        format!(", by {} {}", of_model.join(" and "), shown(of(body, Ways::ALL[0])))
    };
    let read = match (pair.usage_differs, &pair.usage) {
        (Some(rule), Err(problem)) => format!(", {rule}: {problem}"),
        _ => String::new(),
    };
    Verdict::Different(format!("expected {}, found {}{by}{read}", expected.shown(), shown(own)))
}

/// The sums by side; `None` if something has no price.
fn figures<'a>(
    lines: &[&'a RatedLine],
    costs: impl Fn(&'a RatedLine) -> Vec<(Meter, Cost)>,
) -> Result<Figures, String> {
    let mut figures = Figures { input: Amount::ZERO, output: Amount::ZERO, total: Amount::ZERO };
    let mut unpriced = Vec::new();
    if lines.is_empty() {
        return Err("no event".to_owned());
    }
    for (meter, cost) in lines.iter().flat_map(|line| costs(line)) {
        let amount = match cost {
            Cost::Priced(amount) => amount,
            Cost::NotCharged => Amount::ZERO,
            Cost::Unpriced(_) => {
                unpriced.push(meter.name());
                continue;
            }
        };
        let too_large = |_| "too much to add up".to_owned();
        figures.total = figures.total.plus(amount).map_err(too_large)?;
        match meter.side() {
            Side::Prompt => figures.input = figures.input.plus(amount).map_err(too_large)?,
            Side::Answer => figures.output = figures.output.plus(amount).map_err(too_large)?,
            Side::Other => {}
        }
    }
    if unpriced.is_empty() { Ok(figures) } else { Err(format!("no price for {}", unpriced.join(", "))) }
}

/// The cost of each meter of a line by a book.
fn costs(rated: &Rated, book: &Book, line: &RatedLine, ways: Ways) -> Vec<(Meter, Cost)> {
    let (key, names) = (&line.usage.key, &rated.0.names);
    let (Some(model), Some(tier)) = (names.models.get(&key.model), names.tiers.get(&key.tier)) else {
        return Vec::new();
    };
    let standard = ServiceTier::new(ServiceTier::STANDARD).ok().filter(|_| ways.tiers_as_standard);
    let tier = standard.as_ref().unwrap_or(tier);
    let by = |meter| book.resolve(model, tier, meter, key.band, key.priced_at);
    let cost = |(meter, quantity): (Meter, i64)| {
        let others = if ways.parts_as_wholes { wholes(meter) } else { &[] };
        let prices = std::iter::once(&meter).chain(others).map(|meter| by(*meter));
        let found = prices.into_iter().find(|found| *found != Resolution::NoPrice);
        let cost = match found {
            _ if quantity == 0 => Cost::NotCharged,
            Some(Resolution::Priced(price)) => Cost::Priced(price.rate.price_of(quantity)),
            Some(Resolution::NotCharged) => Cost::NotCharged,
            Some(Resolution::PromptUnknown) => Cost::Unpriced(Unpriced::PromptUnknown),
            Some(Resolution::NoPrice) | None => Cost::Unpriced(Unpriced::NoPrice),
        };
        (meter, cost)
    };
    line.usage.quantities.iter().map(cost).collect()
}

/// The wholes that a meter is part of, the nearest first.
fn wholes(meter: Meter) -> &'static [Meter] {
    match meter {
        Meter::CacheRead | Meter::CacheWrite | Meter::InputAudio | Meter::InputImage | Meter::InputVideo => {
            &[Meter::Input]
        }
        Meter::CacheWrite1h => &[Meter::CacheWrite, Meter::Input],
        Meter::CacheReadAudio => &[Meter::CacheRead, Meter::InputAudio, Meter::Input],
        Meter::CacheReadImage => &[Meter::CacheRead, Meter::InputImage, Meter::Input],
        Meter::Reasoning | Meter::OutputAudio | Meter::OutputImage | Meter::OutputVideo => &[Meter::Output],
        _ => &[],
    }
}
