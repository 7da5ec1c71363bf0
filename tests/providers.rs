//! The provider of usage whose records name none: what an id shows, what the user states, and the message if neither
//! does.

use crate::desk::{Desk, Outcome, rows};

/// Ids as the vendor's API and two clouds issue them, and an unknown one.
const IDS: [(&str, &str, &str); 5] = [
    ("msg_01XFDUDYJgAACzvnptvVoYEL", "claude-sonnet-4-5", "anthropic"),
    ("msg_bdrk_01SK3CsA23VBbZig4HqemAoo", "claude-sonnet-4-5", "bedrock"),
    ("msg_vrtx_011CfBLyuqQKtoph9kWhiUt5", "claude-sonnet-4-5", "vertex_ai"),
    ("msg_01XFDUDYJgAACzvnptvVoYEM", "house-model", "(none)"),
    ("msg_1", "claude-sonnet-4-5", "(none)"),
];

fn session() -> String {
    let line = |(id, model, _): &(&str, &str, &str)| {
        format!(
            "{{\"type\":\"assistant\",\"timestamp\":\"2026-10-01T08:30:00.000Z\",\"sessionId\":\"s\",\"message\":{{\"id\":\"{id}\",\
             \"model\":\"{model}\",\"usage\":{{\"input_tokens\":1000000,\"output_tokens\":0}}}}}}\n"
        )
    };
    IDS.iter().map(line).collect()
}

fn bodies() -> String {
    let line = |(id, model, _): &(&str, &str, &str)| {
        format!(
            "{{\"timestamp\":\"2026-10-01T08:30:00Z\",\"body\":{{\"id\":\"{id}\",\"model\":\"{model}\",\"type\":\"message\",\
             \"usage\":{{\"input_tokens\":1000000,\"output_tokens\":0}}}}}}\n"
        )
    };
    IDS.iter().map(line).collect()
}

/// A price for a single provider.
const OF_ANTHROPIC: &str = "provider,model,meter,currency,price,valid_from\nanthropic,claude-sonnet-4-5,input,USD,3,2026-01-01\n\
     anthropic,claude-sonnet-4-5,output,USD,15,2026-01-01\n";

fn providers(desk: &Desk) -> Outcome<Vec<String>> {
    let arguments = ["report", "chargeback", "--by", "provider,model", "--period", "2026-10", "--format", "csv"];
    let row = |row: &std::collections::BTreeMap<String, String>| {
        ["provider", "model", "events", "amount"].map(|column| row[column].clone()).join("|")
    };
    Ok(rows(&desk.print(&arguments)?)?.iter().map(row).collect())
}

#[test]
fn the_id_of_a_message_tells_who_served_it() -> Outcome {
    for (file, text) in [("s.jsonl", session()), ("b.jsonl", bodies())] {
        let desk = Desk::new()?;
        desk.write(file, text)?;
        desk.write("p.csv", OF_ANTHROPIC)?;
        desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
        desk.run(&["import", file])?.ends(0)?.says("5 accepted")?;
        let expected = [
            "(none)|claude-sonnet-4-5|1|",
            "(none)|house-model|1|",
            "anthropic|claude-sonnet-4-5|1|3.00",
            "bedrock|claude-sonnet-4-5|1|",
            "vertex_ai|claude-sonnet-4-5|1|",
        ];
        assert_eq!(providers(&desk)?, expected, "{file}");
    }
    Ok(())
}

#[test]
fn what_the_user_says_wins_over_what_an_id_tells() -> Outcome {
    let desk = Desk::new()?;
    desk.write("s.jsonl", session())?;
    let ran = desk.run(&["import", "s.jsonl", "--provider", "gateway"])?.ends(0)?.says("5 accepted")?;
    assert!(!ran.err.contains("provider"), "{ran:?}");
    assert_eq!(providers(&desk)?, ["gateway|claude-sonnet-4-5|4|", "gateway|house-model|1|"]);
    Ok(())
}

