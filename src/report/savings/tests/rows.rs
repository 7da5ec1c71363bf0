//! What the rows of the savings report guarantee: what they compare, what they leave out, and that the parts add up.

use super::{By, ENGINEERING, Failure, Figures, HEADER, Ledger, MARKETING, Outcome, printed};
use crate::domain::meter::Meter;
use crate::sheet::Cell;
use proptest::prelude::*;

const TWO_MODELS: &str = "\
,,big,input,,,USD,10,,2026-01-01
,,big,output,,,USD,10,,2026-01-01
,,small,input,,,USD,1,,2026-01-01
,,small,output,,,USD,1,,2026-01-01
";

#[test]
fn the_first_substitute_whose_conditions_all_hold_is_taken() -> Outcome {
    let mut ledger = Ledger::new("USD", &format!("{HEADER}{TWO_MODELS},,middle,input,,,USD,4,,2026-01-01\n"))?;
    ledger.used((&["department=sales", "environment=dev"], "big", ""), &[(Meter::Input, 1_000_000)])?;
    ledger.used((&["department=sales", "environment=prod"], "big", ""), &[(Meter::Input, 1_000_000)])?;
    ledger.used((&["department=sales", "environment=dev"], "middle", ""), &[(Meter::Input, 1_000_000)])?;
    ledger.used((&["department=legal", "user=ann"], "big", ""), &[(Meter::Input, 1_000_000)])?;
    ledger.used((&[], "big", ""), &[(Meter::Input, 1_000_000)])?;
    let offers = r#"
[[offer]]
name = "Smaller"
substitute = [
  { from = "big", to = "small", where = { department = "sales", environment = "dev" } },
  { from = "big", to = "middle", where = { department = "sales" } },
  { from = "big", to = "small", where = { "tag.user" = "ann", service_tier = "standard" } },
  { from = "big", to = "small", where = { department = "Sales" } },
]
"#;
    let report = ledger.report(offers, By::Department)?;
    assert_eq!(
        printed(&report),
        [
            "Smaller,(unallocated),USD,10.00,10.00,0.00,0.0,0.00,0",
            "Smaller,legal,USD,10.00,1.00,9.00,90.0,108.00,0",
            "Smaller,sales,USD,24.00,9.00,15.00,62.5,180.00,0",
        ]
    );
    assert_eq!(
        report.heading.caveats,
        ["offer \"Smaller\": the substitution for \"big\" matched no usage; check `where` and `from`"]
    );
    Ok(())
}

#[test]
fn a_substitute_takes_the_price_of_its_provider() -> Outcome {
    let prices = "\
,acme,big,input,,,USD,10,,2026-01-01
,acme,small,input,,,USD,2,,2026-01-01
,,small,input,,,USD,1,,2026-01-01
";
    let mut ledger = Ledger::new("USD", &format!("{HEADER}{prices}"))?;
    ledger.used((ENGINEERING, "acme/big", ""), &[(Meter::Input, 1_000_000)])?;
    let offers = r#"
[[offer]]
name = "Acme's"
substitute = [{ from = "big", to = "small", to_provider = "acme" }]

[[offer]]
name = "The same provider's"
substitute = [{ from = "big", to = "small" }]
"#;
    let rows = ledger.by_offer(offers)?;
    assert_eq!(
        rows,
        ["Acme's,USD,10.00,2.00,8.00,80.0,96.00,0", "The same provider's,USD,10.00,2.00,8.00,80.0,96.00,0"]
    );
    Ok(())
}

