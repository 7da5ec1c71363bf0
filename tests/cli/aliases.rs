//! `tokenbook aliases`: import, list, and the effect on reports.

use crate::desk::{Desk, Outcome, rows};
use std::fmt::Write;

const PRICES: &str = "provider,model,meter,currency,price,valid_from\n\
                      openai,gpt-4o,input,USD,2.50,2026-01-01\n\
                      azure,gpt-4o,input,USD,3,2026-01-01\n";
const USAGE: &str = "event_id,timestamp,provider,model,department,input_tokens\n\
                     a,2026-10-05T00:00:00Z,openai,gpt-4o-2024-08-06,Legal,1000000\n\
                     b,2026-10-05T00:00:00Z,azure,prod-chat,Legal,1000000\n\
                     c,2026-10-05T00:00:00Z,openai,prod-chat,Legal,1000000\n";

fn desk() -> Outcome<Desk> {
    let desk = Desk::new()?;
    desk.write("p.csv", PRICES)?;
    desk.write("u.csv", USAGE)?;
    desk.print(&["prices", "import", "p.csv"])?;
    desk.print(&["import", "u.csv"])?;
    Ok(desk)
}

fn amounts(desk: &Desk) -> Outcome<Vec<(String, String, String)>> {
    let by = ["report", "chargeback", "--period", "2026-10", "--by", "provider,model", "--format", "csv"];
    let found = rows(&desk.print(&by)?)?;
    let cell = |row: &std::collections::BTreeMap<String, String>, name: &str| row[name].clone();
    Ok(found.iter().map(|row| (cell(row, "provider"), cell(row, "model"), cell(row, "amount_exact"))).collect())
}

#[test]
fn a_model_without_a_price_is_shown_with_the_nearest_names_until_somebody_says_which_it_is() -> Outcome {
    let desk = desk()?;
    let unpriced = ["report", "unpriced", "--period", "2026-10", "--format", "csv"];
    let nearest = |desk: &Desk| -> Outcome<Vec<String>> {
        Ok(rows(&desk.print(&unpriced)?)?.iter().map(|row| row["nearest_names"].clone()).collect())
    };
    assert_eq!(nearest(&desk)?, ["", "gpt-4o", ""]);
    let checked = desk.run(&["prices", "check", "--period", "2026-10", "--strict"])?.ends(4)?.says("nearest_names")?;
    checked.says("hint: if the price list uses another name for a model, add an alias")?;
    let shipped = desk.run(&["aliases", "import", "--shipped"])?.ends(0)?;
    shipped.says("(aliases as of 2026-11-23): ")?.says(" aliases added, 0 replaced, 0 unchanged")?;
    desk.write("a.csv", "alias,provider,model,valid_from\nprod-chat,azure,gpt-4o,2026-10-01\n")?;
    let imported = desk.run(&["aliases", "import", "a.csv"])?.ends(0)?;
    assert_eq!(imported.err, "", "what an alias stands for has a price");
    desk.write("slip.csv", "alias,model,valid_from\nslip,gpt-40,2026-10-01\n")?;
    let slip = desk.run(&["aliases", "import", "slip.csv"])?.ends(0)?;
    slip.says("warning: slip.csv:2: \"gpt-40\" has no price (nearest: gpt-4o); the alias applies when a price comes")?;
    // Reports keep the names in the usage. An alias for one provider does not apply to another.
    let line = |provider: &str, model: &str, amount: &str| (provider.to_owned(), model.to_owned(), amount.to_owned());
    let expected =
        [line("azure", "prod-chat", "3"), line("openai", "gpt-4o-2024-08-06", "2.5"), line("openai", "prod-chat", "")];
    assert_eq!(amounts(&desk)?, expected);
    assert_eq!(nearest(&desk)?, [""]);
    desk.run(&["verify", "--deep"])?.ends(0)?;
    Ok(())
}

