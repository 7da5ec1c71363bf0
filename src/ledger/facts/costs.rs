//! What providers charge. It is appended, never changed, and never part of a computed amount. A later row with the same
//! source and key replaces an earlier one, and both stay readable.

use crate::domain::count::Count;
use crate::domain::currency::Currency;
use crate::domain::name::Name;
use crate::domain::number::{CostImportId, EntryId, SourceId};
use crate::domain::provider_cost::{ProviderCost, ProviderCosts, Written};
use crate::domain::quantities::QuantityOverflow;
use crate::domain::timestamp::Timestamp;
use crate::ledger::chain::fact::{Fact, Payloads};
use crate::ledger::chain::logs::Log;
use crate::ledger::chain::seals;
use crate::ledger::chain::{Kind, Signed};
use crate::ledger::facts::imports::FileFacts;
use crate::ledger::file::transaction::{Snapshot, Transaction};
use crate::ledger::names::numbers;
use crate::ledger::{Damage, LedgerError, Result, chain, fits, stored};
use crate::rows::canonical::Encoder;
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, BTreeSet};

/// How the chain records costs.
pub(in crate::ledger) const FACT: Fact =
    Fact { kind: Kind::Cost, tables: &["cost_import", "provider_cost"], payloads, is_sealed: true };

/// The counts of a cost report's lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CostsAppended {
    /// New lines.
    pub added: u64,
    /// Known lines with the same amount.
    pub duplicates: u64,
    /// Known lines with another amount: the old line and the new one.
    pub revised: Vec<(ProviderCost, ProviderCost)>,
    /// Known lines of the same providers and days that the report lacks. They stay. If it shows the same costs in
    /// another grouping, they count twice.
    pub beside: u64,
    /// Whether it has an entry: it brought something, or it is not identical to an earlier report.
    pub recorded: bool,
}

/// A stored import of costs.
struct CostImport {
    id: CostImportId,
    source: String,
    file: String,
    format: String,
    options: String,
    digest: [u8; 32],
    bytes: i64,
    /// Lines, empty records, duplicates, lines beside. New lines and revisions are counted by their rows.
    counts: [i64; 4],
}

const NEXT: &str = "SELECT coalesce(max(id), 0) + 1 FROM cost_import";
const INSERT_IMPORT: &str = "INSERT INTO cost_import (id, entry, source, file, format, options, digest, bytes, lines, \
    empty, duplicates, beside) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
const INSERT: &str = "INSERT INTO provider_cost (id, import, line, key, provider, item, model, from_at, until_at, currency, \
    amount, rounded_to, quantity, unit) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
const NEXT_COST: &str = "SELECT coalesce(max(id), 0) + 1 FROM provider_cost";
const OF_SOURCE: &str = "SELECT c.import, c.line, c.key, c.provider, c.item, c.model, c.from_at, c.until_at, c.currency, \
    c.amount, c.rounded_to, c.quantity, c.unit FROM provider_cost c JOIN cost_import i ON i.id = c.import WHERE i.source = ?1 \
    AND NOT EXISTS (SELECT 1 FROM retraction r WHERE r.cost_import = i.id) ORDER BY c.id";
const OF_SPAN: &str = "SELECT c.import, c.line, c.key, c.provider, c.item, c.model, c.from_at, c.until_at, c.currency, \
    c.amount, c.rounded_to, c.quantity, c.unit, s.name, i.beside FROM provider_cost c JOIN cost_import i ON i.id = c.import \
    JOIN source s ON s.id = i.source WHERE c.from_at >= ?1 AND c.from_at < ?2 \
    AND NOT EXISTS (SELECT 1 FROM retraction r WHERE r.cost_import = i.id) ORDER BY c.id";
const ALL: &str = "SELECT import, line, key, provider, item, model, from_at, until_at, currency, amount, rounded_to, quantity, unit, id \
    FROM provider_cost ORDER BY id";
const IMPORTS: &str = "SELECT i.id, s.name, i.file, i.format, i.options, i.digest, i.bytes, i.lines, i.empty, \
    i.duplicates, i.beside, i.entry FROM cost_import i JOIN source s ON s.id = i.source ORDER BY i.id";

