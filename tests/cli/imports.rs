//! `tokenbook imports`.

use crate::desk::{Desk, HEADER, Outcome, usage};
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::currency::Currency;
use tokenbook::domain::event::{EventId, EventUsage, Model, UsageEvent};
use tokenbook::domain::meter::Meter;
use tokenbook::domain::name::Name;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::ledger::Settings;

#[test]
fn a_list_names_each_import_by_its_entry() -> Outcome {
    let desk = Desk::new()?;
    desk.write("a.csv", usage(0, 3))?;
    desk.write("b.csv", format!("{HEADER}\nx,2026-11-05T10:00:00Z,m,Legal,1,1\ny,bad,m,Legal,1,1\n"))?;
    assert_eq!(desk.print(&["imports", "list", "--format", "csv"])?.lines().count(), 1);
    desk.run(&["import", "a.csv"])?.ends(0)?;
    desk.run(&["import", "b.csv", "--quarantine", "--source", "gateway"])?.ends(4)?;
    let list = desk.print(&["imports", "list", "--format", "csv"])?;
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0][..4], ["entry", "last_entry", "commits", "imported_at"]);
    assert_eq!(rows[0][4..9], ["last_imported_at", "actor", "source", "file", "format"]);
    let first = ["tester", "default", "a.csv", "csv", "4", "3", "0", "0", "2026-10-01", "2026-10-03", "", ""];
    assert_eq!(rows[1][5..], first);
    assert_eq!((&rows[1][..3], &rows[2][..3]), (&["2", "2", "1"][..], &["3", "3", "1"][..]));
    assert_eq!(rows[1][3], rows[1][4]);
    assert_eq!(rows[2][5..15], ["tester", "gateway", "b.csv", "csv", "3", "1", "0", "1", "2026-11-05", "2026-11-05"]);
    Ok(())
}

/// Records events of days in October in one commit.
fn record(desk: &Desk, source: &str, (now, actor): (&str, &str), events: &[(&str, u32)]) -> Outcome {
    let books = Books::open(&desk.ledger())?;
    let event = |(id, day): &(&str, u32)| -> Outcome<UsageEvent> {
        let model = Model { provider: None, name: Name::new("m")? };
        let at = Timestamp::parse(&format!("2026-10-{day:02}T10:00:00Z"))?;
        Ok(UsageEvent::new(EventId::new(id)?, at, model, EventUsage::request([(Meter::Input, 7)])?))
    };
    let events: Vec<UsageEvent> = events.iter().map(event).collect::<Outcome<_>>()?;
    books.record(&Name::new(source)?, &events, Act { now: Timestamp::parse(now)?, actor }, &Silent)?;
    Ok(())
}

#[test]
fn recorded_usage_is_a_line_for_each_source_actor_and_hour() -> Outcome {
    let desk = Desk::empty()?;
    let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
    let now = Timestamp::parse("2026-10-30T00:00:00Z")?;
    Books::create(&desk.ledger(), &settings, Act { now, actor: "tester" })?;
    let of = |hour: &'static str| (hour, "gateway");
    record(&desk, "gw", of("2026-10-30T10:00:00Z"), &[("a", 5), ("b", 9)])?; // 2
    record(&desk, "gw", of("2026-10-30T10:20:00Z"), &[("b", 9), ("c", 3)])?; // 3
    record(&desk, "other", of("2026-10-30T10:30:00Z"), &[("a", 5)])?; // 4
    record(&desk, "gw", ("2026-10-30T10:40:00Z", "nightly"), &[("d", 5)])?; // 5
    record(&desk, "gw", of("2026-10-30T10:59:59.9Z"), &[("e", 4)])?; // 6
    record(&desk, "gw", of("2026-10-30T11:00:00Z"), &[("f", 4), ("g", 4)])?; // 7
    record(&desk, "gw", of("2026-10-30T11:10:00Z"), &[("h", 4)])?; // 8
    record(&desk, "gw", of("2026-10-30T11:20:00Z"), &[("i", 4)])?; // 9
    record(&desk, "gw", of("2026-10-30T11:30:00Z"), &[("j", 4)])?; // 10
    let list = |options: &[&str]| -> Outcome<Vec<Vec<String>>> {
        let csv = desk.print(&[&["imports", "list", "--format", "csv"], options].concat())?;
        Ok(csv.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect())
    };
    let of_all = list(&[])?;
    assert_eq!(of_all.len(), 4, "{of_all:?}");
    let first = of_all[0].join(",");
    let times = "2026-10-30T10:00:00Z,2026-10-30T10:59:59.900Z";
    assert_eq!(first, format!("2,6,3,{times},gateway,gw,(recorded),record,5,4,1,0,2026-10-03,2026-10-09,,"));
    let entries = |list: &[Vec<String>]| -> Vec<String> { list.iter().map(|line| line[..3].join(" ")).collect() };
    assert_eq!(entries(&of_all), ["2 6 3", "4 4 1", "5 5 1", "7 10 4"]);
    assert_eq!(entries(&list(&["--commits"])?), (2..=10).map(|at| format!("{at} {at} 1")).collect::<Vec<_>>());
    // What was taken back stands apart, and so does a commit that lost one event.
    desk.run(&["imports", "retract", "7", "--id", "f", "--reason", "x"])?.ends(0)?;
    for entry in ["10", "8"] {
        desk.run(&["imports", "retract", entry, "--reason", "x"])?.ends(0)?;
    }
    let listed = list(&[])?;
    let (entries, retracted) = (entries(&listed), listed.iter().map(|line| line[16].as_str()).collect::<Vec<_>>());
    assert_eq!(entries, ["2 6 3", "4 4 1", "5 5 1", "7 7 1", "8 10 2", "9 9 1"]);
    assert_eq!(retracted, ["", "", "", "11 (in part)", "12 to 13", ""]);
    Ok(())
}

#[test]
fn a_tag_that_is_nearly_one_that_says_who_pays_is_refused() -> Outcome {
    let desk = Desk::new()?;
    desk.write("a.csv", usage(0, 3))?;
    for (tag, known) in [
        ("departmnt=Legal", "department"),
        ("Department=Legal", "department"),
        ("projects=x", "project"),
        ("enviroment=prod", "environment"),
    ] {
        let says = format!("is almost \"{known}\", expected \"{known}\" or a different word");
        desk.run(&["import", "a.csv", "--tag", tag])?.ends(2)?.says(&says)?.says(&format!("write --tag {known}=…"))?;
        desk.run(&["rules", "test", "--tag", tag])?.ends(2)?.says(&says)?;
    }
    for tag in ["department=Legal", "product=x", "team=y", "env=prod"] {
        desk.run(&["import", "a.csv", "--dry-run", "--tag", tag])?.ends(0)?;
    }
    Ok(())
}
