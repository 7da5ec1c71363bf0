//! Wrong price lists, and usage without a price in force.

use super::case::{Case, script};
use crate::desk::{Desk, HEADER, Outcome, PRICES, rows};

const COLUMNS: &str = "model,meter,currency,price,per,prompt_above,valid_from";

fn row(line: &str) -> String {
    format!("{COLUMNS}\n{line}\n")
}

type Wrong = (u32, String, &'static str);

/// Wrong prices.
fn wrong_prices() -> Vec<Wrong> {
    vec![
        (
            43,
            row("m,input,USD,0.0000000000000000000000000000001,,,2026-01-01"),
            "p.csv:2: price: \"0.0000000000000000000000000000001\" has more digits than can be kept exactly",
        ),
        (
            43,
            row("m,input,USD,0.0000000001,,,2026-01-01"),
            "p.csv:2: price: \"0.0000000001\" is finer than a nano-unit per million",
        ),
        (
            44,
            row("m,input,USD,1e-7,1,,2026-01-01"),
            "p.csv:2: price: \"1e-7\" is not a plain decimal number, expected plain digits such as 2.50",
        ),
        (44, row("m,input,USD,2.5E-06,1,,2026-01-01"), "p.csv:2: price: \"2.5E-06\" is not a plain decimal number"),
        (42, row("m,input,USD,\"1,5\",,,2026-01-01"), "p.csv:2: price: \"1,5\" is not a plain decimal number"),
        (32, row("m,input,USD,NaN,,,2026-01-01"), "p.csv:2: price: \"NaN\" is not a plain decimal number"),
        (114, row("m,input,USD,,,,2026-01-01"), "p.csv:2: price: is not a plain decimal number"),
        (115, row("m,input,USD,-1,,,2026-01-01"), "p.csv:2: price: \"-1\" is negative"),
        (115, row("m,input,USD,-0.00,,,2026-01-01"), "p.csv:2: price: \"-0.00\" is negative"),
        (
            111,
            format!("{COLUMNS}\nm,input,USD,1,,,2026-01-01\n\nm,input,USD,2,,,2026-01-01\n"),
            "p.csv:4: price: contradicts line 2, which has the same key and start with another price",
        ),
        (
            111,
            format!(
                "{COLUMNS}\nm,input,USD,1,,,2026-01-01\nm,input,USD,1,,,2026-01-01T00:00:00Z\nm,input,EUR,1,,,2026-01-01\n"
            ),
            "p.csv:4: price: contradicts line 2",
        ),
        (
            117,
            format!("{COLUMNS}\nm,input,USD,2.5,,,2026-01-01\nm,input,USD,2.5,1000,,2026-02-01\n"),
            "p.csv:3: price: m input goes from 2.5 to 2500 per million at 2026-02-01T00:00:00Z, expected at most ten times as much and at least a tenth; check `per` (if the price is right, add --accept-jumps)",
        ),
        (
            118,
            row("m,input,usd,1,,,2026-01-01"),
            "p.csv:2: currency: \"usd\" is not a currency code of ISO 4217 in capitals, such as USD",
        ),
        (118, row("m,input,US$,1,,,2026-01-01"), "p.csv:2: currency: \"US$\" is not a currency code"),
        (118, row("m,input,XXX,1,,,2026-01-01"), "p.csv:2: currency: \"XXX\" is not a currency code"),
        (118, row("m,input,BTC,1,,,2026-01-01"), "p.csv:2: currency: \"BTC\" is not a currency code"),
        (51, row("m,input,USD,1,,,2026-02-30"), "p.csv:2: valid_from: \"2026-02-30\" "),
        (
            48,
            row("m,input,USD,1,,,2026-02-03T10:00:00"),
            "p.csv:2: valid_from: \"2026-02-03T10:00:00\" has no offset from UTC",
        ),
        (29, row("m,inputs,USD,1,,,2026-01-01"), "p.csv:2: meter: \"inputs\" is not a meter, expected input"),
        (
            29,
            row("m,input_tokens,USD,1,,,2026-01-01"),
            "p.csv:2: meter: \"input_tokens\" is not a meter, expected input",
        ),
        (
            117,
            row("m,input,USD,1,100,,2026-01-01"),
            "p.csv:2: per: \"100\" is not a unit of prices, expected 1, 1000 or 1000000",
        ),
        (34, row("m,input,USD,1,,1.5,2026-01-01"), "p.csv:2: prompt_above: \"1.5\" is not a number of tokens"),
        (33, row("m,input,USD,1,,-1,2026-01-01"), "p.csv:2: prompt_above: \"-1\" is not a number of tokens"),
    ]
}

/// Lists that are wrong as files.
fn wrong_shapes() -> Vec<Wrong> {
    vec![
        (68, row(",input,USD,1,,,2026-01-01"), "p.csv:2: model: is empty"),
        (10, String::new(), "p.csv: the file is empty, expected a header with model,meter,currency,price,valid_from"),
        (12, format!("{COLUMNS}\n"), "p.csv: the file contains no prices"),
        (84, format!("{COLUMNS},model\n"), "p.csv:1: model: stands twice in the header"),
        (85, "model,meter,currency,price\n".to_owned(), "p.csv:1: valid_from: is missing from the header"),
        (
            87,
            "Model ,meter,currency,price,valid_from\n".to_owned(),
            "p.csv:1: Model : is not a column of this file, expected model",
        ),
        (83, format!("{}\n", COLUMNS.replace(',', ";")), "p.csv:1: the header is delimited by semicolons"),
        (
            116,
            format!("{COLUMNS},valid_until\nm,input,USD,1,,,2026-02-01,2026-01-01\n"),
            "p.csv:1: valid_until: is not a column of this file",
        ),
        (82, row("m,input,USD,1"), "p.csv:2: 4 fields, expected 7, as the header has"),
        (88, row("m,\"input,USD,1,,,2026-01-01"), "p.csv:2: a quote is not closed on its line"),
    ]
}

/// Rejected price lists, with the lines in the message.
pub(crate) fn refused_prices() -> Vec<Case> {
    let list = |(number, text, says): Wrong| {
        let last = text.lines().skip(1).collect::<Vec<_>>().join(" ");
        let shown = if last.is_empty() { text.clone() } else { last };
        script(number, &[("p.csv", &text)], "tokenbook prices import p.csv", 3, says).shown(shown)
    };
    wrong_prices().into_iter().chain(wrong_shapes()).map(list).collect()
}

#[test]
fn what_has_no_price_in_force_is_unpriced_and_never_zero() -> Outcome {
    let columns = "model,provider,meter,service_tier,currency,price,valid_from";
    let cases = [
        (108, "n,,input,,USD,1,2026-01-01", "no price in force"),
        (109, "m-2026-01-01,,input,,USD,1,2026-01-01", "no price in force"),
        (109, "M,,input,,USD,1,2026-01-01", "no price in force"),
        (110, "m,,input,,USD,1,2026-10-06", "no price in force"),
        (
            112,
            "m,,input,,USD,1,2026-01-01\nm,,input,,USD,-,2026-10-01\nm,,input,,USD,1,2026-10-06",
            "no price in force",
        ),
        (110, "m,north,input,,USD,1,2026-01-01", "no price in force"),
        (110, "m,,input,batch,USD,1,2026-01-01", "no price in force"),
        (119, "m,,input,,EUR,1,2026-01-01", "the price is in another currency"),
    ];
    for (number, prices, reason) in cases {
        let desk = Desk::new()?;
        desk.write("p.csv", format!("{columns}\n{prices}\n"))?;
        desk.write("u.csv", format!("{HEADER}\ne,2026-10-05T10:00:00Z,m,Legal,7,\n"))?;
        desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
        desk.run(&["import", "u.csv"])?.ends(0)?;
        let found = rows(&desk.chargeback()?)?;
        let cells =
            ["events", "amount_exact", "amount", "share_percent", "unpriced_events"].map(|name| &*found[0][name]);
        assert_eq!(cells, ["1", "", "", "", "1"], "{number}");
        desk.run(&["report", "unpriced", "--period", "2026-10"])?.ends(0)?.says(reason)?;
        desk.run(&["report", "chargeback", "--period", "2026-10", "--strict"])?.ends(4)?;
        desk.run(&["prices", "check", "--period", "2026-10", "--strict"])?.ends(4)?;
    }
    Ok(())
}

#[test]
fn a_price_of_nothing_is_a_price() -> Outcome {
    let desk = Desk::new()?;
    desk.write("p.csv", "model,meter,currency,price,valid_from\nm,input,USD,0,2026-01-01\n")?;
    desk.write("u.csv", format!("{HEADER}\ne,2026-10-05T10:00:00Z,m,Legal,7,\n"))?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let found = rows(&desk.chargeback()?)?;
    let cells = ["amount_exact", "amount", "share_percent", "average_per_event", "unpriced_events"]
        .map(|name| &*found[0][name]);
    assert_eq!(cells, ["0", "0.00", "", "0.000000", "0"]);
    desk.run(&["report", "chargeback", "--period", "2026-10", "--strict"])?.ends(0)?;
    Ok(())
}

#[test]
fn more_prices_than_an_entry_holds_are_refused() -> Outcome {
    let desk = Desk::new()?;
    let (provider, model) = ("p".repeat(250), "m".repeat(240));
    let lines = (0..33_500).map(|number| format!("{provider},{model}-{number},input,USD,1,2026-01-01\n"));
    desk.write("p.csv", format!("provider,model,meter,currency,price,valid_from\n{}", lines.collect::<String>()))?;
    let ran = desk.run(&["prices", "import", "p.csv"])?;
    ran.ends(3)?.says("bytes, and an entry of the ledger holds at most 16760832")?.says("split the file")?;
    assert_eq!(desk.count("SELECT count(*) FROM price")?, 0);
    Ok(())
}

#[test]
fn prices_come_again_change_and_end() -> Outcome {
    let desk = Desk::new()?;
    desk.write("p.csv", PRICES)?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?.says("2 prices added, 0 replaced, 0 unchanged")?;
    let head = desk.head()?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?.says("0 prices added, 0 replaced, 2 unchanged")?;
    assert_eq!(desk.head()?, head, "123: the same again is no entry");
    desk.write("p.csv", PRICES.replace("2.50", "2.75"))?;
    let says = "replaced: contract any provider m input standard from 2026-01-01T00:00:00Z: 2.5 USD per million -> 2.75 USD per million";
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?.says(says)?.says("0 prices added, 1 replaced, 1 unchanged")?;
    // A factor of a thousand is a mistake of units until the user confirms it.
    desk.write("p.csv", "model,meter,currency,price,per,valid_from\nm,input,USD,2.75,1000,2026-11-01\n")?;
    desk.run(&["prices", "import", "p.csv"])?.ends(3)?.says("m input goes from 2.75 to 2750 per million")?;
    desk.run(&["prices", "import", "p.csv", "--accept-jumps"])?.ends(0)?.says("1 price added")?;
    desk.run(&["prices", "check", "--period", "2026-10"])?.ends(0)?.says("jump: ")?;
    desk.write("p.csv", "model,meter,currency,price,valid_from\nm,output,USD,-,2026-11-01\n")?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    desk.run(&["prices", "check", "--period", "2026-10"])?
        .ends(0)?
        .says("has no price from 2026-11-01T00:00:00Z on")?;
    let listed = desk.print(&["prices", "list", "--at", "2026-11-02", "--format", "csv"])?;
    assert_eq!(rows(&listed)?.len(), 1, "{listed}");
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}
