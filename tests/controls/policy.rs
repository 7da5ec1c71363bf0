//! The policy file: what it may say, every problem with its place, and what applying it changes.

use super::{POLICIES, policy, priced};
use crate::desk::{Outcome, rows, text};
use std::collections::BTreeMap;
use tokenbook::control::policy::read;

/// The first lines of a policy that refuses.
pub(super) const HEAD: &str = "document = \"limits/1\"\nfrom = \"2026-12-01\"\nadmission = { unpriced = \"refuse\", unknown_department = \
    \"allow\", on_failure = \"refuse\", output_unknown = 2_048 }\n";

/// The problems of a policy, in their order.
fn problems(text: &str) -> Vec<String> {
    match read::policy(text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(|problem| problem.in_file("l")).collect(),
    }
}

/// Keys of a budget after its name, and what is wrong.
const BUDGETS: &[(&str, &[&str])] = &[
    ("per = \"month\"\namount = \"5\"", &["l:4:1: budget \"b\": enforce: is missing, expected \"warn\" or \"block\""]),
    (
        "per = \"month\"\namount = 5.0\nenforce = \"warn\"",
        &["l:7:10: budget \"b\": amount: 5.0 is a TOML float, which is not exact, expected it in quotes: \"5.0\""],
    ),
    (
        "per = \"month\"\namount = \"5\"\nenforse = \"warn\"\nenforce = \"warn\"",
        &["l:8:1: budget \"b\": \"enforse\" is not a key, expected enforce"],
    ),
    (
        "per = \"month\"\namount = \"0\"\nenforce = \"warn\"",
        &["l:7:10: budget \"b\": amount: \"0\" is not a limit, expected an amount above 0"],
    ),
    (
        "per = \"month\"\namount = \"0.0000000001\"\nenforce = \"warn\"",
        &["l:7:10: budget \"b\": amount: \"0.0000000001\" is not a limit"],
    ),
    (
        "per = \"month\"\namount = \"9223372037\"\nenforce = \"warn\"",
        &["l:7:10: budget \"b\": amount: \"9223372037\" is too large, expected less than 9,223,372,036"],
    ),
    (
        "per = \"month\"\ntokens = 0\nenforce = \"warn\"",
        &["l:7:10: budget \"b\": tokens: 0 is not a limit, expected a whole number above 0"],
    ),
    (
        "per = \"month\"\ntokens = -5\nenforce = \"warn\"",
        &["l:7:10: budget \"b\": tokens: -5 is not a limit, expected a whole number above 0"],
    ),
    ("tokens = 5\nenforce = \"warn\"", &["l:4:1: budget \"b\": per: is missing"]),
    (
        "per = \"month\"\nenforce = \"warn\"",
        &["l:4:1: budget \"b\": has no limit, expected amount, tokens or requests, or share and within"],
    ),
    (
        "per = \"month\"\ntokens = 5\nenforce = \"warn\"\nblock_at = \"90%\"",
        &["l:9:1: budget \"b\": block_at: has no meaning with enforce = \"warn\", expected enforce = \"block\""],
    ),
    (
        "per = \"month\"\ntokens = 5\nenforce = \"warn\"\ndowngrade = [\"m\"]",
        &["l:9:1: budget \"b\": downgrade: has no meaning with enforce = \"warn\""],
    ),
    (
        "per = \"month\"\ntokens = 5\nenforce = \"warn\"\nwithin = \"compny\"",
        &["l:9:1: budget \"b\": within: no limit of this kind is named \"compny\""],
    ),
    (
        "per = \"month\"\ntokens = 5\nenforce = \"warn\"\nwithin = \"b\"",
        &["l:9:1: budget \"b\": within: leads back to this limit"],
    ),
    (
        "per = \"month\"\ntokens = 5\nshare = \"5%\"\nwithin = \"c\"\nenforce = \"warn\"",
        &["l:8:1: budget \"b\": share: is given beside a limit, expected one of them"],
    ),
    ("per = \"month\"\nshare = \"5%\"\nenforce = \"warn\"", &["l:7:1: budget \"b\": share: is given without within"]),
    (
        "per = \"month\"\ntokens = 5\nenforce = \"warn\"\nalert = [{ at = \"50%\", to = [\"ops\"] }]",
        &["l:9:1: budget \"b\": alert: no channel is named \"ops\", expected [channel.ops]"],
    ),
    (
        "per = \"month\"\ntokens = 5\nenforce = \"warn\"\nalert = [{ at = \"50%\", to = [] }, { at = \"50%\", to = [] }]",
        &["l:9:37: budget \"b\": alert: at: 50% is not above the threshold before"],
    ),
    (
        "per = \"month\"\ntokens = 5\nenforce = \"warn\"\nalert = [{ at = \"1000.01%\", to = [] }]",
        &["l:9:12: budget \"b\": alert: at: 1000.01% is too high"],
    ),
    (
        "per = \"month\"\ntokens = 5\nenforce = \"warn\"\nalert = [{ at = 50, to = [] }]",
        &["l:9:17: budget \"b\": alert: at: 50 is not a percentage"],
    ),
    (
        "per = \"month\"\ntokens = 5\nenforce = \"warn\"\ndepartment = \"a\"\neach = \"department\"",
        &["l:10:1: budget \"b\": each: counts by department, which the limit fixes"],
    ),
    (
        "per = \"month\"\ntokens = 5\nenforce = \"warn\"\neach = \"user\"",
        &["l:9:8: budget \"b\": each: \"user\" is nothing that a limit can count by"],
    ),
    (
        "per = \"month\"\ntokens = 5\nenforce = \"warn\"\ndepartment = []",
        &["l:9:14: budget \"b\": department: is empty"],
    ),
    (
        "per = \"month\"\ntokens = 5\nenforce = \"warn\"\ntag = { project = \"x\" }",
        &["budget \"b\": tag: project: has a key of its own, expected project = \"…\""],
    ),
    (
        "per = \"month\"\ntokens = 5\nenforce = \"warn\"\nmeters = [\"request\"]",
        &["l:9:10: budget \"b\": meters: \"request\" is not a meter of tokens"],
    ),
];

