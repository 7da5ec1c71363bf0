//! Proves that the ledger holds what was recorded in it. Any thread can run each part on a separate snapshot.

use crate::domain::calendar::Day;
use crate::domain::count::Count;
use crate::domain::event::QUANTITY_LIMIT;
use crate::domain::meter::Meter;
use crate::domain::number::{BatchId, ClassId, EntryId, SourceId, TagSetId};
use crate::domain::period::Period;
use crate::domain::tags::TagSet;
use crate::domain::usage::{Tally, UsageLine};
use crate::ledger::chain::fact::Finding;
use crate::ledger::facts::batch_days;
use crate::ledger::file::retracted::Retracted;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::names::dictionary;
use crate::ledger::proof::ids::Strays;
use crate::ledger::proof::registry::{self, Expected};
use crate::ledger::read::class::Classes;
use crate::ledger::read::day_digest::{DayHasher, DaySeal};
use crate::ledger::read::revision::{Grown, Live, Parts};
use crate::ledger::read::scan::parts;
use crate::ledger::read::scan::{Columns, StoredEvent};
use crate::ledger::sums::day_seals;
use crate::ledger::sums::recount;
use crate::ledger::sums::{self, Grain, Months};
use crate::ledger::{LedgerError, Result, chain, fits};
use crate::rows::canonical::{REVISION, USAGE};
use crate::rows::key::{EventKey, KeyHash, SourceHasher};
use crate::text::problem::counted;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the events of one day prove.
#[derive(Debug)]
pub struct DayProof {
    seals: Vec<(BatchId, DaySeal)>,
    /// Its part of the month.
    month: Months,
    /// The day's events, including revisions.
    pub events: u64,
    /// Revisions.
    pub revisions: u64,
    /// Retracted events.
    pub retracted: u64,
    /// Events whose key does not contain the hash of their id.
    pub strays: Strays,
    /// The errors in the events.
    pub findings: Vec<Finding>,
    /// An error in the totals, which can be rebuilt.
    pub wrong_sums: Option<Finding>,
}

/// The data needed to prove a day.
#[derive(Debug)]
pub struct Prover {
    classes: Classes,
    payers: FxHashMap<TagSetId, TagSetId>,
    forms: FxHashMap<ClassId, Vec<u8>>,
    /// The source of each batch: its number, and a hasher with its name.
    sources: FxHashMap<BatchId, (SourceId, SourceHasher)>,
}

const SOURCE_NAMES: &str =
    "SELECT b.id, s.id, s.name FROM batch b JOIN import i ON i.id = b.import JOIN source s ON s.id = i.source";

const DAILY_DAYS: &str =
    "SELECT day, posting_period FROM usage_daily UNION SELECT day, posting_period FROM usage_daily_meter";
const SEALED_DAYS: &str = "SELECT day FROM day_seal";
const ORPHANS: &str = "SELECT count(*) FROM usage_daily_meter m WHERE NOT EXISTS (SELECT 1 FROM usage_daily d \
    WHERE d.day = m.day AND d.posting_period = m.posting_period AND d.source = m.source AND d.tag_set = m.tag_set \
    AND d.model = m.model AND d.tier = m.tier AND d.band = m.band)";
const POSTED_ELSEWHERE: &str = "SELECT count(*) FROM (SELECT month, posting_period FROM usage_monthly \
    UNION ALL SELECT month, posting_period FROM usage_monthly_meter) WHERE month <> posting_period";
const SEALED: &str = "SELECT sum(events) FROM batch";
const STRAY_LINKS: &str = "SELECT count(*) FROM event_link l LEFT JOIN usage_event e ON e.key = l.key \
    LEFT JOIN event_class c ON c.id = e.class WHERE c.kind IS NULL OR c.kind = 0";
const METERS_BEFORE: &str = "SELECT count(*) FROM event_meter WHERE key < ?1";
const METERS_AFTER: &str = "SELECT count(*) FROM event_meter WHERE key > ?1";
const METERS: &str = "SELECT code, name, unit FROM meter ORDER BY code";