impl Transaction<'_> {
    /// Appends the lines of a report that are new or have another amount. If there are none and an identical report was
    /// read before, it appends nothing.
    pub fn append_costs(
        &self,
        facts: &FileFacts,
        costs: Vec<ProviderCost>,
        now: Timestamp,
        actor: &str,
    ) -> Result<CostsAppended> {
        let connection = self.connection();
        seals::guard_facts(connection, &FACT)?;
        seals::guard_logs(connection, &[Log::Sources])?;
        let source = numbers::source(connection, &facts.source)?;
        let mut known = of_source(connection, source)?;
        let first: i64 = connection.query_row(NEXT_COST, [], |row| row.get(0))?;
        let (mut outcome, mut new, mut ids) = (CostsAppended::default(), Vec::new(), first..);
        let mut spans: BTreeMap<Name, (Timestamp, Timestamp)> = BTreeMap::new();
        for cost in costs {
            let span = spans.entry(cost.provider.clone()).or_insert((cost.from, cost.until));
            *span = (span.0.min(cost.from), span.1.max(cost.until));
            match known.remove(&cost.key) {
                None => outcome.added.one_more(),
                Some(old) if alike(&old, &cost) => {
                    outcome.duplicates.one_more();
                    continue;
                }
                Some(old) => outcome.revised.push((old, cost.clone())),
            }
            new.push((ids.next().ok_or(QuantityOverflow)?, cost));
        }
        if new.is_empty() && (outcome.duplicates == 0 || has_whole(connection, source, facts)?) {
            return Ok(outcome);
        }
        let is_beside = |cost: &&ProviderCost| {
            spans.get(&cost.provider).is_some_and(|(from, until)| cost.from < *until && *from < cost.until)
        };
        outcome.beside = u64::try_from(known.values().filter(is_beside).count()).unwrap_or(u64::MAX);
        let import = CostImport {
            id: connection.query_row(NEXT, [], |row| row.get(0))?,
            source: facts.source.clone(),
            file: facts.file.clone(),
            format: facts.format.clone(),
            options: facts.options.clone(),
            digest: facts.digest,
            bytes: stored(facts.bytes)?,
            counts: [stored(facts.lines)?, stored(facts.blank)?, stored(outcome.duplicates)?, stored(outcome.beside)?],
        };
        chain::append(connection, &FACT, Signed { now, actor }, &payload(&import, &new), |entry| {
            insert_import(connection, entry, source, &import)?;
            new.iter().try_for_each(|(id, cost)| insert(connection, *id, import.id, cost))
        })?;
        outcome.recorded = true;
        Ok(outcome)
    }
}

const WHOLE: &str = "SELECT EXISTS (SELECT 1 FROM cost_import i WHERE i.source = ?1 AND i.digest = ?2 AND i.format = ?3 \
    AND i.options = ?4 AND NOT EXISTS (SELECT 1 FROM retraction r JOIN cost_import o ON o.id = r.cost_import \
    WHERE r.entry > i.entry AND o.source = i.source))";

/// Whether an import of an identical report, read in the same way, has brought all of it.
fn has_whole(connection: &Connection, source: SourceId, facts: &FileFacts) -> Result<bool> {
    let values = (source, &facts.digest[..], &facts.format, &facts.options);
    Ok(connection.query_row(WHOLE, values, |row| row.get(0))?)
}

/// Whether two lines with one key are equal.
fn alike(old: &ProviderCost, new: &ProviderCost) -> bool {
    let said = |cost: &ProviderCost| (cost.amount, cost.rounded_to, cost.quantity);
    said(old) == said(new) && (&old.item, &old.model, &old.unit) == (&new.item, &new.model, &new.unit)
}

fn insert_import(connection: &Connection, entry: EntryId, source: SourceId, import: &CostImport) -> Result<()> {
    let CostImport { id, file, format, options, digest, bytes, counts: [lines, empty, duplicates, beside], .. } =
        import;
    let digest = &digest[..];
    let values =
        rusqlite::params![id, entry, source, file, format, options, digest, bytes, lines, empty, duplicates, beside];
    connection.prepare_cached(INSERT_IMPORT)?.execute(values)?;
    Ok(())
}

fn insert(connection: &Connection, id: i64, import: CostImportId, cost: &ProviderCost) -> Result<()> {
    connection.prepare_cached(INSERT)?.execute(rusqlite::params![
        id,
        import,
        stored(cost.line)?,
        cost.key,
        cost.provider.as_str(),
        cost.item.as_ref().map(Name::as_str),
        cost.model.as_ref().map(Name::as_str),
        cost.from.nanos(),
        cost.until.nanos(),
        cost.currency.code(),
        cost.amount.to_string(),
        cost.rounded_to,
        cost.quantity.map(|quantity| quantity.to_string()),
        cost.unit.as_ref().map(Name::as_str),
    ])?;
    Ok(())
}

