//! Opens the inputs that a user names: regular files, directories of them, or standard input; plain, gzip or zstd.
//!
//! The content decides how a file is compressed, not its name. The hash covers the bytes as stored in the file, so the
//! import records exactly what it read. Decompression has a limit, so a small file cannot expand without end.

use crate::domain::secret;
use crate::fault::Code;
use crate::import::file::consumer::Demand;
use crate::import::file::paths::identity;
use crate::import::file::whole_lines::WholeLines;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The largest zstd window: 128 MiB. A larger one is a decompression bomb, not a log.
const ZSTD_WINDOW_LOG: u32 = 27;
/// The output size from which the compression ratio is checked, and the largest ratio.
const BOMB_FLOOR: u64 = 64 << 20;
const BOMB_RATIO: u64 = 1_000;

/// Why a path cannot be read as input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The system returned an error.
    #[error("{path}: {error}")]
    Io {
        /// The path.
        path: String,
        /// The system's error.
        error: io::Error,
    },
    /// A symbolic link, and links are not followed.
    #[error("{0}: is a symbolic link, expected a regular file (--follow follows links)")]
    Link(String),
    /// A pipe, device or socket.
    #[error("{0}: is not a regular file, expected a file, a directory, or - for standard input")]
    NotRegular(String),
    /// A directory without files, with what it contains instead.
    #[error("{0}: {1}, expected at least one file that is not hidden")]
    NoFiles(String, &'static str),
    /// The ledger itself.
    #[error("{0}: is the ledger itself, expected a usage file")]
    Ledger(String),
}

impl InputError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Io { error, .. } => unreadable(error),
            Self::Link(_) => Code::SymbolicLink,
            Self::NotRegular(_) => Code::NotAFile,
            Self::NoFiles(..) => Code::NoFiles,
            Self::Ledger(_) => Code::InputIsLedger,
        }
    }
}

/// The code of a file that the system does not open or read.
pub fn unreadable(error: &io::Error) -> Code {
    if error.kind() == io::ErrorKind::NotFound { Code::FileMissing } else { Code::FileUnreadable }
}

impl InputError {
    pub(in crate::import) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.display().to_string(), error }
    }
}

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A regular file.
    File(PathBuf),
}

impl Input {
    /// The name in messages and in the ledger. Control characters are escaped and secrets are left out, because a path
    /// Its size in bytes, if it is a file that has one.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::File(path) => std::fs::metadata(path).ok().map(|metadata| metadata.len()),
        }
    }

    /// may contain anything.
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "-".to_owned(),
            Self::File(path) => {
                let name: String = path.to_string_lossy().chars().flat_map(escape_control).collect();
                secret::redacted(&name).into_owned()
            }
        }
    }
}

fn escape_control(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}

/// The bytes read so far, as stored in the file.
#[derive(Debug)]
pub struct RawTally {
    hasher: blake3::Hasher,
    bytes: u64,
}

/// How to treat a file that grows while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grown {
    /// It is rejected, like any file that changes.
    Refused,
    /// The import reads as much as the file had at first.
    MayGrow,
}

/// A file being read: decompressed, hashed, watched.
pub struct Source {
    reader: Box<dyn Read>,
    raw: Rc<RefCell<RawTally>>,
    before: Option<(PathBuf, Metadata)>,
    /// For a file that is still being written: the bytes of an incomplete last line.
    left: Option<Rc<Cell<u64>>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

/// The digest and size of a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileDigest {
    /// BLAKE3 of the bytes in the file, compressed or not.
    pub digest: [u8; 32],
    /// Their number.
    pub bytes: u64,
    /// The number of decompressed bytes that are left for later: those in an incomplete last line.
    pub left: u64,
}

struct Hashing<R> {
    inner: R,
    raw: Rc<RefCell<RawTally>>,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        let mut raw = self.raw.borrow_mut();
        raw.hasher.update(&buffer[..length]);
        raw.bytes += u64::try_from(length).map_err(io::Error::other)?;
        Ok(length)
    }
}

