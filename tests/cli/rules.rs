//! `tokenbook rules`, `departments` and `explain` on the usage of `fixtures/rules`. The expected amounts were computed
//! by hand from the files, with fractions.

use super::golden;
use crate::desk::{Desk, Outcome, fixture, rows, text};
use std::fmt::Write;

fn path(name: &str) -> Outcome<String> {
    Ok(text(&fixture("rules").join(name))?.to_owned())
}

/// A ledger with the usage and its prices, without rules.
fn used() -> Outcome<Desk> {
    let desk = Desk::new()?;
    desk.run(&["prices", "import", &path("prices.csv")?])?.ends(0)?;
    desk.run(&["import", &path("usage.jsonl")?])?.ends(0)?;
    Ok(desk)
}

/// The same ledger with rules.
fn ruled() -> Outcome<Desk> {
    let desk = used()?;
    desk.run(&["rules", "import", &path("rules.csv")?])?.ends(0)?.says("5 rules from the beginning, added")?;
    Ok(desk)
}

#[test]
fn usage_is_charged_to_whom_the_rules_name() -> Outcome {
    let desk = ruled()?;
    let by = ["--by", "department,project,environment", "--period", "2026-10", "--format", "csv"];
    let report = desk.print(&[&["report", "chargeback"], &by[..]].concat())?;
    let found: Vec<String> = rows(&report)?
        .iter()
        .map(|row| {
            ["department", "project", "environment", "events", "amount_exact"]
                .map(|column| row[column].clone())
                .join("|")
        })
        .collect();
    assert_eq!(
        found,
        [
            "(unallocated)|(none)|(none)|1|0.0315",
            "Engineering|(none)|(none)|3|0.221971",
            "Engineering|Index|(none)|1|0.018",
            "Engineering|Search|prod|1|0.135",
            "Engineering|Search|staging|1|0.034",
            "Finance|Audit|(none)|1|0.011",
            "Legal|(none)|(none)|1|0.048",
            "Marketing|(none)|(none)|0|0.10599425",
            "Marketing|Campaigns|prod|1|0.6",
        ]
    );
    desk.run(&["report", "chargeback", "--period", "2026-10", "--strict"])?
        .ends(4)?
        .says("1 event has no department")?;
    Ok(())
}

#[test]
fn usage_of_many_users_is_divided_like_its_sum() -> Outcome {
    for order in [1, -1] {
        let desk = Desk::new()?;
        desk.write("prices.csv", "model,meter,currency,price,per,valid_from\nm,image,USD,0.04,1,2026-01-01\n")?;
        desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
        let mut lines: Vec<String> =
            (0..100).map(|n| format!("e{n},2026-10-0{}T10:00:00Z,m,user-{n:03},1", 1 + n % 2)).collect();
        if order < 0 {
            lines.reverse();
        }
        let usage = format!("event_id,timestamp,model,tag.user,images\n{}\n", lines.join("\n"));
        desk.write("usage.csv", usage)?;
        desk.run(&["import", "usage.csv"])?.ends(0)?;
        desk.write("rules.csv", "rule,department,weight\nall,A,1/4\nall,B,3/4\n")?;
        desk.run(&["rules", "import", "rules.csv"])?.ends(0)?;
        for options in [&[][..], &["--recompute"]] {
            let report = ["report", "chargeback", "--period", "2026-10", "--by", "department,day", "--format", "csv"];
            let found: Vec<String> = rows(&desk.print(&[&report, options].concat())?)?
                .iter()
                .map(|row| ["department", "day", "events", "amount"].map(|column| row[column].clone()).join("|"))
                .collect();
            // A quarter of fifty images a day is 12.5. A tie goes to the first name.
            let expected =
                ["A|2026-10-01|13|0.52", "A|2026-10-02|13|0.52", "B|2026-10-01|37|1.48", "B|2026-10-02|37|1.48"];
            assert_eq!(found, expected);
        }
    }
    Ok(())
}

