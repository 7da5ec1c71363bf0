//! The content of the month: who calls which model how often, and how one event is drawn.

/// Milliseconds.
pub(crate) const DAY: u64 = 86_400_000;
const MONTH: u64 = 31 * DAY;

/// One logged request. Its meters are disjoint: `input` is the part of the prompt outside any cache.
pub(crate) struct Event {
    pub(crate) id: [u8; 28],
    /// Milliseconds since the month began.
    pub(crate) instant: u64,
    pub(crate) model: &'static Model,
    pub(crate) department: &'static str,
    pub(crate) project: &'static str,
    /// The user's number, if the month has users.
    pub(crate) user: Option<u64>,
    pub(crate) environment: &'static str,
    pub(crate) service_tier: &'static str,
    pub(crate) input: u64,
    pub(crate) cache_read: u64,
    /// `None` if the vendor does not report it: an empty cell.
    pub(crate) cache_write: Option<u64>,
    pub(crate) output: u64,
    pub(crate) reasoning: Option<u64>,
}

impl Event {
    /// Draws an event. With `users`, each user belongs to one project, and everything else stays as without users.
    pub(crate) fn draw(seed: u64, number: u64, events: u64, users: Option<u64>) -> Self {
        let mut draws = Draws::new(seed, number);
        let id = draws.id();
        let instant = draws.instant(number, events);
        let model = draws.pick(&MODELS, |model| model.weight);
        let department = draws.pick(&DEPARTMENTS, |department| department.weight);
        let project = draws.ranked(department.projects);
        let environment = draws.pick(&ENVIRONMENTS, |environment| environment.1).0;
        let service_tier = draws.pick(&TIERS, |tier| tier.share).name;

        let prompt = draws.log_normal(&PROMPT, model.context);
        let cache_read = if draws.percent(60) { prompt * (64 + draws.below(184)) / 256 } else { 0 };
        let cache_write = match model.writes_cache {
            Writes::Reported if draws.percent(40) => Some((prompt - cache_read) * draws.below(128) / 256),
            Writes::Reported => Some(0),
            Writes::Unknown => None,
        };
        let output = draws.log_normal(&ANSWER, 64_000);
        let reasoning = match model.thinks {
            0 => None,
            share if draws.percent(share) => Some(draws.log_normal(&THOUGHT, 64_000)),
            _ => Some(0),
        };
        let user = users.map(|users| draws.user(users, team(department, project)));
        Self {
            id,
            instant,
            model,
            department: department.name,
            project,
            user,
            environment,
            service_tier,
            input: prompt - cache_read - cache_write.unwrap_or(0),
            cache_read,
            cache_write,
            output,
            reasoning,
        }
    }
}

/// Nano-units in a unit. Rates are whole nano-units for a million tokens.
pub(crate) const NANO: u64 = 1_000_000_000;

pub(crate) const METERS: [&str; 5] = ["input", "cache_read", "cache_write", "output", "reasoning"];

pub(crate) struct Model {
    pub(crate) provider: &'static str,
    pub(crate) name: &'static str,
    pub(crate) weight: u64,
    /// The longest prompt, in tokens.
    pub(crate) context: u64,
    pub(crate) writes_cache: Writes,
    /// The percentage of requests with reasoning; 0 for a model that never reasons and reports nothing.
    pub(crate) thinks: u64,
    /// In the order of `METERS`.
    pub(crate) rates: [u64; 5],
    /// The prompt size above which these rates apply to the whole request.
    pub(crate) longer_prompts: Option<(u64, [u64; 5])>,
}

pub(crate) enum Writes {
    Reported,
    Unknown,
}

