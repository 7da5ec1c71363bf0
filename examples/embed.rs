//! A gateway that embeds the ledger: it makes one, imports prices, records usage, and asks what the month costs.
//!
//! `cargo run --example embed`. The library is given the time and the name of whoever acts; it prints nothing itself.

use std::error::Error;
use std::io::Write;
use tokenbook::books::setup::prices::Jumps;
use tokenbook::books::statement::reports::Request;
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::currency::Currency;
use tokenbook::domain::event::{EventId, EventUsage, Model, UsageEvent};
use tokenbook::domain::meter::Meter;
use tokenbook::domain::name::Name;
use tokenbook::domain::period::Period;
use tokenbook::domain::tags::{Tag, TagSet};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::ledger::Settings;

const PRICES: &str = "\
provider,model,meter,currency,price,valid_from
google,gemini-2.5-flash,input,USD,0.30,2026-01-01
google,gemini-2.5-flash,output,USD,1.25,2026-01-01
openai,gpt-4.1,input,USD,2.00,2026-01-01
openai,gpt-4.1,output,USD,8.00,2026-01-01
";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let act = Act { now: Timestamp::parse("2026-10-05T12:00:00Z")?, actor: "gateway" };
    let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
    let books = Books::create(&folder.path().join("tokenbook.db"), &settings, act)?;
    books.import_prices("prices", PRICES.as_bytes(), None, Jumps::Refuse, act, &Silent)?;

    let events = [
        request("a1", "2026-10-05T09:12:04Z", ("google", "gemini-2.5-flash"), "marketing", (50_000, 8_000))?,
        request("a2", "2026-10-05T09:40:51Z", ("openai", "gpt-4.1"), "engineering", (85_000, 42_000))?,
    ];
    let gateway = Name::new("gateway")?;
    let first = books.record(&gateway, &events, act, &Silent)?;
    // A gateway that does not know whether its last call arrived sends it again.
    let again = books.record(&gateway, &events, act, &Silent)?;

    let sheet = books.report("chargeback", &Request::of(Period::parse("2026-10")?))?;
    let table = tokenbook::render::named("table").ok_or("there is no table renderer")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "recorded {} events, then {} duplicates\n", first.accepted, again.duplicates)?;
    (table.render)(&sheet, &mut out)?;
    writeln!(out, "\nledger head: {}", books.head()?)?;
    Ok(())
}

/// One request as the gateway saw it, with its tokens in and out.
fn request(
    id: &str,
    at: &str,
    (provider, model): (&str, &str),
    department: &str,
    (input, output): (i64, i64),
) -> Result<UsageEvent, Box<dyn Error>> {
    let department = Tag::parse(&format!("department={department}"))?;
    let model = Model { provider: Some(Name::new(provider)?), name: Name::new(model)? };
    let usage = EventUsage::request([(Meter::Input, input), (Meter::Output, output)])?;
    let event = UsageEvent::new(EventId::new(id)?, Timestamp::parse(at)?, model, usage);
    Ok(event.with_tags(TagSet::from_iter([(department.key, department.value)])))
}