#[test]
fn what_only_one_side_prices_is_left_out_on_both() -> Outcome {
    let prices =
        format!("{HEADER}{TWO_MODELS},,big,request,,,USD,1,1,2026-01-01\nother,,big,input,,,USD,5,,2026-01-01\n");
    let mut ledger = Ledger::new("USD", &prices)?;
    ledger.tokens(ENGINEERING, "big", 1_000_000, 300_000)?;
    ledger.tokens(MARKETING, "small", 400_000, 0)?;
    ledger.used((MARKETING, "small", ""), &[(Meter::Request, 3)])?;
    ledger.tokens(MARKETING, "unheard-of", 7, 2)?;
    let report = ledger.report("[[offer]]\nname = \"Other\"\nbook = \"other\"\n", By::Department)?;
    assert_eq!(
        printed(&report),
        ["Other,engineering,USD,10.00,5.00,5.00,50.0,60.00,300000", "Other,marketing,USD,0.00,0.00,0.00,,0.00,400009",]
    );
    let caveat = "offer \"Other\": not compared: 9 tokens (contract: no price in force), \
                  700000 tokens (offer: no price in force)";
    assert_eq!(report.heading.caveats, [caveat]);
    assert_eq!(report.rows.get(1).and_then(|row| row.get(6)), Some(&Cell::Unknown("nothing charged")));
    Ok(())
}

#[test]
fn requests_that_only_one_side_charges_are_compared() -> Outcome {
    let requests = ",,big,request,,,USD,1,1000,2026-01-01\n,,small,request,,,USD,1,1000,2026-01-01\n";
    let prices = format!("{HEADER}{TWO_MODELS}{requests}other,,big,input,,,USD,5,,2026-01-01\n");
    let mut ledger = Ledger::new("USD", &prices)?;
    ledger.used((ENGINEERING, "big", ""), &[(Meter::Request, 500), (Meter::Input, 1_000_000)])?;
    // The other book does not know this model, so it is unknown whether its requests are free.
    ledger.used((ENGINEERING, "small", ""), &[(Meter::Request, 500), (Meter::Input, 1_000_000)])?;
    let report = ledger.report("[[offer]]\nname = \"Other\"\nbook = \"other\"\n", By::Offer)?;
    assert_eq!(printed(&report), ["Other,USD,10.50,5.00,5.50,52.4,66.00,1000000"]);
    let caveat = "offer \"Other\": not compared: 500 requests (offer: no price in force), \
                  1000000 tokens (offer: no price in force)";
    assert_eq!(report.heading.caveats, [caveat]);
    Ok(())
}

#[test]
fn a_flat_plan_without_a_price_beyond_compares_the_included_share() -> Outcome {
    let mut ledger = Ledger::new("USD", &format!("{HEADER}{TWO_MODELS},,big,web_search,,,USD,10,1000,2026-01-01\n"))?;
    ledger.tokens(ENGINEERING, "big", 2_000_000, 0)?;
    ledger.used((MARKETING, "big", ""), &[(Meter::Input, 1_000_000), (Meter::WebSearch, 12)])?;
    let plan = |rest: &str| format!("[[offer]]\nname = \"Plan\"\nmonthly_fee = 10\n{rest}");
    let report = ledger.report(&plan("included_tokens = \"1000000\""), By::Department)?;
    // A third of 20 and of 10, the fee by tokens.
    assert_eq!(
        printed(&report),
        ["Plan,engineering,USD,6.67,6.67,0.00,0.0,0.00,1333333", "Plan,marketing,USD,3.33,3.33,0.00,0.0,0.00,666667",]
    );
    let caveat = "offer \"Plan\": not compared: 2000000 tokens (beyond the included tokens, which have no price), \
                  12 searches (the plan includes tokens only)";
    assert_eq!(report.heading.caveats, [caveat]);
    let beyond = ledger.by_offer(&plan("included_tokens = 1000000\nprice_beyond = \"2.50\""))?;
    assert_eq!(beyond, ["Plan,USD,30.00,15.00,15.00,50.0,180.00,0"]);
    let everything = ledger.by_offer(&plan(""))?;
    assert_eq!(everything, ["Plan,USD,30.12,10.00,20.12,66.8,241.44,0"]);
    Ok(())
}

#[test]
fn a_plan_is_paid_for_every_month_and_twelve_months_are_a_year() -> Outcome {
    let mut ledger = Ledger::new("USD", &format!("{HEADER}{TWO_MODELS}"))?;
    ledger.months = 3;
    ledger.tokens(ENGINEERING, "big", 7_000_000, 0)?;
    let offers = "[[offer]]\nname = \"Plan\"\nmonthly_fee = 10\nincluded_tokens = 2000000\nprice_beyond = 1\n";
    assert_eq!(ledger.by_offer(offers)?, ["Plan,USD,70.00,31.00,39.00,55.7,156.00,0"]);
    Ok(())
}

