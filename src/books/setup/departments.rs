//! The registry of departments: importing and listing.

use crate::attribute::departments::{self, unregistered};
use crate::books::heading::heading_of;
use crate::books::setup::rules::{self, of_snapshot};
use crate::books::{Act, Books, BooksError, Observer};
use crate::domain::department::{Department, Registry};
use crate::domain::name::TagValue;
use crate::ledger::LedgerError;
use crate::ledger::facts::departments::DepartmentsAppended;
use crate::sheet::{Cell, Column, Sheet};
use crate::text::problem::Problem;

impl Books {
    /// Imports departments. A department with a known name replaces the earlier one.
    pub fn import_departments(
        &self,
        file: &str,
        bytes: &[u8],
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<DepartmentsAppended, BooksError> {
        let write = self.ledger.write(|| observer.waiting())?;
        let listed = departments::departments(bytes, &write.registry()?)
            .map_err(|problems| BooksError::Lines { file: file.to_owned(), problems })?;
        let listed: Vec<(u64, Department)> =
            listed.into_iter().map(|listed| (listed.line, listed.department)).collect();
        let appended = write.append_departments(&listed, act.now, act.actor)?;
        write.commit()?;
        self.ledger.checkpoint()?;
        Ok(appended)
    }

    /// The registry of departments; empty if there is none.
    pub fn registry(&self) -> Result<Registry, LedgerError> {
        self.ledger.registry()
    }

    /// The names in usage and rules that the registry lacks.
    pub fn unregistered_departments(&self) -> Result<Vec<Problem>, LedgerError> {
        let registry = self.ledger.registry()?;
        let mut names = self.ledger.departments()?;
        let known = of_snapshot(&self.ledger.snapshot()?)?;
        names.extend(known.sets().flat_map(|(_, set)| rules::departments(set)));
        Ok(names.iter().filter_map(|name| unregistered(name, &registry)).collect())
    }

    /// The registry, in columns that can be imported again.
    pub fn department_list(&self) -> Result<Sheet, BooksError> {
        let text = |name: &Option<TagValue>| Cell::some(name.as_ref().map(TagValue::as_str));
        let row = |department: &Department| {
            vec![
                Cell::text(department.name.as_str()),
                text(&department.cost_centre),
                text(&department.owner),
                text(&department.account),
                Cell::day(department.active_from),
                Cell::day(department.active_to),
            ]
        };
        let snapshot = self.ledger.snapshot()?;
        let rows = snapshot.registry()?.departments().map(row).collect();
        let mut columns: Vec<Column> = ["department", "cost_centre", "owner", "account"].map(Column::text).into();
        columns.extend(["active_from", "active_to"].map(Column::day));
        Ok(Sheet { heading: heading_of(&snapshot, "departments", "now")?, columns, rows, total: None })
    }
}
