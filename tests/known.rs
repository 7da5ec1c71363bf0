//! An import looks for known events many at a time. This must find what comparing one by one would find: the same
//! events are duplicates, and an event with any difference never counts as the same.

use crate::desk::{Desk, Dice, Outcome};

const FIELDS: &str = "event_id,timestamp,model,department,tag.team,service_tier,input_tokens,cache_read_tokens,\
                      output_tokens,requests,web_searches";

/// Enough events that most of a day is placed after the import knows that the events exist: by keys on the first day
/// and by fingerprints on later ones.
const EVENTS: usize = 12_000;
const DAYS: usize = 3;

/// One event's fields, in the order of [`FIELDS`].
fn event(number: usize) -> Vec<String> {
    let (day, second) = (1 + number % DAYS, number / DAYS);
    let when = format!("2026-10-{day:02}T{:02}:{:02}:{:02}.250Z", 8 + second / 3_600, second / 60 % 60, second % 60);
    let some =
        |every: usize, value: usize| if number.is_multiple_of(every) { value.to_string() } else { String::new() };
    vec![
        format!("event-{number}"),
        when,
        "m".to_owned(),
        "Legal".to_owned(),
        format!("team-{}", number % 5),
        "standard".to_owned(),
        (number % 900).to_string(),
        some(2, number % 70),
        (number % 300).to_string(),
        some(11, 1 + number % 3),
        some(7, 1 + number % 4),
    ]
}

/// A file of events in no order, some of them changed.
fn file(numbers: impl Iterator<Item = usize>, seed: u64, change: impl Fn(usize, &mut Vec<String>)) -> Outcome<String> {
    let mut lines: Vec<String> = numbers
        .map(|number| {
            let mut fields = event(number);
            change(number, &mut fields);
            fields.join(",")
        })
        .collect();
    let mut dice = Dice::new(seed);
    for place in (1..lines.len()).rev() {
        lines.swap(place, usize::try_from(dice.below(u64::try_from(place)? + 1))?);
    }
    Ok(format!("{FIELDS}\n{}\n", lines.join("\n")))
}

fn furnished() -> Outcome<Desk> {
    let desk = Desk::new()?;
    desk.write("first.csv", file(0..EVENTS, 1, |_, _| {})?)?;
    desk.run(&["import", "first.csv"])?.ends(0)?.says(" 12,000 accepted + 0 duplicates")?;
    Ok(desk)
}

#[test]
fn events_in_another_order_are_duplicates_and_new_ones_among_them_are_taken() -> Outcome {
    let desk = furnished()?;
    desk.write("again.csv", file(0..EVENTS, 2, |_, _| {})?)?;
    desk.run(&["import", "again.csv"])?.ends(0)?.says(" 0 accepted + 12,000 duplicates")?;
    desk.write("more.csv", file(0..EVENTS + 500, 3, |_, _| {})?)?;
    desk.run(&["import", "more.csv"])?.ends(0)?.says(" 500 accepted + 12,000 duplicates")?;
    desk.write("thin.csv", file((0..EVENTS + 500).step_by(5), 4, |_, _| {})?)?;
    desk.run(&["import", "thin.csv"])?.ends(0)?.says(" 0 accepted + 2,500 duplicates")?;
    assert_eq!(desk.events()?, 12_500);
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

/// Changes an event's fields, and returns whether that makes it another event.
type Change = fn(usize, &mut Vec<String>) -> bool;

#[test]
fn an_event_that_differs_in_anything_is_a_conflict() -> Outcome {
    let desk = furnished()?;
    let changes: [(&str, Change); 9] = [
        ("timestamp", |_, fields| {
            fields[1] = fields[1].replace(".250Z", ".251Z");
            true
        }),
        ("model", |_, fields| {
            fields[2] = "n".to_owned();
            true
        }),
        ("tags", |_, fields| {
            fields[4] = "team-9".to_owned();
            true
        }),
        ("service_tier", |_, fields| {
            fields[5] = "batch".to_owned();
            true
        }),
        ("input_tokens", |_, fields| {
            fields[6] = "901".to_owned();
            true
        }),
        ("cache_read_tokens, reported as 0 or no more", |_, fields| {
            fields[7] = if fields[7].is_empty() { "0".to_owned() } else { String::new() };
            true
        }),
        ("output_tokens and input_tokens, changed for one another", |number, fields| {
            fields.swap(6, 8);
            number % 900 != number % 300
        }),
        ("requests", |_, fields| {
            fields[9] = "7".to_owned();
            true
        }),
        ("web_searches, reported or no more", |_, fields| {
            fields[10] = if fields[10].is_empty() { "1".to_owned() } else { String::new() };
            true
        }),
    ];
    for (place, (what, change)) in changes.iter().enumerate() {
        // Forty events, of every kind.
        let is_changed = |number: usize| number % 307 == place;
        let differ = (0..EVENTS).filter(|n| is_changed(*n) && change(*n, &mut event(*n))).count();
        assert!(differ > 20, "{what}");
        let changed = file(0..EVENTS, 5, |number, fields| {
            if is_changed(number) {
                change(number, fields);
            }
        })?;
        desk.write("changed.csv", changed)?;
        let says = format!("{differ} events have the id of another event with other content");
        desk.run(&["import", "changed.csv"])?.ends(5)?.says(&says).map_err(|error| format!("{what}: {error}"))?;
    }
    assert_eq!(desk.events()?, 12_000);
    Ok(())
}
