//! The registry of departments. It is appended and never changed. A later row with the same name replaces an earlier
//! one, and both stay readable.

use crate::domain::calendar::Day;
use crate::domain::count::Count;
use crate::domain::department::{Department, Registry};
use crate::domain::name::TagValue;
use crate::domain::number::EntryId;
use crate::domain::quantities::QuantityOverflow;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::Dictionary;
use crate::ledger::chain::fact::{Fact, Payloads};
use crate::ledger::chain::logs::Log;
use crate::ledger::chain::seals;
use crate::ledger::chain::{Kind, Signed};
use crate::ledger::file::transaction::{Snapshot, Transaction};
use crate::ledger::names::dictionary;
use crate::ledger::values;
use crate::ledger::{Damage, Ledger, LedgerError, Result, chain, stored};
use crate::rows::canonical::Encoder;
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;

/// How the chain records departments.
pub(in crate::ledger) const FACT: Fact =
    Fact { kind: Kind::Department, tables: &["department"], payloads, is_sealed: true };

/// A department with its line in the file it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ledger) struct StoredDepartment {
    pub(in crate::ledger) id: i64,
    pub(in crate::ledger) line: i64,
    pub(in crate::ledger) department: Department,
}

/// The outcome of an import of departments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DepartmentsAppended {
    /// New departments.
    pub added: u64,
    /// Known departments without a change.
    pub unchanged: u64,
    /// Departments that replaced an earlier row.
    pub replaced: u64,
}

const INSERT: &str = "INSERT INTO department (id, entry, line, name, cost_centre, owner, account, active_from, active_to) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const NEXT: &str = "SELECT coalesce(max(id), 0) + 1 FROM department";
const READ: &str = "SELECT line, name, cost_centre, owner, account, active_from, active_to, entry, id \
    FROM department ORDER BY entry, id";

impl Transaction<'_> {
    /// Appends the departments that are new or changed, each with its line.
    pub fn append_departments(
        &self,
        listed: &[(u64, Department)],
        now: Timestamp,
        actor: &str,
    ) -> Result<DepartmentsAppended> {
        let connection = self.connection();
        seals::guard_facts(connection, &FACT)?;
        let known = self.registry()?;
        let mut outcome = DepartmentsAppended::default();
        let first: i64 = connection.query_row(NEXT, [], |row| row.get(0))?;
        let (mut new, mut ids) = (Vec::new(), first..);
        for (line, department) in listed {
            match known.get(department.name.as_str()) {
                Some(same) if same == department => {
                    outcome.unchanged.one_more();
                    continue;
                }
                Some(_) => outcome.replaced.one_more(),
                None => outcome.added.one_more(),
            }
            let id = ids.next().ok_or(QuantityOverflow)?;
            new.push(StoredDepartment { id, line: stored(*line)?, department: department.clone() });
        }
        if new.is_empty() {
            return Ok(outcome);
        }
        let recorded = payload(&new);
        chain::append(connection, &FACT, Signed { now, actor }, &recorded, |entry| {
            new.iter().try_for_each(|added| insert(connection, entry, added))
        })?;
        Ok(outcome)
    }

    /// The registry, as this transaction sees it.
    pub fn registry(&self) -> Result<Registry> {
        seals::guard_facts(self.connection(), &FACT)?;
        registry(self.connection())
    }
}

impl Snapshot<'_> {
    /// The registry of departments, as recorded.
    pub fn registry(&self) -> Result<Registry> {
        self.prove_facts(&FACT, &payloads(self.connection())?)?;
        registry(self.connection())
    }
}

impl Ledger {
    /// The registry of departments, inside or outside of a transaction.
    pub fn registry(&self) -> Result<Registry> {
        seals::guard_facts(&self.connection, &FACT)?;
        registry(&self.connection)
    }
}

