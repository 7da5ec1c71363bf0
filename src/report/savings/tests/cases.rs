//! The savings cases that articles published (`fixtures/cases/b*`), each with the figures of its `expected.toml`.
//!
//! Offers and prices come from the fixtures. The tests give the usage of the fixtures by department, as literals.

use super::{By, ENGINEERING, Ledger, MARKETING, Outcome, SUPPORT, printed};
use crate::domain::meter::Meter;
use crate::domain::ratio::Ratio;

macro_rules! case {
    ($folder:literal, $file:literal) => {
        include_str!(concat!("../../../../fixtures/cases/", $folder, "/", $file))
    };
}

const OPUS: &str = "claude-opus-4.7";

#[test]
fn b1_a_flat_plan_against_pay_per_token() -> Outcome {
    let cases = [
        (case!("b1-10", "prices.csv"), case!("b1-10", "offers.toml"), 1, "150.00,89.00,61.00,40.7,732.00,0"),
        (case!("b1-100", "prices.csv"), case!("b1-100", "offers.toml"), 10, "1500.00,399.00,1101.00,73.4,13212.00,0"),
        (
            case!("b1-1000", "prices.csv"),
            case!("b1-1000", "offers.toml"),
            100,
            "15000.00,1899.00,13101.00,87.3,157212.00,0",
        ),
    ];
    for (prices, offers, times, figures) in cases {
        let mut ledger = Ledger::new("USD", prices)?;
        ledger.tokens(ENGINEERING, OPUS, 6_000_000 * times, 2_000_000 * times)?;
        ledger.tokens(MARKETING, OPUS, 1_000_000 * times, 1_000_000 * times)?;
        assert_eq!(ledger.by_offer(offers)?, [format!("Flat plan,USD,{figures}")]);
    }
    Ok(())
}

#[test]
fn b2_the_same_model_at_other_sellers() -> Outcome {
    let mut ledger = Ledger::new("USD", case!("b2", "prices.csv"))?;
    for _ in 0..10 {
        let quantities = [(Meter::Request, 1_000), (Meter::Input, 1_000_000), (Meter::Output, 500_000)];
        ledger.used((ENGINEERING, OPUS, ""), &quantities)?;
    }
    let rows = ledger.by_offer(case!("b2", "offers.toml"))?;
    assert_eq!(
        rows,
        [
            "Seller B,USD,225.00,225.00,0.00,0.0,0.00,0",
            "Seller C,USD,225.00,270.00,-45.00,-20.0,-540.00,0",
            "Seller D,USD,225.00,330.00,-105.00,-46.7,-1260.00,0",
        ]
    );
    Ok(())
}

#[test]
fn b3_mixed_models_at_another_seller() -> Outcome {
    let mut ledger = Ledger::new("USD", case!("b3-2000", "prices.csv"))?;
    ledger.tokens(ENGINEERING, "gpt-4.1", 280_000_000, 120_000_000)?;
    ledger.tokens(SUPPORT, "gemini-2.5-flash", 800_000_000, 400_000_000)?;
    ledger.tokens(MARKETING, "gemini-2.5-flash", 200_000_000, 200_000_000)?;
    let rows = ledger.by_offer(case!("b3-2000", "offers.toml"))?;
    assert_eq!(rows, ["Other seller,USD,4800.00,4200.00,600.00,12.5,7200.00,0"]);

    let mut ledger = Ledger::new("USD", case!("b3-10000", "prices.csv"))?;
    ledger.tokens(ENGINEERING, "gpt-4.1", 1_400_000_000, 600_000_000)?;
    ledger.tokens(SUPPORT, "gemini-2.5-flash", 4_000_000_000, 2_000_000_000)?;
    ledger.tokens(MARKETING, "gemini-2.5-flash", 1_000_000_000, 1_000_000_000)?;
    let rows = ledger.by_offer(case!("b3-10000", "offers.toml"))?;
    // The article prints 23 %; 3,700 / 16,200 is 22.8395… %.
    assert_eq!(rows, ["Other seller,USD,16200.00,12500.00,3700.00,22.8,44400.00,0"]);
    Ok(())
}