#[test]
fn percentages_and_the_exchange_rate_hold_for_a_plan_too() -> Outcome {
    let mut ledger = Ledger::new("USD", &format!("{HEADER}{TWO_MODELS}"))?;
    ledger.tokens(ENGINEERING, "big", 20_000_000, 0)?;
    let offers = r#"
[charged]
currency = "EUR"
exchange_rate = "0.9"

[[offer]]
name = "Plan"
monthly_fee = 100
discount_percent = 20
card_fee_percent = 3
exchange_spread_percent = 2
"#;
    // 100 x 0.8 x 1.05 = 84 USD.
    assert_eq!(ledger.by_offer(offers)?, ["Plan,EUR,180.00,75.60,104.40,58.0,1252.80,0"]);
    Ok(())
}

#[test]
fn a_fee_is_due_although_nothing_was_used() -> Outcome {
    let ledger = Ledger::new("USD", &format!("{HEADER}{TWO_MODELS}"))?;
    let report = ledger.report("[[offer]]\nname = \"Plan\"\nmonthly_fee = 10\n", By::Department)?;
    assert_eq!(printed(&report), ["Plan,(unallocated),USD,0.00,10.00,-10.00,,-120.00,0"]);
    Ok(())
}

#[test]
fn an_offer_in_a_currency_of_its_own_is_exchanged_at_its_rate() -> Outcome {
    let mut ledger = Ledger::new("USD", &format!("{HEADER}{TWO_MODELS}euro,,big,input,,,EUR,8,,2026-01-01\n"))?;
    ledger.used((ENGINEERING, "big", ""), &[(Meter::Input, 1_000_000)])?;
    let offers = r#"
[[offer]]
name = "In euros"
book = "euro"
currency = "EUR"
exchange_rate = "1.1"
discount_percent = "50"

[[offer]]
name = "Forgotten currency"
book = "euro"
"#;
    let report = ledger.report(offers, By::Offer)?;
    assert_eq!(
        printed(&report),
        ["In euros,USD,10.00,4.40,5.60,56.0,67.20,0", "Forgotten currency,USD,0.00,0.00,0.00,,0.00,1000000"]
    );
    let caveat = "offer \"Forgotten currency\": not compared: 1000000 tokens \
                  (offer: the price is in another currency and there is no exchange rate)";
    assert_eq!(report.heading.caveats, [caveat]);
    Ok(())
}

#[test]
fn a_substitute_priced_by_prompt_sizes_the_usage_does_not_tell_is_not_compared() -> Outcome {
    let tiers = ",,tiered,input,,,USD,2,,2026-01-01\n,,tiered,input,,200000,USD,4,,2026-01-01\n";
    let offers = "[[offer]]\nname = \"Tiered\"\nsubstitute = [{ from = \"big\", to = \"tiered\" }]\n";
    let mut ledger = Ledger::new("USD", &format!("{HEADER}{TWO_MODELS}{tiers}"))?;
    ledger.used((ENGINEERING, "big", ""), &[(Meter::Input, 1_000_000)])?;
    assert_eq!(ledger.by_offer(offers)?, ["Tiered,USD,0.00,0.00,0.00,,0.00,1000000"]);
    // A cut at a larger prompt size does not help either; a cut at the same size does.
    ledger.thresholds.insert("big".to_owned(), vec![400_000]);
    assert_eq!(ledger.by_offer(offers)?, ["Tiered,USD,0.00,0.00,0.00,,0.00,1000000"]);
    ledger.thresholds.insert("big".to_owned(), vec![200_000]);
    assert_eq!(ledger.by_offer(offers)?, ["Tiered,USD,10.00,2.00,8.00,80.0,96.00,0"]);
    Ok(())
}

#[test]
fn a_substitute_whose_price_changes_within_the_day_is_not_compared() -> Outcome {
    let change = ",,small,input,,,USD,2,,2026-10-05T12:00:00Z\n";
    let mut ledger = Ledger::new("USD", &format!("{HEADER}{TWO_MODELS}{change}"))?;
    ledger.used((ENGINEERING, "big", ""), &[(Meter::Input, 1_000_000)])?;
    let offers = "[[offer]]\nname = \"Small\"\nsubstitute = [{ from = \"big\", to = \"small\" }]\n";
    assert_eq!(ledger.by_offer(offers)?, ["Small,USD,0.00,0.00,0.00,,0.00,1000000"]);
    Ok(())
}