/// Weights decrease as one over the rank. Rates are per million tokens, in milli-units.
#[rustfmt::skip]
pub(crate) const MODELS: [Model; 10] = [
    model("openai", "gpt-4.1-mini", 2520, 1_000_000, Writes::Unknown, 0, [400, 100, 400, 1_600, 1_600]),
    model("anthropic", "claude-sonnet-4-5", 1260, 200_000, Writes::Reported, 30, [3_000, 300, 3_750, 15_000, 15_000]),
    Model {
        longer_prompts: Some((200_000, nanos([2_500, 250, 2_500, 15_000, 15_000]))),
        ..model("google", "gemini-2.5-pro", 840, 1_000_000, Writes::Unknown, 90, [1_250, 125, 1_250, 10_000, 10_000])
    },
    model("openai", "gpt-4.1", 630, 1_000_000, Writes::Unknown, 0, [2_000, 500, 2_000, 8_000, 8_000]),
    model("anthropic", "claude-haiku-4-5", 504, 200_000, Writes::Reported, 10, [1_000, 100, 1_250, 5_000, 5_000]),
    model("google", "gemini-2.5-flash", 420, 1_000_000, Writes::Unknown, 50, [300, 30, 300, 2_500, 2_500]),
    model("openai", "o4-mini", 360, 200_000, Writes::Unknown, 100, [1_100, 275, 1_100, 4_400, 4_400]),
    model("openai", "gpt-4o-mini", 315, 128_000, Writes::Unknown, 0, [150, 75, 150, 600, 600]),
    model("mistral", "mistral-large", 280, 128_000, Writes::Unknown, 0, [2_000, 200, 2_000, 6_000, 6_000]),
    model("anthropic", "claude-opus-4-5", 252, 200_000, Writes::Reported, 60, [5_000, 500, 6_250, 25_000, 25_000]),
];

const fn model(
    provider: &'static str,
    name: &'static str,
    weight: u64,
    context: u64,
    writes_cache: Writes,
    thinks: u64,
    rates: [u64; 5],
) -> Model {
    Model { provider, name, weight, context, writes_cache, thinks, rates: nanos(rates), longer_prompts: None }
}

/// Milli-units to nano-units.
const fn nanos(mut rates: [u64; 5]) -> [u64; 5] {
    let mut meter = 0;
    while meter < rates.len() {
        rates[meter] *= NANO / 1_000;
        meter += 1;
    }
    rates
}

pub(crate) struct Tier {
    /// The name that gateways log.
    pub(crate) name: &'static str,
    /// The name in the price list. An empty cell is the standard tier.
    pub(crate) priced_as: &'static str,
    pub(crate) share: u64,
    /// The standard prices are divided by this number.
    pub(crate) divisor: u64,
}

pub(crate) const TIERS: [Tier; 2] = [
    Tier { name: "standard", priced_as: "", share: 92, divisor: 1 },
    Tier { name: "batch", priced_as: "batch", share: 8, divisor: 2 },
];

struct Department {
    name: &'static str,
    weight: u64,
    projects: &'static [&'static str],
}

#[rustfmt::skip]
const DEPARTMENTS: [Department; 6] = [
    Department { name: "engineering", weight: 60, projects: &["copilot", "review", "search", "ci", "docs", "triage"] },
    Department { name: "support", weight: 30, projects: &["chat", "email", "voice", "summaries", "routing"] },
    Department { name: "sales", weight: 20, projects: &["leads", "quotes", "crm", "calls"] },
    Department { name: "marketing", weight: 15, projects: &["copy", "web", "social", "images", "seo"] },
    Department { name: "finance", weight: 12, projects: &["invoices", "close", "audit", "forecast", "tax"] },
    Department { name: "legal", weight: 10, projects: &["contracts", "search", "review", "privacy", "archive"] },
];

/// The number of projects. Each is a team, and user `n` belongs to team `n % TEAMS`.
pub(crate) const TEAMS: u64 = 30;

/// The number of a department's project among all projects.
fn team(department: &Department, project: &str) -> u64 {
    let all = DEPARTMENTS.iter().flat_map(|of| of.projects.iter().map(|name| (of.name, *name)));
    (0..).zip(all).find(|(_, each)| *each == (department.name, project)).map_or(0, |(place, _)| place)
}

const ENVIRONMENTS: [(&str, u64); 3] = [("prod", 75), ("staging", 15), ("dev", 10)];