#[test]
fn what_is_listed_can_be_imported_again() -> Outcome {
    let desk = ruled()?;
    let listed = desk.print(&["rules", "list", "--format", "csv"])?;
    golden("rules-list.csv", &listed)?;
    desk.write("again.csv", listed)?;
    for file in ["again.csv".to_owned(), path("rules.toml")?, path("rules.csv")?] {
        desk.run(&["rules", "import", &file])?.ends(0)?.says("unchanged")?;
    }
    Ok(())
}

#[test]
fn rules_are_tried_before_they_count() -> Outcome {
    let desk = used()?;
    let rules = path("rules.csv")?;
    let tried = desk.print(&["rules", "test", &rules, "--period", "2026-10", "--format", "csv"])?;
    golden("rules-test.csv", &tried)?;
    desk.run(&["rules", "test", &rules, "--period", "2026-10"])?
        .ends(0)?
        .says("! 1 event has no department, by rules or by tags")?;
    let open = desk.print(&["rules", "test", &rules, "--period", "2026-10", "--unallocated", "--format", "csv"])?;
    assert_eq!(open, "rule,by,pays,events,tags\n(none),nobody,(unallocated),1,user=eve\n");
    assert_eq!(desk.print(&["rules", "list", "--format", "csv"])?.lines().count(), 1, "nothing was imported");
    // The ledger has no rules yet. Usage with a department keeps it, and the rest matches nothing.
    desk.run(&["rules", "test", "--period", "2026-10"])?
        .ends(0)?
        .says("! 7 events have no department, by rules or by tags")?;
    desk.run(&["rules", "import", &rules])?.ends(0)?;
    let cases: [(&[&str], &str); 6] = [
        (&["--tag", "api_key=key_shared"], "shared key,rule,\"Engineering 2/3, Marketing 1/3\",api_key=key_shared"),
        (
            &["--tag", "api_key=key_shared", "--tag", "department=Sales"],
            "shared key,tags,Sales,api_key=key_shared department=Sales",
        ),
        (
            &["--tag", "path=/v1/legal/x", "--tag", "department=Sales"],
            "legal review,rule,Legal,department=Sales path=/v1/legal/x",
        ),
        (&["--model", "m-embed", "--tag", "department=Sales"], "embeddings,rule,Sales / Index,department=Sales"),
        (&["--tag", "user=zoe"], "(none),nobody,(unallocated),user=zoe"),
        (&["--tag", "department=Sales", "--day", "2026-10-05"], "(none),tags,Sales,department=Sales"),
    ];
    for (arguments, expected) in cases {
        let found = desk.print(&[&["rules", "test", "--format", "csv"], arguments].concat())?;
        assert_eq!(found.lines().nth(1), Some(expected), "{arguments:?}");
    }
    desk.run(&["rules", "test", "--tag", "x", "--day", "2026-10-05"])?.ends(2)?.says("expected KEY=VALUE")?;
    desk.run(&["rules", "test", "--day", "soon"])?.ends(2)?.says("--day \"soon\"")?;
    Ok(())
}

#[test]
fn departments_of_rules_that_look_like_others_are_warned_about() -> Outcome {
    let desk = used()?;
    desk.write("r.csv", "rule,key,value,department\na,tag.team,search,engineering\n")?;
    desk.run(&["rules", "import", "r.csv"])?
        .ends(0)?
        .says("warning: the departments \"Engineering\" and \"engineering\" look alike but count as two departments")?;
    Ok(())
}

#[test]
fn a_rule_that_matches_nothing_is_shown() -> Outcome {
    let desk = used()?;
    desk.write("r.csv", "rule,key,value,department\nnobody,tag.team,nowhere,X\nsearch,tag.team,search,Y\n")?;
    let ran =
        desk.run(&["rules", "test", "r.csv", "--period", "2026-10"])?.ends(0)?.says("! 1 rule matches nothing")?;
    assert!(ran.out.lines().any(|line| line.starts_with("nobody ") && line.contains(" 0")), "{}", ran.out);
    Ok(())
}

