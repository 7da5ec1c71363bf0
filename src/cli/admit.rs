//! `tokenbook admit`: decides whether a request may go under the limits in force.

use super::Session;
use super::options::tag_of;
use crate::cli::failure::{Code, Exit, Failure};
use clap::builder::PossibleValuesParser;
use tokenbook::control::ask::Ask;
use tokenbook::control::limit::Measure;
use tokenbook::domain::event::{Model, ServiceTier};
use tokenbook::domain::meter::Meter;
use tokenbook::domain::name::{Name, TagValue};
use tokenbook::domain::quantities::Quantities;
use tokenbook::domain::tags::{TagKey, TagSet};
use tokenbook::guard::document::Decided;
use tokenbook::guard::file::decide::Count;
use tokenbook::guard::once::{Counted, Request, Ruling};
use tokenbook::guard::refusal::spelled;
use tokenbook::guard::route::Caller;

/// Decide whether a request may go under the limits in force, and count it; ends with 10 if not
///
/// What is asked for counts as used at once, until its record comes in. A request without --output-at-most is counted with the tokens
/// that the limits state for unknown answers.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The source under which the request will be recorded; that source should have no other traffic
    #[arg(long, value_name = "NAME", required_unless_present = "dry_run")]
    source: Option<String>,
    /// The model
    #[arg(long, value_name = "NAME")]
    model: String,
    /// Who serves it; use the provider's name in the price list
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The service tier
    #[arg(long, value_name = "NAME", default_value = "standard")]
    tier: String,
    /// The department
    #[arg(long, value_name = "NAME")]
    department: Option<String>,
    /// The project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// The environment
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// The name of the API key, which is the tag `api_key`
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Another tag; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,
    /// Tokens of the prompt
    #[arg(long, value_name = "TOKENS")]
    input: Option<i64>,
    /// A quantity of another meter, such as `cache_read=9000`; may be repeated
    #[arg(long = "meter", value_name = "METER=NUMBER")]
    meters: Vec<String>,
    /// The most tokens that the answer has
    #[arg(long, value_name = "TOKENS")]
    output_at_most: Option<i64>,
    /// All tokens of the request, for limits that count no money
    #[arg(long, value_name = "TOKENS", conflicts_with_all = ["input", "meters", "output_at_most"])]
    tokens: Option<i64>,
    /// If the model is refused, take the first other model that the limits name and allow, count it, and end with 0
    #[arg(long)]
    or_downgrade: bool,
    /// Decide, and count nothing
    #[arg(long)]
    dry_run: bool,
    /// How to print the decision
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = PossibleValuesParser::new(["text", "json"]))]
    format: String,
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let books = session.read()?;
    let now = session.invocation.now;
    let tags = tags(arguments)?;
    let named =
        |option, text: &str| Name::new(text).map_err(|error| Failure::option(error.code(), option, text, error));
    let provider = arguments.provider.as_deref().map(|text| named("--provider", text)).transpose()?;
    let model = Model { provider, name: named("--model", &arguments.model)? };
    let tier = ServiceTier::new(&arguments.tier)
        .map_err(|error| Failure::option(error.code(), "--tier", &arguments.tier, error))?;
    let source = arguments.source.as_deref().map(|text| named("--source", text)).transpose()?;
    let known = quantities(arguments)?;
    let output_at_most = match arguments.tokens {
        Some(_) => Some(0),
        None => arguments.output_at_most.map(|tokens| whole("--output-at-most", tokens)).transpose()?,
    };
    let request = Request {
        caller: Caller { tags: &tags },
        model: &model,
        tier: &tier,
        ask: Ask { known: &known, output_at_most },
        source: source.as_ref().map_or("", Name::as_str),
        or_downgrade: arguments.or_downgrade,
        now,
    };
    if let Some(tokens) = arguments.tokens
        && let Some((limit, what)) = books.needs_more_than_tokens(&request)?
    {
        let says = format!("is not enough: limit {limit:?} counts {what}");
        return Err(Failure::option(Code::OptionInvalid, "--tokens", &tokens.to_string(), says)
            .hint("use --input and --output-at-most"));
    }
    let count = if arguments.dry_run { Count::Nothing } else { Count::Estimate };
    let ruling = session.progress(|progress| books.admit_once(&request, count, progress))?;
    let currency = books.settings().currency;
    if arguments.format == "json" {
        let document = Decided::of(&ruling, &arguments.model, currency, now);
        let text = serde_json::to_string(&document).map_err(|error| Failure::new(Code::Internal, error))?;
        session.say(text)?;
    } else {
        print(&ruling, arguments, currency.code(), session)?;
    }
    let may_go = ruling.is_allowed() || arguments.or_downgrade && ruling.model.is_some();
    Ok(if may_go { Exit::Done } else { Exit::Refused })
}

