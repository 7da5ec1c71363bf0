//! Verifies a ledger on all threads: every event, every total, every entry.

use crate::books::controls::alerts;
use crate::books::watching::watched;
use crate::books::{Books, Observer, Stage};
use crate::domain::calendar::Day;
use crate::domain::number::EntryId;
use crate::domain::period::Period;
use crate::ledger::chain::fact::Finding;
use crate::ledger::file::transaction::{Readers, Snapshot};
use crate::ledger::file::watch::Watch;
use crate::ledger::proof::ids::{IdsProof, Strays};
use crate::ledger::proof::verify::DayProof;
use crate::ledger::{Damage, LedgerError, chain};
use crate::text::problem::{counted, listed};
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// How thoroughly to verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The chain, every event's digest, the daily totals, the ids, the schema.
    Full,
    /// The same, and SQLite's own checks of the file.
    WithIntegrity,
}

/// A head that was stored outside the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// The entry's number.
    pub entry: EntryId,
    /// Its hash.
    pub hash: [u8; 32],
}

/// What was verified, and the errors found.
#[derive(Debug)]
pub struct Verification {
    /// Entries of the chain.
    pub entries: u64,
    /// Batches.
    pub batches: u64,
    /// Events, including revisions.
    pub events: u64,
    /// Revisions: what later states of growing records added.
    pub revisions: u64,
    /// Retracted events. They stay in the file and do not count.
    pub retracted: u64,
    /// The head.
    pub head: chain::Head,
    /// The errors; empty if the ledger is unchanged.
    pub findings: Vec<Finding>,
}

/// The days that one task proves. It makes opening a connection worthwhile.
const DAYS_A_TASK: usize = 2;

impl Books {
    /// Verifies everything.
    pub fn verify(
        &self,
        depth: Depth,
        anchor: Option<Anchor>,
        observer: &dyn Observer,
    ) -> Result<Verification, LedgerError> {
        watched(observer, |watch| {
            let snapshot = self.snapshot_for_all()?.watched(watch)?;
            self.verify_snapshot(&snapshot, depth, anchor)
        })
    }

    fn verify_snapshot(
        &self,
        snapshot: &Snapshot<'_>,
        depth: Depth,
        anchor: Option<Anchor>,
    ) -> Result<Verification, LedgerError> {
        let (watch, sealed) = (snapshot.watch(), snapshot.events_sealed());
        watch.begin(Stage::Events, sealed);
        let days_of_events = snapshot.days_of_events()?;
        let days = match days_of_events {
            Some((first, last)) => Period::between(first, last).days().collect(),
            None => Vec::new(),
        };
        let readers = snapshot.readers();
        let mut proofs = self.prove_days(snapshot, &days)?;
        let events = proofs.iter().map(|day| day.events).sum();
        let revisions = proofs.iter().map(|day| day.revisions).sum();
        let retracted = proofs.iter().map(|day| day.retracted).sum();
        let mut findings: Vec<Finding> = found(&proofs);
        watch.begin(Stage::Ids, sealed);
        let strays = Strays::of_all(proofs.iter_mut().map(|day| std::mem::take(&mut day.strays)));
        findings.extend(wrong_ids(&readers, days_of_events, &strays, events)?);
        watch.begin(Stage::Sums, None);
        findings.extend(snapshot.stray_sums(days_of_events)?);
        findings.extend(snapshot.stray_links()?);
        findings.extend(snapshot.stray_meters(days_of_events)?);
        findings.extend(snapshot.changed_months(&mut proofs)?);
        findings.extend(snapshot.changed_meters()?);
        findings.extend(snapshot.changed_seals()?);
        let proof = snapshot.prove_chain(&proofs, None)?;
        findings.extend(proof.findings);
        findings.extend(anchor.and_then(|anchor| missing_anchor(&proof.heads, anchor)));
        // What was changed cannot be compared any further.
        if findings.is_empty() {
            findings.extend(alerts::findings(snapshot)?);
        }
        if depth == Depth::WithIntegrity {
            watch.begin(Stage::File, None);
            findings.extend(snapshot.integrity()?);
        }
        Ok(Verification {
            entries: proof.entries,
            batches: proof.batches,
            events,
            revisions,
            retracted,
            head: snapshot.head().clone(),
            findings,
        })
    }

    fn prove_days(&self, snapshot: &Snapshot<'_>, days: &[Day]) -> Result<Vec<DayProof>, LedgerError> {
        let (readers, prover) = (snapshot.readers(), snapshot.prover(self.key_hash)?);
        let prove = |days: &[Day]| {
            readers.read(|reader| {
                let proofs = days.iter().map(|day| reader.prove_day(*day, &prover));
                proofs.collect::<Result<Vec<DayProof>, LedgerError>>()
            })
        };
        let proofs: Vec<Vec<DayProof>> = days.par_chunks(DAYS_A_TASK).map(prove).collect::<Result<_, _>>()?;
        Ok(proofs.into_iter().flatten().collect())
    }

