//! Opens and creates ledger files, with the settings that keep them safe.
//!
//! A file is inspected before SQLite may touch it. A file that is not a ledger, or has a newer version, is rejected
//! unchanged. The inspection goes through the file system, which would drop the locks of this process's connections to
//! the same file. So a file that this process has open already is not inspected again.
//!
//! A ledger has one name. SQLite names the write-ahead log after the file, so two names would have two logs for one
//! file, and each would overwrite what the other committed.

use crate::domain::count::Count;
use crate::domain::timestamp::Timestamp;
use crate::ledger::chain::Signed;
use crate::ledger::chain::logs::ProvedLogs;
use crate::ledger::file::gather::Gatherer;
use crate::ledger::file::retracted::Remembered;
use crate::ledger::file::schema;
use crate::ledger::file::settings::{self, Settings};
use crate::ledger::file::transaction::patiently;
use crate::ledger::{LedgerError, Result, chain};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How a ledger is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read only. The file is not changed.
    Read,
    /// Reading and appending.
    Write,
}

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    pub(in crate::ledger) connection: Connection,
    pub(in crate::ledger) gatherer: Gatherer,
    path: PathBuf,
    settings: Settings,
    /// Whether everything written is undone at the end, by [`Ledger::rehearse`].
    pub(in crate::ledger) rehearsing: Cell<bool>,
    /// The retractions, with the seal they were compared with.
    pub(in crate::ledger) retracted: RefCell<Option<Remembered>>,
    /// The logs that this connection has proved, with the extent.
    pub(in crate::ledger) proved_logs: RefCell<ProvedLogs>,
    _open: OpenFile,
}

/// The oldest SQLite that may write a ledger. Earlier versions can corrupt one when a WAL file is reset.
const OLDEST_SQLITE: i32 = 3_051_003;

