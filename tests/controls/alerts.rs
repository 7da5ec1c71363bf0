//! Alerts: each threshold is recorded once, no matter who checks and how often. Also the published cases.

use super::{PRICES, policy, priced};
use crate::desk::{Desk, Outcome, rows};
use tokenbook::books::Silent;
use tokenbook::books::controls::alerts::BudgetCheck;
use tokenbook::books::controls::budgets::BudgetRequest;
use tokenbook::books::controls::policies::Apply;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::{Act, Books, Calendar, Currency, Depth, ImportOptions, Input, Jumps, Name, Settings};

const NOW: &str = "2026-11-18T10:00:00Z";

/// Does something at an instant.
pub(super) fn act(now: &str) -> Outcome<Act<'static>> {
    Ok(Act { now: Timestamp::parse(now)?, actor: "tester" })
}

/// A desk with prices whose ledger has had a policy since an instant.
fn under(policy: &str, applied: &str) -> Outcome<Desk> {
    let desk = early()?;
    apply(&desk, policy, applied)?;
    Ok(desk)
}

/// A desk with prices whose ledger was made early: the chain's time never goes back.
pub(super) fn early() -> Outcome<Desk> {
    let desk = Desk::empty()?;
    let act = act("2026-01-01T00:00:00Z")?;
    let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
    let books = Books::create(&desk.ledger(), &settings, act)?;
    books.import_prices("prices.csv", PRICES.as_bytes(), None, Jumps::Refuse, act, &Silent)?;
    Ok(desk)
}

fn apply(desk: &Desk, policy: &str, at: &str) -> Outcome {
    let books = Books::open(&desk.ledger())?;
    books.apply_policy("limits.toml", policy.as_bytes(), Apply::Record, act(at)?, &Silent)?;
    Ok(())
}

/// Imports one event, at the instant of the event.
pub(super) fn used(desk: &Desk, id: &str, at: &str, model: &str, department: &str, tokens: [u64; 2]) -> Outcome {
    let [tokens_in, tokens_out] = tokens;
    let header = "event_id,timestamp,model,department,input_tokens,output_tokens";
    let line = format!("{id},{at},{model},{department},{tokens_in},{tokens_out}");
    let file = Input::File(desk.write("one.csv", format!("{header}\n{line}\n"))?);
    Books::open(&desk.ledger())?.import(&file, &ImportOptions::plain(), act(at)?, &Silent)?;
    Ok(())
}

pub(super) fn check(desk: &Desk, now: &str) -> Outcome<BudgetCheck> {
    Ok(Books::open(&desk.ledger())?.check_budgets(act(now)?, &Silent)?)
}

/// The thresholds of the alerts that a check raises of a budget, in hundredths of a percent.
fn raised(check: &BudgetCheck, budget: &str) -> Vec<u32> {
    let of_budget = check.raised.iter().filter(|raised| raised.alert.key.budget == budget);
    of_budget.map(|raised| raised.alert.key.threshold).collect()
}

#[test]
fn a_department_hears_of_each_threshold_once() -> Outcome {
    let desk = under(&policy("departments")?, "2026-05-01T00:00:00Z")?;
    let model = "gemini-2.5-flash";
    used(&desk, "a", "2026-11-05T10:00:00Z", model, "marketing", [1_250_000, 450_000])?;
    assert_eq!(raised(&check(&desk, NOW)?, "marketing"), [] as [u32; 0], "34.0 %");
    used(&desk, "b", "2026-11-10T10:00:00Z", model, "marketing", [2_000_000, 400_000])?;
    let second = check(&desk, NOW)?;
    assert_eq!(raised(&second, "marketing"), [5_000, 7_500]);
    let texts: Vec<&str> = second.raised.iter().map(|raised| raised.text.as_str()).collect();
    let text = "marketing, 2026-11: 82.0 % of the token budget is used (4,100,000 of 5,000,000). Check usage.";
    assert_eq!(texts, [text, text]);
    assert_eq!(check(&desk, NOW)?.raised, [], "a second check has no news");
    used(&desk, "c", "2026-11-11T10:00:00Z", model, "marketing", [900_000, 0])?;
    // Two checks at once, each on its own connection.
    let path = desk.ledger();
    let found: Vec<Result<BudgetCheck, String>> = std::thread::scope(|scope| {
        let one = || {
            let books = Books::open(&path).map_err(|error| error.to_string())?;
            let act = act(NOW).map_err(|error| error.to_string())?;
            books.check_budgets(act, &Silent).map_err(|error| error.to_string())
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("it panicked".to_owned()))).collect()
    });
    let found: Vec<BudgetCheck> = found.into_iter().collect::<Result<_, _>>()?;
    let all: Vec<u32> = found.iter().flat_map(|check| raised(check, "marketing")).collect();
    assert_eq!(all, [9_000, 10_000], "one of them raises both");
    let last = found.iter().flat_map(|check| &check.raised).last().ok_or("none")?;
    assert!(
        last.text.ends_with("100.0 % of the token budget is used (5,000,000 of 5,000,000). Review the breaker."),
        "{last:?}"
    );
    desk.run(&["rebuild"])?.ends(0)?;
    assert_eq!(check(&desk, NOW)?.raised, []);
    assert_eq!(desk.count("SELECT count(*) FROM alert")?, 4);
    assert_eq!(desk.count("SELECT count(DISTINCT entry) FROM alert")?, 2);
    desk.run(&["verify", "--deep"])?.ends(0)?;
    let listed = rows(&desk.print(&["alerts", "list", "--format", "csv"])?)?;
    let shown: Vec<(&str, &str, &str)> = listed
        .iter()
        .filter_map(|row| Some((row.get("threshold")?.as_str(), row.get("used")?.as_str(), row.get("limit")?.as_str())))
        .collect();
    let expected = [("50.00", "4100000"), ("75.00", "4100000"), ("90.00", "5000000"), ("100.00", "5000000")];
    assert_eq!(shown, expected.map(|(threshold, used)| (threshold, used, "5000000")));
    assert_eq!(rows(&desk.print(&["alerts", "list", "--period", "2026-10", "--format", "csv"])?)?.len(), 0);
    Ok(())
}