#[test]
fn a_month_end_takes_rules_and_departments() -> Outcome {
    let desk = Desk::empty()?;
    let month = || -> Outcome<crate::desk::Ran> {
        let [usage, prices, rules, departments] =
            [path("usage.jsonl")?, path("prices.csv")?, path("rules.csv")?, path("departments.csv")?];
        let files = ["--usage", &usage, "--prices", &prices, "--rules", &rules, "--departments", &departments];
        desk.run(&[&["month-end", "2026-10", "--out", "out"], &files[..]].concat())
    };
    let first = month()?
        .ends(4)?
        .says("5 rules from 2026-10-01, added")?
        .says("5 departments added, 0 replaced, 0 unchanged")?;
    assert!(first.out.contains("! 1 event has no department"), "{}", first.out);
    let chargeback = desk.read("out/chargeback.csv")?;
    let manifest: serde_json::Value = serde_json::from_slice(&desk.read("out/manifest.json")?)?;
    let roles: Vec<&str> =
        manifest["inputs"].as_array().into_iter().flatten().filter_map(|input| input["role"].as_str()).collect();
    assert_eq!(roles, ["prices", "usage", "departments", "rules"]);
    assert_eq!(
        desk.names("out/departments")?,
        ["(unallocated).csv", "Engineering.csv", "Finance.csv", "Legal.csv", "Marketing.csv"]
    );
    let head = desk.head()?;
    month()?
        .ends(4)?
        .says("5 rules from 2026-10-01, unchanged")?
        .says("0 departments added, 0 replaced, 5 unchanged")?;
    assert_eq!((desk.read("out/chargeback.csv")?, desk.head()?), (chargeback, head));
    Ok(())
}

#[test]
fn savings_and_returns_follow_the_rules() -> Outcome {
    let desk = ruled()?;
    desk.write(
        "offers.toml",
        "[[offer]]\nname = \"Small\"\n[[offer.substitute]]\nfrom = \"m-large\"\nto = \"m-small\"\nto_provider = \"acme\"\n",
    )?;
    let savings = desk.print(&[
        "report",
        "savings",
        "--period",
        "2026-10",
        "--by",
        "department",
        "--offers",
        "offers.toml",
        "--format",
        "csv",
    ])?;
    let departments: Vec<String> = rows(&savings)?.into_iter().map(|row| row["department"].clone()).collect();
    assert_eq!(departments, ["(unallocated)", "Engineering", "Finance", "Legal", "Marketing"]);
    let charged: Vec<String> = rows(&savings)?.into_iter().map(|row| row["charged"].clone()).collect();
    assert_eq!(charged, ["0.03", "0.41", "0.01", "0.05", "0.71"]);
    Ok(())
}

#[test]
fn what_is_no_date_is_told_with_one_expectation_and_wrong_rules_with_a_hint() -> Outcome {
    let desk = Desk::new()?;
    let says = |arguments: &[&str], code: i32, says: &str| -> Outcome {
        let err = desk.run(arguments)?.ends(code)?.says(says)?.err;
        match err.matches("expected").count() {
            1 => Ok(()),
            other => Err(format!("{other} expectations: {err}").into()),
        }
    };
    for (option, more) in [("--at", &["rules", "list"][..]), ("--day", &["rules", "test"])] {
        let told = format!(
            "error[time-invalid]: {option} \"2026-02-30\" is not a day between 2015 and 2099, expected a date such as 2026-10-01\n"
        );
        says(&[more, &[option, "2026-02-30"]].concat(), 2, &told)?;
    }
    let told = "error[period-invalid]: --month \"2026-13\" is not a month between 2015 and 2099, expected YYYY-MM\n";
    desk.write("p.csv", crate::desk::PRICES)?;
    says(&["prices", "diff", "p.csv", "--month", "2026-13"], 2, told)?;
    desk.write("d.csv", "department,active_from\nLegal,1.10.2026\n")?;
    let told = "d.csv:2: active_from: \"1.10.2026\" is not a day between 2015 and 2099, expected a date such as 2026-10-01, or nothing\n";
    says(&["departments", "import", "d.csv"], 3, told)?;
    desk.write("r.csv", "rule,key,value,department,weight\na,model,m,X,1/2\na,model,m,X,1/2\n")?;
    let told = "r.csv:2: rule: \"a\" names the same payer twice, expected each payer once, with all of its weight\n";
    desk.run(&["rules", "import", "r.csv"])?
        .ends(3)?
        .says(told)?
        .says("hint: correct the lines; `tokenbook rules test FILE` tries rules without importing them")?;
    desk.run(&["departments", "import", "d.csv"])?.says("hint: correct the")?;
    Ok(())
}

