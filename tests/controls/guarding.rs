//! The guard: the published cases, through leases and through the exact decision of one request.

use super::alerts::act;
use super::policy;
use crate::desk::{Desk, Outcome, fixture};
use std::collections::BTreeMap;
use tokenbook::books::Silent;
use tokenbook::books::controls::guarded::GuardedRequest;
use tokenbook::books::controls::policies::Apply;
use tokenbook::control::ask::{Load, Tariff};
use tokenbook::control::limit::{Admission, Doubt};
use tokenbook::control::span::Seconds;
use tokenbook::guard::file::decide::Count;
use tokenbook::guard::once::Request;
use tokenbook::price::Book;
use tokenbook::price::read::price_list;
use tokenbook::{
    Ask, Books, Calendar, Caller, Currency, Decision, Guard, GuardOptions, Jumps, Meter, Model, Name, Permit,
    Quantities, Reason, Refusal, ServiceTier, Settings, Settlement, TagKey, TagSet, TagValue, Timestamp,
};

/// A desk whose ledger has prices and limits.
pub(super) fn under(prices: &str, policy: &str) -> Outcome<Desk> {
    let desk = Desk::empty()?;
    let act = act("2026-01-01T00:00:00Z")?;
    let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
    let books = Books::create(&desk.ledger(), &settings, act)?;
    books.import_prices("prices.csv", prices.as_bytes(), None, Jumps::Refuse, act, &Silent)?;
    books.apply_policy("limits.toml", policy.as_bytes(), Apply::Record, act, &Silent)?;
    Ok(desk)
}

/// Tenths of a second after 10:00 on a day of November.
pub(super) fn at(tenths: i64) -> Outcome<Timestamp> {
    let start = Timestamp::parse("2026-11-18T10:00:00Z")?;
    Ok(Timestamp::from_nanos(start.nanos() + tenths * 100_000_000).ok_or("out of range")?)
}

pub(super) fn guard(desk: &Desk, holder: &str, now: Timestamp) -> Outcome<Guard> {
    let source = Name::new("gateway")?;
    Ok(Books::open(&desk.ledger())?.guard(&GuardOptions { source: &source, holder }, now)?)
}

pub(super) fn tags(pairs: &[(&str, &str)]) -> Outcome<TagSet> {
    let mut tags = TagSet::new();
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        tags.insert(TagKey::new(key)?, TagValue::new(value)?);
    }
    Ok(tags)
}

pub(super) fn model(name: &str) -> Outcome<Model> {
    Ok(Model { provider: None, name: Name::new(name)? })
}

pub(super) fn input(tokens: i64) -> Quantities {
    let mut quantities = Quantities::NONE;
    quantities.set(Meter::Input, tokens);
    quantities
}

/// Asks for a request with so many tokens and no answer.
pub(super) fn ask(guard: &Guard, tags: &TagSet, name: &str, tokens: i64, now: Timestamp) -> Outcome<Decision> {
    let route = guard.route(Caller { tags }, &model(name)?, &ServiceTier::standard(), now);
    let known = input(tokens);
    Ok(guard.admit(&route, Ask { known: &known, output_at_most: Some(0) }, now))
}

/// The reason, and the permit if there is one.
pub(super) fn parts(decision: Decision) -> (Option<Reason>, Option<Permit>) {
    match decision {
        Decision::Allow(permit) => (None, Some(permit)),
        Decision::Downgrade { permit, refused } => (Some(refused.reason), Some(permit)),
        Decision::Refuse(refused) => (Some(refused.reason), None),
    }
}

const DAY: i64 = 86_400 * 1_000_000_000;

/// The number of the day of an instant.
pub(super) fn day(at: i64) -> i64 {
    at.div_euclid(DAY)
}

/// The month of an instant, as `2026-11`.
pub(super) fn month(at: i64) -> String {
    let mut text = Timestamp::from_nanos(at).map_or_else(String::new, |at| at.to_string());
    text.truncate(7);
    text
}

/// The first day of a month, and the last.
pub(super) fn days_of(month: &str) -> Outcome<(i64, i64)> {
    let first = day(Timestamp::parse(&format!("{month}-01T00:00:00Z"))?.nanos());
    let is_in = |day: &i64| self::month(day * DAY) == month;
    Ok((first, (first..first + 31).take_while(is_in).last().unwrap_or(first)))
}

fn csv(path: &str) -> Outcome<Vec<BTreeMap<String, String>>> {
    let mut reader = csv::Reader::from_path(fixture(&format!("controls/{path}")))?;
    Ok(reader.deserialize().collect::<Result<_, _>>()?)
}