#[test]
fn a_book_without_prices_is_an_error_that_names_it() -> Outcome {
    let ledger = Ledger::new("USD", &format!("{HEADER}{TWO_MODELS}"))?;
    let error = ledger.compare("[[offer]]\nname = \"Other\"\nbook = \"othr\"\n").err().map(|error| error.to_string());
    let expected = "offer \"Other\": the book \"othr\" contains no prices, expected a book with prices";
    assert_eq!(error.as_deref(), Some(expected));
    Ok(())
}

const SHARED: &str = r#"
[charged]
currency = "EUR"
exchange_rate = "0.9173"

[[offer]]
name = "Included only"
monthly_fee = "7.77"
included_tokens = 1000
card_fee_percent = "2.9"

[[offer]]
name = "Beyond"
monthly_fee = "0.01"
included_tokens = 1000
price_beyond = "3.333333"

[[offer]]
name = "Discount"
discount_percent = "33.3"
exchange_spread_percent = "1.25"
substitute = [{ from = "big", to = "small", where = { department = "b" } }]
"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn department_rows_add_up_to_their_offer(
        usage in prop::collection::vec((0_usize..6, any::<bool>(), 0_i64..3_000_000, 0_i64..90_000), 0..20),
        months in 1_u32..14,
    ) {
        let failed = |error: Failure| TestCaseError::fail(error.to_string());
        adds_up(&usage, months).map_err(failed)?;
    }
}

fn adds_up(usage: &[(usize, bool, i64, i64)], months: u32) -> Outcome {
    let mut ledger = Ledger::new("USD", &format!("{HEADER}{TWO_MODELS}"))?;
    ledger.months = months;
    let tags: [&[&str]; 6] =
        [&[], &["department=a"], &["department=b"], &["department=c"], &["department=d"], &["department=e"]];
    for (department, big, input, output) in usage {
        ledger.tokens(tags.get(*department).ok_or("tags")?, if *big { "big" } else { "small" }, *input, *output)?;
    }
    let (offers, departments) = (ledger.report(SHARED, By::Offer)?, ledger.report(SHARED, By::Department)?);
    let number = |cell: Option<&Cell>| match cell {
        Some(Cell::Fixed { value, .. } | Cell::Count(value)) => Ok(*value),
        other => Err(format!("{other:?} is not a number")),
    };
    for offer in &offers.rows {
        // charged, offered, difference, twelve_months, uncompared_tokens
        for column in [2, 3, 4, 6, 7] {
            let of_offer = departments.rows.iter().filter(|row| row.first() == offer.first());
            let parts = of_offer.map(|row| number(row.get(column + 1))).collect::<Result<Vec<_>, _>>()?;
            let (whole, sum) = (number(offer.get(column))?, parts.iter().sum::<i128>());
            if whole != sum {
                return Err(format!("column {column}: {parts:?} are {sum}, not {whole}").into());
            }
        }
    }
    for comparison in ledger.compare(SHARED)? {
        if Figures::total(comparison.departments.values())? != comparison.total {
            return Err("exact figures do not add up".into());
        }
    }
    Ok(())
}

