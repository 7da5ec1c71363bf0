//! Verifying a ledger on all threads: every event, every sum, every entry.

use crate::books::watching::watched;
use crate::books::{Books, Observer, Stage};
use crate::domain::calendar::Day;
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

/// How much is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The chain, every event's digest, the daily sums, ids, the schema.
    Full,
    /// And SQLite's own checks of the file.
    WithIntegrity,
}

/// A head that was kept outside the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// The entry's number.
    pub seq: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// What was verified, and what is wrong.
#[derive(Debug)]
pub struct Verification {
    /// Entries of the chain.
    pub entries: u64,
    /// Batches.
    pub batches: u64,
    /// Events, revisions among them.
    pub events: u64,
    /// Revisions: what later states of records that grow have added.
    pub revisions: u64,
    /// Events that were taken back, which stay and do not count.
    pub retracted: u64,
    /// The head.
    pub head: chain::Head,
    /// What is wrong; empty when all is as it was made.
    pub findings: Vec<Finding>,
}

/// Days one task proves: enough to open a connection for.
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

    /// Proves what whole months are billed from: every event of theirs, their sums, and every fact. An error says what differs.
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

    /// Rebuilds the sums and the lists of ids from the events. It proves the events first and refuses forged ones. Returns the
    /// number of sums.
    pub fn rebuild(&self, observer: &dyn Observer) -> Result<u64, LedgerError> {
        let begin = |waiting: &dyn Fn()| self.ledger.mend(waiting);
        self.kept_in(observer, begin, |write| {
            // Nobody can write meanwhile, so all readers see what this transaction began with.
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

    /// Verifies everything; an error where something is wrong.
    pub(in crate::books) fn all_proved(&self, watch: &Arc<Watch>) -> Result<Verification, LedgerError> {
        let snapshot = self.ledger.snapshot()?.watched(watch)?;
        let verification = self.verify_snapshot(&snapshot, Depth::WithIntegrity, None)?;
        match verification.findings.first() {
            Some(finding) => Err(LedgerError::Corrupt(Damage::Rows, finding.clone())),
            None => Ok(verification),
        }
    }

    /// Copies the ledger to a new file, which appears only when the copy verifies.
    pub fn backup(&self, target: &Path, observer: &dyn Observer) -> Result<Verification, LedgerError> {
        let mut verified = None;
        let mut verify = |copy: &Path, watch: &Arc<Watch>| {
            verified = Some(Self::read(copy)?.with_key_hash(self.key_hash).all_proved(watch)?);
            // It was a copy until now, and is a backup from here on.
            if observer.stop() { Err(LedgerError::Stopped) } else { Ok(()) }
        };
        watched(observer, |watch| self.ledger.backup(target, watch, |copy| verify(copy, watch)))?;
        verified.ok_or_else(|| LedgerError::Bug("the copy was not verified".to_owned()))
    }
}

/// What is wrong with days and their sums.
fn found(proofs: &[DayProof]) -> Vec<Finding> {
    proofs.iter().flat_map(|day| day.findings.iter().chain(&day.wrong_sums).cloned()).collect()
}

/// Ids that stand twice and lists that are not those of the events, a part of the hashes a task: of a few million events
/// at the most.
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

fn missing_anchor(heads: &[(u64, [u8; 32])], anchor: Anchor) -> Option<Finding> {
    if heads.contains(&(anchor.seq, anchor.hash)) {
        return None;
    }
    let kept = chain::hex(&anchor.hash);
    Some(format!(
        "entry {} is not the one with hash {kept} that was kept: entries were removed or made anew",
        anchor.seq
    ))
}
