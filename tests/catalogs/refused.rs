//! Files that are not catalogues. They are rejected whole, with their line, and leave nothing in the ledger.

use crate::desk::{Desk, Outcome};

/// The catalogue, the content of its file, and the expected message.
const CASES: [(&str, &str, &str); 24] = [
    ("litellm", "", "f.json:1: is not JSON: EOF while parsing a value"),
    ("litellm", "{\"m\": {\"litellm_provider\": \"a\"}", "f.json:1: is not JSON: EOF"),
    ("litellm", "{\n\"m\": {},\n\"m\": {}}", "f.json:3: \"m\" is given twice, expected each key once"),
    ("litellm", "{\"m\": {\n\"a_cost\": 1,\n\"a_cost\": 1}}", "f.json:3: \"a_cost\" is given twice"),
    ("litellm", "{\"m\": 3}", "f.json:1: m: is not a model, expected an object"),
    ("litellm", "{}", "f.json: contains no models, expected a catalogue of LiteLLM"),
    ("litellm", "[]", "f.json: contains no models"),
    ("litellm", "{\"m\": {\"input_cost_per_token\": 01}}", "f.json:1: is not JSON: invalid number"),
    ("genai-prices", "[{\"models\": []}]", "f.json:1: id: is missing or no text"),
    ("genai-prices", "[{\"id\": \"a\", \"models\": [\n{\"match\": {}}]}]", "f.json:2: id: is missing or no text"),
    ("genai-prices", "{\"id\": \"a\"}", "f.json: contains no models"),
    ("genai-prices", "[{\"id\": \"a\", \"models\": []}]", "f.json: contains no models"),
    (
        "genai-prices",
        "[{\"id\": \"a\", \"models\": [{\"id\": \"m\", \"prices\": [\n{\"constraint\": {\"start_date\": \"soon\"}}]}]}]",
        "f.json:2: start_date: \"soon\" ",
    ),
    ("genai-prices", "[{\"id\": \"a\" \"models\": []}]", "f.json:1: is not JSON: expected `,` or `}`"),
    ("models-dev", "{\"a\": {\"id\": \"a\"}}", "f.json: a has no models, expected providers with models"),
    ("models-dev", "{}", "f.json: contains no models"),
    ("models-dev", "[1, 2", "f.json:1: is not JSON: EOF"),
    ("models-dev", "nothing", "f.json:1: is not JSON: expected ident"),
    ("models-dev", "{\"a\": {\"models\": {\"m\": {}}, \"models\": {}}}", "f.json:1: \"models\" is given twice"),
    ("openrouter", "{\"data\": []}", "f.json: contains no models, expected a catalogue of OpenRouter"),
    ("openrouter", "{\"data\": [{}]}", "f.json:1: id: a model has none, expected a text"),
    ("openrouter", "{\"data\": [{\"id\": 7}]}", "f.json:1: id: a model has none"),
    ("openrouter", "{\"error\": {\"code\": 429}}", "f.json: contains no models"),
    ("openrouter", "<html>", "f.json:1: is not JSON: expected value"),
];

#[test]
fn a_file_that_is_no_catalogue_is_refused_whole() -> Outcome {
    let desk = Desk::new()?;
    for (catalog, text, says) in CASES {
        desk.write("f.json", text)?;
        for command in ["import", "diff"] {
            desk.run(&["prices", command, "--catalog", catalog, "f.json"])?.ends(3)?.says(says)?;
        }
    }
    assert_eq!(desk.count("SELECT count(*) FROM price")?, 0);
    assert_eq!(desk.count("SELECT count(*) FROM entry")?, 1);
    Ok(())
}

#[test]
fn a_file_of_toml_says_by_its_path_which_model_it_is() -> Outcome {
    let desk = Desk::new()?;
    let import = |file| ["prices", "import", "--catalog", "models-dev", file];
    desk.write("m.toml", "[cost]\ninput = 1\n")?;
    desk.run(&import("m.toml"))?.ends(3)?.says("the path does not say which model it is")?;
    desk.write("a/providers/acme/models/m.toml", "[cost]\ninput = 1\ninput = 2\n")?;
    desk.run(&import("a"))?.ends(3)?.says("acme/models/m.toml:3: is not TOML: ")?;
    desk.write("a/providers/acme/models/m.toml", "[cost]\ninput = 0.10\n")?;
    desk.run(&import("a/providers/acme/models/m.toml"))?.ends(0)?.says(" 1 price new")?;
    assert_eq!(desk.count("SELECT rate FROM price WHERE provider = 'acme' AND model = 'm'")?, 100_000_000);
    desk.write("b/readme.txt", "nothing here")?;
    desk.run(&import("b"))?.ends(3)?.says("b: contains no .toml file")?;
    desk.run(&import("missing.json"))?.ends(3)?.says("missing.json: ")?;
    Ok(())
}

#[test]
fn options_of_catalogues_are_refused_with_a_list_of_ours() -> Outcome {
    let desk = Desk::new()?;
    desk.write("p.csv", crate::desk::PRICES)?;
    for option in [&["--snap"][..], &["--only", "m"], &["--valid-from", "2026-01-01"], &["--end-missing"]] {
        for command in ["import", "diff"] {
            let run = desk.run(&[&["prices", command, "p.csv"], option].concat())?;
            run.ends(2)?.says("is for catalogues, expected --catalog")?;
        }
    }
    desk.run(&["prices", "import", "--catalog", "tariffs", "p.csv"])?.ends(2)?.says("[possible values: csv, ")?;
    let dated = ["prices", "import", "--catalog", "litellm", "p.csv", "--valid-from", "soon"];
    desk.run(&dated)?.ends(2)?.says("--valid-from \"soon\" ")?;
    Ok(())
}

#[test]
fn a_price_a_thousand_times_another_is_refused_before_anything_is_kept() -> Outcome {
    let desk = Desk::new()?;
    let file = |input, output| {
        format!(
            "{{\"m\": {{\"litellm_provider\": \"acme\",\n\"input_cost_per_token\": {input},\n\
             \"output_cost_per_token\": {output}}}}}"
        )
    };
    let import = |day| ["prices", "import", "--catalog", "litellm", "f.json", "--valid-from", day];
    desk.write("f.json", file("1e-06", "2e-06"))?;
    desk.print(&import("2026-10-01"))?;
    desk.write("f.json", file("1e-03", "3e-06"))?;
    desk.run(&import("2026-11-01"))?.ends(3)?.says("f.json:2: price: m input goes from 1 to 1000 per million")?;
    assert_eq!(desk.count("SELECT count(*) FROM price")?, 2);
    let confirmed = [&import("2026-11-01")[..], &["--accept-jumps"]].concat();
    desk.run(&confirmed)?.ends(0)?.says(" 0 prices new, 2 changed, 0 ended, 0 unchanged")?;
    Ok(())
}