#[test]
fn aliases_are_listed_come_again_change_and_end() -> Outcome {
    let desk = Desk::with(&["--time-zone", "America/New_York"])?;
    let list =
        "alias,provider,model,valid_from\nx,,m,2026-10-01\nx,,n,2026-10-20\nx,,-,2026-11-01\ny,north,m,2026-10-01\n";
    desk.write("a.csv", list)?;
    desk.run(&["aliases", "import", "a.csv"])?.ends(0)?.says("a.csv: 4 aliases added, 0 replaced, 0 unchanged")?;
    let head = desk.head()?;
    let history = desk.print(&["aliases", "list", "--history", "--format", "csv"])?;
    desk.write("again.csv", history)?;
    desk.run(&["aliases", "import", "again.csv"])?.ends(0)?.says(": 0 aliases added, 0 replaced, 4 unchanged")?;
    assert_eq!(desk.head()?, head, "the same again is no entry");
    for (at, expected) in [
        ("2026-09-30", vec![]),
        ("2026-10-01T03:59:59Z", vec![]),
        ("2026-10-01T04:00:00Z", vec!["x,,m,,2026-10-01T04:00:00Z", "y,north,m,,2026-10-01T04:00:00Z"]),
        ("2026-10-20", vec!["x,,n,,2026-10-20T04:00:00Z", "y,north,m,,2026-10-01T04:00:00Z"]),
        ("2026-11-01", vec!["y,north,m,,2026-10-01T04:00:00Z"]),
    ] {
        let listed = desk.print(&["aliases", "list", "--at", at, "--format", "csv"])?;
        assert_eq!(listed.lines().skip(1).collect::<Vec<_>>(), expected, "{at}");
    }
    desk.write("b.csv", list.replace("x,,n,", "x,,o,"))?;
    let again = desk.run(&["aliases", "import", "b.csv"])?.ends(0)?;
    let again = again.says("replaced: x from 2026-10-20T04:00:00Z: n -> o")?;
    let again = again.says("0 aliases added, 1 replaced, 3 unchanged")?;
    again.says("warning: b.csv:3: \"o\" has no price; the alias applies when a price comes")?;
    desk.write("c.csv", "alias,model,valid_from\nx,x,2026-10-01\n")?;
    desk.run(&["aliases", "import", "c.csv"])?.ends(3)?.says("c.csv:2: model: \"x\" is the same as the alias")?;
    desk.run(&["aliases", "import"])?.ends(2)?;
    desk.run(&["verify", "--deep"])?.ends(0)?;
    Ok(())
}

#[test]
fn a_month_end_takes_aliases_with_its_prices() -> Outcome {
    let desk = Desk::empty()?;
    desk.write("p.csv", PRICES)?;
    desk.write("u.csv", USAGE)?;
    desk.write("a.csv", "alias,model,valid_from\nprod-chat,gpt-4o,2026-10-01\ngpt-4o-2024-08-06,gpt-4o,2026-10-01\n")?;
    let run = ["month-end", "2026-10", "--usage", "u.csv", "--prices", "p.csv", "--out", "out", "--aliases"];
    desk.run(&[&run[..], &["a.csv"]].concat())?.ends(0)?.says("a.csv: 2 aliases added, 0 replaced, 0 unchanged")?;
    assert_eq!(amounts(&desk)?.iter().map(|(.., amount)| amount.as_str()).collect::<Vec<_>>(), ["3", "2.5", "2.5"]);
    let manifest: serde_json::Value = serde_json::from_slice(&desk.read("out/manifest.json")?)?;
    let inputs = manifest["inputs"].as_array().ok_or("no inputs")?;
    assert!(inputs.iter().any(|input| input["role"] == "aliases" && input["file"] == "a.csv"), "{manifest}");
    desk.run(&[&run[..], &["missing.csv"]].concat())?.ends(3)?.says("missing.csv: No such file")?;
    Ok(())
}

