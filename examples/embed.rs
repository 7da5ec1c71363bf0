//! A gateway that embeds the ledger. It makes a ledger, imports prices, records usage from its threads, and prints what
//! the month costs.
//!
//! `cargo run --example embed`. The library receives the time and the name of the actor as arguments. It prints nothing
//! itself.

use std::error::Error;
use std::io::Write;
use tokenbook::{
    Act, Books, Calendar, Currency, EventBuilder, EventError, Jumps, Meter, Name, Period, ReadPool, Recorder,
};
use tokenbook::{RecorderOptions, Request, Settings, Silent, Timestamp, UsageEvent};

const PRICES: &str = "\
provider,model,meter,currency,price,valid_from
google,gemini-2.5-flash,input,USD,0.30,2026-01-01
google,gemini-2.5-flash,output,USD,1.25,2026-01-01
openai,gpt-4.1,input,USD,2.00,2026-01-01
openai,gpt-4.1,output,USD,8.00,2026-01-01
";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tokenbook.db");
    let act = Act { now: Timestamp::parse("2026-10-05T12:00:00Z")?, actor: "gateway" };
    let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
    Books::create(&path, &settings, act)?.import_prices(
        "prices",
        PRICES.as_bytes(),
        None,
        Jumps::Refuse,
        act,
        &Silent,
    )?;

    // One recorder for all threads. A call returns when its events are on disk.
    let recorder = Recorder::open(&path, &Name::new("gateway")?, act.actor, RecorderOptions::plain())?;
    let calls = [
        request("a1", "2026-10-05T09:12:04Z", ("google", "gemini-2.5-flash"), "marketing", (50_000, 8_000))?,
        request("a2", "2026-10-05T09:40:51Z", ("openai", "gpt-4.1"), "engineering", (85_000, 42_000))?,
    ];
    std::thread::scope(|scope| {
        let threads = calls.clone().map(|call| scope.spawn(|| recorder.record(vec![call], act.now)));
        threads.into_iter().try_for_each(|thread| {
            thread.join().map_err(|_| "a thread panicked")?.map(drop).map_err(Box::<dyn Error>::from)
        })
    })?;
    // If a gateway does not know whether its last call arrived, it sends the call again.
    let again = recorder.record(calls.to_vec(), act.now)?;

    let pool = ReadPool::open(&path)?;
    let october = Request::of(Period::parse("2026-10")?);
    let sheet = pool.read(|books| books.report("chargeback", &october))??;
    let table = tokenbook::render::named("table").ok_or("there is no table renderer")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "sent again: {} duplicates\n", again.duplicates)?;
    (table.render)(&sheet, &mut out)?;
    writeln!(out, "\nledger head: {}", again.head)?;
    Ok(())
}

/// One request as the gateway saw it, with its input and output tokens.
fn request(
    id: &str,
    at: &str,
    (provider, model): (&str, &str),
    department: &str,
    (input, output): (i64, i64),
) -> Result<UsageEvent, EventError> {
    let request = EventBuilder::request(id, at, model).provider(provider).tag("department", department);
    request.meter(Meter::Input, input).meter(Meter::Output, output).build()
}