#[test]
fn a_substitute_has_the_provider_and_the_tier_of_the_usage_unless_it_names_others() -> Outcome {
    let prices = "\
,acme,big,input,,,USD,10,,2026-01-01
,acme,big,input,batch,,USD,5,,2026-01-01
,acme,small,input,,,USD,2,,2026-01-01
,acme,small,input,batch,,USD,1,,2026-01-01
,other,small,input,,,USD,3,,2026-01-01
";
    let mut ledger = Ledger::new("USD", &format!("{HEADER}{prices}"))?;
    ledger.used((ENGINEERING, "acme/big", ""), &[(Meter::Input, 1_000_000)])?;
    ledger.used((MARKETING, "acme/big", "batch"), &[(Meter::Input, 1_000_000)])?;
    let offers = r#"
[[offer]]
name = "own provider, own tier"
substitute = [{ from = "big", to = "small" }]

[[offer]]
name = "to batch"
substitute = [{ from = "big", to_tier = "batch" }]

[[offer]]
name = "to batch on the small one"
substitute = [{ from = "big", to = "small", to_tier = "batch", where = { service_tier = "standard" } }]

[[offer]]
name = "other provider"
substitute = [{ from = "big", to = "small", to_provider = "other", to_tier = "standard", where = { provider = "acme" } }]
"#;
    // 10 + 5 were charged.
    assert_eq!(
        ledger.by_offer(offers)?,
        [
            "own provider, own tier,USD,15.00,3.00,12.00,80.0,144.00,0",
            "to batch,USD,15.00,10.00,5.00,33.3,60.00,0",
            "to batch on the small one,USD,15.00,6.00,9.00,60.0,108.00,0",
            "other provider,USD,15.00,6.00,9.00,60.0,108.00,0",
        ]
    );
    Ok(())
}

#[test]
fn a_condition_on_a_tag_that_no_usage_has_is_an_error() -> Outcome {
    let mut ledger =
        Ledger::new("USD", &format!("{HEADER},,big,input,,,USD,10,,2026-01-01\n,,small,input,,,USD,1,,2026-01-01\n"))?;
    let offers = "[[offer]]\nname = \"A\"\nsubstitute = [{ from = \"big\", to = \"small\", where = { \"tag.api_kee\" = \"k\" } }]\n";
    // Nothing was used yet: the tag may still come.
    assert_eq!(ledger.by_offer(offers)?, ["A,USD,0.00,0.00,0.00,,0.00,0"]);
    ledger.used((&["department=sales", "api_key=k"], "big", ""), &[(Meter::Input, 1_000_000)])?;
    let error = ledger.by_offer(offers).err().ok_or("no error")?;
    assert_eq!(error.to_string(), "offer \"A\": no usage has the tag \"api_kee\", expected one of api_key, department");
    assert_eq!(ledger.by_offer(&offers.replace("kee", "key"))?, ["A,USD,10.00,1.00,9.00,90.0,108.00,0"]);
    Ok(())
}

#[test]
fn a_substitute_without_any_price_is_an_error_that_names_who_has_prices() -> Outcome {
    let prices = ",acme,big,input,,,USD,10,,2026-01-01\n,other,small,input,,,USD,3,,2026-01-01\n";
    let mut ledger = Ledger::new("USD", &format!("{HEADER}{prices}"))?;
    ledger.used((ENGINEERING, "acme/big", ""), &[(Meter::Input, 1_000_000)])?;
    for (to, expected) in [
        (
            "small",
            "no price for the substitute \"small\" of acme at the tier standard, expected `to_provider` to be other, for which there are prices",
        ),
        (
            "tiny",
            "no price for the substitute \"tiny\" of acme at the tier standard, expected prices of it in the offer's book",
        ),
    ] {
        let offers = format!("[[offer]]\nname = \"A\"\nsubstitute = [{{ from = \"big\", to = \"{to}\" }}]\n");
        let error = ledger.by_offer(&offers).err().ok_or("no error")?;
        assert_eq!(error.to_string(), format!("offer \"A\": {expected}"));
    }
    let tier = "[[offer]]\nname = \"A\"\nsubstitute = [{ from = \"big\", to_tier = \"bacth\" }]\n";
    let error = ledger.by_offer(tier).err().ok_or("no error")?;
    assert!(
        error.to_string().ends_with("of acme at the tier bacth, expected a tier that has prices, in `to_tier`"),
        "{error}"
    );
    // A failed call needs no price, so it proves nothing of the substitute.
    let mut idle = Ledger::new("USD", &format!("{HEADER}{prices}"))?;
    idle.used((ENGINEERING, "acme/big", ""), &[(Meter::Input, 0), (Meter::Request, 1)])?;
    idle.by_offer("[[offer]]\nname = \"A\"\nsubstitute = [{ from = \"big\", to = \"tiny\" }]\n")?;
    Ok(())
}