    /// Proves everything that whole months are billed from: all their events, their totals, and every fact. The error
    /// describes the difference.
    pub(in crate::books) fn prove_months(&self, snapshot: &Snapshot<'_>, period: Period) -> Result<(), LedgerError> {
        let period = period.whole_months();
        let days: Vec<Day> = period.days().collect();
        snapshot.watch().begin(Stage::Events, snapshot.events_within(period));
        let mut proofs = self.prove_days(snapshot, &days)?;
        let mut findings: Vec<Finding> = found(&proofs);
        findings.extend(snapshot.prove_chain(&proofs, Some(period))?.findings);
        if let Some(first) = findings.first() {
            let more = findings.len() - 1;
            let others = if more == 0 { String::new() } else { format!(", and {}", listed(more, "other", "others")) };
            return Err(LedgerError::Corrupt(Damage::Rows, format!("{first}{others}")));
        }
        snapshot.prove_period(period, &mut proofs)
    }

    /// Rebuilds the totals and the lists of ids from the events. It proves the events first and rejects forged ones.
    /// Returns the number of totals.
    pub fn rebuild(&self, observer: &dyn Observer) -> Result<u64, LedgerError> {
        let begin = |waiting: &dyn Fn()| self.ledger.mend(waiting);
        self.kept_in(observer, begin, |write| {
            // Nobody can write meanwhile, so all readers see the state in which this transaction began.
            let reader = self.ledger.reader()?;
            let snapshot = reader.snapshot()?.watched(write.shared_watch())?;
            snapshot.watch().begin(Stage::Events, snapshot.events_sealed());
            let days = snapshot.days_of_events()?;
            let days: Vec<Day> =
                days.map_or_else(Vec::new, |(first, last)| Period::between(first, last).days().collect());
            let proofs = self.prove_days(&snapshot, &days)?;
            let of_events = proofs.iter().find_map(|day| day.findings.first());
            match of_events.or(snapshot.prove_chain(&proofs, None)?.findings.first()) {
                Some(finding) => Err(LedgerError::Corrupt(Damage::Rows, format!("{finding}: nothing was rebuilt"))),
                None => write.rebuild(self.key_hash),
            }
        })
    }

    /// Verifies everything. Returns an error if anything is wrong.
    pub(in crate::books) fn all_proved(&self, watch: &Arc<Watch>) -> Result<Verification, LedgerError> {
        let snapshot = self.ledger.snapshot()?.watched(watch)?;
        let verification = self.verify_snapshot(&snapshot, Depth::WithIntegrity, None)?;
        match verification.findings.first() {
            Some(finding) => Err(LedgerError::Corrupt(Damage::Rows, finding.clone())),
            None => Ok(verification),
        }
    }

    /// Copies the ledger to a new file, which appears only after the copy verifies.
    pub fn backup(&self, target: &Path, observer: &dyn Observer) -> Result<Verification, LedgerError> {
        let mut verified = None;
        let mut verify = |copy: &Path, watch: &Arc<Watch>| {
            verified = Some(Self::read(copy)?.with_key_hash(self.key_hash).all_proved(watch)?);
            // From here on, the file is a backup and no longer a temporary copy.
            if observer.stop() { Err(LedgerError::Stopped) } else { Ok(()) }
        };
        watched(observer, |watch| self.ledger.backup(target, watch, |copy| verify(copy, watch)))?;
        verified.ok_or_else(|| LedgerError::Bug("the copy was not verified".to_owned()))
    }
}

/// The errors in days and their totals.
fn found(proofs: &[DayProof]) -> Vec<Finding> {
    proofs.iter().flat_map(|day| day.findings.iter().chain(&day.wrong_sums).cloned()).collect()
}

/// Repeated ids, and lists that do not match the events. Each task takes a part of the hashes, with a few million
/// events at most.
fn wrong_ids(
    readers: &Readers,
    days: Option<(Day, Day)>,
    strays: &Strays,
    events: u64,
) -> Result<Vec<Finding>, LedgerError> {
    let parts = i64::try_from(events / 2_000_000 + 1).unwrap_or(1).max(4);
    let prove = |buckets| readers.read(|reader| reader.prove_ids(&buckets, days, strays));
    let proofs: Vec<IdsProof> =
        Snapshot::parts_of_ids(parts).into_par_iter().map(prove).collect::<Result<_, LedgerError>>()?;
    let wrong: u64 = proofs.iter().map(|proof| proof.wrong_lists).sum();
    let mut findings: Vec<Finding> = proofs.into_iter().flat_map(|proof| proof.findings).collect();
    if wrong > 0 {
        let lists = counted(wrong, "list of ids differs", "lists of ids differ");
        findings.push(format!("{lists} from the events (run `tokenbook rebuild`)"));
    }
    Ok(findings)
}

fn missing_anchor(heads: &[(EntryId, [u8; 32])], anchor: Anchor) -> Option<Finding> {
    if heads.contains(&(anchor.entry, anchor.hash)) {
        return None;
    }
    let kept = chain::hex(&anchor.hash);
    Some(format!(
        "entry {} does not have the hash {kept} that you kept: entries were removed or replaced",
        anchor.entry
    ))
}