#[test]
fn b4_another_model_for_batch_work_only() -> Outcome {
    let mut ledger = Ledger::new("USD", case!("b4", "prices.csv"))?;
    let batch = [(Meter::Input, 100_000_000), (Meter::Output, 28_000_000)];
    ledger.used((ENGINEERING, "gpt-4.1", "batch"), &batch)?;
    let batch = [(Meter::Input, 50_000_000), (Meter::Output, 22_000_000)];
    ledger.used((&["department=research"], OPUS, "batch"), &batch)?;
    ledger.tokens(ENGINEERING, "gpt-4.1", 25_000_000, 12_000_000)?;
    let rows = ledger.by_offer(case!("b4", "offers.toml"))?;
    assert_eq!(rows, ["Batch work on deepseek-v3.2,USD,2400.00,380.00,2020.00,84.2,24240.00,0"]);
    Ok(())
}

#[test]
fn b5_exchange_rates_and_a_currency_without_cents() -> Outcome {
    let mut ledger = Ledger::new("USD", case!("b5-cny", "prices.csv"))?;
    ledger.tokens(ENGINEERING, OPUS, 60_000_000, 20_000_000)?;
    ledger.tokens(MARKETING, OPUS, 12_000_000, 8_000_000)?;
    let report = ledger.report(case!("b5-cny", "offers.toml"), By::Offer)?;
    // The article prints 85 %; 9,450 / 10,950 is 86.3013… %.
    assert_eq!(printed(&report), ["One yuan a dollar,CNY,10950.00,1500.00,9450.00,86.3,113400.00,0"]);
    assert_eq!(report.heading.currency.code(), "CNY");

    let mut ledger = Ledger::new("JPY", case!("b5-jpy", "prices.csv"))?;
    ledger.tokens(ENGINEERING, OPUS, 900_000_000, 300_000_000)?;
    ledger.tokens(SUPPORT, OPUS, 500_000_000, 300_000_000)?;
    let rows = ledger.by_offer(case!("b5-jpy", "offers.toml"))?;
    assert_eq!(rows, ["Other seller,JPY,3000000,450000,2550000,85.0,30600000,0"]);
    Ok(())
}

#[test]
fn b6_what_paying_costs() -> Outcome {
    let mut ledger = Ledger::new("USD", case!("b6", "prices.csv"))?;
    ledger.tokens(ENGINEERING, "gpt-4.1", 300_000_000, 100_000_000)?;
    ledger.tokens(SUPPORT, "gpt-4.1", 150_000_000, 75_000_000)?;
    let rows = ledger.by_offer(case!("b6", "offers.toml"))?;
    assert_eq!(
        rows,
        [
            "By card,USD,5000.00,5145.00,-145.00,-2.9,-1740.00,0",
            "In another currency,USD,5000.00,5062.50,-62.50,-1.2,-750.00,0",
            "By card in another currency,USD,5000.00,5207.50,-207.50,-4.2,-2490.00,0",
        ],
        "-1.25 % and -4.15 % are ties and go to the even tenth"
    );
    Ok(())
}

#[test]
fn b7_falling_back_to_a_cheaper_model() -> Outcome {
    let mut ledger = Ledger::new("USD", case!("b7", "prices.csv"))?;
    for _ in 0..4 {
        let quantities = [(Meter::Request, 250), (Meter::Input, 350_000), (Meter::Output, 150_000)];
        ledger.used((ENGINEERING, OPUS, ""), &quantities)?;
    }
    let rows = ledger.by_offer(case!("b7", "offers.toml"))?;
    assert_eq!(
        rows,
        [
            "Fall back to claude-sonnet-4.5,USD,30.00,6.00,24.00,80.0,288.00,0",
            "Fall back to gpt-4.1,USD,30.00,16.00,14.00,46.7,168.00,0",
            "Fall back to gemini-2.5-flash,USD,30.00,5.00,25.00,83.3,300.00,0",
        ]
    );
    let a_request = Ratio::new(1, 1_000).ok_or("ratio")?;
    let saved = ledger.compare(case!("b7", "offers.toml"))?.into_iter().map(|c| c.total.difference.scaled(a_request));
    let saved: Vec<String> = saved.map(|saved| saved.map(|saved| saved.to_string())).collect::<Result<_, _>>()?;
    assert_eq!(saved, ["0.024", "0.014", "0.025"]);
    Ok(())
}
