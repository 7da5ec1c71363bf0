//! What attack found in the commands of limits: amounts beyond a counter, limits that lift others, files that are written over, counts
//! that nobody asked for.

use super::guarding::under;
use crate::desk::{Desk, Outcome};

const PRICES: &str = "model,meter,currency,price,per,valid_from\npic,image,USD,0.04,1,2026-01-01\npic,input,USD,1,1000000,2026-01-01\n\
    pic,output,USD,1,1000000,2026-01-01\ncheap,input,USD,0.10,1000000,2026-01-01\ncheap,output,USD,0.10,1000000,2026-01-01\n";

fn limits(unpriced: &str, on_failure: &str, lines: &str) -> String {
    format!(
        "document = \"limits/1\"\nfrom = \"2026-01-01\"\nadmission = {{ unpriced = \"{unpriced}\", unknown_department = \"allow\", \
        on_failure = \"{on_failure}\", output_unknown = 1 }}\n{lines}\n"
    )
}

const COMPANY: &str =
    "budget = [{ name = \"company\", per = \"year\", amount = \"1\", enforce = \"block\", alert = [] }]";

/// Runs `admit` for a model with more options.
fn admit(desk: &Desk, model: &str, options: &[&str]) -> Outcome<crate::desk::Ran> {
    let mut arguments = vec!["admit", "--source", "s", "--model", model];
    arguments.extend(options);
    desk.run(&arguments)
}

#[test]
fn an_amount_beyond_a_counter_is_no_missing_price() -> Outcome {
    for unpriced in ["allow", "refuse"] {
        let desk = under(PRICES, &limits(unpriced, "refuse", COMPANY))?;
        for images in ["image=200000000000", "image=240000000000", "image=1000000000000"] {
            admit(&desk, "pic", &["--input", "1", "--output-at-most", "0", "--meter", images])?
                .ends(10)?
                .says("budget \"company\" is used up")?;
        }
        let huge = ["--input", "1", "--output-at-most", "0", "--meter", "image=1000000000000"];
        admit(&desk, "pic", &huge)?.ends(10)?.says("the request needs more than 9223372036.854775807 USD")?;
        let json = admit(&desk, "pic", &[huge.as_slice(), &["--format", "json"]].concat())?.ends(10)?;
        let document: serde_json::Value = serde_json::from_str(&json.out)?;
        assert_eq!((document["limit_value"].as_str(), document["asked"].is_null()), (Some("1"), true), "{document}");
        admit(&desk, "pic", &["--input", "1", "--output-at-most", "0"])?.ends(0)?;
    }
    Ok(())
}

#[test]
fn days_beyond_a_counter_do_not_break_the_guard() -> Outcome {
    for on_failure in ["allow", "refuse"] {
        let desk = under(PRICES, &limits("allow", on_failure, COMPANY))?;
        let line = |id: &str, day: &str| format!("{id},{day}T10:00:00Z,pic,d,1,1000000000000\n");
        let header = "event_id,timestamp,model,department,input_tokens,images\n";
        desk.write("u.csv", format!("{header}{}{}", line("a", "2026-02-01"), line("b", "2026-03-01")))?;
        desk.run(&["import", "u.csv"])?.ends(0)?;
        let now = tokenbook::Timestamp::parse("2026-11-18T10:00:00Z")?;
        let guard = super::guarding::guard(&desk, "one", now)?;
        let caller = super::guarding::tags(&[("department", "d")])?;
        let (reason, _) = super::guarding::parts(super::guarding::ask(&guard, &caller, "pic", 1, now)?);
        assert_eq!(reason, Some(tokenbook::Reason::Budget), "{on_failure}");
    }
    Ok(())
}

