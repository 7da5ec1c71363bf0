//! tokenbook keeps the books for a company's LLM tokens. One SQLite file records the usage, its prices and who pays, with
//! a hash chain that proves it.
//!
//! [`Books`] is the entry point. It imports usage and prices into a ledger and makes reports from it. The
//! ledger only appends facts, and reports compute amounts from them. An amount is a whole number of 1e-15 units of a
//! currency ([`Amount`]). So nothing is rounded before the reported line, and the lines of a report
//! add up. Usage without a price is unknown, never 0.
//!
//! The library prints nothing and reads neither the clock nor the environment. You pass the time and the name of the actor
//! as an argument ([`Act`]).
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
//! // A ledger in dollars, with days and months in the time zone of Berlin.
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
//! // In Berlin, r2 is already in November.
//! let sheet = books.report("chargeback", &Request::of(Period::parse("2026-10")?))?;
//! let row: Vec<String> = sheet.rows[0].iter().map(|cell| cell.plain()).collect();
//! assert_eq!(row[..6], ["engineering", "1", "85000", "42000", "0.506", "0.51"]);
//!
//! assert!(books.verify(Depth::Full, None, &Silent)?.findings.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # In a gateway
//!
//! A program that records its own calls needs the names at the root of this crate only. A [`Recorder`] takes events from all
//! threads and returns when they are on disk; a [`ReadPool`] gives each thread its books for reports. Without the feature
//! `cli`, which is on by default, the crate compiles no command line.
//!
//! ```
//! use tokenbook::{Act, Books, EventBuilder, Meter, Name, ReadPool, Recorder, RecorderOptions, Request, Timestamp};
//! # use tokenbook::{Calendar, Currency, Period, Settings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("tokenbook.db");
//! # let now = Timestamp::parse("2026-10-05T12:00:00Z")?;
//! # let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
//! # drop(Books::create(&path, &settings, Act { now, actor: "gateway" })?);
//! let recorder = Recorder::open(&path, &Name::new("gateway")?, "gateway", RecorderOptions::plain())?;
//! let event = EventBuilder::request("call-1", "2026-10-05T09:12:04Z", "gpt-4.1")
//!     .provider("openai")
//!     .tag("department", "engineering")
//!     .meter(Meter::Input, 85_000)
//!     .build()?;
//! let recorded = recorder.record(vec![event], now)?;
//! assert_eq!((recorded.accepted, recorded.duplicates), (1, 0));
//!
//! let pool = ReadPool::open(&path)?;
//! let october = Request::of(Period::parse("2026-10")?);
//! let sheet = pool.read(|books| books.report("chargeback", &october))??;
//! assert_eq!(sheet.rows.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! The modules are layers. Each layer uses only the layers before it in this list, which is also the reading order:
//!
//! - [`fault`]: the stable codes of errors
//! - [`domain`]: the terms of the trade, such as money, meter, period and event
//! - [`text`]: lines and tables
//! - [`price`]: what a meter costs, and when
//! - [`rows`]: the parts of a batch of events
//! - [`import`]: turns a file into events
//! - [`ledger`]: the SQLite file
//! - [`attribute`]: decides who pays
//! - [`rating`]: multiplies usage by price
//! - [`aggregate`]: reads usage in parallel
//! - [`sheet`]: the result of a report
//! - [`report`]: the reports
//! - [`render`]: prints sheets as bytes
//! - [`books`]: puts everything together
#![warn(unreachable_pub)]

pub mod aggregate;
pub mod attribute;
pub mod books;
pub mod domain;
pub mod fault;
pub mod import;
pub mod ledger;
pub mod price;
pub mod rating;
pub mod render;
pub mod report;
pub mod rows;
pub mod sheet;
pub mod text;

pub use books::keep::verify::{Anchor, Depth, Verification};
pub use books::setup::prices::Jumps;
pub use books::statement::pool::ReadPool;
pub use books::statement::reports::Request;
pub use books::usage::doubts::{Doubts, Unregistered};
pub use books::usage::import::{ImportError, ImportOptions};
pub use books::usage::record::{RecordError, RecordOptions, Recorded};
pub use books::usage::recorder::{Recorder, RecorderOptions};
pub use books::usage::retract::RecordedSpan;
pub use books::{Act, Books, BooksError, Observer, Silent};
pub use domain::calendar::Calendar;
pub use domain::currency::Currency;
pub use domain::event::{EventId, EventUsage, Model, ServiceTier, UsageEvent};
pub use domain::event_builder::{EventBuilder, EventError};
pub use domain::meter::Meter;
pub use domain::money::Amount;
pub use domain::name::Name;
pub use domain::outcome::Outcome;
pub use domain::period::Period;
pub use domain::tags::{Tag, TagSet};
pub use domain::timestamp::Timestamp;
pub use fault::{Code, Exit, Explained};
pub use import::file::input::Input;
pub use ledger::{Damage, LedgerError, Settings};
pub use sheet::{Cell, Sheet};
