//! Upgrades a ledger's file to the newest schema.
//!
//! It first copies the file, then tries the upgrade on a copy of that copy and verifies the result. Then it upgrades
//! the file in one exclusive transaction. So the file is either unchanged or upgraded whole, and a copy of the old file
//! remains. Everything that the chain recorded keeps its meaning: a migration changes no row that a payload or a digest
//! covers.

use crate::ledger::chain::{self, Head, Signed};
use crate::ledger::facts::migration::{FACT, Migration};
use crate::ledger::file::backup::clear_beside;
use crate::ledger::file::connection::{Access, Ledger};
use crate::ledger::file::schema;
use crate::ledger::file::watch::Watch;
use crate::ledger::{LedgerError, Result};
use rusqlite::Batch;
use rusqlite::fallible_iterator::FallibleIterator;
use std::path::Path;

/// The outcome of an upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// The old version of the file.
    pub from: u32,
    /// The new version.
    pub to: u32,
    /// The last entry of the chain, which records the upgrade.
    pub head: Head,
}

impl Ledger {
    /// Upgrades a ledger's file to the newest schema; `None` if it has that already.
    ///
    /// `copy` receives the old file. `verify` proves the upgraded trial, and `proceed` is called before each statement
    /// and before the commit. If either returns an error, the file stays unchanged.
    pub fn upgrade(
        path: &Path,
        copy: &Path,
        signed: Signed<'_>,
        watch: &Watch,
        verify: impl FnOnce(&Path) -> Result<()>,
        proceed: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Option<Upgraded>> {
        let from = match Self::open(path, Access::Read) {
            Ok(_) => return Ok(None),
            Err(LedgerError::Older { found, .. }) => found,
            Err(error) => return Err(error),
        };
        let ledger = Self::open_at(path, Access::Write, from)?;
        let mut copied = None;
        ledger.backup(copy, watch, |copy| {
            copied = Some(try_out(copy, from, signed, watch, verify)?);
            Ok(())
        })?;
        let head = copied.ok_or_else(|| LedgerError::Bug("the copy was not verified".to_owned()))?;
        ledger.migrate(from, &head, signed, proceed).map(Some)
    }

    /// Runs the migrations after a version in one transaction. It runs none if the chain's head differs from the
    /// expected one. After an error, the transaction stays open until the connection closes, which undoes it.
    fn migrate(
        self,
        from: u32,
        expected: &Head,
        signed: Signed<'_>,
        proceed: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Upgraded> {
        let (connection, to) = (&self.connection, schema::newest());
        // Otherwise, dropping a table that others refer to would delete its rows one by one.
        connection.pragma_update(None, "foreign_keys", false)?;
        self.begin("BEGIN EXCLUSIVE", || {})?;
        if schema::version(connection)? != from || chain::head(connection)? != *expected {
            return Err(LedgerError::Changed);
        }
        for migration in schema::migrations_after(from) {
            let mut statements = Batch::new(connection, migration);
            while let Some(mut statement) = statements.next()? {
                proceed()?;
                statement.execute([])?;
            }
        }
        connection.pragma_update(None, "user_version", to)?;
        schema::check(connection, to)?;
        let migration = Migration { from, to, digest: schema::digest() };
        chain::append(connection, &FACT, signed, &migration.payload(), |entry| migration.insert(connection, entry))?;
        let head = chain::head(connection)?;
        proceed()?;
        connection.execute_batch("COMMIT")?;
        Ok(Upgraded { from, to, head })
    }
}

/// Upgrades a copy of a copy and verifies it. Returns the old head of the chain.
fn try_out(
    copy: &Path,
    from: u32,
    signed: Signed<'_>,
    watch: &Watch,
    verify: impl FnOnce(&Path) -> Result<()>,
) -> Result<Head> {
    let io = |error| LedgerError::Io { path: copy.to_owned(), error };
    let folder = copy.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let trial = tempfile::Builder::new().prefix(".tokenbook-").suffix(".upgrade").tempfile_in(folder).map_err(io)?;
    std::fs::copy(copy, trial.path()).map_err(io)?;
    let tried = || {
        let ledger = Ledger::open_at(trial.path(), Access::Write, from)?;
        let head = chain::head(&ledger.connection)?;
        ledger.migrate(from, &head, signed, &mut || watch.check())?;
        verify(trial.path())?;
        Ok(head)
    };
    let tried = tried();
    clear_beside(trial.path());
    tried
}
