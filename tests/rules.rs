//! Rules of attribution: the form of their files, which rule matches, and that nothing is lost when usage goes to its
//! payers.
//!
//! The oracle is a second matching, written only from the description of the rules. It shares no code with tokenbook
//! except the reading of the file.

use crate::desk::{Desk, Dice, Outcome, fixture, rows};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use tokenbook::attribute::matching::{Usage, decide};
use tokenbook::attribute::read::rules;
use tokenbook::domain::department::Registry;
use tokenbook::domain::event::Model;
use tokenbook::domain::name::{Name, NameError, TagValue};
use tokenbook::domain::rule::RuleSet;
use tokenbook::domain::tags::{TagKey, TagSet};
use tokenbook::text::problem::Problem;

/// What is said of a rule that an earlier one hides.
const HIDDEN: &str = "is never used";

fn read(text: &str) -> Result<RuleSet, String> {
    rules(text.as_bytes(), &Registry::default()).map_err(|problems| {
        problems
            .iter()
            .map(|problem| Problem { column: 0, ..problem.clone() }.in_file("f"))
            .collect::<Vec<_>>()
            .join("\n")
    })
}

#[test]
fn a_csv_and_a_toml_say_the_same() -> Outcome {
    let csv = read(&std::fs::read_to_string(fixture("rules/rules.csv"))?)?;
    let toml = read(&std::fs::read_to_string(fixture("rules/rules.toml"))?)?;
    assert!(csv.says_the_same(&toml), "{csv:#?}\n{toml:#?}");
    assert_eq!(csv.rules().len(), 5);
    Ok(())
}

const HEADER: &str = "rule,key,operator,value,department,project,environment,weight,override";

#[test]
fn wrong_rules_are_named_with_their_line() {
    let cases = [
        ("", "f: the file contains no rules, expected at least one rule"),
        (
            "a,model,equals,m,,,,,",
            "f:2: rule: \"a\" names no payer, expected a department, project or environment in a line of the rule",
        ),
        (
            "a,api_key,equals,k,X,,,,",
            "f:2: key: \"api_key\" is not something that a rule can match, expected tag.api_key",
        ),
        ("a,modell,equals,k,X,,,,", "f:2: key: \"modell\" is not something that a rule can match, expected model"),
        (
            "a,tags.team,equals,k,X,,,,",
            "f:2: key: \"tags.team\" is not something that a rule can match, expected tag.team",
        ),
        ("a,model,regex,k,X,,,,", "f:2: operator: \"regex\" is not an operator, expected equals, prefix, glob"),
        ("a,model,equals,,X,,,,", "f:2: value: is empty, expected a name without spaces around it"),
        ("a,,equals,,X,,,,", "f:2: operator: \"equals\" has no key, expected a key in the same line"),
        ("a,model,equals, m,X,,,,", "f:2: value: \" m\" starts or ends with white space"),
        ("a,tag.api_key,equals,sk-live-0123456789abcdef0123,X,,,,", "a value that looks like a secret (not shown)"),
        ("a,,,,(unallocated),,,,", "f:2: department: \"(unallocated)\" is a name reserved for reports"),
        ("a,model,equals,m,X,,,,maybe", "f:2: override: \"maybe\" is not an answer, expected yes, no, or nothing"),
        ("a,model,equals,m,X,,,,yes\na,,,,Y,,,,no", "f:3: override: \"no\" contradicts an earlier line of the rule"),
        ("a,,,,,,,,", "f:2: neither a condition nor a payer, expected a key and a value, or a department"),
        ("a,model,equals,m,,,,1,", "f:2: weight: has no payer"),
        ("a,model,equals,m,X,,,a third,", "f:2: weight: \"a third\" is not a weight, expected a fraction such as 1/3"),
        ("a,model,equals,m,X,,,1/0,", "f:2: weight: \"1/0\" is not a weight"),
        ("a,model,equals,m,X,,,1.5e-1,", "f:2: weight: \"1.5e-1\" is not a weight"),
        (
            "a,model,equals,m,X,,,33.33%,\na,,,,Y,,,33.33%,\na,,,,Z,,,33.33%,",
            "f:2: rule: \"a\" has weights that add up to 9999/10000, not to exactly 1, expected weights that add up to exactly 1, such as 1/3 three times",
        ),
        ("a,model,equals,m,X,,,0.5,", "f:2: rule: \"a\" has weights that add up to 1/2, not to exactly 1"),
        (
            "a,model,equals,m,X,,,2,\na,,,,Y,,,-1,",
            "f:2: rule: \"a\" has a weight that is not above 0, expected weights such as 1/3",
        ),
        (
            "a,model,equals,m,X,,,1/2,\na,,,,X,,,1/2,",
            "f:2: rule: \"a\" names the same payer twice, expected each payer once, with all of its weight",
        ),
        (
            "a,model,equals,m,X,,,1/2,\na,,,,Y,,,,",
            "f:3: weight: is missing, but the rule has several payers, expected a weight for each payer, such as 1/3",
        ),
        (
            "a,model,equals,m,X,,,0.0000000000001,\na,,,,Y,,,0.9999999999999,",
            "f:2: rule: \"a\" has weights that are finer than a millionth of a millionth, expected coarser ones, such as 1/3",
        ),
        (
            "a,model,equals,m,X,,,,\nb,model,equals,n,X,,,,\na,,,,Y,,,,",
            "f:4: rule: \"a\" began on line 2 and other lines stand between, expected the lines of a rule one below the other",
        ),
        (
            "a,model,equals,m,X,,,,\nb,model,equals,m,Y,,,,\nb,tag.user,equals,u,,,,,",
            "f:3: rule: \"b\" is never used, because everything it matches is matched before by \"a\" on line 2, expected narrower rules before wider ones\n",
        ),
        ("all,,,,X,,,,\nb,model,equals,m,Y,,,,", "f:3: rule: \"b\" is never used"),
    ];
    for (lines, expected) in cases {
        let found = read(&format!("{HEADER}\n{lines}\n")).err().unwrap_or_default();
        assert!(format!("{found}\n").contains(expected), "{lines}\nsays {found}\nnot  {expected}");
    }
}

