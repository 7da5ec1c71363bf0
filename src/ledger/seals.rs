//! Seals: digests of what reports read, and the state of the ledger, which every entry of the chain holds.
//!
//! Anyone who can write the file can change sums, prices and names in it. A report that read such a change would bill it,
//! though no entry records it. So each kind of fact, the sums of each month and the tag sets have a digest, and the
//! digest over all of these stands in the newest entry of the chain. What reads facts, sums or names for an amount makes
//! their digest again and compares. That is a trip-wire for the state as it is now; the proof of how it came about is
//! `verify`, which makes sums again from the events.

use crate::domain::calendar::Day;
use crate::domain::canonical::{self, Encoder};
use crate::domain::period::{Month, Period};
use crate::domain::usage::{Dictionary, UsageLine};
use crate::ledger::chain::{self, Kind};
use crate::ledger::fact::{Fact, Payloads};
use crate::ledger::facts::FACTS;
use crate::ledger::logs::{Extent, Log};
use crate::ledger::sums::{self, Grain};
use crate::ledger::transaction::{Snapshot, Write};
use crate::ledger::{Ledger, LedgerError, Result, day_seals, dictionary, retraction, settings};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// What a seal is of. Codes are frozen: those above 0 are kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// The sums of a month; the span is the month.
    Month,
    /// The seals of the days of a month; the span is the month.
    Days,
    /// A table that only grows; the span is its last number.
    Log(Log),
    /// The facts that entries of a kind record; the span is 0.
    Facts(Kind),
}

impl What {
    fn code(self) -> i64 {
        match self {
            Self::Month => 0,
            Self::Days => -1,
            Self::Log(log) => log.code(),
            Self::Facts(kind) => i64::from(kind.code()),
        }
    }
}

type Digest = [u8; 32];
/// The seals of a state, by what they are of and the span.
pub(super) type Seals = BTreeMap<(i64, i64), Digest>;

const ALL: &str = "SELECT what, span, digest FROM seal ORDER BY what, span";
const SET: &str =
    "INSERT INTO seal (what, span, digest) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET digest = excluded.digest";
const FORGET: &str = "DELETE FROM seal WHERE what = ?1 AND span = ?2";
const FORGET_ALL: &str = "DELETE FROM seal";

fn all(connection: &Connection) -> Result<Seals> {
    let mut statement = connection.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    let mut seals = Seals::new();
    while let Some(row) = rows.next()? {
        seals.insert((row.get(0)?, row.get(1)?), chain::digest(&row.get::<_, Vec<u8>>(2)?)?);
    }
    Ok(seals)
}

fn set(connection: &Connection, what: What, span: i64, digest: &Digest) -> Result<()> {
    connection.prepare_cached(SET)?.execute((what.code(), span, &digest[..]))?;
    Ok(())
}

/// The digest over all seals: the state of the ledger.
fn root(seals: &Seals) -> Digest {
    let mut encoder = Encoder::new();
    encoder.count(seals.len());
    for ((what, span), digest) in seals {
        encoder.i64(*what).i64(*span).raw(digest);
    }
    derived("tokenbook 2026 state", encoder.as_bytes())
}

fn derived(context: &str, bytes: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(bytes);
    *hasher.finalize().as_bytes()
}

/// The state that an entry of a kind is to hold, after its rows were appended: the facts of its kind and new tag sets are
/// sealed first. The sums of months are sealed where they change.
pub(super) fn state_after(connection: &Connection, fact: &Fact) -> Result<Digest> {
    if let Some(digest) = facts(connection, fact)? {
        set(connection, What::Facts(fact.kind), 0, &digest)?;
    }
    let mut seals = all(connection)?;
    for log in Log::ALL {
        let sealed = extent(&seals, log);
        let now = sealed.with_newer(connection, log)?;
        if now != sealed {
            connection.prepare_cached(FORGET)?.execute((log.code(), sealed.last))?;
            set(connection, What::Log(log), now.last, &now.digest)?;
            seals.remove(&(log.code(), sealed.last));
            seals.insert((log.code(), now.last), now.digest);
        }
    }
    Ok(root(&seals))
}

/// The digest of the facts of a kind, where amounts depend on them.
fn facts(connection: &Connection, fact: &Fact) -> Result<Option<Digest>> {
    fact.is_sealed.then(|| digest_of_facts(&fact.payloads(connection)?)).transpose()
}

