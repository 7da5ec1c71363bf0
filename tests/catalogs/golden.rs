//! The prices, and the prices set aside, that result from every catalogue's fixture.

use crate::desk::{Desk, Outcome, fixture, text};

/// The catalogue, its file, and the name of the expected files.
const FILES: [(&str, &str, &str); 5] = [
    ("genai-prices", "genai-prices.json", "genai-prices"),
    ("litellm", "litellm.json", "litellm"),
    ("models-dev", "models-dev.json", "models-dev"),
    // The same models as TOML give the same prices.
    ("models-dev", "models.dev", "models-dev"),
    ("openrouter", "openrouter.json", "openrouter"),
];

/// Compares with a file of the fixtures.
fn golden(name: &str, found: &str) -> Outcome {
    let path = fixture("catalogs").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found)?;
    }
    let expected = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if found == expected { Ok(()) } else { Err(format!("{name} differs, found:\n{found}").into()) }
}

#[test]
fn a_catalogue_comes_to_these_prices() -> Outcome {
    for (catalog, file, expected) in FILES {
        let desk = Desk::new()?;
        let path = fixture("catalogs").join(file);
        let import = ["prices", "import", "--catalog", catalog, text(&path)?, "--valid-from", "2026-11-01"];
        let told = desk.print(&[&import[..], &["--aside", "aside.csv"]].concat())?;
        golden(&format!("{expected}.csv"), &desk.print(&["prices", "list", "--history", "--format", "csv"])?)?;
        let aside = String::from_utf8(desk.read("aside.csv")?)?;
        // Lines differ between JSON and TOML. Everything else is equal.
        let without_lines = aside.lines().map(|line| line.rsplit_once(',').map_or(line, |(rest, _)| rest));
        golden(&format!("{expected}.aside.csv"), &format!("{}\n", without_lines.collect::<Vec<_>>().join("\n")))?;
        let account = told.lines().filter(|line| !line.starts_with("ledger head"));
        let named = text(&path)?;
        let account: Vec<String> = account.map(|line| line.replace(named, "FILE")).collect();
        if path.is_file() {
            golden(&format!("{expected}.txt"), &format!("{}\n", account.join("\n")))?;
        }
        desk.run(&["verify"])?.ends(0)?;
    }
    Ok(())
}

#[test]
fn every_price_and_every_model_is_accounted_for() -> Outcome {
    for (catalog, file, _) in FILES {
        for only in [&[][..], &["--only", "*aurora*"][..]] {
            let desk = Desk::new()?;
            let path = fixture("catalogs").join(file);
            let told = desk.print(&[&["prices", "import", "--catalog", catalog, text(&path)?], only].concat())?;
            for (of, terms) in [(" prices = ", 3), (" models = ", 4)] {
                let sum = told.lines().find_map(|line| line.split_once(of)).ok_or(told.as_str())?;
                let number = |text: &str| text.trim().replace(',', "").parse::<u64>();
                let whole = number(sum.0.rsplit(' ').next().unwrap_or_default())?;
                let parts = sum.1.split(" + ").map(|part| number(part.split(' ').next().unwrap_or_default()));
                let parts = parts.collect::<Result<Vec<u64>, _>>()?;
                assert_eq!((parts.len(), parts.iter().sum::<u64>()), (terms, whole), "{told}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_catalogue_imported_again_changes_nothing() -> Outcome {
    for (catalog, file, _) in FILES {
        let desk = Desk::new()?;
        let path = fixture("catalogs").join(file);
        let import = ["prices", "import", "--catalog", catalog, text(&path)?, "--valid-from"];
        desk.print(&[&import[..], &["2026-11-01"]].concat())?;
        let head = desk.head()?;
        // On another day, equal prices in force bring nothing new.
        for day in ["2026-11-01", "2026-11-20"] {
            desk.run(&[&import[..], &[day]].concat())?.ends(0)?.says(" 0 prices new, 0 changed, 0 ended, ")?;
        }
        assert!(desk.head()? == head, "{file}: the ledger has grown");
    }
    Ok(())
}

#[test]
fn artefacts_are_taken_only_when_asked_for() -> Outcome {
    let desk = Desk::new()?;
    let path = fixture("catalogs").join("litellm.json");
    let import = ["prices", "import", "--catalog", "litellm", text(&path)?, "--only", "*/artefact-1"];
    desk.run(&import)?.ends(0)?.says("set aside: 2 not a whole number of nano-units per million")?;
    assert_eq!(desk.count("SELECT count(*) FROM price")?, 0);
    desk.run(&[&import[..], &["--snap"]].concat())?
        .ends(0)?
        .says("snapped: novita/vendor/artefact-1 input_cost_per_token \"3.6000000000000003e-06\" to 3.6 per million")?;
    assert_eq!(desk.count("SELECT rate FROM price WHERE meter = 0")?, 3_600_000_000);
    assert_eq!(desk.count("SELECT rate FROM price WHERE meter = 4")?, 950_000_000);
    Ok(())
}

#[test]
fn only_the_models_asked_for_are_imported() -> Outcome {
    let path = fixture("catalogs").join("litellm.json");
    let cases: [(&[&str], i64); 5] = [
        (&["aurora-5"], 1),
        (&["azure/*"], 1),
        (&["*aurora-5"], 2),
        (&["openai/aurora-5", "xai/meteor-?"], 2),
        (&["eu/aurora-5"], 1),
    ];
    for (only, models) in cases {
        let desk = Desk::new()?;
        let import = ["prices", "import", "--catalog", "litellm", text(&path)?, "--only"];
        desk.print(&[&import[..], only].concat())?;
        assert_eq!(desk.count("SELECT count(DISTINCT provider || model) FROM price")?, models, "{only:?}");
    }
    let desk = Desk::new()?;
    let import = ["prices", "import", "--catalog", "litellm", text(&path)?, "--only", "aurora-5", "aurora-6"];
    desk.run(&import)?.ends(2)?.says("--only \"aurora-6\" matches no model of the catalogue")?;
    assert_eq!(desk.count("SELECT count(*) FROM price")?, 0);
    Ok(())
}
