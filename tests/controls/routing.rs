//! Routes: what other models would have cost, against fractions.

use crate::desk::{Desk, Outcome, fixture};

fn text(name: &str) -> Outcome<String> {
    Ok(std::fs::read_to_string(fixture(&format!("controls/routing/{name}")))?)
}

fn desk(files: &[&str]) -> Outcome<Desk> {
    let desk = Desk::new()?;
    for name in ["prices.csv", "routes.toml", "credits.toml"].iter().chain(files) {
        desk.write(name, text(name)?)?;
    }
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    desk.run(&[&["import"], files].concat())?.ends(0)?;
    Ok(desk)
}

const COLUMNS: [&str; 4] =
    ["--format", "csv", "--columns", "rule,events,amount_recorded,amount_routed,saved,saved_percent"];

#[test]
fn the_published_case_gives_its_figures() -> Outcome {
    let desk = desk(&["usage.csv"])?;
    let routing = ["routing", "--routes", "routes.toml", "--period", "2026-10"];
    assert_eq!(desk.run(&[&routing[..], &COLUMNS[..]].concat())?.ends(0)?.out, text("expected.csv")?);
    // The total says that these routes cost more: -301.8 %.
    let json = desk.run(&[&routing[..], &["--format", "json", "--detail", "d.csv"]].concat())?.ends(0)?.out;
    let total = serde_json::from_str::<serde_json::Value>(&json)?["total"].clone();
    let figures = ["amount_recorded", "amount_routed", "saved", "saved_percent"].map(|name| total[name].to_string());
    assert_eq!(figures.map(|text| text.replace('"', "")), ["0.1756", "0.705485", "-0.529885", "-301.8"]);
    let detail = String::from_utf8(desk.read("d.csv")?)?;
    assert!(detail.contains(",a,small,gpt-4.1,gemini-2.5-flash,0.0156,0.002375\n"), "{detail}");
    let by = desk.run(&[&routing[..], &["--format", "csv", "--by", "department,rule"]].concat())?.ends(0)?.out;
    assert_eq!(by.lines().count(), 5, "{by}");
    Ok(())
}

#[test]
fn free_credits_factors_and_caches_count_as_fractions_say() -> Outcome {
    let desk = desk(&["usage.csv", "cached.csv"])?;
    let routing = ["routing", "--routes", "credits.toml", "--period", "2026-10"];
    assert_eq!(desk.run(&[&routing[..], &COLUMNS[..]].concat())?.ends(0)?.out, text("expected_credits.csv")?);
    Ok(())
}

#[test]
fn what_has_no_price_saves_an_unknown_amount_and_wrong_files_say_where() -> Outcome {
    let desk = desk(&["usage.csv"])?;
    desk.write(
        "house.toml",
        "document = \"routes/1\"\ncache = \"cold\"\nroute = [{ name = \"all\", model = \"house-1\" }]\n",
    )?;
    let shown =
        desk.run(&["routing", "--routes", "house.toml", "--period", "2026-10", "--format", "csv"])?.ends(0)?.out;
    assert!(
        shown.contains("all,4,0.1756,,,,4\n") || shown.contains("all,4,0.1756,unpriced,unpriced,unpriced,4\n"),
        "{shown}"
    );
    for (file, says) in [
        ("cache = \"cold\"\n", "document: is missing"),
        ("document = \"routes/1\"\nroute = [{ name = \"a\", model = \"m\" }]\n", "cache: is missing"),
        ("document = \"routes/1\"\ncache = \"cold\"\n", "has no route"),
        ("document = \"routes/1\"\ncache = \"warm\"\nroute = [{ name = \"a\", model = \"m\" }]\n", "bad.toml:2:9:"),
        ("document = \"routes/1\"\ncache = \"cold\"\nroute = [{ name = \"a\" }]\n", "model: is missing"),
        (
            "document = \"routes/1\"\ncache = \"cold\"\nroute = [{ name = \"a\", model = \"m\", tokens = 1.05 }]\n",
            "tokens",
        ),
        (
            "document = \"routes/1\"\ncache = \"cold\"\nroute = [{ name = \"a\", model = \"m\", each = \"project\" }]\n",
            "\"each\" is not a key",
        ),
        (
            "document = \"routes/1\"\ncache = \"cold\"\nroute = [{ name = \"a\", model = \"m\", prompt_below = 5, prompt_above = 4 }]\n",
            "leaves no size",
        ),
        (
            "document = \"routes/1\"\ncache = \"cold\"\nroute = [{ name = \"a\", model = \"m\" }, { name = \"a\", model = \"n\" }]\n",
            "has this name already",
        ),
    ] {
        desk.write("bad.toml", file)?;
        desk.run(&["routing", "--routes", "bad.toml", "--period", "2026-10"])?.ends(3)?.says(says)?;
    }
    Ok(())
}