/// What stands below the head of a policy, and what is wrong.
const LIMITS: &[(&str, &[&str])] = &[
    (
        "[[budget]]\nper = \"month\"\ntokens = 5\nenforce = \"warn\"\n",
        &["l:4:1: budget 1: name: is missing, expected a name of its own for each limit"],
    ),
    (
        "[[budget]]\nname = \"b\"\nper = \"month\"\ntokens = 5\nenforce = \"warn\"\n[[quota]]\nname = \"b\"\ntokens = 5\nper = \"minute\"\n",
        &["l:10:1: quota \"b\": name: the limit on line 4 has this name already"],
    ),
    (
        "[[quota]]\nname = \"q\"\ntokens = 5\nrequests = 5\nper = \"minute\"\n",
        &["l:6:1: quota \"q\": tokens: is given beside requests"],
    ),
    (
        "[[quota]]\nname = \"q\"\ntokens = 5\nper = \"day\"\n",
        &["l:7:7: quota \"q\": per: \"day\" is unknown, expected \"second\", \"minute\", \"hour\""],
    ),
    (
        "[[quota]]\nname = \"q\"\ntokens = 5\nper = \"minute\"\nburst = \"61x\"\n",
        &["l:8:9: quota \"q\": burst: \"61x\" is not a factor, expected from \"1x\" to \"60x\""],
    ),
    (
        "[[quota]]\nname = \"q\"\ntokens = 5\nper = \"minute\"\nkeep = { medium = \"40%\", low = \"20%\" }\n",
        &["quota \"q\": keep: low: 20% is below medium, 40%"],
    ),
    (
        "[[breaker]]\nname = \"k\"\ntokens = 5\nwindow = \"90s\"\nopen_for = \"300s\"\nprobes = 3\n",
        &["l:7:1: breaker \"k\": window: 90s is no window, expected whole minutes"],
    ),
    (
        "[[breaker]]\nname = \"k\"\nwindow = \"1h\"\nopen_for = \"300s\"\nprobes = 3\n",
        &["l:4:1: breaker \"k\": has no limit, expected exactly one of amount, tokens and requests"],
    ),
    (
        "[channel]\nops = { kind = \"slack\", url = \"https://hooks.example.com/x\" }\n",
        &["l:5:25: channel \"ops\": url: the webhook address of a chat is a secret, expected url_env or url_file"],
    ),
    (
        "[channel]\nops = { kind = \"slack\" }\n",
        &["channel \"ops\": url_env: is missing, expected url_env or url_file"],
    ),
    ("[channel]\nops = { kind = \"command\", command = [] }\n", &["channel \"ops\": command: names no program"]),
    (
        "[channel]\nops = { kind = \"command\", command = \"sh -c cat\" }\n",
        &["command: \"sh -c cat\" is one text, expected a list"],
    ),
    (
        "[channel]\nops = { kind = \"command\", command = [\"cat\"], to = \"x@example.com\\nBcc: y@example.com\" }\n",
        &["to: \"x@example.com\\nBcc: y@example.com\" is no receiver of a mail"],
    ),
    ("[[budget]]\nname = \"b\"\nshare = \"40%\"\nenforce = \"warn\"\n", &["share: is given without within"]),
    (
        "[[budget]]\nname = \"b\"\nper = \"month\"\ntokens = 5e6\nenforce = \"warn\"\n",
        &["tokens: 5e6 is a TOML float, which is not exact, expected a whole number above 0"],
    ),
];

