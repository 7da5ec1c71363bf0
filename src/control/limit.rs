//! What a policy states: budgets, quotas, breakers, and where alerts go.

use crate::control::scope::{Scope, Subject};
use crate::control::span::{Part, Seconds, Times};
use crate::domain::calendar::Day;
use crate::domain::meter::Meter;
use crate::domain::money::Amount;
use crate::domain::name::Name;
use crate::text::problem::grouped;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Money in the ledger's currency.
    Amount,
    /// Tokens.
    Tokens,
    /// Requests: events.
    Requests,
}

impl Measure {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Amount, Self::Tokens, Self::Requests];

    /// The word of a policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Amount => "amount",
            Self::Tokens => "tokens",
            Self::Requests => "requests",
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The most of one measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bound {
    /// What it counts.
    pub measure: Measure,
    /// The most: femto-units of the currency for an amount, else a number.
    pub most: i128,
}

impl Bound {
    /// As decimal text: an amount in currency units, or a number.
    pub fn plain(self) -> String {
        match self.measure {
            Measure::Amount => Amount::from_femtos(self.most).to_string(),
            Measure::Tokens | Measure::Requests => self.most.to_string(),
        }
    }

    /// For people: `500`, `5,000,000 tokens`.
    pub fn spelled(self) -> String {
        match self.measure {
            Measure::Amount => self.plain(),
            Measure::Tokens | Measure::Requests => format!("{} {}", grouped(self.most), self.measure),
        }
    }
}

/// The period of a budget, in days of the ledger's calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Per {
    /// A day.
    Day,
    /// A week from Monday.
    Week,
    /// A month.
    Month,
    /// A quarter.
    Quarter,
    /// A year.
    Year,
}

impl Per {
    /// All, shortest first.
    pub const ALL: [Self; 5] = [Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// The word of a policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }
}

/// What a limit has in common with every other: its name and which usage it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common {
    /// Its name, which no other limit of the policy has.
    pub name: Name,
    /// Which usage it is about.
    pub scope: Scope,
    /// One counter for each value of this.
    pub each: Option<Subject>,
    /// The limit that it is a part of.
    pub within: Option<Name>,
    /// It counts, and what it would refuse passes.
    pub shadow: bool,
}

/// A threshold of a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    /// The part of the limit from which on it is reached.
    pub at: Part,
    /// The channels that hear of it.
    pub to: Vec<Name>,
    /// The word in `budget status` from this threshold on.
    pub level: Option<String>,
    /// A sentence for the message.
    pub say: Option<String>,
}

/// The most that one request may reserve of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestAtMost {
    /// A part of the limit.
    Part(Part),
    /// So much of its measure.
    Bound(Bound),
}

/// What a budget does when it is used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enforce {
    /// It alerts.
    Warn,
    /// It alerts, and refuses requests.
    Block {
        /// From this part of the limit on.
        at: Part,
        /// The most that one request may reserve.
        request_at_most: Option<RequestAtMost>,
        /// Models to try, in order, when it refuses.
        downgrade: Vec<Name>,
    },
}

impl Enforce {
    /// The word of a policy.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Block { .. } => "block",
        }
    }
}

/// A limit for a period of the calendar, computed from the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Name and scope.
    pub common: Common,
    /// The period.
    pub per: Per,
    /// The limits, one for each measure, in the order of the measures.
    pub bounds: Vec<Bound>,
    /// The meters that `tokens` counts; `None` for all whose unit is the token.
    pub meters: Option<BTreeSet<Meter>>,
    /// What it does when it is used up.
    pub enforce: Enforce,
    /// The word in `budget status` below all thresholds.
    pub level: Option<String>,
    /// The thresholds, ascending.
    pub alerts: Vec<Threshold>,
}

impl Budget {
    /// Whether it refuses requests.
    pub fn refuses(&self) -> bool {
        self.enforce != Enforce::Warn && !self.common.shadow
    }

    /// Whether `tokens` counts a meter.
    pub fn counts(&self, meter: Meter) -> bool {
        match &self.meters {
            None => meter.unit() == crate::domain::meter::Unit::Tokens,
            Some(meters) => meters.contains(&meter),
        }
    }

    /// Its scope and meters in one spelling, by which an alert is known.
    pub fn spelled_scope(&self) -> String {
        let scope = self.common.scope.to_string();
        let Some(meters) = &self.meters else { return scope };
        let meters: Vec<&str> = meters.iter().map(|meter| meter.name()).collect();
        let separator = if scope.is_empty() { "" } else { "; " };
        format!("{scope}{separator}meters {}", meters.join(" or "))
    }
}

/// The time in which a quota is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rate {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

impl Rate {
    /// All, shortest first.
    pub const ALL: [Self; 3] = [Self::Second, Self::Minute, Self::Hour];

    /// The word of a policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }
}

/// Who goes first when a quota runs short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Last.
    Low,
    /// Before low.
    Medium,
    /// First.
    High,
}

