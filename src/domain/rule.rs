//! Rules of attribution decide who pays, from what a record reports: tags, model, provider, source.
//!
//! Rules are ordered, and the first that matches counts. So a rule that an earlier one hides is rejected, because
//! nobody would notice that it never matches. Weights are whole parts of a whole, so they always add up. Other modules
//! decide when a rule applies (`ledger`) and what it matches (`attribute`).

use crate::domain::name::TagValue;
use crate::domain::ratio::Ratio;
use crate::domain::tags::{TagKey, TagKeyError, TagSet};
use crate::fault::Code;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The largest sum of parts. With it, part times quantity fits 128 bits.
pub const WHOLE_LIMIT: i64 = 1_000_000_000_000;

/// What a condition examines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The model.
    Model,
    /// The provider that served it.
    Provider,
    /// The source that issued the events.
    Source,
    /// A tag, including department, project and environment.
    Tag(TagKey),
}

impl Subject {
    /// Reads `model`, `provider`, `source`, `department`, `project`, `environment` or `tag.KEY`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::with(text, TagKey::new)
    }

    /// Reads the form in a ledger.
    pub fn recorded(text: &str) -> Option<Self> {
        Self::with(text, TagKey::recorded)
    }

    fn with(text: &str, key: impl FnOnce(&str) -> Result<TagKey, TagKeyError>) -> Option<Self> {
        match text {
            "model" => Some(Self::Model),
            "provider" => Some(Self::Provider),
            "source" => Some(Self::Source),
            own if TagKey::OWN_FIELDS.contains(&own) => key(own).ok().map(Self::Tag),
            other => other.strip_prefix("tag.").and_then(|name| key(name).ok()).map(Self::Tag),
        }
    }

    /// Whether the subject is known without tags other than department, project and environment.
    pub fn is_of_payer_or_model(&self) -> bool {
        match self {
            Self::Model | Self::Provider | Self::Source => true,
            Self::Tag(key) => TagKey::OWN_FIELDS.contains(&key.as_str()),
        }
    }
}

/// The spelling that [`Subject::parse`] reads.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model => f.write_str("model"),
            Self::Provider => f.write_str("provider"),
            Self::Source => f.write_str("source"),
            Self::Tag(key) if TagKey::OWN_FIELDS.contains(&key.as_str()) => key.fmt(f),
            Self::Tag(key) => write!(f, "tag.{key}"),
        }
    }
}

/// How a condition compares a value with its text. Codes and names are frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// The value equals the text.
    Equals,
    /// The value begins with the text.
    Prefix,
    /// The value matches the text as a pattern: `*` stands for anything, `?` for one character.
    Glob,
}

impl Operator {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::Equals, Self::Prefix, Self::Glob];

    /// The code in the ledger.
    pub const fn code(self) -> u8 {
        match self {
            Self::Equals => 0,
            Self::Prefix => 1,
            Self::Glob => 2,
        }
    }

    /// The operator of a code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.code() == code)
    }

    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::Prefix => "prefix",
            Self::Glob => "glob",
        }
    }

    /// The operator with a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.name() == name)
    }
}

/// One condition. If a record does not report the subject, the condition does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    /// What it examines.
    pub subject: Subject,
    /// How it compares.
    pub operator: Operator,
    /// The text it compares with.
    pub value: TagValue,
}

/// Who pays, as far as known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Payer {
    /// The department.
    pub department: Option<TagValue>,
    /// The project.
    pub project: Option<TagValue>,
    /// The environment.
    pub environment: Option<TagValue>,
}

impl Payer {
    /// The payer by tags alone.
    pub fn of(tags: &TagSet) -> Self {
        let tag = |key: &str| tags.value(key).cloned();
        Self {
            department: tag(TagKey::DEPARTMENT),
            project: tag(TagKey::PROJECT),
            environment: tag(TagKey::ENVIRONMENT),
        }
    }

