//! Tests of rules: shares that add up, rules that hide others, and how subjects are written.
#![expect(clippy::indexing_slicing, reason = "places that the test itself drew from fixed arrays")]

use super::*;
use proptest::prelude::*;

fn payer(department: &str) -> Payer {
    Payer { department: TagValue::new(department).ok(), ..Payer::default() }
}

fn shares(weights: &[(&str, i128, i128)]) -> Result<Shares, SharesError> {
    let weight = |(name, over, under): &(&str, i128, i128)| Some((payer(name), Ratio::new(*over, *under)?));
    // Without a weight that is none, nobody would pay: no case expects that by mistake.
    Shares::new(weights.iter().map(weight).collect::<Option<_>>().unwrap_or_default())
}

#[test]
fn weights_are_parts_of_one_whole() {
    let parts = |shares: &Shares| shares.iter().map(|share| share.part).collect::<Vec<_>>();
    let thirds = shares(&[("c", 1, 3), ("a", 1, 2), ("b", 1, 6)]);
    assert_eq!(thirds.as_ref().map(parts), Ok(vec![3, 1, 2]), "in the order of the payers");
    assert_eq!(thirds.map(|shares| shares.whole()), Ok(6));
    assert_eq!(shares(&[("a", 50, 100), ("b", 1, 2)]), shares(&[("a", 1, 2), ("b", 1, 2)]));
}

#[test]
fn weights_that_are_not_one_are_refused() {
    let third = ("a", 3_333, 10_000);
    let sum = Ratio::new(9_999, 10_000).map_or(SharesError::Nobody, SharesError::NotOne);
    assert_eq!(shares(&[third, ("b", 3_333, 10_000), ("c", 3_333, 10_000)]), Err(sum));
    assert_eq!(shares(&[("a", 1, 2), ("a", 1, 2)]), Err(SharesError::Twice));
    assert_eq!(shares(&[("a", 3, 2), ("b", -1, 2)]), Err(SharesError::NotPositive));
    assert_eq!(shares(&[("a", 1, 1), ("b", 0, 1)]), Err(SharesError::NotPositive));
    assert_eq!(shares(&[]), Err(SharesError::Nobody));
    assert_eq!(Shares::new(vec![(Payer::default(), Ratio::ONE)]), Err(SharesError::Nameless));
    let tiny = i128::from(WHOLE_LIMIT) + 1;
    assert_eq!(shares(&[("a", 1, tiny), ("b", tiny - 1, tiny)]), Err(SharesError::TooFine));
    assert!(shares(&[("a", 1, tiny - 1), ("b", tiny - 2, tiny - 1)]).is_ok());
}

fn rule(name: &str, conditions: &[&str]) -> Option<Rule> {
    let condition = |value: &&str| {
        Some(Condition { subject: Subject::Model, operator: Operator::Equals, value: TagValue::new(value).ok()? })
    };
    Some(Rule {
        name: TagValue::new(name).ok()?,
        line: 1,
        conditions: conditions.iter().map(condition).collect::<Option<_>>()?,
        precedence: Precedence::Tags,
        shares: shares(&[("a", 1, 1)]).ok()?,
    })
}

#[test]
fn a_rule_that_an_earlier_one_hides_is_refused() {
    let set = |rules: &[(&str, &[&str])]| {
        let rules: Option<Vec<Rule>> = rules.iter().map(|(name, conditions)| rule(name, conditions)).collect();
        RuleSet::new(rules.unwrap_or_default()).map(|_| ())
    };
    assert_eq!(set(&[]), Err(RuleSetError::Empty));
    assert_eq!(set(&[("one", &["x", "y"]), ("two", &["x"]), ("rest", &[])]), Ok(()));
    assert_eq!(set(&[("one", &["x"]), ("two", &["x", "y"])]), Err(RuleSetError::Hidden { rule: 1, earlier: 0 }));
    assert_eq!(set(&[("all", &[]), ("two", &["x"])]), Err(RuleSetError::Hidden { rule: 1, earlier: 0 }));
    assert_eq!(set(&[("one", &["x"]), ("one", &["y"])]), Err(RuleSetError::Named { rule: 1, earlier: 0 }));
    // Of several earlier ones the first is named, whichever condition it shares.
    let wide: &[(&str, &[&str])] = &[("x", &["x"]), ("y", &["y"]), ("z", &["z", "y"])];
    assert_eq!(set(wide), Err(RuleSetError::Hidden { rule: 2, earlier: 1 }));
    assert_eq!(
        set(&[("x", &["x"]), ("y", &["y"]), ("all", &["x", "y"])]),
        Err(RuleSetError::Hidden { rule: 2, earlier: 0 })
    );
}

#[test]
fn many_rules_that_share_a_condition_are_compared_fast() {
    let values: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    let rules = values.iter().map(|value| rule(value, &["shared", value])).collect::<Option<Vec<Rule>>>();
    let mut rules = rules.unwrap_or_default();
    assert_eq!(RuleSet::new(rules.clone()).map(|set| set.rules().len()), Ok(20_000));
    rules.extend(rule("last", &["shared", "7", "8"]));
    assert_eq!(RuleSet::new(rules), Err(RuleSetError::Hidden { rule: 20_000, earlier: 7 }));
}

#[test]
fn subjects_are_read_as_they_are_written() {
    for text in ["model", "provider", "source", "department", "project", "environment", "tag.api_key"] {
        assert_eq!(Subject::parse(text).map(|subject| subject.to_string()).as_deref(), Some(text));
    }
    assert_eq!(Subject::parse("tag.department"), Subject::parse("department"));
    assert_eq!(Subject::parse("api_key"), None);
    assert_eq!(Subject::parse("tag.a b"), None);
}

/// The first contradiction, found by comparing each rule with each earlier one.
fn naive(rules: &[Rule]) -> Option<RuleSetError> {
    rules.iter().enumerate().find_map(|(rule, one)| {
        rules[..rule].iter().enumerate().find_map(|(earlier, other)| {
            if other.name == one.name {
                return Some(RuleSetError::Named { rule, earlier });
            }
            let hides = other.conditions.iter().all(|condition| one.conditions.contains(condition));
            hides.then_some(RuleSetError::Hidden { rule, earlier })
        })
    })
}

proptest! {
    #[test]
    fn a_contradiction_is_found_as_by_comparing_every_pair(
        drawn in prop::collection::vec((0..12_u8, prop::collection::btree_set(0..5_u8, 0..4)), 1..10),
    ) {
        let values = ["a", "b", "c", "d", "e"];
        let made = |(name, conditions): &(u8, std::collections::BTreeSet<u8>)| {
            let conditions: Vec<&str> = conditions.iter().map(|place| values[usize::from(*place)]).collect();
            rule(&format!("r{name}"), &conditions)
        };
        let rules: Option<Vec<Rule>> = drawn.iter().map(made).collect();
        let rules = rules.ok_or_else(|| TestCaseError::fail("no rule"))?;
        prop_assert_eq!(RuleSet::new(rules.clone()).err(), naive(&rules));
    }
}