#[test]
fn a_limit_that_refuses_less_lifts_no_other() -> Outcome {
    let each =
        "{ name = \"each\", each = \"department\", per = \"year\", requests = 2, enforce = \"block\", alert = [] }";
    for other in [
        "department = \"d\", requests = 1000, enforce = \"block\", shadow = true",
        "department = \"d\", requests = 1000, enforce = \"warn\"",
        "department = \"d\", model = \"cheap\", requests = 1000, enforce = \"block\"",
        "department = \"d\", project = \"p\", requests = 1000, enforce = \"block\"",
        // This one counts all usage of the department, so it takes its place.
        "department = \"d\", requests = 3, enforce = \"block\"",
    ] {
        let lines = format!("budget = [{each}, {{ name = \"other\", per = \"year\", alert = [], {other} }}]");
        let desk = under(PRICES, &limits("allow", "refuse", &lines))?;
        let expected = if other.contains("requests = 3") { 3 } else { 2 };
        for number in 0..5 {
            let code = if number < expected { 0 } else { 10 };
            admit(&desk, "pic", &["--department", "d", "--input", "1", "--output-at-most", "1"])?.ends(code)?;
        }
    }
    Ok(())
}

#[test]
fn no_output_replaces_a_file_that_belongs_to_the_ledger_or_is_read() -> Outcome {
    let desk = under(PRICES, &limits("allow", "refuse", COMPANY))?;
    admit(&desk, "pic", &["--input", "1", "--output-at-most", "0"])?.ends(0)?;
    let ledger = desk.ledger();
    let name = ledger.file_name().and_then(|name| name.to_str()).ok_or("no name")?;
    for end in ["", "-wal", "-shm", ".guard", ".guard-wal"] {
        let file = format!("{name}{end}");
        for command in
            [vec!["quota", "status"], vec!["budget", "status"], vec!["report", "chargeback", "--period", "2026-10"]]
        {
            let ran = desk.run(&[command.as_slice(), &["--output", &file]].concat())?.ends(2)?;
            assert_eq!(ran.error_code(), Some("option-file"), "{file}");
        }
        desk.run(&["replay", "--period", "2026-10", "--detail", &file])?.ends(2)?;
    }
    let text = limits("allow", "refuse", COMPANY);
    desk.write("l.toml", &text)?;
    for command in [
        vec!["policy", "check", "l.toml", "--period", "2026-10", "--output", "l.toml"],
        vec!["replay", "--policy", "l.toml", "--period", "2026-10", "--detail", "l.toml"],
        vec!["replay", "--policy", "l.toml", "--period", "2026-10", "--detail", "d.csv", "--output", "d.csv"],
        vec!["routing", "--routes", "l.toml", "--period", "2026-10", "--detail", "l.toml"],
    ] {
        let ran = desk.run(&command)?.ends(2)?;
        assert_eq!(ran.error_code(), Some("output-replaces-input"), "{command:?}");
    }
    assert_eq!(desk.read("l.toml")?, text.as_bytes());
    Ok(())
}

#[test]
fn a_downgrade_that_nobody_takes_counts_nothing() -> Outcome {
    let lines = "budget = [{ name = \"dear\", model = \"pic\", per = \"year\", requests = 1, enforce = \"block\", downgrade = [\"cheap\"], \
        alert = [] }, { name = \"cheap\", model = \"cheap\", per = \"year\", requests = 1, enforce = \"block\", alert = [] }]";
    let desk = under(PRICES, &limits("allow", "refuse", lines))?;
    let options = ["--input", "1", "--output-at-most", "1"];
    admit(&desk, "pic", &options)?.ends(0)?;
    for _ in 0..3 {
        admit(&desk, "pic", &options)?
            .ends(10)?
            .says("refused: budget \"dear\" is used up")?
            .says("nothing is counted; cheap may be used instead, with --or-downgrade")?;
    }
    let json = admit(&desk, "pic", &[options.as_slice(), &["--format", "json"]].concat())?.ends(10)?;
    let document: serde_json::Value = serde_json::from_str(&json.out)?;
    assert_eq!((document["decision"].as_str(), document.get("counted")), (Some("downgrade"), None), "{document}");
    admit(&desk, "pic", &[options.as_slice(), &["--or-downgrade"]].concat())?
        .ends(0)?
        .says("allowed with another model: cheap; counted 2")?;
    admit(&desk, "cheap", &options)?.ends(10)?;
    Ok(())
}