    /// The payer's names with the keys of their tags. Absent ones are left out.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, &TagValue)> {
        let [department, project, environment] = TagKey::OWN_FIELDS;
        [(department, &self.department), (project, &self.project), (environment, &self.environment)]
            .into_iter()
            .filter_map(|(key, name)| name.as_ref().map(|name| (key, name)))
    }

    /// Whether no name is known.
    pub fn is_nobody(&self) -> bool {
        self.names().next().is_none()
    }

    /// The same payer, with the other's names where it has none.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let either = |one: &Option<TagValue>, other: &Option<TagValue>| one.as_ref().or(other.as_ref()).cloned();
        Self {
            department: either(&self.department, &other.department),
            project: either(&self.project, &other.project),
            environment: either(&self.environment, &other.environment),
        }
    }
}

/// One payer's part of the matched usage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    /// Who pays.
    pub payer: Payer,
    /// The number of parts of the whole.
    pub part: i64,
}

/// Who pays for the matched usage, in the order of the payers. The parts are above 0 and in lowest terms. Their sum is
/// the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares(Vec<Share>);

/// Why weights do not make shares of a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SharesError {
    /// No share is given.
    #[error("names no payer")]
    Nobody,
    /// A payer has no name.
    #[error("names no department, project or environment")]
    Nameless,
    /// A payer is given twice.
    #[error("names the same payer twice")]
    Twice,
    /// A weight is 0 or below.
    #[error("has a weight that is not above 0")]
    NotPositive,
    /// The weights do not add up to one.
    #[error("has weights that add up to {0}, not to exactly 1")]
    NotOne(Ratio),
    /// The common denominator is beyond [`WHOLE_LIMIT`].
    #[error("has weights that are finer than a millionth of a millionth")]
    TooFine,
}

impl SharesError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::RuleInvalid
    }
}

impl Shares {
    /// Weights that add up to exactly 1.
    pub fn new(weights: Vec<(Payer, Ratio)>) -> Result<Self, SharesError> {
        let sum = weights.iter().try_fold(Ratio::whole(0), |sum, (_, weight)| sum.plus(*weight));
        let sum = sum.map_err(|_| SharesError::TooFine)?;
        if weights.iter().any(|(_, weight)| weight.is_zero() || weight.is_negative()) {
            return Err(SharesError::NotPositive);
        }
        if !weights.is_empty() && sum != Ratio::ONE {
            return Err(SharesError::NotOne(sum));
        }
        // The least common multiple of the denominators, if it is within the limit.
        let mut whole = Ratio::ONE;
        for (_, weight) in &weights {
            let beyond = whole.times(*weight).map_err(|_| SharesError::TooFine)?.denominator();
            whole = whole.times(Ratio::whole(beyond)).map_err(|_| SharesError::TooFine)?;
            if whole.numerator() > i128::from(WHOLE_LIMIT) {
                return Err(SharesError::TooFine);
            }
        }
        let part = |(payer, weight): (Payer, Ratio)| {
            let part = weight.times(whole).ok().and_then(|part| i64::try_from(part.numerator()).ok());
            Ok(Share { payer, part: part.ok_or(SharesError::TooFine)? })
        };
        Self::of_parts(weights.into_iter().map(part).collect::<Result<_, _>>()?)
    }

    /// Shares from parts of their own sum.
    pub fn of_parts(mut shares: Vec<Share>) -> Result<Self, SharesError> {
        shares.sort();
        if shares.is_empty() {
            return Err(SharesError::Nobody);
        }
        if shares.iter().any(|share| share.payer.is_nobody()) {
            return Err(SharesError::Nameless);
        }
        if shares.windows(2).any(|pair| matches!(pair, [one, other] if one.payer == other.payer)) {
            return Err(SharesError::Twice);
        }
        if shares.iter().any(|share| share.part <= 0) {
            return Err(SharesError::NotPositive);
        }
        let whole = shares.iter().try_fold(0_i64, |whole, share| whole.checked_add(share.part));
        if whole.is_none_or(|whole| whole > WHOLE_LIMIT) {
            return Err(SharesError::TooFine);
        }
        let divisor = shares.iter().fold(0, |divisor, share| gcd(divisor, share.part));
        for share in &mut shares {
            share.part = share.part.checked_div(divisor).unwrap_or(share.part);
        }
        Ok(Self(shares))
    }