fn print(ruling: &Ruling, arguments: &Arguments, currency: &str, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let now = session.invocation.now;
    let whose = arguments.department.as_ref().map_or_else(String::new, |name| format!("{name}: "));
    let counted = match &ruling.counted {
        Counted::Totals(totals) => {
            let of = |measure| totals.units(measure).map(|units| spelled(measure, units, currency));
            let amount = of(Measure::Amount).unwrap_or_else(|| "no amount, since a price is missing".to_owned());
            let tokens = of(Measure::Tokens).unwrap_or_else(|| "no tokens".to_owned());
            let word = if arguments.dry_run { "would count" } else { "counted" };
            let and = if arguments.tokens.is_some() { String::new() } else { format!(" and {amount}") };
            format!("{word} {tokens}{and}")
        }
        Counted::NoLimits => "no limit refuses requests, so nothing is counted".to_owned(),
        Counted::Refused => "nothing is counted".to_owned(),
        Counted::Unchecked => {
            "nothing was checked or counted, since the guard file cannot be used, and the limits say \
            `on_failure = \"allow\"`"
                .to_owned()
        }
    };
    match (&ruling.model, ruling.refused.as_slice()) {
        (Some(model), []) => session.say(format!("allowed: {}; {counted}", model.name))?,
        (Some(model), [first, ..]) if ruling.counted == Counted::Refused => {
            session.say(format!("refused: {whose}{}", first.message(now)))?;
            session.say(format!("{counted}; {} may be used instead, with --or-downgrade", model.name))?;
        }
        (Some(model), [first, ..]) => {
            session.say(format!("allowed with another model: {}; {counted}", model.name))?;
            session.say(format!("refused for {}: {whose}{}", arguments.model, first.message(now)))?;
        }
        (None, []) => session.say("refused")?,
        (None, [first, rest @ ..]) => {
            session.say(format!("refused: {whose}{}", first.message(now)))?;
            for refusal in rest.iter().chain(&ruling.also) {
                session.say(format!("also, for {}: {}", refusal.model(), refusal.message(now)))?;
            }
        }
    }
    Ok(())
}

fn tags(arguments: &Arguments) -> Result<TagSet, Failure> {
    let mut tags = TagSet::new();
    for text in &arguments.tags {
        let tag = tag_of(text, "for example --tag tier=free")?;
        if tags.value(tag.key.as_str()).is_some() {
            return Err(twice("--tag", tag.key.as_str()));
        }
        tags.insert(tag.key, tag.value);
    }
    let own = [
        ("--department", "department", &arguments.department),
        ("--project", "project", &arguments.project),
        ("--environment", "environment", &arguments.environment),
        ("--key", tokenbook::control::scope::API_KEY, &arguments.key),
    ];
    for (option, key, text) in own {
        let Some(text) = text else { continue };
        let value = TagValue::new(text).map_err(|error| Failure::option(error.code(), option, text, error))?;
        let key = TagKey::new(key).map_err(|error| Failure::option(error.code(), option, key, error))?;
        if tags.value(key.as_str()).is_some() {
            return Err(twice(option, key.as_str()));
        }
        tags.insert(key, value);
    }
    Ok(tags)
}

fn twice(option: &str, what: &str) -> Failure {
    Failure::new(Code::OptionInvalid, format!("{option}: {what:?} is given twice, expected once"))
}

fn quantities(arguments: &Arguments) -> Result<Quantities, Failure> {
    let mut known = Quantities::NONE;
    for text in &arguments.meters {
        let wrong = |says: &str| Failure::option(Code::OptionInvalid, "--meter", text, says);
        let (name, number) =
            text.split_once('=').ok_or_else(|| wrong("has no =, expected for example cache_read=9000"))?;
        let meter = Meter::from_name(name).ok_or_else(|| wrong("names no meter"))?;
        let number = number.parse().map_err(|_| wrong("has no whole number after = that an event may report"))?;
        if known.get(meter).is_some() {
            return Err(twice("--meter", name));
        }
        known.set(meter, whole("--meter", number)?);
    }
    let input = arguments.input.map(|tokens| ("--input", tokens));
    if let Some((option, tokens)) = arguments.tokens.map(|tokens| ("--tokens", tokens)).or(input) {
        if known.get(Meter::Input).is_some() {
            return Err(twice(option, Meter::Input.name()));
        }
        known.set(Meter::Input, whole(option, tokens)?);
    }
    Ok(known)
}

/// The most tokens of a request: as many as an event may report.
fn whole(option: &str, number: i64) -> Result<i64, Failure> {
    let most = tokenbook::domain::event::QUANTITY_LIMIT;
    if (0..=most).contains(&number) {
        return Ok(number);
    }
    let expected = format!("is out of range, expected 0 to {most}");
    Err(Failure::option(Code::OptionInvalid, option, &number.to_string(), expected))
}