#[test]
fn wrong_toml_is_named_with_its_line() {
    let cases = [
        ("# nothing\n", "f: the file contains no rules"),
        ("[[rule]]\ndepartment = \"X\"\n", "f:1: rule 1: name: is missing"),
        ("[[rule]]\nname = \"a\"\nwhen = 1\ndepartment = \"X\"\n", "f:3: rule \"a\": \"when\" is not a key"),
        ("[[rule]]\nname = \"a\"\nequals = 1\n", "f:3: rule \"a\": equals: is not a table"),
        (
            "[[rule]]\nname = \"a\"\nequals = { api_key = \"k\" }\ndepartment = \"X\"\n",
            "f:3: rule \"a\": equals: api_key: is not something that a rule can match, expected tag.api_key",
        ),
        (
            "[[rule]]\nname = \"a\"\nshare = [{ department = \"X\", weight = 0.5 }]\n",
            "f:3: rule \"a\": share: weight: 0.5 is a TOML float, which is not exact",
        ),
        (
            "[[rule]]\nname = \"a\"\ndepartment = \"X\"\nshare = [{ department = \"Y\" }]\n",
            "f:4: rule \"a\": share: is given together with a payer, expected one payer, or shares of several",
        ),
        ("[[rule]]\nname = \"a\"\ndepartment = \"X\"\noverride = \"yes\"\n", "f:4: rule \"a\": override: is a text"),
        ("[[rules]]\nname = \"a\"\n", "f:1: \"rules\" is not a key, expected rule"),
    ];
    for (text, expected) in cases {
        let found = read(text).err().unwrap_or_default();
        assert!(found.contains(expected), "{text}\nsays {found}\nnot  {expected}");
    }
}

/// A rule in the oracle's form.
#[derive(Debug, Clone)]
struct Drawn {
    conditions: Vec<(usize, usize, String)>,
    /// Department, project, weight in twelfths.
    shares: Vec<(usize, usize, u32)>,
    wins: bool,
}

const KEYS: [&str; 4] = ["tag.key", "tag.team", "department", "model"];
const OPERATORS: [&str; 3] = ["equals", "prefix", "glob"];
/// The last one stands for none.
const DEPARTMENTS: [&str; 4] = ["A", "B", "ab", ""];
const PROJECTS: [&str; 3] = ["p", "q", ""];