/// A log-normal size in tokens. Median and spread are binary logarithms with 16 binary places.
struct Spread {
    median: i64,
    deviation: i64,
}

/// The median is about 1,800 tokens. One prompt in 300 exceeds 200,000 if the model accepts so many.
const PROMPT: Spread = Spread { median: 708_000, deviation: 165_000 };
const ANSWER: Spread = Spread { median: 8 << 16, deviation: 98_000 };
const THOUGHT: Spread = Spread { median: 9 << 16, deviation: 98_000 };

/// A stream of pseudo-random numbers: `SplitMix64` (Steele, Lea and Flood 2014), one stream for each event.
pub(crate) struct Draws {
    state: u64,
}

impl Draws {
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut stream = Self { state: seed };
        let mut start = Self { state: stream.next() ^ number };
        Self { state: start.next() }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`. The bound is far below 2^64, so the bias does not matter here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    fn pick<T>(&mut self, choices: &'static [T], weight: impl Fn(&T) -> u64) -> &'static T {
        let mut left = self.below(choices.iter().map(&weight).sum());
        for choice in choices {
            match left.checked_sub(weight(choice)) {
                Some(rest) => left = rest,
                None => return choice,
            }
        }
        &choices[0]
    }

    /// A name by its rank: the second is half as frequent as the first, the third a third as frequent.
    fn ranked(&mut self, names: &'static [&'static str]) -> &'static str {
        let weight = |rank: u64| 2520 / (rank + 1);
        let mut left = self.below((0..names.len() as u64).map(weight).sum());
        for (rank, name) in (0..).zip(names) {
            match left.checked_sub(weight(rank)) {
                Some(rest) => left = rest,
                None => return name,
            }
        }
        names[0]
    }

    /// A user of a team. Ranks in a team are Zipf-like: the logarithm of the rank is drawn evenly, in 24 binary places.
    /// Between powers of two, a straight line approximates it.
    fn user(&mut self, users: u64, team: u64) -> u64 {
        let end = (users - team).div_ceil(TEAMS) + 1;
        let power = end.ilog2();
        let beyond = (end << 24 >> power) - (1 << 24);
        let logarithm = self.below((u64::from(power) << 24) + beyond);
        let rank = (((1 << 24) + logarithm % (1 << 24)) << (logarithm >> 24)) >> 24;
        (rank - 1) * TEAMS + team
    }

    /// `req_` and 24 digits of base 36.
    fn id(&mut self) -> [u8; 28] {
        const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let mut id = *b"req_000000000000000000000000";
        for eight in id[4..].chunks_mut(8) {
            for (digit, byte) in eight.iter_mut().zip(self.next().to_le_bytes()) {
                *digit = DIGITS[usize::from(byte % 36)];
            }
        }
        id
    }

    /// Requests are logged when they end, evenly over the month. They carry the instant they began: up to half a minute
    /// earlier, usually a second.
    fn instant(&mut self, number: u64, events: u64) -> u64 {
        let logged = u128::from(MONTH) * u128::from(number) / u128::from(events);
        let longer = self.next().trailing_zeros().min(5);
        // Less than MONTH, so it fits.
        u64::try_from(logged).unwrap_or(MONTH - 1).saturating_sub(self.below(1_000) << longer)
    }

    /// A size of at least 1 and at most `most`. The sum of twelve even draws approximates a normal distribution.
    /// Between powers of two, a straight line approximates the exponential.
    fn log_normal(&mut self, spread: &Spread, most: u64) -> u64 {
        let mut sum = -6 * 65_536;
        for _ in 0..3 {
            for pair in self.next().to_le_bytes().chunks_exact(2) {
                sum += i64::from(u16::from_le_bytes([pair[0], pair[1]]));
            }
        }
        let exponent = (spread.median + ((sum * spread.deviation) >> 16)).max(0).unsigned_abs();
        let size = ((65_536 + exponent % 65_536) << (exponent >> 16)) >> 16;
        if size <= most { size } else { most - self.below(most / 4) }
    }
}