fn number(text: &str) -> Outcome<i64> {
    Ok(text.parse()?)
}

#[test]
fn a_request_is_reserved_at_the_dearest_reading_and_counted_exactly() -> Outcome {
    let prices = std::fs::read(fixture("controls/ask/prices.csv"))?;
    let calendar = Calendar::of_zone("UTC")?;
    let list = price_list(&prices, &Name::new("contract")?, calendar).map_err(|error| format!("{error:?}"))?;
    let book = Book::new(list.iter().map(|listed| &listed.row));
    let admission = Admission {
        unpriced: Doubt::Refuse,
        unknown_department: Doubt::Refuse,
        on_failure: Doubt::Refuse,
        output_unknown: 2_048,
        output_at_most: None,
        settled_for: Seconds::new(0),
    };
    let expected = csv("ask/expected.csv")?;
    for (row, expected) in csv("ask/asks.csv")?.iter().zip(&expected) {
        let mut known = Quantities::NONE;
        for meter in [Meter::Input, Meter::CacheRead, Meter::CacheWrite] {
            if !row[meter.name()].is_empty() {
                known.set(meter, number(&row[meter.name()])?);
            }
        }
        let most = row["output_at_most"].parse().ok();
        let tariff =
            Tariff::of(&book, &model(&row["model"])?, &ServiceTier::standard(), at(0)?, Currency::parse("USD")?);
        let asked = Load::asked(Ask { known: &known, output_at_most: most }, &admission);
        let mut quantities = known.clone();
        quantities.set(Meter::Output, number(&row["used_output"])?);
        let used = Load::used(&quantities);
        let found = [Some(asked.tokens(None)), asked.nanos(&tariff), Some(used.tokens(None)), used.nanos(&tariff)];
        let wanted =
            ["tokens_reserved", "nanos_reserved", "tokens_used", "nanos_used"].map(|name| number(&expected[name]));
        let wanted = wanted.into_iter().collect::<Outcome<Vec<i64>>>()?;
        assert_eq!(found.to_vec(), wanted.into_iter().map(Some).collect::<Vec<_>>(), "{}", row["id"]);
    }
    assert_eq!(expected.len(), 8);
    Ok(())
}

#[test]
fn a_budget_for_money_falls_back_to_cheaper_models() -> Outcome {
    let prices = std::fs::read_to_string(fixture("controls/budget-guard/prices.csv"))?;
    let (leased, once) = (under(&prices, &policy("models")?)?, under(&prices, &policy("models")?)?);
    let guard = guard(&leased, "one", at(0)?)?;
    let books = Books::read(&once.ledger())?;
    let nobody = TagSet::new();
    let expected = csv("budget-guard/expected.csv")?;
    for (place, (row, expected)) in csv("budget-guard/requests.csv")?.iter().zip(&expected).enumerate() {
        let (tokens, now) = (number(&row["tokens"])?, at(i64::try_from(place)?)?);
        let (reason, permit) = parts(ask(&guard, &nobody, &row["model"], tokens, now)?);
        let found = permit.as_ref().map_or("", |permit| permit.model().name.as_str()).to_owned();
        let found = (reason.map_or("", Reason::name), found);
        assert_eq!(found, (expected["reason"].as_str(), expected["model"].clone()), "{}, leases", row["id"]);
        if let Some(permit) = permit {
            guard.settle(permit, Settlement::Used { at: now, quantities: &input(tokens) }, now)?;
        }
        let known = input(tokens);
        let asked = model(&row["model"])?;
        let request = Request {
            caller: Caller { tags: &nobody },
            model: &asked,
            tier: &ServiceTier::standard(),
            ask: Ask { known: &known, output_at_most: Some(0) },
            source: "batch",
            now,
            or_downgrade: true,
        };
        let ruling = books.admit_once(&request, Count::Estimate, &Silent)?;
        let found = ruling.model.as_ref().map_or("", |model| model.name.as_str());
        let reason = ruling.reason().map_or("", Reason::name);
        assert_eq!((reason, found), (expected["reason"].as_str(), expected["model"].as_str()), "{}, once", row["id"]);
        if let Some(company) = ruling.counters.iter().find(|counter| counter.limit == "company") {
            let used = (company.most - company.left) / 10_000_000;
            assert_eq!(format!("{}.{:02}", used / 100, used % 100), expected["used"], "{}", row["id"]);
        }
        // A refusal names the other models and what is left.
        if row["id"] == "nothing fits" {
            assert_eq!(
                ruling.also.iter().map(Refusal::model).collect::<Vec<_>>(),
                ["gemini-2.5-flash", "deepseek-v3.2"]
            );
            let message = ruling.first().ok_or("no refusal")?.message(now);
            let says = "budget \"company\" is used up: 499.8 of 500 USD are used, and the request needs 15 USD. It starts again on 2026-12-01.";
            assert_eq!(message, says);
        }
    }
    assert_eq!(expected.len(), 16);
    Ok(())
}