impl Ledger {
    /// Makes a ledger in a new file. The file gets its name only when it is complete.
    pub fn create(path: &Path, settings: &Settings, now: Timestamp, actor: &str) -> Result<Self> {
        let io = |error| LedgerError::Io { path: path.to_owned(), error };
        if path.symlink_metadata().is_ok() {
            return Err(LedgerError::Exists(path.to_owned()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The error would name the temporary file, which the user does not know.
        let in_folder = |error: std::io::Error| LedgerError::Io { path: folder.to_owned(), error: error.kind().into() };
        // The file is readable by its owner only. It is renamed when complete, never over another file.
        let file =
            tempfile::Builder::new().prefix(".tokenbook-").suffix(".new").tempfile_in(folder).map_err(in_folder)?;
        {
            let connection = Connection::open_with_flags(file.path(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            connection.pragma_update(None, "page_size", PAGE_SIZE)?;
            connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
            connection.execute_batch("BEGIN IMMEDIATE")?;
            schema::create(&connection)?;
            chain::append(
                &connection,
                &settings::FACT,
                Signed { now, actor },
                &settings::payload(settings, schema::newest()),
                |_| settings::write(&connection, settings),
            )?;
            connection.execute_batch("COMMIT")?;
            let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
            if mode != "wal" {
                return Err(LedgerError::NoWriteAheadLog { path: path.to_owned(), mode });
            }
            connection.close().map_err(|(_, error)| error)?;
        }
        file.as_file().sync_all().map_err(io)?;
        file.persist_noclobber(path).map_err(|error| match error.error.kind() {
            ErrorKind::AlreadyExists => LedgerError::Exists(path.to_owned()),
            _ => io(error.error),
        })?;
        sync_folder(folder).map_err(io)?;
        Self::open(path, Access::Write)
    }

    /// Opens a ledger.
    pub fn open(path: &Path, access: Access) -> Result<Self> {
        Self::open_at(path, access, schema::newest())
    }

    /// Opens a ledger with a given version of the schema.
    pub(in crate::ledger) fn open_at(path: &Path, access: Access, version: u32) -> Result<Self> {
        let path = path.canonicalize().map_err(|error| match error.kind() {
            ErrorKind::NotFound => LedgerError::Missing(path.to_owned()),
            _ => LedgerError::Io { path: path.to_owned(), error },
        })?;
        let (open, found) = OpenFile::register(&path)?;
        match found.cmp(&version) {
            Ordering::Less => return Err(LedgerError::Older { path, found, known: version }),
            Ordering::Greater => return Err(LedgerError::Newer { path, found, known: version }),
            Ordering::Equal => {}
        }
        let connection = patiently(|| match (connect(&path, access, version), access) {
            (Err(LedgerError::Sqlite(error)), Access::Read) if cannot_write(&error) => {
                // Only a writer can undo what a killed load left behind.
                if is_there(&path, "-journal") {
                    connect(&path, Access::Write, version).and_then(|_| connect(&path, access, version))
                } else {
                    connect_unchanging(&path, error, version)
                }
            }
            (connection, _) => connection,
        })?;
        let settings = settings::read(&connection)?;
        let gatherer = Gatherer::of(&connection)?;
        Ok(Self {
            connection,
            gatherer,
            path,
            settings,
            rehearsing: Cell::new(false),
            retracted: RefCell::default(),
            proved_logs: RefCell::default(),
            _open: open,
        })
    }

    /// Opens the same file again for reading, for another thread.
    pub fn reader(&self) -> Result<Self> {
        Self::open(&self.path, Access::Read)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The settings that were fixed when the ledger was made.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }
}

fn connect(path: &Path, access: Access, version: u32) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, flags(access))?;
    configure(&connection, access)?;
    schema::check(&connection, version)?;
    Ok(connection)
}

/// Whether SQLite could not make the files beside the ledger that readers share with writers.
fn cannot_write(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

/// Opens a ledger in a place that cannot be written, such as an archive. Only if no write-ahead log is left beside it,
/// because its rows would be missed.
fn connect_unchanging(path: &Path, error: rusqlite::Error, version: u32) -> Result<Connection> {
    if is_there(path, "-wal") || is_there(path, "-journal") {
        return Err(error.into());
    }
    let escaped: String = path.to_string_lossy().chars().flat_map(escaped_in_uri).collect();
    let flags = flags(Access::Read) | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)?;
    configure(&connection, Access::Read)?;
    schema::check(&connection, version)?;
    Ok(connection)
}

/// Whether one of SQLite's files beside the ledger exists and is not empty.
fn is_there(path: &Path, suffix: &str) -> bool {
    let mut beside = path.as_os_str().to_owned();
    beside.push(suffix);
    std::fs::metadata(beside).is_ok_and(|file| file.len() > 0)
}

fn escaped_in_uri(c: char) -> Vec<char> {
    match c {
        '%' => "%25".chars().collect(),
        '?' => "%3f".chars().collect(),
        '#' => "%23".chars().collect(),
        other => vec![other],
    }
}

/// Larger pages would write more for a small import. Smaller ones would make a deeper tree.
const PAGE_SIZE: u32 = 8_192;

fn flags(access: Access) -> OpenFlags {
    let access = match access {
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW
}

fn configure(connection: &Connection, access: Access) -> Result<()> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(LedgerError::SqliteTooOld(rusqlite::version()));
    }
    for (option, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
    ] {
        connection.set_db_config(option, on)?;
    }
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, 16 << 20),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
    ] {
        connection.set_limit(limit, value)?;
    }
    connection.busy_timeout(std::time::Duration::from_millis(250))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "recursive_triggers", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    match access {
        Access::Read => {
            connection.pragma_update(None, "query_only", true)?;
            connection.pragma_update(None, "cache_size", -8_192)?;
        }
        Access::Write => {
            // A killed load may not have restored this mode.
            connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "wal_autocheckpoint", 0)?;
            connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
            connection.pragma_update(None, "cache_size", -65_536)?;
        }
    }
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