/// The rules in the form of a file.
fn written(rules: &[Drawn]) -> String {
    let mut text = format!("{HEADER}\n");
    for (number, rule) in rules.iter().enumerate() {
        let wins = if rule.wins { "yes" } else { "" };
        for (key, operator, value) in &rule.conditions {
            let _ = writeln!(text, "r{number},{},{},{value},,,,,{wins}", KEYS[*key], OPERATORS[*operator]);
        }
        for (department, project, twelfths) in &rule.shares {
            let (department, project) = (DEPARTMENTS[*department], PROJECTS[*project]);
            let _ = writeln!(text, "r{number},,,,{department},{project},,{twelfths}/12,{wins}");
        }
    }
    text
}

/// Matches `*` with anything and `?` with one character, by trying everything.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|from| glob(rest, &text[from..])),
        Some((b'?', rest)) => !text.is_empty() && glob(rest, &text[1..]),
        Some((c, rest)) => text.first() == Some(c) && glob(rest, &text[1..]),
    }
}

/// The payers with their twelfths, by the description of rules.
fn oracle(rules: &[Drawn], tags: &BTreeMap<String, String>, model: &str) -> BTreeMap<(String, String), u32> {
    let own = (tags.get("department").cloned().unwrap_or_default(), tags.get("project").cloned().unwrap_or_default());
    let found = |key: usize| match KEYS[key] {
        "model" => Some(model.to_owned()),
        tag => tags.get(tag.trim_start_matches("tag.")).cloned(),
    };
    let holds = |(key, operator, value): &(usize, usize, String)| {
        found(*key).is_some_and(|found| match OPERATORS[*operator] {
            "equals" => found == *value,
            "prefix" => found.starts_with(value.as_str()),
            _ => glob(value.as_bytes(), found.as_bytes()),
        })
    };
    let own_alone = BTreeMap::from([(own.clone(), 12)]);
    let Some(rule) = rules.iter().find(|rule| rule.conditions.iter().all(holds)) else { return own_alone };
    let first = |one: &str, other: &str| if one.is_empty() { other.to_owned() } else { one.to_owned() };
    let mut pays = BTreeMap::new();
    for (department, project, twelfths) in &rule.shares {
        let (department, project) = (DEPARTMENTS[*department], PROJECTS[*project]);
        if !rule.wins && !own.0.is_empty() && !department.is_empty() && own.0 != department {
            return own_alone;
        }
        let payer = if rule.wins {
            (first(department, &own.0), first(project, &own.1))
        } else {
            (first(&own.0, department), first(&own.1, project))
        };
        *pays.entry(payer).or_insert(0) += twelfths;
    }
    pays
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let value = prop_oneof!["[ab]{1,2}", "[ab?*]{1,3}"];
    let conditions = prop::collection::vec((0..KEYS.len(), 0..OPERATORS.len(), value), 1..3);
    let payers = prop::collection::btree_set((0..DEPARTMENTS.len(), 0..PROJECTS.len()), 1..4);
    let named = |payers: &std::collections::BTreeSet<(usize, usize)>| !payers.contains(&(3, 2));
    (conditions, payers.prop_filter("a payer has a name", named), any::<bool>()).prop_map(
        |(conditions, payers, wins)| {
            let weights: &[u32] = match payers.len() {
                1 => &[12],
                2 => &[5, 7],
                _ => &[1, 3, 8],
            };
            let shares = payers.into_iter().zip(weights).map(|((d, p), weight)| (d, p, *weight)).collect();
            Drawn { conditions, shares, wins }
        },
    )
}

fn tags() -> impl Strategy<Value = BTreeMap<String, String>> {
    let key = prop_oneof![Just("key"), Just("team"), Just("department"), Just("project")];
    prop::collection::btree_map(key.prop_map(str::to_owned), "[ab]{1,3}|A|B|p", 0..5)
}

proptest! {
    #[test]
    fn the_first_rule_that_matches_says_who_pays(
        drawn in prop::collection::vec(drawn(), 1..6), tags in tags(), model in "[ab]{1,3}",
    ) {
        // A rule that hides another one is refused: other rules are drawn then, and too many refusals fail the test.
        let read = read(&written(&drawn));
        prop_assume!(!read.as_ref().is_err_and(|error| error.contains(HIDDEN)));
        let set = read.map_err(TestCaseError::fail)?;
        let failed = |error: NameError| TestCaseError::fail(error.to_string());
        let mut tag_set = TagSet::new();
        for (key, value) in &tags {
            tag_set.insert(TagKey::new(key).map_err(|error| TestCaseError::fail(error.to_string()))?, TagValue::new(value).map_err(failed)?);
        }
        let used = Model { provider: None, name: Name::new(&model).map_err(failed)? };
        let decision = decide(&set, Usage { tags: &tag_set, model: Some(&used), source: Some("default") });
        let shares = decision.shares(&tag_set);
        let whole: i64 = shares.iter().map(|share| share.part).sum();
        let text = |name: &Option<TagValue>| name.as_ref().map_or(String::new(), TagValue::to_string);
        let found: BTreeMap<(String, String), i64> = shares
            .iter()
            .map(|share| ((text(&share.payer.department), text(&share.payer.project)), share.part * 12 / whole))
            .collect();
        let expected = oracle(&drawn, &tags, &model).into_iter().map(|(payer, part)| (payer, i64::from(part))).collect();
        prop_assert_eq!(found, expected);
    }
}