/// Stops a decompressor whose output grows without end.
struct Bounded<R> {
    inner: R,
    raw: Rc<RefCell<RawTally>>,
    written: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.written += u64::try_from(length).map_err(io::Error::other)?;
        let read = self.raw.borrow().bytes;
        if self.written > BOMB_FLOOR && self.written / BOMB_RATIO > read {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "expands to more than 1,000 times its size"));
        }
        Ok(length)
    }
}

/// Stops at a given number of bytes.
struct Limited<R> {
    inner: R,
    most: u64,
    read: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.read += u64::try_from(length).map_err(io::Error::other)?;
        if self.read > self.most {
            let what = format!("contains more than the {} bytes that --max-bytes allows", self.most);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(length)
    }
}

impl Source {
    /// The same source, rejected as soon as it has more than this many bytes after decompression.
    pub fn at_most(self, bytes: Option<u64>) -> Self {
        let Some(most) = bytes else { return self };
        Self { reader: Box::new(Limited { inner: self.reader, most, read: 0 }), ..self }
    }

    /// Opens a file that is still being written. It reads the whole lines of what the file has now.
    pub fn growing(input: &Input) -> Result<Self, InputError> {
        let source = Self::opened(input, Grown::MayGrow)?;
        let left = Rc::new(Cell::new(0));
        let reader = Box::new(WholeLines::new(source.reader, Rc::clone(&left)));
        Ok(Self { reader, left: Some(left), ..source })
    }

    /// Opens an input and detects its compression.
    pub fn open(input: &Input) -> Result<Self, InputError> {
        Self::opened(input, Grown::Refused)
    }

    fn opened(input: &Input, grown: Grown) -> Result<Self, InputError> {
        let raw = Rc::new(RefCell::new(RawTally { hasher: blake3::Hasher::new(), bytes: 0 }));
        let (inner, before): (Box<dyn Read>, _) = match input {
            Input::Stdin => (Box::new(io::stdin()), None),
            Input::File(path) => {
                let file = File::open(path).map_err(|error| InputError::io(path, error))?;
                let metadata = file.metadata().map_err(|error| InputError::io(path, error))?;
                if !metadata.is_file() {
                    return Err(InputError::NotRegular(path.display().to_string()));
                }
                let inner: Box<dyn Read> = match grown {
                    Grown::Refused => Box::new(file),
                    Grown::MayGrow => Box::new(file.take(metadata.len())),
                };
                (inner, Some((path.clone(), metadata)))
            }
        };
        let hashing = Hashing { inner, raw: Rc::clone(&raw) };
        let path = before.as_ref().map_or_else(|| PathBuf::from("-"), |(path, _)| path.clone());
        let reader = decompressed(BufReader::with_capacity(1 << 18, hashing), &raw);
        let reader = reader.map_err(|error| InputError::io(&path, error))?;
        Ok(Self { reader, raw, before, left: None })
    }

    /// Reads data in memory, or from another reader, as if it were a file.
    pub fn of_reader(reader: impl Read + 'static) -> io::Result<Self> {
        let raw = Rc::new(RefCell::new(RawTally { hasher: blake3::Hasher::new(), bytes: 0 }));
        let inner: Box<dyn Read> = Box::new(reader);
        let hashing = Hashing { inner, raw: Rc::clone(&raw) };
        let reader = decompressed(BufReader::with_capacity(1 << 18, hashing), &raw)?;
        Ok(Self { reader, raw, before: None, left: None })
    }

    /// Bytes of the file read so far.
    pub fn bytes_read(&self) -> u64 {
        self.raw.borrow().bytes
    }