#[test]
fn an_organisation_and_models_have_their_levels() -> Outcome {
    let level = |desk: &Desk, budget: &str| -> Outcome<String> {
        let request = BudgetRequest { all: true, ..BudgetRequest::of(Timestamp::parse(NOW)?) };
        let status = Books::read(&desk.ledger())?.budgets(&request, &Silent)?.ok_or("no policy")?;
        let line = status.lines.iter().find(|line| line.budget.common.name.as_str() == budget).ok_or("no line")?;
        let reached = line.reached()?;
        let level = reached.iter().rev().find_map(|threshold| threshold.level.clone());
        Ok(level.or_else(|| line.budget.level.clone()).unwrap_or_default())
    };
    for (tokens, expected, alerts) in [
        (249_999, "healthy", &[][..]),
        (250_000, "normal", &[5_000]),
        (375_000, "warning", &[5_000, 7_500]),
        (450_000, "urgent", &[5_000, 7_500, 8_000, 9_000]),
    ] {
        let desk = under(&policy("organisation")?, "2026-05-01T00:00:00Z")?;
        used(&desk, "a", "2026-11-18T08:00:00Z", "gpt-4.1", "x", [tokens, 0])?;
        assert_eq!(level(&desk, "organisation, day")?, expected, "{tokens}");
        assert_eq!(raised(&check(&desk, NOW)?, "organisation, day"), alerts, "{tokens}");
    }
    let models = policy("models")?.replace("claude-opus-4.7", "gpt-4.1");
    for (tokens, expected) in [(6_999_999, ""), (7_000_000, "warning"), (9_000_000, "critical")] {
        let desk = under(&models, "2026-05-01T00:00:00Z")?;
        used(&desk, "a", "2026-11-05T08:00:00Z", "deepseek-v3.2", "x", [tokens, 0])?;
        assert_eq!(level(&desk, "models")?, expected, "{tokens}");
        let found = check(&desk, NOW)?;
        let says: Vec<&str> = found.raised.iter().filter_map(|raised| raised.text.split("). ").nth(1)).collect();
        let sentences = ["Shorten prompts or buy quota ahead.", "Extend at once or switch to the spare model."];
        let count = raised(&found, "models").len();
        assert_eq!(says, sentences[..count], "{tokens}");
    }
    Ok(())
}

