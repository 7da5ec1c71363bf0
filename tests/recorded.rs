//! The comparison of recorded bodies with the expected results: each rule explains its own differences and no others.

#[path = "../examples/compare_usages/comparison/mod.rs"]
mod comparison;

use crate::desk::{Outcome, fixture};
use comparison::{AT, Asked};
use tokenbook::domain::timestamp::Timestamp;

/// Compares a fixture. Returns whether nothing differs, and the output.
fn compared(file: &str, with_prices: bool, at: &str) -> Outcome<(bool, String)> {
    let folder = fixture("recorded");
    let catalog = with_prices.then(|| folder.join("catalogue.json"));
    let asked = Asked { file: folder.join(file), catalog, at: Timestamp::parse(at)? };
    let mut out = Vec::new();
    let same = comparison::run(&asked, &mut out)?;
    Ok((same, String::from_utf8(out)?))
}

#[test]
fn every_rule_explains_what_it_is_for() -> Outcome {
    let (same, told) = compared("usages.json", true, AT)?;
    let expected = "\
1 bodies other by the rule iterations-are-events
1 bodies other by the rule text-is-the-rest
8 bodies: 6 the same, 2 explained, 0 different
1 prices other by the rule a-provider-is-itself
1 prices other by the rule another-reader
1 prices other by the rule iterations-are-events
1 prices other by the rule names-are-exact
1 prices other by the rule no-prices-by-the-hour
1 prices other by the rule parts-need-prices
1 prices other by the rule tiers-are-read
10 prices: 3 the same, 7 explained, 0 different
";
    assert_eq!(told, expected);
    assert!(same);
    Ok(())
}

#[test]
fn what_no_rule_explains_is_told_and_fails() -> Outcome {
    let (same, told) = compared("differs.json", true, AT)?;
    let expected = "\
body 0: openai-chat: input_tokens expected 1001, read 1000
body 3: openai-responses: TOTAL
4 bodies: 2 the same, 0 explained, 2 different
body 1, openai:responses aurora-5: expected 0.002500000000001 + 0.003 = 0.005500000000001, found 0.0025 + 0.003 = 0.0055
body 1, azure:responses aurora-5: expected 0.0025 + 0.003 = 0.0056, found no price for input, output, \
by a-provider-is-itself 0.0025 + 0.003 = 0.0055
body 3, openai:responses aurora-5: TOTAL
1 expected prices are finer than 15 decimals and were rounded to them, half to even
4 prices: 1 the same, 0 explained, 3 different
";
    let total = "total_tokens: \"121\" is not the sum of the meters, 120, expected their sum: meters are disjoint, \
                 cached tokens are not part of input_tokens nor reasoning of output_tokens";
    assert_eq!(told, expected.replace("TOTAL", total));
    assert!(!same);
    Ok(())
}

#[test]
fn a_price_is_compared_at_the_instant_it_was_made_for() -> Outcome {
    let (same, told) = compared("usages.json", true, "2025-11-06T20:00:00Z")?;
    let hourly = "expected 0.000055 + 0.0000219 = 0.0000769, found no price for input, output, \
                  by no-prices-by-the-hour 0.0000135 + 0.0000055 = 0.000019";
    assert!(told.contains(hourly), "{told}");
    assert!(told.ends_with("10 prices: 3 the same, 6 explained, 1 different\n"), "{told}");
    assert!(!same);
    Ok(())
}

#[test]
fn without_a_catalogue_prices_are_counted() -> Outcome {
    let (same, told) = compared("usages.json", false, AT)?;
    assert!(told.ends_with("10 prices are not compared: that needs --catalog\n"), "{told}");
    assert!(same);
    Ok(())
}

#[test]
fn every_rule_is_in_the_table() -> Outcome {
    let table = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/RECORDED_USAGE.md"))?;
    let (_, told) = compared("usages.json", true, AT)?;
    let rules: Vec<&str> =
        told.lines().filter_map(|line| line.split_once("by the rule ").map(|(_, rule)| rule)).collect();
    assert_eq!(rules.len(), 9, "{told}");
    for rule in rules {
        assert!(table.contains(&format!("| `{rule}` |")), "{rule} is not in the table");
    }
    Ok(())
}