#[test]
fn to_name_the_provider_that_the_id_tells_is_no_conflict() -> Outcome {
    let desk = Desk::new()?;
    let first = session().lines().next().ok_or("no line")?.to_owned() + "\n";
    desk.write("s.jsonl", first)?;
    desk.run(&["import", "s.jsonl"])?.ends(0)?.says("1 accepted")?;
    desk.run(&["import", "s.jsonl", "--provider", "anthropic"])?.ends(0)?.says("1 duplicate")?;
    Ok(())
}

const USAGE: &str = "event_id,timestamp,model,department,input_tokens,output_tokens\n\
                     1,2026-10-05T10:00:00Z,claude-sonnet-4-5,Legal,1000,10\n";

#[test]
fn an_import_says_at_once_that_only_prices_of_a_provider_are_there() -> Outcome {
    let desk = Desk::new()?;
    desk.write("p.csv", OF_ANTHROPIC)?;
    desk.write("u.csv", USAGE)?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    let says = "warning: u.csv: the usage of claude-sonnet-4-5 names no provider, and only anthropic has prices for it, so \
                it stays unpriced (add --provider anthropic)";
    desk.run(&["import", "u.csv", "--dry-run"])?.ends(0)?.says(says)?;
    desk.run(&["import", "u.csv"])?.ends(0)?.says(says)?;
    let unpriced = desk.print(&["report", "unpriced", "--period", "2026-10"])?;
    assert!(unpriced.contains("no price in force, only of the provider anthropic"), "{unpriced}");
    let caveat = "! 1 model was used without a provider, and only certain providers have prices: name the \
                  provider at the import (--provider), or list prices without a provider, which apply to any";
    assert!(unpriced.contains(caveat), "{unpriced}");
    // It is too late for the option. The message names the remedy.
    desk.run(&["import", "u.csv", "--provider", "anthropic"])?
        .ends(5)?
        .says("provider is not reported in the ledger and anthropic here")?
        .says(
            "hint: the ledger keeps these events without a provider, and only prices without a provider apply to them",
        )?;
    desk.write("any.csv", "model,meter,currency,price,valid_from\nclaude-sonnet-4-5,input,USD,3,2026-01-01\nclaude-sonnet-4-5,output,USD,15,2026-01-01\n")?;
    desk.run(&["prices", "import", "any.csv"])?.ends(0)?;
    assert_eq!(desk.print(&["report", "unpriced", "--period", "2026-10", "--format", "csv"])?.lines().count(), 1);
    desk.write("more.csv", USAGE.replace("\n1,", "\n2,"))?;
    let ran = desk.run(&["import", "more.csv"])?.ends(0)?;
    assert!(!ran.err.contains("provider"), "a price for any provider is there: {ran:?}");
    Ok(())
}

#[test]
fn a_vendors_records_without_a_provider_are_told_before_there_are_prices() -> Outcome {
    let desk = Desk::new()?;
    desk.write("s.jsonl", session())?;
    desk.run(&["import", "s.jsonl"])?.ends(0)?.says(
        "warning: s.jsonl: the usage of claude-sonnet-4-5, house-model names no provider; only prices without a provider \
         will apply to it (add --provider NAME)",
    )?;
    // tokenbook's own formats have a column for the provider. If a file leaves it out, prices without a provider apply.
    desk.write("u.csv", USAGE)?;
    let ran = desk.run(&["import", "u.csv"])?.ends(0)?;
    assert!(!ran.err.contains("provider"), "{ran:?}");
    Ok(())
}

#[test]
fn usage_of_another_provider_than_the_prices_is_told_so() -> Outcome {
    let desk = Desk::new()?;
    desk.write("p.csv", OF_ANTHROPIC)?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    desk.write("u.csv", USAGE)?;
    desk.run(&["import", "u.csv", "--provider", "bedrock"])?.ends(0)?;
    let unpriced = rows(&desk.print(&["report", "unpriced", "--period", "2026-10", "--format", "csv"])?)?;
    assert_eq!(unpriced[0]["reason"], "no price in force, only of the provider anthropic");
    let shown = desk.print(&["report", "unpriced", "--period", "2026-10"])?;
    assert!(!shown.contains("used without a provider"), "{shown}");
    Ok(())
}