fn digest_of_facts(payloads: &Payloads) -> Result<Digest> {
    if let Some(stray) = payloads.strays().first() {
        return Err(LedgerError::Corrupt(stray.clone()));
    }
    let mut hasher = blake3::Hasher::new_derive_key("tokenbook 2026 facts of a kind");
    for (entry, payload) in payloads.iter() {
        let mut encoder = Encoder::new();
        encoder.i64(entry).blob(payload);
        hasher.update(encoder.as_bytes());
    }
    Ok(*hasher.finalize().as_bytes())
}

/// How far a log is sealed.
fn extent(seals: &Seals, log: Log) -> Extent {
    let sealed = seals.iter().find(|((what, _), _)| *what == log.code());
    sealed.map_or(Extent::NONE, |((_, last), digest)| Extent { last: *last, digest: *digest })
}

/// An error if the rows of a log are others than those that were appended.
fn prove_log(connection: &Connection, seals: &Seals, log: Log) -> Result<()> {
    let same = Extent::NONE.with_newer(connection, log)? == extent(seals, log);
    if same { Ok(()) } else { Err(changed(log.name())) }
}

/// An error if the rows of logs are others than those that were appended, before something is decided by them.
pub(super) fn guard_logs(connection: &Connection, logs: &[Log]) -> Result<()> {
    let seals = all(connection)?;
    logs.iter().try_for_each(|log| prove_log(connection, &seals, *log))
}

/// The seals of months, each over its sums by payer, with names for numbers. Lines are of months.
fn of_sums(lines: &[UsageLine], names: &Dictionary) -> Result<Seals> {
    let mut by_month: BTreeMap<i64, Vec<Vec<u8>>> = BTreeMap::new();
    for line in lines {
        by_month.entry(line.key.day.month().code()).or_default().push(form(line, names)?);
    }
    let seal = |(month, mut forms): (i64, Vec<Vec<u8>>)| {
        // Numbers are of one file; names are not.
        forms.sort_unstable();
        let mut encoder = Encoder::new();
        encoder.i64(month).count(forms.len());
        for form in &forms {
            encoder.blob(form);
        }
        ((What::Month.code(), month), derived("tokenbook 2026 sums of a month", encoder.as_bytes()))
    };
    Ok(by_month.into_iter().map(seal).collect())
}

/// The seals of months over those of their days.
fn of_days(connection: &Connection, period: Period) -> Result<Seals> {
    let mut by_month: BTreeMap<i64, Encoder> = BTreeMap::new();
    for (day, seal) in day_seals::of_period(connection, period)? {
        let days = by_month.entry(day.month().code()).or_default();
        days.i64(i64::from(day.number())).raw(&seal.bytes());
    }
    let seal = |(month, days): (i64, Encoder)| {
        ((What::Days.code(), month), derived("tokenbook 2026 days of a month", days.as_bytes()))
    };
    Ok(by_month.into_iter().map(seal).collect())
}

/// Both, as the tables are.
fn of_month(connection: &Connection, ledger: &Ledger, month: Month, names: &Dictionary) -> Result<Seals> {
    let lines = sums::lines(connection, ledger, Grain::Month, (month.first(), month.first()))?;
    let mut seals = of_sums(&lines, names)?;
    seals.extend(of_days(connection, month.period())?);
    Ok(seals)
}

/// What is sealed of each month.
const OF_MONTHS: [What; 2] = [What::Month, What::Days];

fn form(line: &UsageLine, names: &Dictionary) -> Result<Vec<u8>> {
    let missing = |what: &str| LedgerError::Corrupt(format!("a sum names a {what} that does not exist"));
    let key = &line.key;
    let mut encoder = Encoder::new();
    encoder.text(names.sources.get(&key.source).ok_or_else(|| missing("source"))?);
    encoder.raw(&canonical::tags(names.tags(key.tag_set).ok_or_else(|| missing("payer"))?));
    encoder.raw(&canonical::model(names.models.get(&key.model).ok_or_else(|| missing("model"))?));
    encoder.raw(&canonical::tier(names.tiers.get(&key.tier).ok_or_else(|| missing("service tier"))?));
    encoder.i64(key.band.code()).i64(line.events).i64(line.active);
    encoder.i64(line.first_at.nanos()).i64(line.last_at.nanos());
    for (meter, quantity) in line.quantities.iter() {
        encoder.u8(meter.code()).i64(quantity);
    }
    Ok(encoder.into_bytes())
}

