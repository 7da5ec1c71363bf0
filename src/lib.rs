//! tokenbook: the books for a company's LLM tokens. One SQLite file holds what was used, what it costs and who pays, and
//! the proof that nobody changed it.
//!
//! Facts are appended, amounts are computed from them: [`Books`](books::Books) imports usage and prices into a ledger and
//! makes reports of it. Amounts are whole numbers of 1e-15 units of a currency ([`Amount`](domain::money::Amount)), so
//! that nothing is rounded before the last line and the lines of a report add up. What has no price is unknown, never 0.
//!
//! The library prints nothing and reads neither the clock nor the environment: the time and the name of whoever acts are
//! arguments ([`Act`](books::Act)).
//!
//! ```
//! use tokenbook::books::usage::import::ImportOptions;
//! use tokenbook::books::setup::prices::Jumps;
//! use tokenbook::books::statement::reports::Request;
//! use tokenbook::books::keep::verify::Depth;
//! use tokenbook::books::{Act, Books, Silent};
//! use tokenbook::domain::{calendar::Calendar, currency::Currency, name::Name, period::Period, timestamp::Timestamp};
//! use tokenbook::import::file::input::Input;
//! use tokenbook::ledger::Settings;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! // A ledger in dollars, whose days and months are those of Berlin.
//! let act = Act { now: Timestamp::parse("2026-11-02T09:00:00Z")?, actor: "finance" };
//! let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("Europe/Berlin")?, Name::new("contract")?);
//! let books = Books::create(&folder.path().join("tokenbook.db"), &settings, act)?;
//!
//! let prices = "\
//! model,meter,currency,price,valid_from
//! gpt-4.1,input,USD,2.00,2026-01-01
//! gpt-4.1,output,USD,8.00,2026-01-01
//! ";
//! books.import_prices("prices.csv", prices.as_bytes(), None, Jumps::Refuse, act, &Silent)?;
//!
//! let usage = folder.path().join("usage.csv");
//! std::fs::write(&usage, "\
//! event_id,timestamp,model,department,input_tokens,output_tokens
//! r1,2026-10-05T09:12:04+02:00,gpt-4.1,engineering,85000,42000
//! r2,2026-10-31T23:30:00Z,gpt-4.1,engineering,1000,0
//! ")?;
//! let outcome = books.import(&Input::File(usage), &ImportOptions::plain(), act, &Silent)?;
//! assert_eq!((outcome.lines, outcome.header, outcome.accepted), (3, 1, 2));
//!
//! // r2 is of November in Berlin.
//! let sheet = books.report("chargeback", &Request::of(Period::parse("2026-10")?))?;
//! let row: Vec<String> = sheet.rows[0].iter().map(|cell| cell.plain()).collect();
//! assert_eq!(row[..6], ["engineering", "1", "85000", "42000", "0.506", "0.51"]);
//!
//! assert!(books.verify(Depth::Full, None, &Silent)?.findings.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! In reading order, which is the order of the layers, each using only those before it: [`domain`] the words of the
//! trade; [`text`] lines and tables; [`price`] what a meter cost, and when; [`rows`] what a batch of events is made of; [`import`] from a file to events; [`ledger`]
//! the file; [`attribute`] who pays; [`rating`] usage times price; [`aggregate`] usage in parallel; [`sheet`] a report's result; [`report`] the
//! reports; [`render`] sheets as bytes; [`books`] all of it together.
pub mod aggregate;
pub mod attribute;
pub mod books;
pub mod domain;
pub mod import;
pub mod ledger;
pub mod price;
pub mod rating;
pub mod render;
pub mod report;
pub mod rows;
pub mod sheet;
pub mod text;
