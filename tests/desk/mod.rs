//! A desk for a test: a folder with a ledger, and the real command.
//!
//! Nothing here checks results; each test states what it expects.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The result of a test.
pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The columns of the shortest usage CSV.
pub const HEADER: &str = "event_id,timestamp,model,department,input_tokens,output_tokens";
/// A price list for the model `m`.
pub const PRICES: &str = "model,meter,currency,price,valid_from\n\
                          m,input,USD,2.50,2026-01-01\n\
                          m,output,USD,10,2026-01-01\n";

/// A folder of its own.
pub struct Desk {
    folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// The result of a finished process.
    pub fn of(output: Output) -> Outcome<Self> {
        Ok(Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout)?,
            err: String::from_utf8(output.stderr)?,
        })
    }

    /// Returns an error if the exit code differs.
    pub fn ends(self, code: i32) -> Outcome<Self> {
        if self.code == Some(code) { Ok(self) } else { Err(format!("expected exit code {code}: {self:#?}").into()) }
    }

    /// The stable code of the last error that was printed.
    pub fn error_code(&self) -> Option<&str> {
        self.err.lines().rev().find_map(|line| Some(line.strip_prefix("error[")?.split_once("]: ")?.0))
    }

    /// Returns an error if neither output contains the text.
    pub fn says(self, text: &str) -> Outcome<Self> {
        if self.out.contains(text) || self.err.contains(text) {
            Ok(self)
        } else {
            Err(format!("expected {text:?}: {self:#?}").into())
        }
    }
}

impl Desk {
    /// An empty folder.
    pub fn empty() -> Outcome<Self> {
        Ok(Self { folder: TempDir::new()? })
    }

    /// A folder with a ledger in USD and UTC. All are copies of one, which the first test makes.
    pub fn new() -> Outcome<Self> {
        static LEDGER: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
        let make = || Self::with(&[]).and_then(|desk| desk.read("tokenbook.db"));
        let ledger = LEDGER.get_or_init(|| make().map_err(|error| error.to_string())).as_ref().map_err(Clone::clone)?;
        let desk = Self::empty()?;
        desk.write("tokenbook.db", ledger)?;
        Ok(desk)
    }

    /// A folder with a ledger, made with options of `init`.
    pub fn with(options: &[&str]) -> Outcome<Self> {
        let desk = Self::empty()?;
        desk.run(&[&["init"], options].concat())?.ends(0)?;
        Ok(desk)
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The ledger's file.
    pub fn ledger(&self) -> PathBuf {
        self.path("tokenbook.db")
    }

    /// Writes a file.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Outcome<PathBuf> {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, bytes)?;
        Ok(path)
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> Outcome<Vec<u8>> {
        Ok(std::fs::read(self.path(name))?)
    }

    /// The command, ready to start in the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenbook"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("TOKENBOOK_LEDGER").env("TOKENBOOK_ACTOR", "tester").env("NO_COLOR", "1");
        command
    }

    /// Runs the command.
    pub fn run(&self, arguments: &[&str]) -> Outcome<Ran> {
        Ran::of(self.command(arguments).output()?)
    }

    /// Runs the command, expects success, and returns its output.
    pub fn print(&self, arguments: &[&str]) -> Outcome<String> {
        Ok(self.run(arguments)?.ends(0)?.out)
    }

    /// Runs the command with standard input.
    pub fn pipe(&self, arguments: &[&str], input: &[u8]) -> Outcome<Ran> {
        use std::io::Write;
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input)?;
        }
        Ran::of(child.wait_with_output()?)
    }

    /// The ledger through the test's own connection.
    pub fn database(&self) -> Outcome<rusqlite::Connection> {
        Ok(rusqlite::Connection::open(self.ledger())?)
    }

    /// One number from the ledger.
    pub fn count(&self, sql: &str) -> Outcome<i64> {
        Ok(self.database()?.query_row(sql, [], |row| row.get(0))?)
    }

    /// The number of events in the ledger.
    pub fn events(&self) -> Outcome<i64> {
        self.count("SELECT count(*) FROM usage_event")
    }

    /// The hash of the ledger's last entry.
    pub fn head(&self) -> Outcome<Vec<u8>> {
        let sql = "SELECT hash FROM entry ORDER BY seq DESC LIMIT 1";
        Ok(self.database()?.query_row(sql, [], |row| row.get(0))?)
    }

    /// The chargeback of October 2026 as CSV.
    pub fn chargeback(&self) -> Outcome<String> {
        self.print(&["report", "chargeback", "--period", "2026-10", "--format", "csv"])
    }

    /// Names in a folder, sorted.
    pub fn names(&self, folder: &str) -> Outcome<Vec<String>> {
        let entries = std::fs::read_dir(self.path(folder))?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<Outcome<Vec<String>>>()?;
        names.sort();
        Ok(names)
    }
}

/// A usage CSV with this many events of October 2026 for two departments. Ids start at `first`.
pub fn usage(first: usize, events: usize) -> String {
    let mut text = format!("{HEADER}\n");
    for number in first..first + events {
        let department = if number.is_multiple_of(3) { "Engineering" } else { "Legal" };
        text.push_str(&event(number, department));
    }
    text
}

/// One line of a usage CSV.
pub fn event(number: usize, department: &str) -> String {
    let (day, hour, minute) = (number % 31 + 1, number / 31 % 24, number / 744 % 60);
    let (input, output) = (number * 37 % 5_000, number * 11 % 900);
    format!("req_{number:06},2026-10-{day:02}T{hour:02}:{minute:02}:00Z,m,{department},{input},{output}\n")
}

/// A file of the repository.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// So many times as many trials as usual, by the environment: CONTRIBUTING.md says when.
pub fn more<N: std::str::FromStr + std::ops::Mul<Output = N>>(trials: N) -> Outcome<N> {
    let Ok(times) = std::env::var("TOKENBOOK_TRIALS") else { return Ok(trials) };
    let times = times.parse().map_err(|_| format!("TOKENBOOK_TRIALS is {times}, expected a number"))?;
    Ok(trials * times)
}

/// A path as an argument.
pub fn text(path: &Path) -> Outcome<&str> {
    path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()).into())
}

/// A CSV as rows of fields, by the names of their columns.
pub fn rows(csv: &str) -> Outcome<Vec<std::collections::BTreeMap<String, String>>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows = reader.deserialize().collect::<Result<Vec<_>, _>>()?;
    Ok(rows)
}

/// A file compressed with gzip.
pub fn gzip(bytes: &[u8]) -> Outcome<Vec<u8>> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// A random number generator that gives the same numbers on every run.
pub struct Dice(u64);

impl Dice {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }
}