#[test]
fn an_offered_price_is_compared_for_the_aliases_of_its_model() -> Outcome {
    let desk = desk()?;
    desk.write("a.csv", "alias,provider,model,valid_from\nprod-chat,,gpt-4o,2026-10-01\n")?;
    desk.print(&["aliases", "import", "a.csv"])?;
    let offered =
        "provider,model,meter,prompt_above,currency,price,valid_from\nazure,gpt-4o,input,999999,USD,8,2026-01-01\n";
    desk.write("new.csv", offered)?;
    let diff = ["prices", "diff", "new.csv", "--month", "2026-10", "--part", "cost", "--quiet", "--format", "csv"];
    let found = rows(&desk.print(&diff)?)?;
    let azure = found.iter().find(|row| row["provider"] == "azure").ok_or("no row")?;
    assert_eq!((azure["amount_before"].as_str(), azure["amount_after"].as_str()), ("3", "8"));
    desk.print(&["prices", "import", "new.csv"])?;
    assert_eq!(amounts(&desk)?[0].2, "8");
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

/// A cloud that sells other makers' models: one row for all of them, and one row for a single model.
#[test]
fn an_alias_may_name_the_provider_whose_prices_apply() -> Outcome {
    let desk = Desk::new()?;
    desk.write(
        "p.csv",
        "provider,model,meter,currency,price,valid_from\n\
         google,g-pro,input,USD,2,2026-01-01\ngoogle,g-pro,input,USD,4,2026-10-16\n\
         google,g-flash,input,USD,1,2026-01-01\nmistral,large,input,USD,8,2026-01-01\n\
         vertex_ai,own,input,USD,16,2026-01-01\ngoogle,own,input,USD,32,2026-01-01\n",
    )?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    let mut usage = "event_id,timestamp,provider,model,input_tokens\n".to_owned();
    for (id, day, provider, model) in [
        ("a", 1, "vertex_ai", "g-pro"),
        ("b", 20, "vertex_ai", "g-pro"),
        ("c", 1, "vertex_ai", "g-flash"),
        ("d", 1, "vertex_ai", "large"),
        ("e", 1, "vertex_ai", "own"),
        ("f", 1, "other", "g-flash"),
        ("g", 1, "google", "g-flash"),
    ] {
        writeln!(usage, "{id},2026-10-{day:02}T08:00:00Z,{provider},{model},1000000")?;
    }
    desk.write("u.csv", usage)?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let report = ["report", "chargeback", "--by", "provider,model", "--period", "2026-10", "--format", "csv"];
    let costs = || -> Outcome<Vec<(String, String)>> {
        let found = desk.print(&report)?;
        assert_eq!(found, desk.print(&[&report[..], &["--recompute"]].concat())?);
        let found = rows(&found)?;
        Ok(found.iter().map(|row| (format!("{}/{}", row["provider"], row["model"]), row["amount"].clone())).collect())
    };
    let expected = |amounts: [&str; 6]| {
        let names = [
            "google/g-flash",
            "other/g-flash",
            "vertex_ai/g-flash",
            "vertex_ai/g-pro",
            "vertex_ai/large",
            "vertex_ai/own",
        ];
        names.into_iter().map(str::to_owned).zip(amounts.map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(costs()?, expected(["1.00", "", "", "", "", "16.00"]));
    desk.write(
        "a.csv",
        "alias,provider,model,model_provider,valid_from\n*,vertex_ai,*,google,2026-01-01\nlarge,vertex_ai,large,mistral,2026-01-01\n",
    )?;
    desk.run(&["aliases", "import", "a.csv"])?.ends(0)?;
    // 2 before the price changed and 4 after. The cloud's own model keeps its own price.
    assert_eq!(costs()?, expected(["1.00", "", "1.00", "6.00", "8.00", "16.00"]));
    desk.run(&["explain", "d"])?.ends(0)?.says("mistral")?;
    // Importing the printed list changes nothing.
    let listed = desk.print(&["aliases", "list", "--history", "--format", "csv"])?;
    desk.write("again.csv", listed)?;
    desk.run(&["aliases", "import", "again.csv"])?.ends(0)?.says("0 aliases added, 0 replaced, 2 unchanged")?;
    desk.write(
        "b.csv",
        "alias,provider,model,model_provider,valid_from\n*,vertex_ai,-,,2026-10-16\nx,,large,mistrall,2026-10-16\n",
    )?;
    let ended = desk.run(&["aliases", "import", "b.csv"])?.ends(0)?;
    ended.says("warning: b.csv:3: provider \"mistrall\" has no price (nearest: mistral)")?;
    assert_eq!(
        costs()?,
        expected(["1.00", "", "1.00", "2.00", "8.00", "16.00"]),
        "the later half of g-pro has no price any more"
    );
    desk.run(&["verify", "--deep"])?.ends(0)?;
    Ok(())
}

#[test]
fn a_dated_name_whose_undated_name_has_a_price_gets_the_hint_to_alias_it() -> Outcome {
    let desk = Desk::new()?;
    desk.write("p.csv", "model,meter,currency,price,valid_from\nclaude-haiku-4-5,input,USD,1,2026-01-01\n")?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    let usage = |id: &str, model: &str| {
        format!("event_id,timestamp,model,provider,input_tokens\n{id},2026-10-05T10:00:00Z,{model},anthropic,7\n")
    };
    desk.write("u.csv", usage("a", "claude-haiku-4-5-20251001"))?;
    let warning = "warning: u.csv: claude-haiku-4-5-20251001 has no price, but claude-haiku-4-5 has one (map dated names \
                   with `tokenbook aliases import --shipped` or with aliases of your own)\n";
    desk.run(&["import", "u.csv"])?.ends(0)?.says(warning)?;
    let unpriced = ["report", "unpriced", "--period", "2026-10"];
    desk.run(&unpriced)?.ends(0)?.says("1 model has a price only under the name without the date")?;
    desk.run(&["aliases", "import", "--shipped"])?.ends(0)?;
    desk.write("v.csv", usage("b", "claude-haiku-4-5-20251001"))?;
    for (command, hint) in [(&["import", "v.csv"][..], "has no price"), (&unpriced, "only under the name")] {
        let ran = desk.run(command)?.ends(0)?;
        assert!(!format!("{}{}", ran.out, ran.err).contains(hint), "{ran:?}");
    }
    Ok(())
}

#[test]
fn many_aliases_without_a_price_are_one_line() -> Outcome {
    let desk = Desk::new()?;
    let mut list = "alias,model,valid_from\n".to_owned();
    for number in 0..5 {
        writeln!(list, "a{number},target-{number},2026-10-01")?;
    }
    desk.write("many.csv", list)?;
    let ran = desk.run(&["aliases", "import", "many.csv"])?.ends(0)?;
    assert_eq!(
        ran.err,
        "warning: many.csv: 5 aliases lead to names without a price, such as \"target-0\", \"target-1\", \"target-2\"; they \
         apply when prices for these names come\n"
    );
    Ok(())
}