/// Whole files, and what is wrong.
const FILES: &[(&str, &[&str])] = &[
    (
        "document = \"limits/2\"\nfrom = \"2026-12-01\"\n",
        &["l:1:12: document: \"limits/2\" is another kind of document, expected \"limits/1\""],
    ),
    ("document = \"limits/1\"\nfrom = \"2026-13-01\"\n", &["l:2:8: from: \"2026-13-01\" is not a day"]),
];

#[test]
fn every_problem_has_its_place_and_says_what_is_expected() {
    let budgets = BUDGETS.iter().map(|(keys, says)| (format!("{HEAD}[[budget]]\nname = \"b\"\n{keys}\n"), says));
    let limits = LIMITS.iter().map(|(text, says)| (format!("{HEAD}{text}"), says));
    let files = FILES.iter().map(|(text, says)| ((*text).to_owned(), says));
    for (text, expected) in budgets.chain(limits).chain(files) {
        let found = problems(&text);
        assert_eq!(found.len(), expected.len(), "{text}\n{found:#?}");
        for (found, expected) in found.iter().zip(*expected) {
            assert!(found.contains(expected), "{text}\nfound    {found}\nexpected {expected}");
        }
    }
}

#[test]
fn all_problems_are_listed_in_the_order_of_the_lines() {
    let text = "document = \"limits/1\"\nfrom = \"2026-12-01\"\n\n[[budget]]\nname = \"marketing\"\nper = \"month\"\namount = 5.0\n\n\
        [[budget]]\nname = \"search\"\nper = \"month\"\ntokens = 5\nenforse = \"warn\"\n\n[[quota]]\nname = \"search\"\ntokens = 1.5\n";
    let lines: Vec<String> =
        problems(text).iter().map(|problem| problem.split(": ").take(3).collect::<Vec<_>>().join(": ")).collect();
    let expected = [
        "l:4:1: budget \"marketing\": enforce",
        "l:7:10: budget \"marketing\": amount",
        "l:9:1: budget \"search\": enforce",
        "l:13:1: budget \"search\": \"enforse\" is not a key, expected enforce",
        "l:17:10: quota \"search\": tokens",
    ];
    assert_eq!(lines, expected);
}

