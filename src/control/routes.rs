//! Routes: which model a request goes to, by its tags, its model and the size of its prompt. The user's file is not applied to the ledger.
//!
//! The first rule that matches decides. A gateway that follows the same file asks [`Routes::choose`].

use crate::control::scope::{Scope, Usage};
use crate::domain::meter::{Meter, Unit};
use crate::domain::name::Name;
use crate::domain::quantities::Quantities;
use crate::domain::ratio::{Ratio, half_even};

/// What becomes of cached tokens when a request goes to another model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// Nothing is cached there: tokens read from the cache are input.
    Cold,
    /// As much is cached there.
    AsRecorded,
}

impl Cache {
    /// All.
    pub const ALL: [Self; 2] = [Self::Cold, Self::AsRecorded];

    /// The word of the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::AsRecorded => "as recorded",
        }
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRule {
    /// Its name.
    pub name: Name,
    /// Which requests it is about.
    pub scope: Scope,
    /// Only prompts of fewer tokens.
    pub prompt_below: Option<i64>,
    /// Only prompts of more tokens.
    pub prompt_above: Option<i64>,
    /// Femto-units of the currency that cost nothing in each month.
    pub free: Option<i128>,
    /// The model that the request goes to.
    pub model: Name,
    /// How many tokens that model needs for each that was used.
    pub tokens: Ratio,
}

/// The rules of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    /// What becomes of cached tokens.
    pub cache: Cache,
    /// The rules, in their order.
    pub rules: Vec<RouteRule>,
}

impl RouteRule {
    /// Whether a request with a prompt of a size is its.
    pub fn matches(&self, usage: Usage<'_>, prompt: i64) -> bool {
        self.scope.has(usage)
            && self.prompt_below.is_none_or(|bound| prompt < bound)
            && self.prompt_above.is_none_or(|bound| prompt > bound)
    }

    /// What a request uses with the rule's model: each meter of tokens times the factor, rounded half to even.
    pub fn used(&self, recorded: &Quantities, cache: Cache) -> Quantities {
        let mut used = Quantities::NONE;
        for (meter, quantity) in recorded.iter() {
            let meter = match (meter, cache) {
                (Meter::CacheRead, Cache::Cold) => Meter::Input,
                (meter, _) => meter,
            };
            let quantity = if meter.unit() == Unit::Tokens { scaled(quantity, self.tokens) } else { quantity };
            used.set(meter, used.get(meter).unwrap_or(0).saturating_add(quantity));
        }
        used
    }
}

fn scaled(quantity: i64, factor: Ratio) -> i64 {
    let product = factor.numerator().saturating_mul(quantity.into());
    i64::try_from(half_even(product, factor.denominator())).unwrap_or(i64::MAX)
}

impl Routes {
    /// The first rule for a request with a prompt of a size. `may` decides whether a rule with free credits still has some.
    pub fn choose(&self, usage: Usage<'_>, prompt: i64, mut may: impl FnMut(&RouteRule) -> bool) -> Option<&RouteRule> {
        self.rules.iter().find(|rule| rule.matches(usage, prompt) && (rule.free.is_none() || may(rule)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::policy::read_routes::routes;
    use crate::domain::event::Model;
    use crate::domain::name::TagValue;
    use crate::domain::tags::{TagKey, TagSet};
    use std::error::Error;

    type Outcome<T = ()> = Result<T, Box<dyn Error>>;

    const FILE: &str = r#"
document = "routes/1"
cache = "cold"
route = [
    { name = "credits", free = "10", model = "a", tag = { tier = "free" } },
    { name = "small", prompt_below = 100, model = "b", tokens = "1.05" },
    { name = "long", prompt_above = 1_000, model = "c" },
]
"#;

    #[test]
    fn the_first_rule_that_matches_decides() -> Outcome {
        let read = routes(FILE).map_err(|problems| format!("{problems:?}"))?;
        let model = Model { provider: None, name: Name::new("m")? };
        let (mut free, none) = (TagSet::new(), TagSet::new());
        free.insert(TagKey::new("tier")?, TagValue::new("free")?);
        for (tags, prompt, has_credits, expected) in [
            (&free, 5, true, Some("credits")),
            (&free, 5, false, Some("small")),
            (&none, 99, true, Some("small")),
            (&none, 100, true, None),
            (&none, 1_000, true, None),
            (&none, 1_001, true, Some("long")),
        ] {
            let found = read.choose(Usage { tags, model: &model }, prompt, |_| has_credits);
            assert_eq!(found.map(|rule| rule.name.as_str()), expected, "{prompt} {has_credits}");
        }
        Ok(())
    }

    #[test]
    fn tokens_are_scaled_half_to_even_once_a_meter_and_cold_caches_are_input() -> Outcome {
        let read = routes(FILE).map_err(|problems| format!("{problems:?}"))?;
        let small = read.rules.iter().find(|rule| rule.name.as_str() == "small").ok_or("no rule")?;
        let mut recorded = Quantities::NONE;
        for (meter, quantity) in [(Meter::Input, 10), (Meter::CacheRead, 30), (Meter::Output, 50), (Meter::Request, 1)]
        {
            recorded.set(meter, quantity);
        }
        // 10.5 is 10, 31.5 is 32, 52.5 is 52; requests are no tokens.
        let cold = small.used(&recorded, Cache::Cold);
        assert_eq!(cold.iter().collect::<Vec<_>>(), [(Meter::Input, 42), (Meter::Output, 52), (Meter::Request, 1)]);
        let warm = small.used(&recorded, Cache::AsRecorded);
        assert_eq!((warm.get(Meter::Input), warm.get(Meter::CacheRead)), (Some(10), Some(32)));
        Ok(())
    }
}