/// An error if the seals are not those that the newest entry holds. Whatever appends looks at this first, since it seals
/// what it adds to: a change that nobody recorded must not be sealed along with it.
///
/// The settings are compared as well: the zone decides which day an event is of.
pub(super) fn guard(connection: &Connection) -> Result<()> {
    let seals = all(connection)?;
    if chain::state(connection)? != Some(root(&seals)) {
        return Err(altered());
    }
    let sealed = seals.get(&(What::Facts(Kind::Genesis).code(), 0));
    if facts(connection, &settings::FACT)?.as_ref() == sealed { Ok(()) } else { Err(changed("settings")) }
}

fn altered() -> LedgerError {
    LedgerError::Corrupt("the digests of what it holds are not those of the newest entry".to_owned())
}

/// The seal of the facts of a kind; none where there is no entry of it.
pub(super) fn of_facts(connection: &Connection, fact: &Fact) -> Result<Option<Digest>> {
    Ok(all(connection)?.get(&(What::Facts(fact.kind).code(), 0)).copied())
}

/// An error if the facts of a kind are others than those that were appended, before more are.
pub(super) fn guard_facts(connection: &Connection, fact: &Fact) -> Result<()> {
    if fact.kind == Kind::Genesis {
        // Nothing comes before the first entry.
        return Ok(());
    }
    let Some(digest) = facts(connection, fact)? else { return Ok(()) };
    let sealed = of_facts(connection, fact)?;
    let same = sealed.map_or(!chain::has(connection, fact.kind)?, |sealed| sealed == digest);
    if same { Ok(()) } else { Err(changed(&format!("rows of kind {}", fact.kind.name()))) }
}

/// An error if the sums of months are others than those that imports made, before more is added to them.
pub(super) fn guard_months(connection: &Connection, ledger: &Ledger, months: &BTreeSet<i64>) -> Result<()> {
    let (seals, names) = (all(connection)?, dictionary::of_payers(connection)?);
    for code in months {
        let month = month_of(*code)?;
        let found = of_month(connection, ledger, month, &names)?;
        let same = |what: What| found.get(&(what.code(), *code)) == seals.get(&(what.code(), *code));
        if !OF_MONTHS.into_iter().all(same) {
            return Err(changed(&format!("sums of usage of {month}")));
        }
    }
    Ok(())
}

fn month_of(code: i64) -> Result<Month> {
    Month::from_code(code).ok_or_else(|| LedgerError::Corrupt(format!("the month {code} is out of range")))
}

/// Seals the sums of months that have changed.
pub(super) fn seal_months(connection: &Connection, ledger: &Ledger, months: &BTreeSet<i64>) -> Result<()> {
    let names = dictionary::of_payers(connection)?;
    for code in months {
        let found = of_month(connection, ledger, month_of(*code)?, &names)?;
        for what in OF_MONTHS {
            match found.get(&(what.code(), *code)) {
                Some(digest) => set(connection, what, *code, digest)?,
                None => {
                    connection.prepare_cached(FORGET)?.execute((what.code(), code))?;
                }
            }
        }
    }
    Ok(())
}

/// The seals as they should be, made from everything that they are of.
fn computed(connection: &Connection, ledger: &Ledger) -> Result<Seals> {
    let mut seals = of_sums(&sums::all_months(connection, ledger)?, &dictionary::of_payers(connection)?)?;
    seals.extend(of_days(connection, Period::between(Day::FIRST, Day::LAST))?);
    for log in Log::ALL {
        let Extent { last, digest } = Extent::NONE.with_newer(connection, log)?;
        // A log without rows has no seal.
        if last != 0 {
            seals.insert((log.code(), last), digest);
        }
    }
    for fact in FACTS {
        // A kind without an entry was never sealed.
        if chain::has(connection, fact.kind)?
            && let Some(digest) = facts(connection, fact)?
        {
            seals.insert((What::Facts(fact.kind).code(), 0), digest);
        }
    }
    Ok(seals)
}