/// A case with its permits and the units of each.
type Case = (Desk, Guard, BTreeMap<String, (Permit, i64)>);

#[test]
fn a_breaker_opens_probes_and_closes() -> Outcome {
    let prices = super::PRICES;
    let expected = csv("breaker/expected.csv")?;
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for (step, expected) in csv("breaker/steps.csv")?.iter().zip(&expected) {
        let now = at(number(&step["tenths"])?)?;
        if !cases.contains_key(&step["case"]) {
            let desk = under(prices, &policy("departments")?)?;
            let guard = guard(&desk, "one", at(0)?)?;
            cases.insert(step["case"].clone(), (desk, guard, BTreeMap::new()));
        }
        let (desk, guard, permits) = cases.get_mut(&step["case"]).ok_or("no case")?;
        let told = format!("{} {} {} {}", step["case"], step["tenths"], step["action"], step["request"]);
        let marketing = tags(&[("department", "marketing")])?;
        let permit = permits.remove(&step["request"]);
        match (step["action"].as_str(), permit) {
            ("ask", _) => {
                let tokens = number(&step["tokens"])?;
                let decision = ask(guard, &marketing, "gpt-4.1", tokens, now)?;
                let again = if let Decision::Refuse(refused) = &decision { refused.again_at } else { None };
                let (reason, permit) = parts(decision);
                assert_eq!(reason.map_or("", Reason::name), expected["reason"], "{told}");
                let wanted = expected["again"].parse().ok().map(at).transpose()?;
                assert_eq!(again, wanted, "{told}");
                if let Some(permit) = permit {
                    permits.insert(step["request"].clone(), (permit, tokens));
                }
            }
            ("use", Some((permit, tokens))) => {
                guard.settle(permit, Settlement::Used { at: now, quantities: &input(tokens) }, now)?;
            }
            (_, Some((permit, _))) => {
                guard.settle(permit, Settlement::Nothing, now)?;
            }
            (_, None) => return Err(format!("{told}: was not admitted").into()),
        }
        let status = Books::read(&desk.ledger())?.breaker_status(&GuardedRequest::default(), now)?;
        assert_eq!(status.rows[0][2].plain(), expected["state"], "{told}");
        // What the process holds counts as used: a thousandth of the limit that it took in advance, and what came back to it.
        if step["case"] == "unused" && step["action"] == "fail" {
            continue;
        }
        let (window, wanted) = (number(&status.rows[0][3].plain())?, number(&expected["window"])?);
        assert!((wanted..=wanted + 1_000).contains(&window), "{told}: {window}, expected {wanted}");
    }
    assert_eq!((cases.len(), expected.len()), (6, 42));
    Ok(())
}

#[test]
fn quotas_let_the_published_bursts_pass() -> Outcome {
    let mut cases: BTreeMap<String, (Desk, Guard)> = BTreeMap::new();
    let expected = csv("quotas/expected.csv")?;
    for (step, expected) in csv("quotas/steps.csv")?.iter().zip(&expected) {
        let now = at(number(&step["tenths"])?)?;
        if !cases.contains_key(&step["policy"]) {
            let prices = std::fs::read_to_string(fixture("controls/budget-guard/prices.csv"))?;
            let prices = format!("{prices}gpt-4.1,input,USD,2,2026-01-01\n");
            let desk = under(&prices, &policy(&step["policy"])?)?;
            let guard = guard(&desk, "one", at(0)?)?;
            cases.insert(step["policy"].clone(), (desk, guard));
        }
        let (_, guard) = cases.get(&step["policy"]).ok_or("no case")?;
        let caller = tags(&[("project", step["project"].as_str()), ("tier", step["tag"].as_str())])?;
        let mut passed = 0;
        for _ in 0..number(&step["requests"])? {
            let (_, permit) = parts(ask(guard, &caller, &step["model"], number(&step["tokens"])?, now)?);
            if let Some(permit) = permit {
                passed += 1;
                let quantities = input(number(&step["tokens"])?);
                guard.settle(permit, Settlement::Used { at: now, quantities: &quantities }, now)?;
            }
        }
        assert_eq!(passed.to_string(), expected["passed"], "{step:?}");
    }
    assert_eq!(expected.len(), 16);
    Ok(())
}