#[test]
fn a_guard_file_that_cannot_be_used_is_named_where_limits_allow_requests() -> Outcome {
    let desk = under(PRICES, &limits("allow", "allow", COMPANY))?;
    let options = ["--input", "1", "--output-at-most", "1"];
    admit(&desk, "pic", &options)?.ends(0)?.says("counted 2 tokens")?;
    let file = format!("{}.guard", desk.ledger().display());
    std::fs::OpenOptions::new().write(true).open(&file)?.set_len(8_192)?;
    admit(&desk, "pic", &options)?
        .ends(0)?
        .says("nothing was checked or counted, since the guard file cannot be used")?;
    let json = admit(&desk, "pic", &[options.as_slice(), &["--format", "json"]].concat())?.ends(0)?;
    let document: serde_json::Value = serde_json::from_str(&json.out)?;
    assert_eq!((document["checked"].as_bool(), document.get("counted")), (Some(false), None), "{document}");
    Ok(())
}

#[test]
fn what_admit_is_told_twice_is_refused_and_a_missing_price_is_explained() -> Outcome {
    let prices = "provider,model,meter,currency,price,valid_from\nopenai,gpt,input,USD,2,2026-01-01\nopenai,gpt,output,USD,8,2026-01-01\n";
    let desk = under(prices, &limits("refuse", "refuse", COMPANY))?;
    for (options, says) in [
        (vec!["--input", "1", "--meter", "input=3"], "--input: \"input\" is given twice"),
        (vec!["--meter", "cache_read=3", "--meter", "cache_read=4"], "--meter: \"cache_read\" is given twice"),
        (vec!["--tag", "a=1", "--tag", "a=2"], "--tag: \"a\" is given twice"),
        (vec!["--key", "k2", "--tag", "api_key=k1"], "--key: \"api_key\" is given twice"),
        (vec!["--tokens", "500"], "--tokens \"500\" is not enough"),
        (vec!["--tokens", "9223372036854775807"], "--tokens \"9223372036854775807\" is out of range"),
    ] {
        admit(&desk, "gpt", &options)?.ends(2)?.says(says)?;
    }
    for (options, says) in [
        (vec!["--input", "1"], "gpt has no price without its provider, expected one of openai"),
        (vec!["--input", "1", "--provider", "OpenAI"], "gpt has no price of OpenAI, expected one of openai"),
        (
            vec!["--meter", "web_search=1", "--provider", "openai"],
            "gpt has no price for a part of what the request uses",
        ),
    ] {
        admit(&desk, "gpt", &options)?.ends(10)?.says(says)?;
    }
    admit(&desk, "other", &["--input", "1"])?.ends(10)?.says("other has no price")?;
    Ok(())
}

#[test]
fn a_table_for_programs_stands_alone() -> Outcome {
    let desk = under(PRICES, &limits("allow", "refuse", COMPANY))?;
    desk.write("l.toml", limits("allow", "refuse", COMPANY))?;
    let json = desk.print(&["policy", "check", "l.toml", "--period", "2026-11", "--format", "json"])?;
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
    let missing = desk.print(&["budget", "status", "--missing", "--format", "json"])?;
    assert!(serde_json::from_str::<serde_json::Value>(&missing).is_ok(), "{missing}");
    Ok(())
}

