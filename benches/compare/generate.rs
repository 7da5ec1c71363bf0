//! Makes a month of gateway logs for measuring: October 2026, six departments, ten models of four providers.
//!
//! The same arguments give the same bytes on every machine: all arithmetic uses whole numbers, and event `i` depends
//! only on the seed and `i`. So `--order random` has the same lines as `--order time`, shuffled. The program makes no
//! amounts of money, only rates (`--prices`). They are as large as vendors' prices but come from no vendor's list.
//!
//! ```text
//! cargo run --release --locked --example generate -- --events 5000000 --out usage.csv --prices prices.csv
//! ```

mod lines;
mod month;

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use month::{Draws, Event, TEAMS};

const HELP: &str = "\
Usage: generate [--events N] [--order time|random] [--format csv|jsonl] [--seed N] [--users N]
                [--out FILE] [--prices FILE]

  --events N        how many events (default 5000000)
  --order ORDER     time: as a gateway logs them, a little out of order (default); random: shuffled
  --format FORMAT   csv (default) or jsonl
  --seed N          another month of the same shape (default 1)
  --users N         a tag `user` on each event, Zipf-like, each user of one project: 30 to 100000000 (default none)
  --out FILE        where the usage goes; - is standard output
  --prices FILE     where a price list for all of it goes; - is standard output
";

fn main() -> ExitCode {
    let outcome = Request::read(env::args().skip(1)).and_then(|request| match request {
        Some(request) => request.carry_out(),
        None => Ok(io::stdout().write_all(HELP.as_bytes())?),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed as well, nobody can read the message.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

/// The options of the command line.
struct Request {
    events: u64,
    order: Order,
    format: Format,
    seed: u64,
    users: Option<u64>,
    out: Option<String>,
    prices: Option<String>,
}

#[derive(Clone, Copy)]
enum Order {
    Time,
    Random,
}

#[derive(Clone, Copy)]
enum Format {
    Csv,
    Jsonl,
}

impl Request {
    /// Reads the arguments; `None` if the user asked for help.
    fn read(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, Box<dyn Error>> {
        let mut request = Self {
            events: 5_000_000,
            order: Order::Time,
            format: Format::Csv,
            seed: 1,
            users: None,
            out: None,
            prices: None,
        };
        while let Some(option) = words.next() {
            if option == "--help" || option == "-h" {
                return Ok(None);
            }
            let mut value = || words.next().ok_or_else(|| format!("{option}: a value is missing"));
            match option.as_str() {
                "--events" => request.events = whole_number(&option, &value()?)?,
                "--seed" => request.seed = whole_number(&option, &value()?)?,
                "--users" => request.users = Some(how_many_users(&value()?)?),
                "--out" => request.out = Some(value()?),
                "--prices" => request.prices = Some(value()?),
                "--order" => {
                    request.order = match value()?.as_str() {
                        "time" => Order::Time,
                        "random" => Order::Random,
                        other => {
                            return Err(format!("--order: {other}, expected time or random").into());
                        }
                    }
                }
                "--format" => {
                    request.format = match value()?.as_str() {
                        "csv" => Format::Csv,
                        "jsonl" => Format::Jsonl,
                        other => {
                            return Err(format!("--format: {other}, expected csv or jsonl").into());
                        }
                    }
                }
                other => return Err(format!("{other}: no such option, see --help").into()),
            }
        }
        if request.out.is_none() && request.prices.is_none() {
            return Err("nothing to write, expected --out FILE or --prices FILE".into());
        }
        Ok(Some(request))
    }

    fn carry_out(&self) -> Result<(), Box<dyn Error>> {
        if let Some(path) = &self.prices {
            let mut file = create(path)?;
            lines::write_prices(&mut file)?;
            file.flush()?;
        }
        if let Some(path) = &self.out {
            let mut file = create(path)?;
            self.write_usage(&mut file)?;
            file.flush()?;
        }
        Ok(())
    }

    fn write_usage(&self, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
        if let Format::Csv = self.format {
            lines::write_header(out, self.users.is_some())?;
        }
        let mut line = Vec::with_capacity(512);
        let mut write_one = |number: u64| -> io::Result<()> {
            line.clear();
            let event = Event::draw(self.seed, number, self.events, self.users);
            match self.format {
                Format::Csv => event.write_csv(&mut line)?,
                Format::Jsonl => event.write_jsonl(&mut line)?,
            }
            out.write_all(&line)
        };
        match self.order {
            Order::Time => (0..self.events).try_for_each(&mut write_one)?,
            Order::Random => {
                shuffled(self.events, self.seed)?.into_iter().map(u64::from).try_for_each(&mut write_one)?;
            }
        }
        Ok(())
    }
}

fn whole_number(option: &str, text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{option}: {text}, expected a whole number"))
}

/// At least one for each project.
fn how_many_users(text: &str) -> Result<u64, String> {
    let users = whole_number("--users", text)?;
    if (TEAMS..=100_000_000).contains(&users) {
        Ok(users)
    } else {
        Err(format!("--users: {users}, expected {TEAMS} to 100000000"))
    }
}

fn create(path: &str) -> Result<Box<dyn Write>, String> {
    if path == "-" {
        return Ok(Box::new(BufWriter::with_capacity(1 << 20, io::stdout())));
    }
    let file = File::create(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(Box::new(BufWriter::with_capacity(1 << 20, file)))
}

/// The numbers below `count`, in an order that depends only on the seed (Fisher and Yates).
fn shuffled(count: u64, seed: u64) -> Result<Vec<u32>, Box<dyn Error>> {
    let count = u32::try_from(count).map_err(|_| "--order random: more events than 4294967295")?;
    let mut numbers: Vec<u32> = (0..count).collect();
    let mut draws = Draws::new(seed, u64::MAX);
    for last in (1..numbers.len()).rev() {
        let other = usize::try_from(draws.below(last as u64 + 1))?;
        numbers.swap(last, other);
    }
    Ok(numbers)
}