/// The schema version of a ledger from the first bytes of the file, before SQLite opens it. Rejects a file that is not
/// a ledger.
fn inspect(path: &Path) -> Result<u32> {
    let io = |error| LedgerError::Io { path: path.to_owned(), error };
    let not = |reason| LedgerError::NotALedger { path: path.to_owned(), reason };
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(not("it is not a regular file"));
    }
    let mut head = [0; 100];
    match File::open(path).map_err(io)?.read_exact(&mut head) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(not("it is too short to be a database")),
        other => other.map_err(io)?,
    }
    if !head.starts_with(b"SQLite format 3\0") {
        return Err(not("it is not an SQLite database"));
    }
    let number = |at: usize| {
        let bytes = head.get(at..at.saturating_add(4)).and_then(|bytes| bytes.try_into().ok());
        u32::from_be_bytes(bytes.unwrap_or_default())
    };
    if number(68) != schema::APPLICATION_ID {
        return Err(not("it is another program's SQLite database"));
    }
    let version = number(60);
    if version == 0 {
        return Err(not("it has no schema version"));
    }
    has_one_name(path)?;
    Ok(version)
}

/// Makes a rename durable.
pub(in crate::ledger) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    // Only Unix can sync a folder.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Rejects a file with a second name. A second name through another mount is detected only by [`OpenFile`].
pub(in crate::ledger) fn has_one_name(path: &Path) -> Result<()> {
    let metadata = std::fs::metadata(path).map_err(|error| LedgerError::Io { path: path.to_owned(), error })?;
    match links(&metadata) {
        0 | 1 => Ok(()),
        links => Err(LedgerError::Linked { path: path.to_owned(), links }),
    }
}

#[cfg(unix)]
fn links(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

/// The standard library counts links on Unix only.
#[cfg(not(unix))]
fn links(_: &Metadata) -> u64 {
    1
}

/// The identity of a file, whatever its name: device and inode. On systems other than Unix it is the path, because the
/// standard library has no such numbers there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Identity(#[cfg(unix)] (u64, u64), #[cfg(not(unix))] PathBuf);

#[cfg(unix)]
fn identity(_: &Path, metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    Identity((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path, _: &Metadata) -> Identity {
    Identity(path.to_owned())
}

/// The ledger files that this process has open.
static OPEN_FILES: Mutex<BTreeMap<Identity, Opened>> = Mutex::new(BTreeMap::new());

/// How a file is open: its name, how often, and its version when it was opened first.
#[derive(Debug)]
struct Opened {
    name: PathBuf,
    times: usize,
    version: u32,
}

/// A registered open file.
#[derive(Debug)]
struct OpenFile(Identity);

impl OpenFile {
    /// Counts a file as open. The first time, [`inspect`] examines it before SQLite does. After that, only the first
    /// name is accepted. Returns its schema version too.
    fn register(path: &Path) -> Result<(Self, u32)> {
        let mut open = OPEN_FILES.lock().unwrap_or_else(PoisonError::into_inner);
        let metadata = std::fs::metadata(path).map_err(|error| LedgerError::Io { path: path.to_owned(), error })?;
        let identity = identity(path, &metadata);
        match open.get_mut(&identity) {
            Some(opened) if opened.name == path => {
                opened.times.one_more();
                Ok((Self(identity), opened.version))
            }
            Some(Opened { name, .. }) => Err(LedgerError::OpenAs { path: path.to_owned(), name: name.clone() }),
            None => {
                let version = inspect(path)?;
                open.insert(identity.clone(), Opened { name: path.to_owned(), times: 1, version });
                Ok((Self(identity), version))
            }
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let mut open = OPEN_FILES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = open.get_mut(&self.0) {
            opened.times = opened.times.saturating_sub(1);
            if opened.times == 0 {
                open.remove(&self.0);
            }
        }
    }
}