/// A stored line, from the columns after its import.
fn cost(row: &Row<'_>) -> Result<ProviderCost> {
    let corrupt = |what: &str| LedgerError::Corrupt(Damage::Value, format!("a provider's cost has an invalid {what}"));
    let name = |text: String, what: &str| Name::recorded(&text).map_err(|_| corrupt(what));
    let optional =
        |column: usize, what: &str| row.get::<_, Option<String>>(column)?.map(|text| name(text, what)).transpose();
    Ok(ProviderCost {
        line: fits(row.get(1)?, "line")?,
        key: row.get(2)?,
        provider: name(row.get(3)?, "provider")?,
        item: optional(4, "line item")?,
        model: optional(5, "model")?,
        from: chain::instant(row.get(6)?)?,
        until: chain::instant(row.get(7)?)?,
        currency: Currency::parse(&row.get::<_, String>(8)?).map_err(|_| corrupt("currency"))?,
        amount: Written::parse(&row.get::<_, String>(9)?, 0).map_err(|_| corrupt("amount"))?,
        rounded_to: row.get(10)?,
        quantity: row
            .get::<_, Option<String>>(11)?
            .map(|text| Written::parse(&text, 0).map_err(|_| corrupt("quantity")))
            .transpose()?,
        unit: optional(12, "unit")?,
    })
}

/// The lines of a source in force, by key.
fn of_source(connection: &Connection, source: SourceId) -> Result<BTreeMap<String, ProviderCost>> {
    let mut statement = connection.prepare(OF_SOURCE)?;
    let mut rows = statement.query([source])?;
    let mut costs = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let cost = cost(row)?;
        costs.insert(cost.key.clone(), cost);
    }
    Ok(costs)
}

/// Reports `i` that had lines of a report `a`, which `r` retracted, for some time, and that were not imported again.
const TO_REPEAT: &str = "SELECT DISTINCT i.file FROM retraction r JOIN cost_import a ON a.id = r.cost_import \
    JOIN cost_import i ON i.source = a.source AND i.entry > a.entry AND i.entry < r.entry AND i.duplicates > 0 \
    WHERE (i.digest, i.format, i.options) <> (a.digest, a.format, a.options) \
    AND EXISTS (SELECT 1 FROM provider_cost c WHERE c.import = a.id AND c.from_at >= ?1 AND c.from_at < ?2) \
    AND NOT EXISTS (SELECT 1 FROM retraction w WHERE w.cost_import = i.id) \
    AND NOT EXISTS (SELECT 1 FROM cost_import j WHERE j.source = i.source AND j.entry > r.entry \
    AND (j.digest = i.digest OR j.file = i.file AND j.lines >= i.lines AND i.file <> '-') \
    AND NOT EXISTS (SELECT 1 FROM retraction w WHERE w.cost_import = j.id))";

/// An import of costs, with its actor and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostImportMade {
    /// Its entry of the chain.
    pub entry: EntryId,
    /// When it was made.
    pub at: Timestamp,
    /// Who made it.
    pub actor: String,
    /// The source of the report.
    pub source: String,
    /// The file.
    pub file: String,
    /// The format's name.
    pub format: String,
    /// Lines of cost.
    pub lines: i64,
    /// Known lines with the same amount.
    pub duplicates: i64,
    /// The entry that retracted it.
    pub retracted: Option<EntryId>,
}

const MADE: &str = "SELECT i.entry, e.at, e.actor, s.name, i.file, i.format, i.lines, i.duplicates, r.entry \
    FROM cost_import i JOIN entry e ON e.seq = i.entry JOIN source s ON s.id = i.source \
    LEFT JOIN retraction r ON r.cost_import = i.id ORDER BY i.id";

impl Snapshot<'_> {
    /// Every import of costs, in order.
    pub fn cost_imports_made(&self) -> Result<Vec<CostImportMade>> {
        self.prove_kind(&FACT)?;
        self.prove_retractions()?;
        let mut statement = self.connection().prepare(MADE)?;
        let mut rows = statement.query([])?;
        let mut imports = Vec::new();
        while let Some(row) = rows.next()? {
            imports.push(CostImportMade {
                entry: row.get(0)?,
                at: chain::instant(row.get(1)?)?,
                actor: row.get(2)?,
                source: row.get(3)?,
                file: row.get(4)?,
                format: row.get(5)?,
                lines: row.get(6)?,
                duplicates: row.get(7)?,
                retracted: row.get(8)?,
            });
        }
        Ok(imports)
    }
}