    /// The digest of the file, after it was read to its end; an error if the file changed meanwhile.
    pub fn finish(self) -> io::Result<FileDigest> {
        if let Some((path, before)) = &self.before {
            let after = std::fs::metadata(path)?;
            let same = match self.left {
                None => after.len() == before.len() && after.modified()? == before.modified()?,
                Some(_) => after.len() >= before.len(),
            };
            if !same || identity(&after) != identity(before) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the file changed while it was read"));
            }
        }
        let raw = self.raw.borrow();
        let left = self.left.as_ref().map_or(0, |left| left.get());
        Ok(FileDigest { digest: *raw.hasher.finalize().as_bytes(), bytes: raw.bytes, left })
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

fn decompressed(
    mut reader: BufReader<Hashing<Box<dyn Read>>>,
    raw: &Rc<RefCell<RawTally>>,
) -> io::Result<Box<dyn Read>> {
    let inner: Box<dyn Read> = match Packing::of(reader.fill_buf()?) {
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Packing::Plain => return Ok(Box::new(reader)),
    };
    Ok(Box::new(Bounded { inner, raw: Rc::clone(raw), written: 0 }))
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// The compression by the first bytes.
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// The compression by the end of the name. No ending means plain, because a log may have any name.
    fn named(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "gz" => Some(Self::Gzip),
            "zst" | "zstd" => Some(Self::Zstd),
            "csv" | "json" | "jsonl" | "ndjson" | "log" | "txt" => Some(Self::Plain),
            _ => None,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Plain => "not compressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// The real compression of a file, if its name says otherwise. The import reads it by its content, but the user may
/// have meant another file.
pub fn misnamed(input: &Input) -> Option<&'static str> {
    let Input::File(path) = input else { return None };
    let mut head = [0; 4];
    let length = File::open(path).and_then(|mut file| file.read(&mut head)).ok()?;
    let found = Packing::of(&head[..length]);
    let named = Packing::named(path)?;
    (length > 0 && named != found).then_some(found.words())
}

/// The digest of a file, to recognise an earlier import without parsing the file. `read` receives the number of bytes
/// read and may stop it; then the result is `None`.
pub fn digest(path: &Path, mut read: impl FnMut(u64) -> Demand) -> Result<Option<FileDigest>, InputError> {
    let mut hasher = blake3::Hasher::new();
    let demand = blocks(path, |block| {
        hasher.update(block);
        read(hasher.count())
    });
    let whole = demand.map_err(|error| InputError::io(path, error))? == Demand::More;
    Ok(whole.then(|| FileDigest { digest: *hasher.finalize().as_bytes(), bytes: hasher.count(), left: 0 }))
}

/// Reads a file block by block, while the callback wants more.
pub fn blocks(path: &Path, mut each: impl FnMut(&[u8]) -> Demand) -> io::Result<Demand> {
    let (mut file, mut buffer) = (File::open(path)?, vec![0; 1 << 16]);
    loop {
        let length = match file.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            length => length?,
        };
        match buffer.get(..length) {
            None | Some([]) => return Ok(Demand::More),
            Some(block) if each(block) == Demand::Stop => return Ok(Demand::Stop),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_a_log_that_is_still_written_may_grow_while_it_is_read() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("log.jsonl");
        for may_grow in [true, false] {
            std::fs::write(&path, "one\ntwo")?;
            let input = Input::File(path.clone());
            let source = if may_grow { Source::growing(&input) } else { Source::open(&input) };
            let mut source = source.map_err(io::Error::other)?;
            std::fs::OpenOptions::new().append(true).open(&path)?.write_all(b" and\nthree\n")?;
            let mut read = String::new();
            source.read_to_string(&mut read)?;
            let finished = source.finish();
            assert_eq!(finished.is_ok(), may_grow);
            if let Ok(digest) = finished {
                // The whole lines of what the file had when it was opened.
                assert_eq!((read.as_str(), digest.bytes, digest.left), ("one\n", 7, 3));
                assert_eq!(digest.digest, *blake3::hash(b"one\ntwo").as_bytes());
            }
        }
        std::fs::write(&path, "one\ntwo\n")?;
        let source = Source::growing(&Input::File(path.clone())).map_err(io::Error::other)?;
        std::fs::write(&path, "one\n")?;
        assert!(source.finish().is_err(), "a log that lost lines was replaced");
        Ok(())
    }
}