#[test]
fn a_wrong_whole_makes_its_parts_no_orphans() -> Outcome {
    let desk = Desk::new()?;
    let lines = "budget = [{ name = \"company\", enforce = \"warn\", per = \"monthly\", amount = \"400\" },\n\
        { name = \"engineering\", department = \"e\", share = \"50%\", enforce = \"warn\", within = \"company\" },\n\
        { name = \"lab\", department = \"l\", share = \"50%\", enforce = \"warn\", within = \"firm\" }]";
    desk.write("l.toml", limits("allow", "refuse", lines))?;
    let ran = desk.run(&["policy", "check", "l.toml"])?.ends(3)?;
    assert!(ran.err.contains("\"monthly\" is unknown") && !ran.err.contains("engineering\": within"), "{}", ran.err);
    assert!(ran.err.contains("no limit of this kind is named \"firm\""), "{}", ran.err);
    Ok(())
}

#[test]
fn budget_status_says_that_the_guard_counted_more() -> Outcome {
    let desk = under(PRICES, &limits("allow", "refuse", COMPANY))?;
    let says = "the guard has counted requests that are not in the ledger yet";
    assert!(!desk.print(&["budget", "status", "--all"])?.contains(says));
    admit(&desk, "pic", &["--input", "900000", "--output-at-most", "0"])?.ends(0)?;
    assert!(desk.print(&["budget", "status", "--all"])?.contains(says));
    let json = desk.print(&["budget", "status", "--format", "json"])?;
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
    Ok(())
}

