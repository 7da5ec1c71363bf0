//! Prices that depend on the prompt's size: daily sums are cut where a price changes, and cut anew when one is added.

use std::error::Error;
use tokenbook::books::import::{DEFAULT_SOURCE, ImportOptions};
use tokenbook::books::prices::Jumps;
use tokenbook::books::reports::{Basis, Request};
use tokenbook::books::verify::Depth;
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::currency::Currency;
use tokenbook::domain::name::Name;
use tokenbook::domain::period::Period;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::input::Input;
use tokenbook::ledger::Settings;
use tokenbook::sheet::Cell;

type Outcome = Result<(), Box<dyn Error>>;

const HEADER: &str = "model,meter,prompt_above,currency,price,valid_from\n";

struct Desk {
    folder: tempfile::TempDir,
    books: Books,
    now: Timestamp,
}

impl Desk {
    fn new() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let now = Timestamp::parse("2026-11-01T00:00:00Z")?;
        let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
        let books = Books::create(&folder.path().join("l.db"), &settings, Act { now, actor: "test" })?;
        Ok(Self { folder, books, now })
    }

    fn prices(&self, rows: &str) -> Outcome {
        let act = Act { now: self.now, actor: "test" };
        self.books.import_prices(
            "prices.csv",
            format!("{HEADER}{rows}").as_bytes(),
            None,
            Jumps::Refuse,
            act,
            &Silent,
        )?;
        Ok(())
    }

    fn usage(&self, rows: &str) -> Outcome {
        let file = self.folder.path().join("usage.csv");
        std::fs::write(
            &file,
            format!("event_id,timestamp,model,department,input_tokens,output_tokens,requests\n{rows}"),
        )?;
        self.books.import(
            &Input::File(file),
            &ImportOptions::plain(),
            Act { now: self.now, actor: "test" },
            &Silent,
        )?;
        Ok(())
    }

    /// Amount and unpriced events of the month, the same from daily sums and from events, on a ledger that verifies.
    fn total(&self) -> Result<(Cell, Cell), Box<dyn Error>> {
        let verification = self.books.verify(Depth::Full, None, &Silent)?;
        assert_eq!(verification.findings, Vec::<String>::new());
        let request = Request::of(Period::parse("2026-10")?);
        let daily = self.books.report("chargeback", &request)?;
        let events = self.books.report("chargeback", &Request { basis: Basis::Events, ..request })?;
        assert_eq!(daily, events);
        let total = daily.total.ok_or("no total")?;
        let of = |name: &str| {
            daily.columns.iter().position(|column| column.name == name).and_then(|at| total.get(at)).cloned()
        };
        Ok((of("amount_exact").ok_or("no amount")?, of("unpriced_events").ok_or("no unpriced events")?))
    }
}

fn exactly(text: &str) -> Result<Cell, Box<dyn Error>> {
    Ok(Cell::Exact(tokenbook::domain::money::Amount::parse(text)?))
}

#[test]
fn a_bucket_is_unpriced_where_the_price_depends_on_what_it_does_not_tell() -> Outcome {
    assert_eq!(DEFAULT_SOURCE, "default");
    let desk = Desk::new()?;
    desk.prices("m,input,,USD,1,2026-01-01\nm,input,100,USD,2,2026-01-01\nm,output,,USD,10,2026-01-01\n")?;
    desk.usage(
        "small,2026-10-01T00:00:00Z,m,a,100,0,1\nlarge,2026-10-01T00:00:00Z,m,a,101,0,1\n\
         bucket,2026-10-01T00:00:00Z,m,a,150,5,3\nlittle,2026-10-01T00:00:00Z,m,a,100,0,9\n",
    )?;
    // 100 x 1 + 101 x 2 + 100 x 1 (each of the nine is at most 100), and 5 x 10 of the bucket's output.
    assert_eq!(desk.total()?, (exactly("0.000452")?, Cell::Count(1)));
    Ok(())
}

#[test]
fn a_new_threshold_cuts_the_sums_of_its_model_anew() -> Outcome {
    let desk = Desk::new()?;
    desk.prices("m,input,,USD,1,2026-01-01\nn,input,,USD,1,2026-01-01\n")?;
    desk.usage(
        "a,2026-10-01T00:00:00Z,m,a,100,,\nb,2026-10-01T00:00:00Z,m,a,300,,\nc,2026-10-02T00:00:00Z,n,b,300,,\n",
    )?;
    assert_eq!(desk.total()?, (exactly("0.0007")?, Cell::Count(0)));
    desk.prices("m,input,200,USD,3,2026-10-01\n")?;
    assert_eq!(desk.total()?, (exactly("0.0013")?, Cell::Count(0)));
    desk.prices("m,input,200,USD,-,2026-10-01\n")?;
    assert_eq!(desk.total()?, (exactly("0.0007")?, Cell::Count(0)), "a replacement by no price leaves the base price");
    Ok(())
}

#[test]
fn a_price_that_changes_inside_a_day_holds_from_its_instant() -> Outcome {
    let desk = Desk::new()?;
    desk.prices("m,input,,USD,1,2026-01-01\nm,input,,USD,5,2026-10-01T12:00:00Z\n")?;
    desk.usage(
        "a,2026-10-01T11:59:59.999999999Z,m,a,1,,\nb,2026-10-01T12:00:00Z,m,a,10,,\nc,2026-10-01T12:00:00.000000001Z,m,a,100,,\n",
    )?;
    assert_eq!(desk.total()?, (exactly("0.000551")?, Cell::Count(0)));
    Ok(())
}
