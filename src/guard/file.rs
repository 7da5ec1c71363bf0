//! Opens and makes the guard file.

pub mod clock;
pub mod decide;
pub mod messages;
pub mod posted;
pub mod returned;
mod states;
pub mod status;
mod tables;

use crate::domain::timestamp::Timestamp;
use crate::fault::Code;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tables::{COUNTERS, OUTBOX};

/// The number in the file's header that makes it a guard file: `TkBG`.
const APPLICATION_ID: u32 = 0x546B_4247;
/// The version of its tables.
const VERSION: u32 = 2;

/// An open guard file.
#[derive(Debug)]
pub struct GuardFile {
    connection: Connection,
    path: PathBuf,
    /// What tells the file from another with its name.
    identity: Identity,
    /// What names this boot of the machine.
    boot: Option<String>,
    /// Whether a commit waits until it is on disk.
    is_full_sync: bool,
}

/// Device and number of a file; unknown where the system has none.
type Identity = Option<(u64, u64)>;

/// Why the guard file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardFileError {
    /// The file system.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error.
        error: std::io::Error,
    },
    /// Another file, or one with several names.
    #[error("{}: is no guard file: {reason}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// A newer tokenbook made it.
    #[error("{}: has version {found}, and this tokenbook knows versions up to {VERSION}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// It belongs to another ledger.
    #[error("{}: belongs to another ledger", path.display())]
    OtherLedger {
        /// The file.
        path: PathBuf,
    },
    /// The file was deleted or replaced while it was open.
    #[error("{}: was deleted or replaced while this process used it", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// SQLite.
    #[error("the guard file: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl GuardFileError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Io { .. } | Self::Sqlite(_) | Self::Replaced { .. } => Code::GuardFile,
            Self::Foreign { .. } | Self::Newer { .. } | Self::OtherLedger { .. } => Code::GuardFileForeign,
        }
    }
}

/// The guard file of a ledger.
pub fn path_of(ledger: &Path) -> PathBuf {
    let mut path = ledger.as_os_str().to_owned();
    path.push(".guard");
    PathBuf::from(path)
}

impl GuardFile {
    /// Opens the guard file of a ledger, whose first entry has a hash; makes it if it does not exist.
    pub fn open(ledger: &Path, genesis: [u8; 32], now: Timestamp) -> Result<Self, GuardFileError> {
        let path = path_of(ledger);
        if !is_there(&path)? {
            create(&path, genesis, now)?;
        }
        Self::open_known(&path, genesis)
    }

    /// Opens the guard file of a ledger; `None` if it does not exist.
    pub fn open_if_any(ledger: &Path, genesis: [u8; 32]) -> Result<Option<Self>, GuardFileError> {
        let path = path_of(ledger);
        if is_there(&path)? { Self::open_known(&path, genesis).map(Some) } else { Ok(None) }
    }

    fn open_known(path: &Path, genesis: [u8; 32]) -> Result<Self, GuardFileError> {
        let version = inspect(path)?;
        let identity = identity(path)?;
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut connection = Connection::open_with_flags(path, flags)?;
        configure(&connection)?;
        if version < VERSION {
            upgrade(&mut connection)?;
        }
        let ledger: Vec<u8> = connection.query_row("SELECT ledger FROM guard", [], |row| row.get(0))?;
        if ledger != genesis {
            return Err(GuardFileError::OtherLedger { path: path.to_owned() });
        }
        Ok(Self { connection, path: path.to_owned(), identity, boot: clock::boot(), is_full_sync: true })
    }

    /// That the file which is open still has its name. One that was deleted must not be counted in.
    fn check_place(&self) -> Result<(), GuardFileError> {
        match identity(&self.path) {
            Ok(found) if found == self.identity => Ok(()),
            Ok(_) => Err(GuardFileError::Replaced { path: self.path.clone() }),
            Err(GuardFileError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => {
                Err(GuardFileError::Replaced { path: self.path.clone() })
            }
            Err(error) => Err(error),
        }
    }
}

fn is_there(path: &Path) -> Result<bool, GuardFileError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(GuardFileError::Io { path: path.to_owned(), error }),
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    for (option, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(option, on)?;
    }
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "mmap_size", 0)
}

/// Makes the file. It gets its name only when it is complete. If another process was faster, its file is the one.
fn create(path: &Path, genesis: [u8; 32], now: Timestamp) -> Result<(), GuardFileError> {
    let io = |error| GuardFileError::Io { path: path.to_owned(), error };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::Builder::new().prefix(".tokenbook-").suffix(".guard").tempfile_in(folder).map_err(io)?;
    {
        let connection = Connection::open_with_flags(file.path(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.execute_batch(OUTBOX)?;
        connection.execute_batch(COUNTERS)?;
        connection
            .execute("INSERT INTO guard (id, ledger, created_at) VALUES (1, ?1, ?2)", (&genesis[..], now.nanos()))?;
        connection.pragma_update(None, "user_version", VERSION)?;
        let _: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        connection.close().map_err(|(_, error)| error)?;
    }
    file.as_file().sync_all().map_err(io)?;
    match file.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io(error.error)),
    }
    if cfg!(unix) { File::open(folder).and_then(|folder| folder.sync_all()).map_err(io) } else { Ok(()) }
}

/// Gives an older file the tables it lacks. Messages stay.
fn upgrade(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version < VERSION {
        transaction.execute_batch(COUNTERS)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}

fn identity(path: &Path) -> Result<Identity, GuardFileError> {
    let metadata = path.symlink_metadata().map_err(|error| GuardFileError::Io { path: path.to_owned(), error })?;
    #[cfg(unix)]
    let identity =
        Some((std::os::unix::fs::MetadataExt::dev(&metadata), std::os::unix::fs::MetadataExt::ino(&metadata)));
    #[cfg(not(unix))]
    let identity = metadata.is_file().then_some((0, 0));
    Ok(identity)
}

/// Rejects a file that is no guard file before SQLite may touch it. Returns its version.
fn inspect(path: &Path) -> Result<u32, GuardFileError> {
    let io = |error| GuardFileError::Io { path: path.to_owned(), error };
    let foreign = |reason| GuardFileError::Foreign { path: path.to_owned(), reason };
    let metadata = path.symlink_metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(foreign("it is not a regular file"));
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&metadata) > 1 {
        return Err(foreign("it has several names"));
    }
    let mut head = [0; 100];
    match File::open(path).map_err(io)?.read_exact(&mut head) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            return Err(foreign("it is too short to be a database"));
        }
        other => other.map_err(io)?,
    }
    let number = |at: usize| {
        let bytes = head.get(at..at.saturating_add(4)).and_then(|bytes| bytes.try_into().ok());
        u32::from_be_bytes(bytes.unwrap_or_default())
    };
    if !head.starts_with(b"SQLite format 3\0") || number(68) != APPLICATION_ID {
        return Err(foreign("another program made it"));
    }
    match number(60) {
        version @ 1..=VERSION => Ok(version),
        found => Err(GuardFileError::Newer { path: path.to_owned(), found }),
    }
}