impl Snapshot<'_> {
    /// The lines in force, without retracted ones, whose span begins in a time range; by source and key.
    pub fn provider_costs(&self, from: Timestamp, until: Timestamp) -> Result<ProviderCosts> {
        self.prove_facts(&FACT, &payloads(self.connection())?)?;
        self.prove_retractions()?;
        let mut statement = self.connection().prepare(OF_SPAN)?;
        let mut rows = statement.query([from.nanos(), until.nanos()])?;
        let mut costs: BTreeMap<(String, String), (Brought, ProviderCost)> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let cost = cost(row)?;
            let brought = Brought { import: row.get(0)?, beside: row.get::<_, i64>(14)? > 0 };
            costs.insert((row.get(13)?, cost.key.clone()), (brought, cost));
        }
        let beside = beside(costs.iter().map(|((source, _), (brought, cost))| (source.as_str(), *brought, cost)));
        let mut statement = self.connection().prepare(TO_REPEAT)?;
        let files = statement.query_map([from.nanos(), until.nanos()], |row| row.get(0))?;
        let to_import_again = files.collect::<rusqlite::Result<_>>()?;
        Ok(ProviderCosts { lines: costs.into_values().map(|(_, cost)| cost).collect(), beside, to_import_again })
    }
}

/// The import that brought a line, and whether it left lines of the same days beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Brought {
    import: CostImportId,
    beside: bool,
}

/// What an import brought for a span of time.
type Span = (Brought, Timestamp, Timestamp);
type Spans = BTreeSet<Span>;

/// Providers and sources with imports that left earlier lines beside them, if both have amounts for the same time.
fn beside<'a>(costs: impl Iterator<Item = (&'a str, Brought, &'a ProviderCost)>) -> BTreeSet<(Name, String)> {
    let mut spans: BTreeMap<(&Name, &str), Spans> = BTreeMap::new();
    for (source, brought, cost) in costs.filter(|(_, _, cost)| !cost.amount.is_zero()) {
        spans.entry((&cost.provider, source)).or_default().insert((brought, cost.from, cost.until));
    }
    let count_both = |spans: &Spans| {
        let late = |(brought, from, until): &Span| {
            let (from, until) = (*from, *until);
            let mut early = spans.iter().take_while(|(other, _, _)| other.import < brought.import);
            brought.beside && early.any(|(_, first, last)| *first < until && from < *last)
        };
        spans.iter().any(late)
    };
    let found = spans.iter().filter(|(_, spans)| count_both(spans));
    found.map(|((provider, source), _)| ((*provider).clone(), (*source).to_owned())).collect()
}

/// The payload of an import of costs: the file, its counts, and a digest over its lines, which may be many.
fn payload(import: &CostImport, costs: &[(i64, ProviderCost)]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new_derive_key("tokenbook 2026 provider costs");
    for (id, cost) in costs {
        let mut encoder = Encoder::new();
        encoder.i64(*id).u64(cost.line).text(&cost.key).text(cost.provider.as_str());
        encoder.optional_text(cost.item.as_ref().map(Name::as_str));
        encoder.optional_text(cost.model.as_ref().map(Name::as_str));
        encoder.i64(cost.from.nanos()).i64(cost.until.nanos()).text(cost.currency.code());
        encoder.text(&cost.amount.to_string()).optional_i64(cost.rounded_to.map(i64::from));
        encoder.optional_text(cost.quantity.map(|quantity| quantity.to_string()).as_deref());
        encoder.optional_text(cost.unit.as_ref().map(Name::as_str));
        hasher.update(encoder.as_bytes());
    }
    let mut encoder = Encoder::new();
    encoder.i64(import.id.number()).text(&import.source).text(&import.file).text(&import.format).text(&import.options);
    encoder.blob(&import.digest).i64(import.bytes);
    for count in import.counts {
        encoder.i64(count);
    }
    encoder.count(costs.len()).blob(hasher.finalize().as_bytes());
    encoder.into_bytes()
}

/// The payloads of all imports of costs by entry, computed from the tables.
fn payloads(connection: &Connection) -> Result<Payloads> {
    let mut costs: BTreeMap<CostImportId, Vec<(i64, ProviderCost)>> = BTreeMap::new();
    let mut statement = connection.prepare(ALL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        costs.entry(row.get(0)?).or_default().push((row.get(13)?, cost(row)?));
    }
    let mut payloads = Payloads::default();
    let mut statement = connection.prepare(IMPORTS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let import = CostImport {
            id: row.get(0)?,
            source: row.get(1)?,
            file: row.get(2)?,
            format: row.get(3)?,
            options: row.get(4)?,
            digest: chain::digest(&row.get::<_, Vec<u8>>(5)?)?,
            bytes: row.get(6)?,
            counts: [row.get(7)?, row.get(8)?, row.get(9)?, row.get(10)?],
        };
        let of_import = costs.remove(&import.id).unwrap_or_default();
        payloads.insert(row.get(11)?, payload(&import, &of_import));
    }
    for import in costs.into_keys() {
        payloads.stray(format!("provider costs name cost import {import}, which does not exist"));
    }
    Ok(payloads)
}
