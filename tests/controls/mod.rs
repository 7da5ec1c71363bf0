//! Limits: the policy file, budgets, alerts.

mod alerts;
mod attacked;
mod clock;
mod counted_once;
mod deliver;
mod documents;
mod guard_file;
mod guarding;
mod model;
mod policy;
mod replay;
mod routing;
mod scopes;
mod status;
mod threads;

use crate::desk::{Desk, Outcome, fixture};

/// The policies of the fixtures.
const POLICIES: [&str; 6] = ["departments", "organisation", "rates", "models", "tiers", "teams"];

/// Prices of the models that the fixtures use, for a million tokens.
const PRICES: &str = "model,meter,currency,price,valid_from\n\
    gpt-4.1,input,USD,2,2026-01-01\ngpt-4.1,output,USD,8,2026-01-01\n\
    gemini-2.5-flash,input,USD,0.30,2026-01-01\ngemini-2.5-flash,output,USD,1.25,2026-01-01\n\
    deepseek-v3.2,input,USD,0.10,2026-01-01\ndeepseek-v3.2,output,USD,0.42,2026-01-01\n\
    claude-sonnet-4,input,USD,3,2026-01-01\nclaude-sonnet-4,output,USD,15,2026-01-01\n\
    claude-sonnet-4.5,input,USD,3,2026-01-01\nclaude-sonnet-4.5,output,USD,15,2026-01-01\n";

/// A desk whose ledger has these prices.
fn priced() -> Outcome<Desk> {
    let desk = Desk::new()?;
    desk.write("prices.csv", PRICES)?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    Ok(desk)
}

/// The text of a policy of the fixtures.
fn policy(name: &str) -> Outcome<String> {
    Ok(std::fs::read_to_string(fixture(&format!("controls/policies/{name}.toml")))?)
}