impl Write<'_> {
    /// Makes all seals again.
    pub(super) fn rebuild_seals(&self) -> Result<()> {
        let connection = self.connection();
        let seals = computed(connection, self.ledger())?;
        connection.execute(FORGET_ALL, [])?;
        for ((what, span), digest) in &seals {
            connection.prepare_cached(SET)?.execute((what, span, &digest[..]))?;
        }
        Ok(())
    }
}

impl Snapshot<'_> {
    /// Seals that are not of what the tables hold, or not those that the newest entry holds.
    pub fn changed_seals(&self) -> Result<Vec<String>> {
        let (stored, computed) = (all(self.connection())?, computed(self.connection(), self.ledger())?);
        let mut findings = Vec::new();
        if stored != computed {
            findings.push("the seals differ from the rows they are of (run `tokenbook rebuild`)".to_owned());
        }
        if chain::newest(self.connection())?.is_none_or(|newest| newest.state != root(&computed)) {
            findings.push("the newest entry holds another state than the tables".to_owned());
        }
        Ok(findings)
    }

    /// The seals of this state, which the newest entry holds.
    fn seals(&self) -> Result<&Seals> {
        if let Some(seals) = self.seals.get() {
            return Ok(seals);
        }
        let newest = chain::newest(self.connection())?;
        let seals = all(self.connection())?;
        let holds = newest.is_some_and(|newest| newest.hash == newest.computed_hash() && newest.state == root(&seals));
        if !holds {
            return Err(altered());
        }
        Ok(self.seals.get_or_init(|| seals))
    }

    /// An error if the facts of a kind, with these payloads, are others than those that were appended.
    pub(super) fn prove_facts(&self, fact: &Fact, payloads: &Payloads) -> Result<()> {
        let sealed = self.seals()?.get(&(What::Facts(fact.kind).code(), 0)).copied();
        let found = digest_of_facts(payloads)?;
        let same = match sealed {
            Some(sealed) => sealed == found,
            None => payloads.iter().next().is_none(),
        };
        if same { Ok(()) } else { Err(changed(&format!("rows of kind {}", fact.kind.name()))) }
    }

    /// An error if the facts of a kind are others than those that were appended.
    pub(super) fn prove_kind(&self, fact: &Fact) -> Result<()> {
        self.prove_facts(fact, &fact.payloads(self.connection())?)
    }

    /// An error if the settings are others than those that the ledger was made with.
    pub fn prove_settings(&self) -> Result<()> {
        self.prove_kind(&settings::FACT)
    }

    /// An error if something else counts as taken back than what was.
    pub fn prove_retractions(&self) -> Result<()> {
        self.prove_kind(&retraction::FACT)
    }

    /// An error if the rows of logs are others than those that were appended.
    pub(super) fn prove_logs(&self, logs: &[Log]) -> Result<()> {
        let seals = self.seals()?;
        logs.iter().try_for_each(|log| prove_log(self.connection(), seals, *log))
    }

    /// An error if the sums of a period's months are others than those that imports made. Lines are sums by month and payer:
    /// all of them.
    pub fn prove_months(&self, period: Period, lines: &[UsageLine], names: &Dictionary) -> Result<()> {
        self.prove_spans(What::Month, period, &of_sums(lines, names)?)
    }

    /// An error if the seals of a period's days are others than those that imports made.
    pub fn prove_days(&self, period: Period) -> Result<()> {
        self.prove_spans(What::Days, period, &of_days(self.connection(), period.whole_months())?)
    }

    fn prove_spans(&self, what: What, period: Period, found: &Seals) -> Result<()> {
        let (first, last) = (period.first().month().code(), period.last().month().code());
        let sealed: Seals = self
            .seals()?
            .range((what.code(), first)..=(what.code(), last))
            .map(|(key, digest)| (*key, *digest))
            .collect();
        if *found == sealed {
            return Ok(());
        }
        let differs = |key: &&(i64, i64)| found.get(key) != sealed.get(key);
        let month = found.keys().chain(sealed.keys()).find(differs).and_then(|(_, month)| Month::from_code(*month));
        let month = month.map_or_else(String::new, |month| format!(" of {month}"));
        Err(changed(&format!("sums of usage{month}")))
    }
}

pub(super) fn changed(what: &str) -> LedgerError {
    LedgerError::Corrupt(format!(
        "the {what} were changed: they are not those that the newest entry of the chain records"
    ))
}
