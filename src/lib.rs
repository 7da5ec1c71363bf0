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
//! use tokenbook::{
//!     Act, Books, Calendar, Currency, Depth, ImportOptions, Input, Jumps, Name, Period, Request, Settings, Silent, Timestamp,
//! };
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
//! What stands on this page is the interface: it keeps its names and its forms as the version number promises. The modules
//! are public, because the command line, the benches and the tests of this package use them, but they are hidden from
//! this documentation and may change at any time. `docs/ARCHITECTURE.md` describes them.
#![warn(unreachable_pub)]

#[doc(hidden)]
pub mod aggregate;
#[doc(hidden)]
pub mod attribute;
#[doc(hidden)]
pub mod books;
#[doc(hidden)]
pub mod control;
#[doc(hidden)]
pub mod deliver;
#[doc(hidden)]
pub mod domain;
#[doc(hidden)]
pub mod fault;
#[doc(hidden)]
pub mod guard;
#[doc(hidden)]
pub mod import;
#[doc(hidden)]
pub mod ledger;
#[doc(hidden)]
pub mod price;
#[doc(hidden)]
pub mod rating;
#[doc(hidden)]
pub mod render;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod rows;
#[doc(hidden)]
pub mod sheet;
#[doc(hidden)]
pub mod text;

pub use aggregate::fold::Basis;
pub use books::controls::gateway::Tender;
pub use books::keep::verify::{Anchor, Depth, Verification};
pub use books::month::month_end::{MonthEnd, Outside, Reports};
pub use books::month::run::{MonthRun, Step};
pub use books::setup::prices::Jumps;
pub use books::statement::completeness::{Caveats, Coverage};
pub use books::statement::pool::ReadPool;
pub use books::statement::reports::{Request, Statement};
pub use books::usage::doubts::{Doubts, Unregistered};
pub use books::usage::import::{ImportError, ImportOptions, ImportOutcome, Run};
pub use books::usage::record::{RecordError, RecordOptions, Recorded};
pub use books::usage::recorder::{Recorder, RecorderOptions};
pub use books::usage::retract::RecordedSpan;
pub use books::{Act, Books, BooksError, Observer, Reached, Rehearsal, Silent, Stage};
pub use control::ask::Ask;
pub use control::decide::Reason;
pub use control::limit::Measure;
pub use domain::calendar::{Calendar, Day};
pub use domain::currency::Currency;
pub use domain::event::{EventId, EventUsage, Model, ServiceTier, UsageEvent};
pub use domain::event_builder::{EventBuilder, EventError};
pub use domain::meter::{Meter, Unit};
pub use domain::money::Amount;
pub use domain::name::{Name, TagValue};
pub use domain::outcome::Outcome;
pub use domain::period::{Month, Period};
pub use domain::quantities::Quantities;
pub use domain::rate::Rate;
pub use domain::tags::{Tag, TagKey, TagSet};
pub use domain::timestamp::Timestamp;
pub use fault::{Code, Exit, Explained};
pub use guard::refusal::Refusal;
pub use guard::route::{Caller, Route};
pub use guard::settle::{Settled, Settlement};
pub use guard::{Decision, Guard, GuardOptions, Permit};
pub use import::file::input::Input;
pub use ledger::{Damage, LedgerError, Settings};
pub use render::{RENDERERS, Renderer};
pub use report::by::Dimension;
pub use report::{Detail, FileKind, MonthBefore, REPORTS, Reads, Report, ReportError, UserFile};
pub use sheet::{Cell, Column, ColumnKind, Heading, Misfit, NoColumn, Sheet, State};
pub use text::problem::Problem;