    /// The shares in the order of their payers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Share> {
        self.0.iter()
    }

    /// The sum of all parts.
    pub fn whole(&self) -> i64 {
        self.0.iter().map(|share| share.part).sum()
    }

    /// Whether there is more than one payer.
    pub fn are_several(&self) -> bool {
        self.0.len() > 1
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a, b);
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}

/// What wins if both the record and a rule name a department.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precedence {
    /// The record's own tags.
    Tags,
    /// The rule.
    Rule,
}

/// One rule. All of its conditions must hold; a rule without any matches everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: TagValue,
    /// The line of its file.
    pub line: u64,
    /// What must hold.
    pub conditions: BTreeSet<Condition>,
    /// What wins if the record has its own tags.
    pub precedence: Precedence,
    /// Who pays.
    pub shares: Shares,
}

/// Ordered rules. No name occurs twice, and no rule is hidden by an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSet(Vec<Rule>);

/// Why rules do not form a set, with the position of the rule at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleSetError {
    /// No rule is given.
    Empty,
    /// The rule has the name of an earlier one.
    Named {
        /// The position of the rule.
        rule: usize,
        /// The position of the earlier rule.
        earlier: usize,
    },
    /// An earlier rule matches everything that the rule matches.
    Hidden {
        /// The position of the rule.
        rule: usize,
        /// The position of the earlier rule.
        earlier: usize,
    },
}

impl RuleSetError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::RuleInvalid
    }
}

/// The first rule that has the name of an earlier one, or that an earlier one hides.
///
/// A rule that hides another one shares all of its conditions with it, so also its rarest. Comparing a rule only with those
/// whose rarest condition it has keeps lists of many thousand rules fast.
fn contradiction(rules: &[Rule]) -> Option<RuleSetError> {
    let mut uses: BTreeMap<&Condition, usize> = BTreeMap::new();
    for condition in rules.iter().flat_map(|rule| &rule.conditions) {
        let count = uses.entry(condition).or_default();
        *count = count.saturating_add(1);
    }
    let mut by_name: BTreeMap<&TagValue, usize> = BTreeMap::new();
    let mut by_rarest: BTreeMap<Option<&Condition>, Vec<(usize, &Rule)>> = BTreeMap::new();
    for (rule, one) in rules.iter().enumerate() {
        let shared = one.conditions.iter().map(Some).chain([None]).filter_map(|condition| by_rarest.get(&condition));
        let hides = |(_, other): &&(usize, &Rule)| other.conditions.is_subset(&one.conditions);
        let hidden = shared.flatten().filter(hides).map(|(earlier, _)| *earlier).min();
        match (by_name.get(&one.name).copied(), hidden) {
            (Some(earlier), hidden) if hidden.is_none_or(|hidden| earlier <= hidden) => {
                return Some(RuleSetError::Named { rule, earlier });
            }
            (_, Some(earlier)) => return Some(RuleSetError::Hidden { rule, earlier }),
            _ => {}
        }
        by_name.insert(&one.name, rule);
        let rarest = one.conditions.iter().min_by_key(|condition| uses.get(condition));
        by_rarest.entry(rarest).or_default().push((rule, one));
    }
    None
}

impl RuleSet {
    /// Checks rules against each other.
    pub fn new(rules: Vec<Rule>) -> Result<Self, RuleSetError> {
        if rules.is_empty() {
            return Err(RuleSetError::Empty);
        }
        contradiction(&rules).map_or_else(|| Ok(Self(rules)), Err)
    }

    /// No rules: the set that applies from the day on which rules end.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// The rules in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }

    /// Whether the rules are equal, ignoring the lines of their files.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let without_line = |rule: &Rule| Rule { line: 0, ..rule.clone() };
        self.0.iter().map(without_line).eq(other.0.iter().map(without_line))
    }
}

#[cfg(test)]
mod tests;