#[test]
fn no_secret_of_a_file_of_limits_gets_into_the_chain() -> Outcome {
    let desk = under(PRICES, &limits("allow", "refuse", COMPANY))?;
    let keys = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"];
    for key in keys {
        for line in [
            format!("channel.c = {{ kind = \"json\", url = \"https://example.com/h\", secret_env = \"{key}\" }}"),
            format!(
                "channel.c = {{ kind = \"command\", command = [\"curl\", \"-H\", \"Authorization: Bearer {key}\"], to = \"a@example.com\" }}"
            ),
            format!("# the key is {key}"),
        ] {
            desk.write("l.toml", limits("allow", "refuse", &format!("{COMPANY}\n{line}")))?;
            for command in ["check", "apply", "diff"] {
                let ran = desk
                    .run(&["policy", command, "l.toml"])?
                    .ends(3)?
                    .says("l.toml:5:")?
                    .says("looks like a secret")?;
                assert!(!ran.err.contains(key) && !ran.out.contains(key), "{ran:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn beside_a_guard_file_a_load_lets_others_read() -> Outcome {
    let desk = under(PRICES, &limits("allow", "refuse", COMPANY))?;
    let options = ["--input", "1", "--output-at-most", "1"];
    desk.write("u.csv", crate::desk::usage(0, 260_000))?;
    for is_guarded in [true, false] {
        if is_guarded {
            admit(&desk, "pic", &options)?.ends(0)?;
        } else {
            std::fs::remove_file(format!("{}.guard", desk.ledger().display()))?;
            desk.run(&["imports", "retract", "4", "--reason", "a trial"])?.ends(0)?;
        }
        // A load that keeps others out has a rollback journal; the other one has the write-ahead log.
        let journal = format!("{}-journal", desk.ledger().display());
        let mut import = desk.command(&["import", "u.csv"]).stdout(std::process::Stdio::null()).spawn()?;
        let mut has_journal = false;
        while import.try_wait()?.is_none() {
            has_journal |= std::fs::exists(&journal)?;
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert!(import.wait()?.success());
        assert_eq!(has_journal, !is_guarded);
    }
    Ok(())
}

#[test]
fn without_limits_nothing_is_counted_and_admit_says_so() -> Outcome {
    let desk = Desk::new()?;
    admit(&desk, "m", &["--input", "5"])?
        .ends(0)?
        .says("allowed: m; no limit refuses requests, so nothing is counted")?;
    Ok(())
}

/// Every command of the help with the options that take a file to write.
fn writers(desk: &Desk, path: &[&str], found: &mut std::collections::BTreeSet<String>) -> Outcome {
    let help = desk.print(&[path, &["--help"]].concat())?;
    for option in ["--output", "--detail", "--errors", "--out"] {
        if help.lines().any(|line| line.trim_start().starts_with(&format!("{option} <"))) {
            found.insert(format!("{} {option}", path.join(" ")));
        }
    }
    let (_, commands) = help.split_once("Commands:\n").unwrap_or_default();
    for line in commands.lines().take_while(|line| !line.trim().is_empty()) {
        let Some(name) = line.strip_prefix("  ").and_then(|line| line.split_whitespace().next()) else { continue };
        if line.starts_with("   ") || name == "help" {
            continue;
        }
        writers(desk, &[path, &[name]].concat(), found)?;
    }
    Ok(())
}

/// What a command needs besides the option that is tried. A new command with such an option has to be added here.
fn needed(command: &str) -> Outcome<&'static [&'static str]> {
    Ok(match command {
        "import" => &["u.csv"],
        "month-end" => &["2026-10", "--usage", "u.csv", "--prices", "p.csv"],
        "policy check" => &["l.toml", "--period", "2026-10"],
        "policy show" => &["--limits"],
        "prices diff" => &["p.csv"],
        "prices check" | "rules test" | "replay" => &["--period", "2026-10"],
        "report" => &["chargeback", "--period", "2026-10"],
        "routing" => &["--routes", "r.toml", "--period", "2026-10"],
        "alerts list" | "aliases list" | "breaker status" | "budget status" | "costs list" | "departments list"
        | "imports list" | "maps list" | "policy list" | "prices list" | "quota status" | "rules list" => &[],
        other => return Err(format!("{other} is new, expected what it needs").into()),
    })
}

#[test]
fn no_option_of_any_command_writes_over_the_ledger() -> Outcome {
    let desk = under(PRICES, &limits("allow", "refuse", COMPANY))?;
    admit(&desk, "pic", &["--input", "1", "--output-at-most", "0"])?.ends(0)?;
    desk.write("l.toml", limits("allow", "refuse", COMPANY))?;
    desk.write(
        "r.toml",
        "document = \"routes/1\"\ncache = \"cold\"\nroute = [{ name = \"all\", model = \"cheap\" }]\n",
    )?;
    desk.write("p.csv", PRICES)?;
    desk.write("u.csv", crate::desk::usage(0, 3) + "x,never,m,Legal,1,1\n")?;
    let mut found = std::collections::BTreeSet::new();
    writers(&desk, &[], &mut found)?;
    assert!(found.len() >= 25, "{found:?}");
    let ledger = desk.ledger();
    let name = ledger.file_name().and_then(|name| name.to_str()).ok_or("no name")?;
    let files = ["", "-wal", "-shm", "-journal", ".guard", ".guard-wal", ".guard-shm", ".guard-journal"];
    for command in &found {
        let (words, option) = command.rsplit_once(' ').ok_or("no option")?;
        let out: &[&str] = if command == "month-end --errors" { &["--out", "month"] } else { &[] };
        let base: Vec<&str> = words.split(' ').chain(needed(words)?.iter().chain(out).copied()).collect();
        for end in files {
            let file = format!("{name}{end}");
            let ran = desk.run(&[base.as_slice(), &[option, &file]].concat())?;
            assert_eq!((ran.code, ran.error_code()), (Some(2), Some("option-file")), "{command} {file}: {ran:?}");
        }
        // The same command does its work with another file.
        let other = format!("out-{}", command.replace(' ', "-"));
        let ran = desk.run(&[base.as_slice(), &[option, &other]].concat())?;
        assert!(ran.code.is_some_and(|code| code <= 4 && code != 2), "{command}: {ran:?}");
        assert!(desk.path(&other).exists() || command == "month-end --out", "{command} wrote no file: {ran:?}");
    }
    desk.run(&["verify"])?.ends(0)?;
    admit(&desk, "pic", &["--input", "1", "--output-at-most", "0"])?.ends(0)?;
    Ok(())
}
