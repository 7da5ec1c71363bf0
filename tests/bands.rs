//! Prices that depend on the prompt's size. Daily totals are cut where a price changes. They are cut again if a
//! threshold is added, or if an alias gives a model another's prices.

use std::error::Error;
use tokenbook::books::keep::verify::Depth;
use tokenbook::books::setup::prices::Jumps;
use tokenbook::books::statement::reports::{Basis, Request};
use tokenbook::books::usage::import::{DEFAULT_SOURCE, ImportOptions};
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::currency::Currency;
use tokenbook::domain::name::Name;
use tokenbook::domain::period::Period;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Input;
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

    fn aliases(&self, rows: &str) -> Outcome {
        let list = format!("alias,provider,model,valid_from\n{rows}");
        let act = Act { now: self.now, actor: "test" };
        self.books.import_aliases("aliases.csv", list.as_bytes(), act, &Silent)?;
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

    /// Amount and unpriced events of the month, the same from daily totals and from events, in a ledger that verifies.
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
    // 100 x 1 + 101 x 2 + 100 x 1 (each of the nine is at most 100), and 5 x 10 for the bucket's output.
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

#[test]
fn an_alias_brings_the_thresholds_of_its_model() -> Outcome {
    let desk = Desk::new()?;
    desk.prices("m,input,,USD,1,2026-01-01\nm,input,200,USD,3,2026-01-01\n")?;
    desk.usage("a,2026-10-01T00:00:00Z,m-2026,a,100,,\nb,2026-10-01T00:00:00Z,m-2026,a,300,,\n")?;
    let unpriced = |(_, unpriced): (Cell, Cell)| unpriced;
    assert_eq!(unpriced(desk.total()?), Cell::Count(2), "no name is matched by its beginning");
    desk.aliases("m-2026,,m,2026-01-01\n")?;
    assert_eq!(desk.total()?, (exactly("0.001")?, Cell::Count(0)), "100 x 1 + 300 x 3");
    // A later threshold of the model also cuts the totals of its alias, including later ones.
    desk.prices("m,input,50,USD,2,2026-01-01\n")?;
    assert_eq!(desk.total()?, (exactly("0.0011")?, Cell::Count(0)), "100 x 2 + 300 x 3");
    desk.usage("c,2026-10-01T00:00:00Z,m-2026,a,50,,\nd,2026-10-02T00:00:00Z,m-2026,a,51,,\n")?;
    assert_eq!(desk.total()?, (exactly("0.001252")?, Cell::Count(0)), "and 50 x 1 + 51 x 2");
    Ok(())
}

#[test]
fn an_alias_holds_from_its_instant_to_the_next() -> Outcome {
    let desk = Desk::new()?;
    desk.prices("m,input,,USD,1,2026-01-01\nn,input,,USD,2,2026-01-01\nn,input,,USD,4,2026-10-01T14:00:00Z\n")?;
    desk.aliases("x,,m,2026-10-01T10:00:00Z\nx,,n,2026-10-01T12:00:00Z\nx,,-,2026-10-01T16:00:00Z\n")?;
    desk.usage(
        "a,2026-10-01T09:59:59.999999999Z,x,a,1,,\nb,2026-10-01T10:00:00Z,x,a,10,,\n\
         c,2026-10-01T11:59:59.999999999Z,x,a,100,,\nd,2026-10-01T12:00:00Z,x,a,1000,,\n\
         e,2026-10-01T14:00:00Z,x,a,10000,,\nf,2026-10-01T15:59:59.999999999Z,x,a,100000,,\n\
         g,2026-10-01T16:00:00Z,x,a,1000000,,\n",
    )?;
    // 110 x 1 + 1,000 x 2 + 110,000 x 4. Usage before the alias and after it has no price.
    assert_eq!(desk.total()?, (exactly("0.44211")?, Cell::Count(2)));
    Ok(())
}

#[test]
fn a_price_in_force_wins_over_an_alias_and_an_alias_is_followed_once() -> Outcome {
    let desk = Desk::new()?;
    desk.prices("m,input,,USD,1,2026-01-01\nx,input,,USD,7,2026-10-02\nx,input,,USD,-,2026-10-03\n")?;
    desk.aliases("x,,m,2026-01-01\ny,,x,2026-01-01\n")?;
    desk.usage("a,2026-10-01T00:00:00Z,x,a,1,,\nb,2026-10-02T00:00:00Z,x,a,10,,\nc,2026-10-03T00:00:00Z,x,a,100,,\n")?;
    assert_eq!(desk.total()?, (exactly("0.000171")?, Cell::Count(0)), "1 x 1 + 10 x 7 + 100 x 1");
    // y stands for x, and x for m. But y stands for x only while x has prices.
    desk.usage("d,2026-10-01T00:00:00Z,y,a,1000,,\ne,2026-10-02T00:00:00Z,y,a,1000,,\n")?;
    assert_eq!(desk.total()?, (exactly("0.007171")?, Cell::Count(1)));
    Ok(())
}