impl Snapshot<'_> {
    /// The first and the last day with events.
    pub fn days_of_events(&self) -> Result<Option<(Day, Day)>> {
        recount::days_of_events(self.connection())
    }

    /// The number of events in the batches, to show the progress of reading them.
    pub fn events_sealed(&self) -> Option<u64> {
        let sum = self.connection().query_row(SEALED, [], |row| row.get(0));
        u64::try_from(sum.unwrap_or(-1_i64)).ok()
    }

    /// The data needed to prove days of this state.
    pub fn prover(&self, key_hash: KeyHash) -> Result<Prover> {
        let mut sources = FxHashMap::default();
        let mut statement = self.connection().prepare(SOURCE_NAMES)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(2)?;
            sources.insert(row.get(0)?, (row.get(1)?, SourceHasher::new(key_hash, &name)));
        }
        let classes = self.classes()?;
        let forms = classes.forms(self.connection())?;
        let payers = dictionary::payers(self.connection())?;
        Ok(Prover { classes, payers, forms, sources })
    }

    /// Reads every event of a day: its key, its digest by batch, and the day's totals.
    pub fn prove_day(&self, day: Day, prover: &Prover) -> Result<DayProof> {
        let start = self.ledger().settings().calendar.start_of(day);
        let end = day.next().map(|next| self.ledger().settings().calendar.start_of(next));
        let mut hashers: BTreeMap<BatchId, DayHasher> = BTreeMap::new();
        let (mut tally, mut findings) = (Tally::new(), Vec::new());
        let (mut events, mut revisions, mut retracted_events) = (0_u64, 0_u64, 0_u64);
        let (mut displaced, mut strays) = (Vec::new(), Strays::default());
        let Prover { classes, payers, forms, sources } = prover;
        let mut sources = sources.clone();
        let (first, last) = EventKey::range_of(day);
        let retracted = Retracted::between(self.connection(), first, last)?;
        // Retracted rows are proved like all others, and are in no total.
        let linked = Grown::between(self.connection(), &Retracted::default(), first, last)?;
        let (live, mut parts_seen) = (Live::of_day(self.connection(), retracted, day)?, Parts::default());
        self.events(classes, first, last, Columns::All, |event| {
            events.one_more();
            revisions.more(u64::from(event.class.kind == REVISION));
            let has_id = event.class.kind == USAGE;
            if !has_id {
                strays.without_id(event.key);
            }
            if event.at < start || end.is_some_and(|end| event.at >= end) {
                findings.push(format!("event {:?} at {} is stored under {day}", event.id, event.at));
            }
            findings.extend(impossible(event));
            hashers.entry(event.batch).or_insert_with(DayHasher::new).add(parts(event, forms)?, &event.quantities);
            retracted_events.more(u64::from(!live.has(event)));
            if linked.has(event) {
                parts_seen.note(event);
            }
            live.tally(classes, event, &mut tally)?;
            match sources.get_mut(&event.batch) {
                None => findings.push(format!("event {:?} names a batch that does not exist", event.id)),
                Some((source, _)) if *source != event.class.source => {
                    findings.push(format!("event {:?} is of another source than its batch", event.id));
                }
                Some((_, hasher)) => {
                    let hash = hasher.hash(&event.id);
                    if hash != event.key.hash() {
                        displaced.push((hash, event.key));
                        if has_id {
                            strays.displaced(event.key, hash);
                        }
                    }
                }
            }
            Ok(())
        })?;
        for (hash, key) in displaced {
            findings.extend(self.unreachable(EventKey::new(day, hash).in_half(key.half()), key)?);
        }
        findings.extend(parts_seen.findings(&linked));
        let lines = recount::lines_of_day(tally, classes, day, start)?;
        let wrong_sums = self.compare_daily(day, &lines)?;
        let mut month = Months::default();
        lines.iter().try_for_each(|line| month.count(self.ledger(), payers, line))?;
        let seals = hashers.into_iter().map(|(batch, hasher)| (batch, hasher.seal(day))).collect();
        Ok(DayProof { seals, month, events, revisions, retracted: retracted_events, strays, findings, wrong_sums })
    }

    /// Every key between an event's own key and its actual key must be taken. Otherwise a lookup would not find the
    /// event.
    fn unreachable(&self, start: EventKey, key: EventKey) -> Result<Option<Finding>> {
        let mut statement = self.connection().prepare_cached("SELECT 1 FROM usage_event WHERE key = ?1")?;
        let mut at = start;
        // A run of collisions this long does not happen by chance.
        for _ in 0..1_000_000 {
            if at == key {
                return Ok(None);
            }
            if !statement.exists([at.number()])? {
                break;
            }
            at = at.next_in_half();
        }
        Ok(Some(format!(
            "an event of {} is stored under key {}, which does not belong to its id",
            key.day(),
            key.number()
        )))
    }

    fn compare_daily(&self, day: Day, computed: &[UsageLine]) -> Result<Option<Finding>> {
        let stored = sums::lines(self.connection(), self.ledger(), Grain::Day, day..=day)?;
        let what = if stored != computed {
            format!("daily totals of {day} differ from its events")
        } else if day_seals::of_lines(computed) != day_seals::of_day(self.connection(), day)? {
            format!("seal of {day} does not match its totals")
        } else {
            return Ok(None);
        };
        Ok(Some(format!("the {what} (`tokenbook rebuild` computes them again)")))
    }

    /// Daily totals that belong to no proved day: of days without events, posted to another month, or rare meters
    /// without their main row.
    pub fn stray_sums(&self, days: Option<(Day, Day)>) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let mut statement = self.connection().prepare(DAILY_DAYS)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (number, posted): (i64, i64) = (row.get(0)?, row.get(1)?);
            let Some(day) = Day::from_number(number) else {
                findings.push(format!("daily totals exist for day {number}, which is out of range"));
                continue;
            };
            if !days.is_some_and(|(first, last)| (first..=last).contains(&day)) {
                findings.push(format!("daily totals exist for {day}, which has no events"));
            }
            if day.month().code() != posted {
                findings.push(format!("daily totals of {day} are posted to {posted}"));
            }
        }
        let mut statement = self.connection().prepare(SEALED_DAYS)?;
        let sealed = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
        let has_events = |number: &i64| {
            days.is_some_and(|(first, last)| (i64::from(first.number())..=i64::from(last.number())).contains(number))
        };
        for number in sealed.iter().filter(|number| !has_events(number)) {
            findings.push(format!("day {number} has a seal but no events"));
        }
        let orphans: i64 = self.connection().query_row(ORPHANS, [], |row| row.get(0))?;
        if orphans > 0 {
            findings.push({
                let sums =
                    counted(orphans, "daily total of a rare meter belongs", "daily totals of rare meters belong");
                format!("{sums} to no daily total")
            });
        }
        Ok(findings)
    }

    /// Proves that the monthly totals of a period match those in the newest entry. All days must be proved.
    pub fn prove_period(&self, period: Period, days: &mut [DayProof]) -> Result<()> {
        let mut computed = Months::default();
        days.iter_mut().try_for_each(|day| computed.merge(std::mem::take(&mut day.month)))?;
        let lines = computed.take();
        let of_period: Vec<UsageLine> = lines.into_iter().filter(|line| period.contains(line.key.day)).collect();
        self.prove_months(period, &of_period, &dictionary::of_payers(self.connection())?)?;
        self.prove_days(period)
    }

    /// Monthly totals that do not match the days, and payers that do not match their tag sets.
    pub fn changed_months(&self, days: &mut [DayProof]) -> Result<Vec<Finding>> {
        let mut computed = Months::default();
        days.iter_mut().try_for_each(|day| computed.merge(std::mem::take(&mut day.month)))?;
        let mut findings = Vec::new();
        if sums::all_months(self.connection(), self.ledger())? != computed.take() {
            let what = "the monthly totals differ from the events (`tokenbook rebuild` computes them again)";
            findings.push(what.to_owned());
        }
        let elsewhere: i64 = self.connection().query_row(POSTED_ELSEWHERE, [], |row| row.get(0))?;
        if elsewhere > 0 {
            findings.push({
                let sums = counted(elsewhere, "monthly total is", "monthly totals are");
                format!("{sums} posted to another month")
            });
        }
        for tag_set in dictionary::respelled(self.connection())? {
            findings.push(format!("tag set {tag_set} is not spelled the way imports spell it"));
        }
        let names = dictionary::all(self.connection())?;
        for (tag_set, payer) in dictionary::payers(self.connection())? {
            if names.tag_sets.get(&tag_set).map(TagSet::payer).as_ref() != names.tag_sets.get(&payer) {
                findings.push(format!("tag set {tag_set} has a payer that differs from its tags"));
            }
        }
        Ok(findings)
    }

    /// Rare meters before the first or after the last day of events, which no day's proof covers.
    pub fn stray_meters(&self, days: Option<(Day, Day)>) -> Result<Option<Finding>> {
        let (first, last) = days.map_or((i64::MAX, i64::MIN), |(first, last)| {
            (EventKey::range_of(first).0.number(), EventKey::range_of(last).1.number())
        });
        let meters: i64 = self.connection().query_row(METERS_BEFORE, [first], |row| row.get(0))?;
        let later: i64 = self.connection().query_row(METERS_AFTER, [last], |row| row.get(0))?;
        let stray = meters.saturating_add(later);
        Ok((stray > 0).then(|| format!("{} to no event", counted(stray, "rare meter belongs", "rare meters belong"))))
    }

    /// Links of rows that are not revisions.
    pub fn stray_links(&self) -> Result<Option<Finding>> {
        let links: i64 = self.connection().query_row(STRAY_LINKS, [], |row| row.get(0))?;
        Ok((links > 0).then(|| format!("{} to no revision", counted(links, "link belongs", "links belong"))))
    }

    /// Names and units of meters that differ from this version's.
    pub fn changed_meters(&self) -> Result<Vec<Finding>> {
        let mut statement = self.connection().prepare(METERS)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let stored: Vec<(i64, String, String)> = rows.collect::<rusqlite::Result<_>>()?;
        let known = Meter::ALL.map(|m| (i64::from(m.code()), m.name().to_owned(), m.unit().name().to_owned()));
        Ok(if stored == known {
            Vec::new()
        } else {
            vec!["the table of meters differs from the ledger's version".to_owned()]
        })
    }

    /// Reads the chain and computes every payload again from the tables. It compares the days of batches with these
    /// proofs: all days, or those of a period.
    pub fn prove_chain(&self, days: &[DayProof], period: Option<Period>) -> Result<ChainProof> {
        let connection = self.connection();
        let mut proof = ChainProof { findings: registry::broken_tables(connection)?, ..ChainProof::default() };
        self.prove_batches(days, period, &mut proof)?;
        let mut expected = Expected::read(connection, &mut proof.findings)?;
        let (mut prev, mut last, mut at) = ([0; 32], EntryId::NONE, None);
        chain::entries(connection, |entry| {
            proof.entries.one_more();
            if entry.number != last.next() || entry.prev != prev || at.is_some_and(|at| entry.at < at) {
                proof.findings.push(format!("entry {} does not follow entry {last}", entry.number));
            }
            if entry.hash != entry.computed_hash() {
                proof.findings.push(format!("entry {} does not match its hash", entry.number));
            }
            (prev, last, at) = (entry.hash, entry.number, Some(entry.at));
            proof.findings.extend(expected.differs(&entry));
            proof.heads.push((entry.number, entry.hash));
            Ok(())
        })?;
        proof.findings.extend(expected.unrecorded());
        Ok(proof)
    }

    /// Compares the days of batches with the events that name them: all days, or those of a period.
    fn prove_batches(&self, days: &[DayProof], period: Option<Period>, proof: &mut ChainProof) -> Result<()> {
        let mut found: BTreeMap<(BatchId, Day), &DaySeal> = BTreeMap::new();
        for (batch, seal) in days.iter().flat_map(|day| &day.seals) {
            found.insert((*batch, seal.day), seal);
        }
        for (batch, days) in batch_days::by_batch(self.connection())? {
            let mut is_met = false;
            for sealed in days.into_iter().filter(|sealed| period.is_none_or(|period| period.contains(sealed.day))) {
                is_met = true;
                if found.remove(&(batch, sealed.day)) != Some(&sealed) {
                    let day = sealed.day;
                    proof
                        .findings
                        .push(format!("the events of {day} in batch {batch} do not match the digest of the batch"));
                }
            }
            proof.batches.more(u64::from(is_met));
        }
        for (batch, day) in found.into_keys() {
            proof.findings.push(format!("events of {day} name batch {batch}, which did not bring them"));
        }
        Ok(())
    }

    /// SQLite's own checks of the file: pages, and references between tables.
    pub fn integrity(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let mut statement = self.connection().prepare("PRAGMA integrity_check")?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        for line in rows {
            findings.push(line?);
        }
        findings.retain(|line| line != "ok");
        findings.extend(self.bytes_behind_the_last_page()?);
        let mut statement = self.connection().prepare("PRAGMA foreign_key_check")?;
        let broken = statement.query_map([], |row| row.get::<_, String>(0))?;
        for table in broken {
            findings.push(format!("a row of {} refers to a row that does not exist", table?));
        }
        Ok(findings)
    }
}