/// A ledger of random usage by keys, teams and departments, with prices for two of three models.
fn ledger_of(events: u64) -> Outcome<Desk> {
    let desk = Desk::new()?;
    desk.write(
        "p.csv",
        "model,meter,currency,price,valid_from\nm,input,USD,2.5,2026-01-01\nm,output,USD,10,2026-01-01\n\
         n,input,USD,0.3,2026-01-01\nn,output,USD,1.7,2026-01-01\nn,output,USD,1.9,2026-10-12T10:00:00Z\n",
    )?;
    let mut dice = Dice::new(7);
    let mut lines = String::new();
    for number in 0..events {
        let mut tags = vec![format!("\"user\":\"u{}\"", dice.below(9))];
        for (key, values) in [("api_key", 4), ("team", 3), ("department", 4), ("project", 5)] {
            let value = dice.below(values + 2);
            if value < values {
                tags.push(format!("\"{key}\":\"{key}{value}\""));
            }
        }
        let month = if dice.below(5) == 0 { 9 } else { 10 };
        let (day, hour) = (1 + dice.below(30), dice.below(24));
        let model = ["m", "n", "unpriced"][usize::try_from(dice.below(3))?];
        let (input, output) = (dice.below(50_000), dice.below(5_000));
        let _ = writeln!(
            lines,
            "{{\"event_id\":\"e{number}\",\"timestamp\":\"2026-{month:02}-{day:02}T{hour:02}:00:00Z\",\"model\":\"{model}\",\
             \"input_tokens\":{input},\"output_tokens\":{output},\"tags\":{{{}}}}}",
            tags.join(",")
        );
    }
    desk.write("u.jsonl", lines)?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    desk.run(&["import", "u.jsonl"])?.ends(0)?;
    Ok(desk)
}

const DIVIDING: &str = "rule,key,operator,value,department,project,environment,weight,override\n\
    shared,tag.api_key,equals,api_key0,department0,,,1/3,\n\
    shared,,,,new,,,1/7,\n\
    shared,,,,newer,x,prod,11/21,\n\
    taken,tag.team,equals,team1,department2,,,50%,yes\n\
    taken,,,,other,,,0.5,\n\
    model,model,prefix,un,unknown,,,,\n\
    teams,tag.team,glob,team?,,of team,,,\n";
/// Rules that give whole lines only, and examine nothing except what the monthly totals have.
const COARSE: &str = "rule,key,operator,value,department,project,environment,weight,override\n\
    moved,department,equals,department1,department3,,,,yes\n\
    model,model,prefix,un,unknown,,,,\n\
    source,source,equals,default,rest,,,,\n";

/// The sum of each column of whole numbers, and of the exact amounts in units of 1e-15.
fn sums(csv: &str) -> Outcome<BTreeMap<String, i128>> {
    let mut sums = BTreeMap::new();
    for row in rows(csv)? {
        for (column, value) in row {
            let number = match column.as_str() {
                // The number of unpriced events is unknown for parts of less than one event.
                "unpriced_events" | "amount_exact" | "amount" if value.is_empty() => 0,
                "events" | "input_tokens" | "output_tokens" | "unpriced_events" => value.parse()?,
                "amount_exact" | "amount" => {
                    let (whole, fraction) = value.split_once('.').unwrap_or((&value, ""));
                    format!("{whole}{fraction:0<15}").parse()?
                }
                _ => continue,
            };
            *sums.entry(column).or_insert(0) += number;
        }
    }
    Ok(sums)
}

