//! The comparison: the file's shape, the options, and the counts of what is the same, explained and different.

mod bodies;
mod clauses;
mod prices;
mod scratch;

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use tokenbook::domain::timestamp::Timestamp;

/// The catalogue whose prices can be compared.
pub const CATALOG: &str = "genai-prices";

/// The instant for which the project prices all of its recorded bodies (`tests/dataset/extract_usages.py`).
pub const AT: &str = "2025-11-06T12:00:00Z";

/// The options of a comparison.
pub struct Asked {
    /// The recorded bodies with the expected results.
    pub file: PathBuf,
    /// The catalogue. Without it, prices are counted and not compared.
    pub catalog: Option<PathBuf>,
    /// The time of the bodies.
    pub at: Timestamp,
}

/// A recorded body.
#[derive(Deserialize)]
struct Recorded<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
    model: Option<String>,
    extracted: Vec<Extracted>,
}

/// A usage, and the readers that find it in the body.
#[derive(Deserialize)]
struct Extracted {
    usage: BTreeMap<String, i64>,
    extractors: Vec<Extractor>,
}

/// A reader of bodies, with what the usage costs at its provider.
#[derive(Deserialize)]
struct Extractor {
    provider_id: String,
    api_flavor: String,
    input_price: Option<String>,
    output_price: Option<String>,
    total_price: Option<String>,
}

impl Extractor {
    fn has_prices(&self) -> bool {
        self.input_price.is_some() || self.output_price.is_some() || self.total_price.is_some()
    }
}

/// The result of one comparison.
enum Verdict {
    Same,
    /// Different, but explained by these rules of the table.
    Explained(Vec<&'static str>),
    Different(String),
}

/// The number of comparisons with each result.
#[derive(Default)]
struct Account {
    same: usize,
    explained: usize,
    different: usize,
    by_rule: BTreeMap<&'static str, usize>,
}

impl Account {
    /// Counts a result, and prints a difference.
    fn count(&mut self, verdict: &Verdict, what: &str, out: &mut dyn Write) -> std::io::Result<()> {
        match verdict {
            Verdict::Same => self.same += 1,
            Verdict::Explained(rules) => {
                self.explained += 1;
                for rule in rules {
                    *self.by_rule.entry(rule).or_default() += 1;
                }
            }
            Verdict::Different(how) => {
                self.different += 1;
                writeln!(out, "{what}: {how}")?;
            }
        }
        Ok(())
    }

    /// Prints the counts by rule and in total. One comparison may need several rules.
    fn tell(&self, what: &str, out: &mut dyn Write) -> std::io::Result<()> {
        for (rule, count) in &self.by_rule {
            writeln!(out, "{count} {what} other by the rule {rule}")?;
        }
        let Self { same, explained, different, .. } = self;
        let all = same + explained + different;
        writeln!(out, "{all} {what}: {same} the same, {explained} explained, {different} different")
    }
}

/// Compares and prints the results. Returns whether rules explain every difference.
pub fn run(asked: &Asked, out: &mut dyn Write) -> Result<bool, Box<dyn Error>> {
    let text = std::fs::read_to_string(&asked.file).map_err(|error| format!("{}: {error}", asked.file.display()))?;
    let recorded: Vec<Recorded<'_>> =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", asked.file.display()))?;
    let readings = recorded.iter().map(|one| bodies::read(one, asked.at)).collect::<Result<Vec<_>, _>>()?;
    let mut of_bodies = Account::default();
    for (place, reading) in readings.iter().enumerate() {
        of_bodies.count(&reading.verdict, &format!("body {place}"), out)?;
    }
    of_bodies.tell("bodies", out)?;
    let Some(catalog) = &asked.catalog else {
        let extractors = recorded.iter().flat_map(|one| &one.extracted).flat_map(|extracted| &extracted.extractors);
        let priced = extractors.filter(|extractor| extractor.has_prices()).count();
        writeln!(out, "{priced} prices are not compared: that needs --catalog")?;
        return Ok(of_bodies.different == 0);
    };
    let of_prices = prices::compare(&recorded, &readings, catalog, asked.at, out)?;
    of_prices.tell("prices", out)?;
    Ok(of_bodies.different == 0 && of_prices.different == 0)
}
