//! A gateway that embeds the ledger: it makes one, imports prices, records usage, and asks what the month costs.
//!
//! `cargo run --example embed`. The library is given the time and the name of whoever acts; it prints nothing itself.

use std::error::Error;
use std::io::Write;
use tokenbook::books::import::ImportOptions;
use tokenbook::books::prices::Jumps;
use tokenbook::books::reports::Request;
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::currency::Currency;
use tokenbook::domain::name::Name;
use tokenbook::domain::period::Period;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::input::Input;
use tokenbook::ledger::Settings;

const PRICES: &str = "\
provider,model,meter,currency,price,valid_from
google,gemini-2.5-flash,input,USD,0.30,2026-01-01
google,gemini-2.5-flash,output,USD,1.25,2026-01-01
,gpt-4.1,input,USD,2.00,2026-01-01
,gpt-4.1,output,USD,8.00,2026-01-01
";

const USAGE: &str = r#"{"event_id":"a1","timestamp":"2026-10-05T09:12:04Z","provider":"google","model":"gemini-2.5-flash","input_tokens":50000,"output_tokens":8000,"tags":{"department":"marketing"}}
{"event_id":"a2","timestamp":"2026-10-05T09:40:51Z","model":"gpt-4.1","input_tokens":85000,"output_tokens":42000,"tags":{"department":"engineering"}}
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let act = Act { now: Timestamp::parse("2026-11-02T09:00:00Z")?, actor: "gateway" };
    let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
    let books = Books::create(&folder.path().join("tokenbook.db"), &settings, act)?;
    books.import_prices("prices", PRICES.as_bytes(), None, Jumps::Refuse, act, &Silent)?;

    let usage = folder.path().join("usage.jsonl");
    std::fs::write(&usage, USAGE)?;
    books.import(&Input::File(usage), &ImportOptions::plain(), act, &Silent)?;

    let sheet = books.report("chargeback", &Request::of(Period::parse("2026-10")?))?;
    let table = tokenbook::render::named("table").ok_or("there is no table renderer")?;
    let mut out = std::io::stdout().lock();
    (table.render)(&sheet, &mut out)?;
    writeln!(out, "\nledger head: {}", books.head()?)?;
    Ok(())
}