/// Parts of a whole of 500, by enforcement of the whole: problems, warnings.
#[test]
fn parts_may_not_exceed_what_binds_them() -> Outcome {
    let file = |enforce: &str, parts: &[&str]| {
        let parts: Vec<String> = parts
            .iter()
            .enumerate()
            .map(|(place, keys)| format!("{{ name = \"p{place}\", department = \"d{place}\", within = \"whole\", enforce = \"warn\", {keys} }}"))
            .collect();
        format!(
            "{HEAD}budget = [{{ name = \"whole\", per = \"month\", amount = \"500\", enforce = \"{enforce}\" }}, {}]\n",
            parts.join(", ")
        )
    };
    let amounts = ["amount = \"300\"", "amount = \"200\""];
    assert_eq!(problems(&file("block", &amounts)), Vec::<String>::new());
    let over = ["amount = \"300\"", "amount = \"200\"", "amount = \"0.000000001\""];
    let found = problems(&file("block", &over));
    assert_eq!(found, ["l:4:11: budget \"whole\": its parts add up to 500.000000001, expected at most 500"]);
    let read = read::policy(&file("warn", &over)).map_err(|problems| format!("{problems:?}"))?;
    assert_eq!(read.warnings.len(), 1, "{:?}", read.warnings);
    // A share is rounded down, and shares that are the whole divide all of it.
    let bounds = |parts: &[&str]| -> Outcome<Vec<i128>> {
        let read = read::policy(&file("block", parts)).map_err(|problems| format!("{problems:?}"))?;
        Ok(read
            .policy
            .budgets
            .iter()
            .skip(1)
            .map(|budget| budget.bounds.iter().map(|bound| bound.most).sum())
            .collect())
    };
    let unit = 1_000_000_000_000_000_i128;
    assert_eq!(
        bounds(&["share = \"60%\"", "share = \"30%\"", "share = \"10%\""])?,
        [300 * unit, 150 * unit, 50 * unit]
    );
    let thirds = bounds(&["share = \"33.33%\"", "share = \"33.33%\"", "share = \"33.34%\""])?;
    assert_eq!(thirds.iter().sum::<i128>(), 500 * unit);
    for (parts, says) in [
        (&["amount = \"300\", per = \"day\""][..], "per: \"day\" is not the period of \"whole\", expected \"month\""),
        (&["tokens = 5"][..], "tokens: \"whole\" has no limit of tokens, expected a measure of the whole"),
        (&["share = \"100.01%\""][..], "share: \"100.01%\" is more than the whole"),
    ] {
        let found = problems(&file("block", parts));
        assert!(found.iter().any(|problem| problem.contains(says)), "{found:?}");
    }
    Ok(())
}

/// Shares of a number of tokens in hundredths of a percent, by another way than the product's: fractions over 10,000, floored,
/// and one more for the largest remainders, the first of equals.
fn shares(whole: u64, hundredths: &[u64]) -> Vec<u64> {
    let mut shares: Vec<u64> = hundredths.iter().map(|part| whole * part / 10_000).collect();
    if hundredths.iter().sum::<u64>() == 10_000 {
        let mut order: Vec<usize> = (0..shares.len()).collect();
        order.sort_by_key(|place| (std::cmp::Reverse(whole * hundredths[*place] % 10_000), *place));
        let left = whole - shares.iter().sum::<u64>();
        for place in order.into_iter().take(usize::try_from(left).unwrap_or(0)) {
            shares[place] += 1;
        }
    }
    shares
}

#[test]
fn shares_are_what_fractions_say() -> Outcome {
    let mut dice = crate::desk::Dice::new(7);
    for _ in 0..300 {
        let whole = dice.below(5_000_000) + 20_000;
        let mut hundredths = vec![];
        let mut left = 10_000;
        while left > 0 && hundredths.len() < 6 {
            let part = (dice.below(4_000) + 1).min(left);
            hundredths.push(part);
            left -= part;
        }
        if dice.below(2) == 0 {
            hundredths.push(left.max(1));
            let sum: u64 = hundredths.iter().sum();
            if sum > 10_000 {
                hundredths.pop();
            }
        }
        let parts: Vec<String> = hundredths
            .iter()
            .enumerate()
            .map(|(place, part)| {
                let share = format!("{}.{:02}%", part / 100, part % 100);
                format!("{{ name = \"p{place}\", department = \"d{place}\", within = \"whole\", enforce = \"warn\", share = \"{share}\" }}")
            })
            .collect();
        let file = format!(
            "{HEAD}budget = [{{ name = \"whole\", per = \"day\", tokens = {whole}, enforce = \"block\" }}, {}]\n",
            parts.join(", ")
        );
        let read = read::policy(&file).map_err(|problems| format!("{file}\n{problems:?}"))?;
        let found: Vec<u64> = read
            .policy
            .budgets
            .iter()
            .skip(1)
            .flat_map(|budget| &budget.bounds)
            .map(|bound| u64::try_from(bound.most))
            .collect::<Result<_, _>>()?;
        assert_eq!(found, shares(whole, &hundredths), "{file}");
    }
    Ok(())
}