impl Priority {
    /// All, lowest first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The word of a policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// A limit on how fast usage may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Name and scope.
    pub common: Common,
    /// The limit, of requests or tokens.
    pub bound: Bound,
    /// The time in which the limit may be used.
    pub per: Rate,
    /// How many times the limit an idle bucket holds.
    pub burst: Times,
    /// The priority of its requests in the quota that it is a part of.
    pub priority: Priority,
    /// The part of the bucket that stays for requests above a priority.
    pub keep: BTreeMap<Priority, Part>,
    /// Models to try, in order, when it refuses.
    pub downgrade: Vec<Name>,
}

/// What a breaker does with its window when it closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnClose {
    /// The window starts at zero.
    Clear,
    /// The window stays.
    Keep,
}

/// A limit over a window of time that stops all requests for a while once it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Name and scope.
    pub common: Common,
    /// The limit.
    pub bound: Bound,
    /// The window.
    pub window: Seconds,
    /// How long it stays open.
    pub open_for: Seconds,
    /// How many requests it tries before it closes.
    pub probes: u32,
    /// How long a tried request may take.
    pub probe_within: Seconds,
    /// What becomes of the window.
    pub on_close: OnClose,
}

/// Whether a request passes that cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It is refused.
    Refuse,
    /// It passes.
    Allow,
}

/// How requests are judged that nobody can judge exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// A request under a limit of money whose model has no price.
    pub unpriced: Doubt,
    /// A request whose tags and rules give no department, or one that the registry lacks.
    pub unknown_department: Doubt,
    /// The guard file cannot be read or written.
    pub on_failure: Doubt,
    /// Tokens reserved for an answer if the request states no maximum.
    pub output_unknown: i64,
    /// The most tokens reserved for an answer.
    pub output_at_most: Option<i64>,
    /// How long a day also counts what the guard granted.
    pub settled_for: Seconds,
}

impl Admission {
    /// What holds where a policy states nothing, since all its limits only count.
    pub const LENIENT: Self = Self {
        unpriced: Doubt::Allow,
        unknown_department: Doubt::Allow,
        on_failure: Doubt::Allow,
        output_unknown: 2_048,
        output_at_most: None,
        settled_for: Seconds::new(7 * 86_400),
    };
}

/// The kind of a channel, with what only that kind needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelKind {
    /// A chat that takes messages at a secret address.
    Chat(Chat),
    /// A receiver of JSON.
    Json {
        /// Its address, if that is no secret.
        url: Option<String>,
    },
    /// A program that gets the message as a mail.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
        /// The receiver in the head of the mail.
        to: Option<String>,
    },
}

/// Chats that take messages over a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chat {
    /// Slack.
    Slack,
    /// Discord.
    Discord,
    /// Microsoft Teams.
    Teams,
    /// `WeCom`.
    Wecom,
    /// `DingTalk`.
    Dingtalk,
}

impl ChannelKind {
    /// The word of a policy.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Chat(Chat::Slack) => "slack",
            Self::Chat(Chat::Discord) => "discord",
            Self::Chat(Chat::Teams) => "teams",
            Self::Chat(Chat::Wecom) => "wecom",
            Self::Chat(Chat::Dingtalk) => "dingtalk",
            Self::Json { .. } => "json",
            Self::Command { .. } => "command",
        }
    }
}

/// Where a secret is found: never in the policy itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// In a variable of the environment.
    Variable(String),
    /// In a file.
    File(String),
}

/// Where alerts go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// The kind.
    pub kind: ChannelKind,
    /// Where the address is found, if it is a secret.
    pub url: Option<Secret>,
    /// Where the secret is found that signs messages.
    pub secret: Option<Secret>,
    /// Private addresses that it may use.
    pub allow: Vec<String>,
}

/// The limits of a ledger from a day on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The first billing day that it applies to.
    pub from: Day,
    /// How requests are judged that nobody can judge exactly; `None` if nothing refuses.
    pub admission: Option<Admission>,
    /// The budgets, in the order of the file.
    pub budgets: Vec<Budget>,
    /// The quotas.
    pub quotas: Vec<Quota>,
    /// The breakers.
    pub breakers: Vec<Breaker>,
    /// The channels by name.
    pub channels: BTreeMap<Name, Channel>,
}

impl Policy {
    /// No limits at all.
    pub const NONE: Self = Self {
        from: Day::FIRST,
        admission: None,
        budgets: Vec::new(),
        quotas: Vec::new(),
        breakers: Vec::new(),
        channels: BTreeMap::new(),
    };

    /// What all limits have in common, in the order budgets, quotas, breakers.
    pub fn limits(&self) -> impl Iterator<Item = &Common> {
        let budgets = self.budgets.iter().map(|budget| &budget.common);
        let quotas = self.quotas.iter().map(|quota| &quota.common);
        budgets.chain(quotas).chain(self.breakers.iter().map(|breaker| &breaker.common))
    }

    /// Whether anything refuses requests.
    pub fn refuses(&self) -> bool {
        let refuses = |common: &Common| !common.shadow;
        self.budgets.iter().any(Budget::refuses)
            || self.quotas.iter().any(|quota| refuses(&quota.common))
            || self.breakers.iter().any(|breaker| refuses(&breaker.common))
    }
}