fn insert(connection: &Connection, entry: EntryId, added: &StoredDepartment) -> Result<()> {
    let Department { name, cost_centre, owner, account, active_from, active_to } = &added.department;
    let text = |name: &Option<TagValue>| name.as_ref().map(TagValue::to_string);
    let day = |day: &Option<Day>| day.map(Day::number);
    connection.prepare_cached(INSERT)?.execute((
        added.id,
        entry,
        added.line,
        name.as_str(),
        text(cost_centre),
        text(owner),
        text(account),
        day(active_from),
        day(active_to),
    ))?;
    Ok(())
}

pub(in crate::ledger) fn registry(connection: &Connection) -> Result<Registry> {
    let mut registry = Registry::default();
    for stored in by_entry(connection)?.into_values().flatten() {
        registry.insert(stored.department);
    }
    Ok(registry)
}

/// The payloads of all departments by entry, computed from the table.
fn payloads(connection: &Connection) -> Result<Payloads> {
    let mut payloads = Payloads::default();
    for (entry, added) in by_entry(connection)? {
        payloads.insert(entry, payload(&added));
    }
    Ok(payloads)
}

/// The departments of each entry, in the order of the entries.
fn by_entry(connection: &Connection) -> Result<BTreeMap<EntryId, Vec<StoredDepartment>>> {
    let mut statement = connection.prepare_cached(READ)?;
    let mut rows = statement.query([])?;
    let mut departments: BTreeMap<EntryId, Vec<StoredDepartment>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let stored = StoredDepartment { id: row.get(8)?, line: row.get(0)?, department: department(row)? };
        departments.entry(row.get(7)?).or_default().push(stored);
    }
    Ok(departments)
}

fn department(row: &Row<'_>) -> Result<Department> {
    let name = |text: &str| {
        TagValue::recorded(text)
            .map_err(|_| LedgerError::Corrupt(Damage::Value, "a department has an invalid name".to_owned()))
    };
    let optional = |column: usize| row.get::<_, Option<String>>(column)?.as_deref().map(name).transpose();
    let day = |column: usize| row.get::<_, Option<i64>>(column)?.map(values::day).transpose();
    Ok(Department {
        name: name(&row.get::<_, String>(1)?)?,
        cost_centre: optional(2)?,
        owner: optional(3)?,
        account: optional(4)?,
        active_from: day(5)?,
        active_to: day(6)?,
    })
}

/// The payload of departments.
fn payload(departments: &[StoredDepartment]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.count(departments.len());
    for StoredDepartment { id, line, department } in departments {
        encoder.i64(*id).i64(*line).text(department.name.as_str());
        for name in [&department.cost_centre, &department.owner, &department.account] {
            encoder.optional_text(name.as_ref().map(TagValue::as_str));
        }
        for day in [department.active_from, department.active_to] {
            encoder.optional_i64(day.map(|day| day.number().into()));
        }
    }
    encoder.into_bytes()
}

impl Snapshot<'_> {
    /// Every name of the ledger, with the tag sets as imports brought them.
    pub fn dictionary(&self) -> Result<Dictionary> {
        self.prove_logs(&[Log::TagSets])?;
        self.prove_logs(&Log::NAMES)?;
        self.with_cost_centres(dictionary::all(self.connection())?)
    }

    /// Every name of the ledger, except tag sets that are not payers. It does not prove the payers, because the seals
    /// of months cover their names.
    pub fn dictionary_of_payers(&self) -> Result<Dictionary> {
        self.prove_logs(&Log::NAMES)?;
        self.with_cost_centres(dictionary::of_payers(self.connection())?)
    }

    fn with_cost_centres(&self, names: Dictionary) -> Result<Dictionary> {
        Ok(Dictionary { cost_centres: cost_centres(&registry(self.connection())?), ..names })
    }
}

fn cost_centres(registry: &Registry) -> BTreeMap<String, String> {
    let known = |department: &Department| {
        department.cost_centre.as_ref().map(|centre| (department.name.to_string(), centre.to_string()))
    };
    registry.departments().filter_map(known).collect()
}