/// Every value of every fixture replaced by values of other kinds, and every line left out: the file is read, or its problems
/// have places in it.
#[test]
fn whatever_a_file_says_its_problems_have_places() -> Outcome {
    let (mut read_well, mut refused) = (0, 0);
    let mut try_it = |text: &str| {
        let lines = u64::try_from(text.lines().count()).unwrap_or(u64::MAX);
        match read::policy(text) {
            Ok(_) => read_well += 1,
            Err(problems) => {
                refused += 1;
                assert!(!problems.is_empty(), "{text}");
                for problem in problems {
                    assert!(problem.line <= lines, "{problem:?}\n{text}");
                    assert!(!problem.what.is_empty() && !problem.expected.is_empty(), "{problem:?}");
                    assert!(
                        problem.line > 0
                            || ["document", "from", "admission"].contains(&problem.field.as_deref().unwrap_or("")),
                        "{problem:?}\n{text}"
                    );
                }
            }
        }
    };
    for name in POLICIES {
        let text = policy(name)?;
        let lines: Vec<&str> = text.lines().collect();
        for skipped in 0..lines.len() {
            let without: Vec<&str> =
                lines.iter().enumerate().filter(|(place, _)| *place != skipped).map(|(_, line)| *line).collect();
            try_it(&without.join("\n"));
        }
        for (at, _) in text.match_indices(" = ") {
            let rest = &text[at + 3..];
            let end = match rest.as_bytes().first() {
                Some(b'"') => rest[1..].find('"').map(|end| end + 2),
                Some(b'[' | b'{') | None => None,
                Some(_) => rest.find([',', '\n', ' ', '}']),
            };
            let Some(end) = end else { continue };
            for other in [
                "5.0",
                "\"\"",
                "true",
                "[]",
                "{}",
                "\"x\"",
                "-1",
                "0",
                "[1]",
                "\"100%\"",
                "1979-05-27",
                "0x10",
                "99999999999999999999",
            ] {
                try_it(&format!("{}{other}{}", &text[..at + 3], &rest[end..]));
            }
        }
    }
    assert!(read_well > 50 && refused > 2_000, "{read_well} {refused}");
    Ok(())
}