const BYTES_OF_PAGES: &str = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";

impl Snapshot<'_> {
    /// Bytes that somebody appended to the file. SQLite never reads them, and never cuts them off.
    fn bytes_behind_the_last_page(&self) -> Result<Option<Finding>> {
        let Some(path) = self.connection().path().map(PathBuf::from) else { return Ok(None) };
        // The file may be shorter: pages that the write-ahead log holds are not in it yet.
        let pages: u64 = fits(self.connection().query_row(BYTES_OF_PAGES, [], |row| row.get(0))?, "bytes")?;
        let bytes = path.metadata().map_err(|error| LedgerError::Io { path, error })?.len();
        let behind = bytes.checked_sub(pages).filter(|behind| *behind > 0);
        Ok(behind
            .map(|behind| format!("the file has {behind} bytes behind its last page, which are no part of the ledger")))
    }
}

/// An error if an event has an impossible quantity.
fn impossible(event: &StoredEvent<'_>) -> Option<Finding> {
    let wrong = event.quantities.iter().find(|(_, quantity)| !(0..=QUANTITY_LIMIT).contains(quantity));
    wrong.map(|(meter, quantity)| format!("event {:?} has {quantity} of {}", event.id, meter.name()))
}

/// What the chain proves.
#[derive(Debug, Default)]
pub struct ChainProof {
    /// Entries.
    pub entries: u64,
    /// Batches.
    pub batches: u64,
    /// The hash of every entry, to compare with a stored head.
    pub heads: Vec<(EntryId, [u8; 32])>,
    /// The errors found.
    pub findings: Vec<Finding>,
}