#[test]
fn rules_end_on_a_day_and_the_days_before_keep_theirs() -> Outcome {
    let desk = ruled()?;
    let report = |more: &[&str]| {
        let by = ["--by", "department", "--period", "2026-10", "--format", "csv"];
        desk.print(&[&["report", "chargeback"], &by[..], more].concat())
    };
    let list = |day: &str| desk.print(&["rules", "list", "--at", day, "--format", "csv"]);
    let (ruled, rules) = (report(&[])?, list("2026-10-01")?);
    desk.run(&["rules", "end"])?.ends(2)?.says("--from <DATE>")?;
    desk.run(&["rules", "end", "--from", "soon"])?.ends(2)?.says("--from \"soon\" is not a day")?;
    desk.run(&["rules", "end", "--from", "2026-11-01"])?
        .ends(0)?
        .says("rules end on 2026-11-01; from then on, only tags decide who pays")?;
    assert_eq!((report(&[])?, list("2026-10-31")?), (ruled.clone(), rules.clone()), "October stays");
    assert_eq!(list("2026-11-01")?.lines().count(), 1);
    assert!(desk.print(&["rules", "list", "--at", "2026-11-01"])?.contains("ended on 2026-11-01"));
    let head = desk.head()?;
    desk.run(&["rules", "end", "--from", "2026-11-15"])?.ends(0)?.says("no rules are in force on 2026-11-15")?;
    assert_eq!(desk.head()?, head, "what has ended does not end again");
    // The rules end within the month. A set that starts on the same day replaces the end.
    desk.run(&["rules", "end", "--from", "2026-10-01"])?.ends(0)?.says("rules end on 2026-10-01; ")?;
    let ended = report(&[])?;
    assert_eq!(ended, report(&["--recompute"])?);
    assert!(ended.contains("(unallocated)") && !ended.contains("Marketing,"), "{ended}");
    desk.run(&["rules", "import", &path("rules.csv")?, "--valid-from", "2026-10-01"])?
        .ends(0)?
        .says("replacing the rules that started on the same day")?;
    assert_eq!(report(&[])?, ruled);
    let history = desk.print(&["rules", "list", "--history", "--format", "csv"])?;
    let states: Vec<String> =
        rows(&history)?.iter().map(|row| ["valid_from", "rules", "state"].map(|c| row[c].clone()).join("|")).collect();
    assert_eq!(states, ["the beginning|5|holds", "2026-10-01|0|replaced", "2026-10-01|5|holds", "2026-11-01|0|end"]);
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn a_file_of_many_rules_is_imported_in_seconds() -> Outcome {
    // Comparing each rule with all before it took minutes.
    let desk = Desk::new()?;
    let mut rules = "rule,key,value,department\n".to_owned();
    for number in 0..60_000 {
        writeln!(rules, "r{number},tag.team,t{number},Legal")?;
    }
    desk.write("many.csv", rules)?;
    desk.run(&["rules", "import", "many.csv"])?.ends(0)?.says("60,000 rules")?;
    Ok(())
}

#[test]
fn rules_are_part_of_what_verify_proves_and_a_backup_holds() -> Outcome {
    let desk = Desk::new()?;
    desk.run(&["departments", "import", text(&fixture("rules/departments.csv"))?])?.ends(0)?;
    desk.run(&["rules", "import", text(&fixture("rules/rules.csv"))?])?.ends(0)?;
    desk.run(&["backup", "copy.db"])?.ends(0)?;
    let list = ["rules", "list", "--format", "csv"];
    assert_eq!(desk.print(&list)?, desk.print(&[&["--ledger", "copy.db"], &list[..]].concat())?);
    Ok(())
}