#[test]
fn a_policy_is_applied_once_and_says_what_it_changes() -> Outcome {
    let desk = priced()?;
    for name in POLICIES {
        let text = policy(name)?.replace("claude-opus-4.7", "gpt-4.1");
        desk.write(&format!("{name}.toml"), text)?;
        desk.run(&["policy", "check", &format!("{name}.toml")])?.ends(0)?.says("nothing is wrong")?;
    }
    let head = desk.head()?;
    desk.run(&["policy", "apply", "teams.toml", "--dry-run"])?
        .ends(0)?
        .says("teams.toml: would apply from 2026-05-01")?;
    desk.run(&["policy", "show"])?.ends(2)?.says("no limits are in force on")?;
    assert_eq!(desk.head()?, head, "a trial records nothing");
    let ran = desk.run(&["policy", "apply", "teams.toml"])?.ends(0)?;
    ran.says("+ budget \"engineering\": scope department \"engineering\"; within startup; per month; amount 300; enforce block; block_at 100%")?;
    let head = desk.head()?;
    desk.run(&["policy", "apply", "teams.toml"])?.ends(0)?.says("teams.toml: is in force already from 2026-05-01")?;
    assert_eq!(desk.head()?, head);
    assert_eq!(desk.print(&["policy", "show"])?.as_bytes(), desk.read("teams.toml")?);
    let limits = rows(&desk.print(&["policy", "show", "--limits", "--format", "csv"])?)?;
    let amounts: BTreeMap<&str, &str> =
        limits.iter().filter_map(|row| Some((row.get("limit")?.as_str(), row.get("amount")?.as_str()))).collect();
    for (name, amount) in
        [("startup", "500.00"), ("engineering", "300.00"), ("product", "150.00"), ("operations", "50.00")]
    {
        assert_eq!(amounts.get(name), Some(&amount), "{limits:?}");
    }
    // A fourth team with 1 % is a warning there, and an error if the whole binds.
    let more = String::from_utf8(desk.read("teams.toml")?)?.replace(
        "    { name = \"a key, a day\"",
        "    { name = \"sales\", department = \"sales\", within = \"startup\", share = \"1%\", enforce = \"warn\" },\n    { name = \"a key, a day\"",
    );
    desk.write("more.toml", &more)?;
    desk.run(&["policy", "check", "more.toml"])?
        .ends(0)?
        .says("warning: more.toml:6:5: budget \"startup\": its parts add up to 505, expected at most 500")?;
    desk.write(
        "binds.toml",
        more.replace("amount = \"500\", enforce = \"warn\"", "amount = \"500\", enforce = \"block\""),
    )?;
    desk.run(&["policy", "check", "binds.toml"])?
        .ends(3)?
        .says("binds.toml:6:5: budget \"startup\": its parts add up to 505")?;
    let changed = String::from_utf8(desk.read("teams.toml")?)?
        .replace("\"500\"", "\"700\"")
        .replace("from = \"2026-05-01\"", "from = \"2026-06-01\"");
    desk.write("teams.toml", changed)?;
    desk.run(&["policy", "diff", "teams.toml"])?
        .ends(0)?
        .says("budget \"startup\": amount 500 -> 700")?
        .says("budget \"product\": amount 150 -> 210")?;
    desk.run(&["policy", "apply", "teams.toml"])?.ends(0)?;
    // An earlier file is in force until the later one begins, and nothing of it is shown from then on.
    let earlier =
        String::from_utf8(desk.read("teams.toml")?)?.replace("2026-06-01", "2026-03-01").replace("\"700\"", "\"100\"");
    desk.write("earlier.toml", earlier)?;
    desk.run(&["policy", "apply", "earlier.toml"])?
        .ends(0)?
        .says("earlier.toml: applies from 2026-03-01 until 2026-05-01, when other limits begin")?;
    let of_may = desk.print(&["policy", "show", "--at", "2026-05-31"])?;
    let of_june = desk.print(&["policy", "show", "--at", "2026-06-01"])?;
    assert!(of_may.contains("\"500\"") && of_june.contains("\"700\""));
    let listed = rows(&desk.print(&["policy", "list", "--format", "csv"])?)?;
    let days: Vec<Option<&str>> = listed.iter().map(|row| row.get("last_day").map(String::as_str)).collect();
    assert_eq!(days, [Some("2026-05-31"), Some(""), Some("2026-04-30")]);
    desk.run(&["verify", "--deep"])?.ends(0)?;
    Ok(())
}

#[test]
fn what_the_ledger_does_not_know_is_said() -> Outcome {
    let desk = priced()?;
    let file = desk.write("models.toml", policy("models")?)?;
    desk.run(&["policy", "check", text(&file)?])?
        .ends(0)?
        .says("warning: ")?
        .says("no usage has \"claude-opus-4.7\" yet")?;
    desk.write("models.toml", policy("models")?.replace("\"claude-sonnet-4.5\"", "\"claude-sonet-4.5\""))?;
    let ran = desk.run(&["policy", "apply", "models.toml"])?.ends(3)?;
    ran.says("models.toml:11:5: budget \"opus by requests\": downgrade: \"claude-sonet-4.5\" has no price")?;
    desk.write("teams.toml", policy("teams")?)?;
    let usage = "event_id,timestamp,model,department,input_tokens,output_tokens\ne,2026-10-05T10:00:00Z,gpt-4.1,enginering,1,1\n";
    desk.write("u.csv", usage)?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    desk.run(&["policy", "check", "teams.toml"])?
        .ends(0)?
        .says("no usage has \"engineering\" yet, expected \"enginering\"")?;
    desk.run(&["policy", "check", "nowhere.toml"])?.ends(3)?;
    desk.write("utf.toml", b"document = \"limits/1\"\n\xff")?;
    desk.run(&["policy", "check", "utf.toml"])?.ends(3)?.says("utf.toml:2: is not UTF-8")?;
    Ok(())
}