#[test]
fn a_budget_that_is_used_up_blocks_and_its_limit_may_be_raised() -> Outcome {
    let models = policy("models")?.replace("claude-opus-4.7", "gpt-4.1");
    let desk = under(&models, "2026-05-01T00:00:00Z")?;
    // 523.45 of 500: 2 a million of input.
    used(&desk, "a", "2026-11-05T08:00:00Z", "gpt-4.1", "x", [261_725_000, 0])?;
    let found = check(&desk, NOW)?;
    assert_eq!((found.blocking.as_slice(), found.blocks_anew), (&["company, 2026-11".to_owned()][..], true));
    assert_eq!(raised(&found, "company"), [8_000, 10_000]);
    let text = &found.raised.last().ok_or("none")?.text;
    assert_eq!(
        text,
        "company, 2026-11: 104.6 % of 500.00 USD is used (523.45). It is used up until 2026-12-01T00:00:00Z."
    );
    let again = check(&desk, NOW)?;
    assert_eq!((again.raised.len(), again.blocking.len(), again.blocks_anew), (0, 1, false));
    // Half of the new limit is news at once; the rest follows when it is used.
    let raised_limit = models
        .replace("\"500\"", "\"1000\"")
        .replace("at = \"80%\", to", "at = \"50%\", to = [] }, { at = \"80%\", to");
    apply(&desk, &raised_limit.replace("2026-05-01", "2026-11-18"), NOW)?;
    let found = check(&desk, NOW)?;
    assert_eq!((raised(&found, "company"), found.blocking.len()), (vec![5_000], 0));
    used(&desk, "b", "2026-11-18T09:00:00Z", "gpt-4.1", "x", [150_000_000, 0])?;
    assert_eq!(raised(&check(&desk, NOW)?, "company"), [8_000]);
    // A figure that falls takes nothing back and raises nothing again.
    let entry = desk.count("SELECT max(entry) FROM import")?.to_string();
    desk.run(&["imports", "retract", &entry, "--reason", "a test"])?.ends(0)?;
    assert_eq!(check(&desk, NOW)?.raised, []);
    desk.run(&["import", "one.csv"])?.ends(0)?;
    assert_eq!(check(&desk, NOW)?.raised, []);
    // Another level or text is no news.
    apply(
        &desk,
        &raised_limit
            .replace("2026-05-01", "2026-11-18")
            .replace("at = \"80%\", to", "at = \"80%\", say = \"Look.\", to"),
        NOW,
    )?;
    assert_eq!(check(&desk, NOW)?.raised, []);
    desk.run(&["verify", "--deep"])?.ends(0)?;
    Ok(())
}

#[test]
fn the_period_before_alerts_once_if_its_limits_were_recorded_in_time() -> Outcome {
    let text = policy("departments")?;
    let desk = under(&text, "2026-10-20T00:00:00Z")?;
    used(&desk, "a", "2026-10-30T10:00:00Z", "gemini-2.5-flash", "marketing", [4_000_000, 0])?;
    // Nobody checked in October; the file came in on 3 November.
    let found = check(&desk, "2026-11-03T10:00:00Z")?;
    assert_eq!(raised(&found, "marketing"), [5_000, 7_500]);
    assert!(found.raised.iter().all(|raised| raised.text.starts_with("marketing, 2026-10: 80.0 %")), "{found:?}");
    assert_eq!(check(&desk, "2026-11-03T10:05:00Z")?.raised, []);
    assert_eq!(check(&desk, "2026-12-01T10:05:00Z")?.raised, [], "October is no longer the month before");
    // Applied on 10 November, a policy from October raises nothing for October.
    let late = early()?;
    used(&late, "a", "2026-10-30T10:00:00Z", "gemini-2.5-flash", "marketing", [4_000_000, 0])?;
    apply(&late, &text.replace("2026-05-01", "2026-10-01"), "2026-11-10T00:00:00Z")?;
    assert_eq!(check(&late, "2026-11-10T10:00:00Z")?.raised, []);
    let last = BudgetRequest {
        at: Some(tokenbook::domain::period::day("2026-10-31")?),
        ..BudgetRequest::of(Timestamp::parse(NOW)?)
    };
    let status = Books::read(&late.ledger())?.budgets(&last, &Silent)?.ok_or("no policy")?;
    assert!(status.lines.iter().any(|line| line.figure() == 4_000_000), "but its status shows October");
    Ok(())
}

#[test]
fn a_policy_says_what_it_would_raise() -> Outcome {
    let desk = under(&policy("departments")?, "2026-05-01T00:00:00Z")?;
    used(&desk, "a", "2026-11-05T10:00:00Z", "gemini-2.5-flash", "marketing", [4_000_000, 0])?;
    let books = Books::open(&desk.ledger())?;
    let read = books.read_policy("l", policy("departments")?.as_bytes())?;
    assert_eq!(books.would_raise(&read.policy, Timestamp::parse(NOW)?, &Silent)?, 2);
    check(&desk, NOW)?;
    assert_eq!(books.would_raise(&read.policy, Timestamp::parse(NOW)?, &Silent)?, 0);
    let lower = books.read_policy("l", policy("departments")?.replace("5_000_000", "4_000_000").as_bytes())?;
    assert_eq!(books.would_raise(&lower.policy, Timestamp::parse(NOW)?, &Silent)?, 4);
    let later = books.read_policy("l", policy("departments")?.replace("2026-05-01", "2027-05-01").as_bytes())?;
    assert_eq!(books.would_raise(&later.policy, Timestamp::parse(NOW)?, &Silent)?, 0);
    Ok(())
}