/// Rows without some name columns, with equal rows added up.
fn folded(csv: &str, by: &[&str]) -> Outcome<BTreeMap<Vec<String>, BTreeMap<String, i128>>> {
    let mut folded: BTreeMap<Vec<String>, BTreeMap<String, i128>> = BTreeMap::new();
    let header = csv.lines().next().ok_or("no header")?.to_owned();
    for (line, row) in csv.lines().skip(1).zip(rows(csv)?) {
        let key = by.iter().map(|column| row[*column].clone()).collect();
        let group = folded.entry(key).or_default();
        for (column, sum) in sums(&format!("{header}\n{line}\n"))? {
            *group.entry(column).or_insert(0) += sum;
        }
    }
    Ok(folded)
}

#[test]
fn nothing_is_lost_at_any_level_by_any_way_of_computing() -> Outcome {
    let desk = ledger_of(1_500)?;
    let report = |period: &str, by: &str, more: &[&str], threads: &str| -> Outcome<String> {
        let arguments = ["report", "chargeback", "--format", "csv", "--period", period, "--by", by];
        let arguments = [&arguments[..], more].concat();
        let ran = crate::desk::Ran::of(desk.command(&arguments).env("RAYON_NUM_THREADS", threads).output()?)?;
        Ok(ran.ends(0)?.out)
    };
    let without = sums(&report("2026-10", "department", &[], "2")?)?;
    assert!(without["events"] > 1_000 && without["unpriced_events"] > 100, "{without:?}");
    for (number, rules) in [DIVIDING, COARSE].into_iter().enumerate() {
        desk.write("rules.csv", rules)?;
        let from = ["2026-01-01", "2026-09-01"][number];
        desk.run(&["rules", "import", "rules.csv", "--valid-from", from])?.ends(0)?;
        let levels = ["department", "department,project", "department,project,environment,model", "department,day"];
        let coarsest = report("2026-10", levels[0], &[], "2")?;
        assert!(coarsest.contains("\nunknown,"), "{coarsest}");
        for by in levels {
            let found = report("2026-10", by, &[], "2")?;
            assert_eq!(sums(&found)?, without, "{rules}{by}");
            for row in rows(&found)? {
                let number = |column: &str| row[column].parse::<i64>().unwrap_or(0);
                assert!(number("unpriced_events") <= number("events"), "{rules}{by} {row:?}");
                let used = ["events", "input_tokens", "output_tokens"].map(number);
                assert!(used.iter().any(|used| *used > 0), "{rules}{by}: who pays nothing has no row: {row:?}");
            }
            assert_eq!(folded(&found, &["department"])?, folded(&coarsest, &["department"])?, "{rules}{by}");
            for threads in ["1", "3"] {
                assert_eq!(report("2026-10", by, &["--recompute"], threads)?, found, "{rules}{by} {threads}");
            }
        }
        let by_tag = folded(&report("2026-10", "department,tag.user", &[], "2")?, &["department"])?;
        assert_eq!(by_tag, folded(&coarsest, &["department"])?, "{rules}");
        for other in ["summary", "unpriced"] {
            let print = |more: &[&str]| {
                desk.print(&[&["report", other, "--period", "2026-10", "--format", "csv"], more].concat())
            };
            assert_eq!(print(&[])?, print(&["--recompute"])?, "{rules}{other}");
        }
    }
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn a_set_of_rules_holds_until_the_next_one_starts() -> Outcome {
    let desk = Desk::with(&["--time-zone", "America/New_York"])?;
    desk.write("prices.csv", crate::desk::PRICES)?;
    // Midnight in New York is 04:00 UTC. The first two are of 14 October, the last is of 15 October.
    desk.write(
        "u.jsonl",
        r#"{"event_id":"1","timestamp":"2026-10-14T04:00:00Z","model":"m","input_tokens":1,"tags":{"team":"t"}}
{"event_id":"2","timestamp":"2026-10-15T03:59:59Z","model":"m","input_tokens":10,"tags":{"team":"t"}}
{"event_id":"3","timestamp":"2026-10-15T04:00:00Z","model":"m","input_tokens":100,"tags":{"team":"t"}}
"#,
    )?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    desk.run(&["import", "u.jsonl"])?.ends(0)?;
    let rule = |department: &str| format!("rule,key,value,department\nteam,tag.team,t,{department}\n");
    let tokens = || -> Outcome<Vec<(String, String)>> {
        let rows = rows(&desk.chargeback()?)?;
        Ok(rows.into_iter().map(|row| (row["department"].clone(), row["input_tokens"].clone())).collect())
    };
    let pairs =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
    assert_eq!(tokens()?, pairs(&[("(unallocated)", "111")]));
    desk.write("old.csv", rule("Old"))?;
    desk.write("new.csv", rule("New"))?;
    desk.write("newest.csv", rule("Newest"))?;
    let import = |file: &str, more: &[&str]| desk.run(&[&["rules", "import", file], more].concat());
    import("old.csv", &["--valid-from", "2026-10-14"])?.ends(0)?.says("old.csv: 1 rule from 2026-10-14, added")?;
    assert_eq!(tokens()?, pairs(&[("Old", "111")]));
    // A later set must state its first day.
    import("new.csv", &[])?
        .ends(2)?
        .says("these need the day from which they hold")?
        .says("hint: add `--valid-from DATE`")?;
    import("new.csv", &["--valid-from", "2026-10-15"])?.ends(0)?;
    assert_eq!(tokens()?, pairs(&[("New", "100"), ("Old", "11")]));
    let head = desk.head()?;
    for (file, more) in [
        ("new.csv", &[][..]),
        ("new.csv", &["--valid-from", "2026-12-01"]),
        ("old.csv", &["--valid-from", "2026-10-14"]),
    ] {
        import(file, more)?.ends(0)?.says("unchanged")?;
        assert_eq!(desk.head()?, head, "what is in force already appends nothing");
    }
    import("newest.csv", &["--valid-from", "2026-10-15"])?.ends(0)?.says("replacing the rules that started")?;
    assert_eq!(tokens()?, pairs(&[("Newest", "100"), ("Old", "11")]));
    let history = desk.print(&["rules", "list", "--history", "--format", "csv"])?;
    assert_eq!(
        history,
        "valid_from,valid_until,rules,file,state\n2026-10-14,2026-10-15,1,old.csv,holds\n\
         2026-10-15,,1,new.csv,replaced\n2026-10-15,,1,newest.csv,holds\n"
    );
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn usage_is_told_apart_by_all_that_rules_look_at() -> Outcome {
    let desk = Desk::new()?;
    let mut tokens = 1_u64;
    for source in ["one", "two"] {
        let mut lines = String::new();
        for (model, day) in [("m", 1), ("n", 1), ("m", 20), ("n", 20)] {
            let _ = writeln!(
                lines,
                "{{\"event_id\":\"{model}{day}\",\"timestamp\":\"2026-10-{day:02}T10:00:00Z\",\"model\":\"{model}\",\
                 \"input_tokens\":{tokens},\"tags\":{{\"team\":\"t\"}}}}"
            );
            tokens *= 10;
        }
        desk.write(&format!("{source}.jsonl"), lines)?;
        desk.run(&["import", &format!("{source}.jsonl"), "--source", source])?.ends(0)?;
    }
    desk.write("p.csv", "model,meter,currency,price,valid_from\nm,input,USD,1,2026-01-01\nn,input,USD,1,2026-01-01\n")?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    let source = "source,source,two,Source\n";
    // First the tags alone, then also the source, then also the model, and from the 15th on both in reverse.
    let sets = [
        ("rule,key,value,department\nteam,tag.team,t,Team\n".to_owned(), "2026-01-01", "Team 11111111"),
        (
            format!("rule,key,value,department\n{source}team,tag.team,t,Team\n"),
            "2026-10-01",
            "Source 11110000, Team 1111",
        ),
        (
            format!("rule,key,value,department\n{source}model,model,n,Model\nteam,tag.team,t,Team\n"),
            "2026-10-01",
            "Model 1010, Source 11110000, Team 101",
        ),
        (
            format!("rule,key,value,department\nmodel,model,n,Model\n{source}team,tag.team,t,Late\n"),
            "2026-10-15",
            "Late 100, Model 10001010, Source 1110000, Team 1",
        ),
    ];
    for (rules, from, expected) in sets {
        desk.write("r.csv", &rules)?;
        desk.run(&["rules", "import", "r.csv", "--valid-from", from])?.ends(0)?;
        for more in [&[][..], &["--recompute"], &["--by", "department,tag.team"]] {
            let arguments = ["report", "chargeback", "--period", "2026-10", "--format", "csv"];
            let report = rows(&desk.print(&[&arguments[..], more].concat())?)?;
            let found: Vec<String> =
                report.iter().map(|row| format!("{} {}", row["department"], row["input_tokens"])).collect();
            assert_eq!(found.join(", "), expected, "{rules}{more:?}");
        }
    }
    Ok(())
}