/// What somebody changes in an alert of a ledger whose seals they made fit: `verify` compares it with the policy.
#[test]
fn an_alert_that_its_policy_does_not_state_is_found() -> Outcome {
    let desk = under(&policy("departments")?, "2026-05-01T00:00:00Z")?;
    used(&desk, "a", "2026-11-05T10:00:00Z", "gemini-2.5-flash", "marketing", [4_000_000, 0])?;
    check(&desk, NOW)?;
    let clean = std::fs::read(desk.ledger())?;
    for change in [
        "threshold = 5001",
        "stated = '5000001'",
        "first_day = first_day + 1",
        "budget = 'sales'",
        "scope = ''",
        "subject = 'x'",
        "measure = 'requests'",
    ] {
        let database = desk.database()?;
        database.execute_batch("DROP TRIGGER alert_refuses_update")?;
        database.execute_batch(&format!("UPDATE alert SET {change} WHERE place = 1"))?;
        drop(database);
        let verified = Books::read(&desk.ledger()).and_then(|books| books.verify(Depth::Full, None, &Silent));
        let says = match verified {
            Ok(verified) => verified.findings.join("\n"),
            Err(error) => error.to_string(),
        };
        assert!(!says.is_empty(), "{change}");
        std::fs::write(desk.ledger(), &clean)?;
    }
    Ok(())
}

#[test]
fn a_cron_line_works_and_says_how_it_ends() -> Outcome {
    let desk = priced()?;
    // The process has its own clock: usage of a day that is surely in its year.
    desk.run(&["budget", "check"])?.ends(0)?.says("no limits are in force today")?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
    let today = Calendar::of_zone("UTC")?.day_of(Timestamp::from_nanos(i64::try_from(now)?).ok_or("now")?);
    let policy = format!(
        "document = \"limits/1\"\nfrom = \"{today}\"\nadmission = {{ unpriced = \"refuse\", unknown_department = \"allow\", on_failure = \
         \"refuse\", output_unknown = 1 }}\nbudget = [{{ name = \"all\", per = \"year\", amount = \"1\", enforce = \"block\", alert = [{{ at = \"50%\", to = [] }}] }}]\n"
    );
    desk.write("l.toml", policy)?;
    let usage = |id: &str, model: &str, tokens: u64| {
        format!("event_id,timestamp,model,input_tokens,output_tokens\n{id},{today}T00:00:00Z,{model},{tokens},0\n")
    };
    desk.write("u.csv", usage("a", "gpt-4.1", 300_000))?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    desk.run(&["policy", "apply", "l.toml"])?.ends(0)?.says("the next `tokenbook budget check` will raise 1 alert")?;
    desk.run(&["budget", "check"])?.ends(0)?.says(": 60.0 % of 1.00 USD is used (0.60).")?;
    desk.run(&["--quiet", "budget", "check", "--once"])?.ends(0)?;
    desk.write("v.csv", usage("b", "gpt-4.1", 300_000))?;
    desk.run(&["import", "v.csv"])?.ends(0)?;
    // Not even a file in the place of the guard file hides it.
    let loud =
        String::from_utf8(desk.read("l.toml")?)?.replace("to = [] }", "to = [] }, { at = \"100%\", to = [\"c\"] }");
    desk.write("l2.toml", loud + "channel.c = { kind = \"slack\", url_env = \"UNSET\" }\n")?;
    desk.run(&["policy", "apply", "l2.toml"])?.ends(0)?;
    std::fs::write(format!("{}.guard", desk.ledger().display()), "notes of mine")?;
    let ran = desk.run(&["--quiet", "budget", "check", "--once"])?.ends(10)?;
    assert!(
        ran.err.contains("warning: no message was sent: ") && ran.err.contains("is too short to be a database"),
        "{ran:?}"
    );
    assert!(ran.out.contains("120.0 %"), "{ran:?}");
    desk.run(&["--quiet", "budget", "check", "--once"])?.ends(0)?;
    desk.run(&["budget", "check"])?.ends(10)?.says("all, ")?;
    desk.write("w.csv", usage("c", "house-model", 300_000))?;
    desk.run(&["import", "w.csv"])?.ends(0)?;
    desk.run(&["budget", "check", "--strict", "--once"])?.ends(4)?.says("has no price")?;
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}
