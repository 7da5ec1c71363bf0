//! What limits would have decided on recorded requests.
//!
//! Requests come one after the other, in the order of their instants. A reservation is what was used, a refused request is not asked again,
//! a downgraded one has the same tokens, and requests take no time. It uses the state machines of the guard, exactly and without leases.

pub mod sums;

use crate::attribute::Rules;
use crate::attribute::matching::Usage;
use crate::control::ask::{Cost, Load, Tariff};
use crate::control::decide::{Reason, Verdict};
use crate::control::exact::Counters;
use crate::control::lane::{Lane, NotCounted, Units, are_known, downgrades};
use crate::control::limit::Admission;
use crate::control::scope::API_KEY;
use crate::control::span::Part;
use crate::control::touch::touches;
use crate::domain::calendar::Day;
use crate::domain::currency::Currency;
use crate::domain::department::Registry;
use crate::domain::event::{Band, Model, ServiceTier};
use crate::domain::name::Name;
use crate::domain::number::ClassId;
use crate::domain::quantities::Quantities;
use crate::domain::rule::Share;
use crate::domain::tags::TagSet;
use crate::domain::timestamp::Timestamp;
use crate::price::Book;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use sums::{Counted, Sum, Sums};

/// A recorded request.
#[derive(Debug, Clone)]
pub struct Request {
    /// When it was made.
    pub at: Timestamp,
    /// The billing day.
    pub day: Day,
    /// What it has in common with others.
    pub class: ClassId,
    /// The band of its prompt.
    pub band: Band,
    /// What it used.
    pub quantities: Quantities,
    /// The issuer's id.
    pub id: String,
}

/// What requests of a class have in common, by name.
#[derive(Debug, Clone, Copy)]
pub struct Common<'a> {
    /// The source.
    pub source: &'a str,
    /// The tags.
    pub tags: &'a TagSet,
    /// The model.
    pub model: &'a Model,
    /// The service tier.
    pub tier: &'a ServiceTier,
}

/// What a replay needs besides the limits.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// The contract prices.
    pub book: &'a Book,
    /// The rules that decide who pays.
    pub rules: &'a Rules,
    /// The departments.
    pub registry: &'a Registry,
    /// The currency of the ledger.
    pub currency: Currency,
}

/// What the limits decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// It passes.
    Allowed,
    /// It passes with another model.
    Downgraded {
        /// The model.
        to: Arc<str>,
        /// What it costs.
        cost: Cost,
    },
    /// It is refused.
    Refused(Reason),
}

/// The route of requests of a class at the same prices and rules.
#[derive(Debug)]
struct Way {
    /// The recorded model, then those of a downgrade.
    lanes: Vec<Lane>,
    shares: Vec<Share>,
    /// The group of each share.
    groups: Vec<usize>,
}

/// Something that happened to a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// When.
    pub at: Timestamp,
    /// The limit.
    pub limit: Name,
    /// The value that its counter is for; empty if it has one counter.
    pub value: String,
    /// What.
    pub what: What,
}

/// What happened to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A budget reached a threshold.
    Reached(Part),
    /// A breaker opened.
    Opened,
    /// A breaker closed.
    Closed,
}

/// A replay of requests under the limits of one policy.
#[derive(Debug)]
pub struct Replay<'a> {
    world: World<'a>,
    admission: Admission,
    counters: Counters,
    /// Which values the groups are made of.
    by: Vec<By>,
    ways: FxHashMap<(ClassId, Band, usize, u16), Arc<Way>>,
    sums: Sums,
    happened: Vec<Happened>,
}

/// What requests are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Who pays.
    Department,
    /// The project of the payer.
    Project,
    /// The model that was recorded.
    Model,
    /// The name of the API key.
    Key,
}

impl By {
    /// All.
    pub const ALL: [Self; 4] = [Self::Department, Self::Project, Self::Model, Self::Key];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Department => "department",
            Self::Project => "project",
            Self::Model => "model",
            Self::Key => "key",
        }
    }
}

impl<'a> Replay<'a> {
    /// A replay under some counters, which may have been filled.
    pub fn new(world: World<'a>, admission: Admission, counters: Counters, by: Vec<By>) -> Self {
        Self { world, admission, counters, by, ways: FxHashMap::default(), sums: Sums::default(), happened: Vec::new() }
    }

    /// Decides on the next request. Requests must come in the order of their instants.
    pub fn take(&mut self, request: &Request, common: Common<'_>) -> Decided {
        let rules = self.world.rules.in_force(request.day).map_or(0, |(start, _)| start.number());
        let key = (request.class, request.band, self.world.book.epoch(request.at), rules);
        let known = self.ways.get(&key).map(Arc::clone);
        let way = known.unwrap_or_else(|| {
            let way = Arc::new(self.way(request, common));
            self.ways.insert(key, Arc::clone(&way));
            way
        });
        let load = Load::recorded(&request.quantities);
        let before = self.breakers(&way);
        let decided = self.decide(&way, load, request.at);
        self.note_turns(&before, request.at);
        if let Some(own) = way.lanes.first() {
            let of = Counted { at: request.at, load, cost: load.cost(&own.tariff), decided: &decided };
            self.sums.count(&way.shares, &way.groups, &of);
        }
        decided
    }

    /// What the groups would have got, in the order of their values.
    pub fn into_sums(self) -> (Vec<(Vec<String>, Sum)>, Vec<Happened>) {
        (self.sums.into_groups(), self.happened)
    }

    fn way(&mut self, request: &Request, common: Common<'_>) -> Way {
        let World { book, currency, .. } = self.world;
        let own = Tariff::of_band(book, common.model, common.tier, request.band, request.at, currency);
        let (first, shares) = self.lane(common.model.clone(), own, request, common);
        let names = downgrades(self.counters.limits(), &first.touches, &common.model.name);
        let names: Vec<Name> = names.into_iter().cloned().collect();
        let mut lanes = vec![first];
        for name in names {
            let model = book.model_named(&name);
            let tariff = Tariff::of(book, &model, common.tier, request.at, currency);
            lanes.push(self.lane(model, tariff, request, common).0);
        }
        let values = |share: &Share| -> Vec<String> {
            let tags = common.tags.paid_by(&share.payer);
            let value = |by: &By| match by {
                By::Model => common.model.name.as_str().to_owned(),
                By::Department => tags.get("department").unwrap_or_default().to_owned(),
                By::Project => tags.get("project").unwrap_or_default().to_owned(),
                By::Key => tags.get(API_KEY).unwrap_or_default().to_owned(),
            };
            self.by.iter().map(value).collect()
        };
        let values: Vec<Vec<String>> = shares.iter().map(values).collect();
        let groups = values.into_iter().map(|values| self.sums.group(values)).collect();
        Way { lanes, shares, groups }
    }

    fn lane(&mut self, model: Model, tariff: Tariff, request: &Request, common: Common<'_>) -> (Lane, Vec<Share>) {
        let usage = Usage { tags: common.tags, model: Some(&model), source: Some(common.source) };
        let shares = self.world.rules.shares(request.day, usage);
        let touches = touches(self.counters.limits(), common.tags, &shares, &model);
        let is_unknown = !are_known(&shares, self.world.registry);
        let mut lane = Lane::new(model, touches, tariff, self.counters.limits(), is_unknown);
        lane.slots = lane.touches.iter().map(|touch| self.counters.place(touch.limit, &touch.value)).collect();
        (lane, shares)
    }

    fn decide(&mut self, way: &Way, load: Load<'_>, now: Timestamp) -> Decided {
        let Some(own) = way.lanes.first() else { return Decided::Allowed };
        let (reason, refusing) = match self.ask(own, load, now) {
            Ok(()) => return Decided::Allowed,
            Err(refused) => refused,
        };
        let touches = refusing.iter().filter_map(|place| own.touches.get(*place));
        let names: Vec<Name> =
            downgrades(self.counters.limits(), touches, &own.model.name).into_iter().cloned().collect();
        for name in names {
            let Some(lane) = way.lanes.iter().find(|lane| lane.model.name == name) else { continue };
            if self.ask(lane, load, now).is_ok() {
                let to = Arc::from(lane.model.name.as_str());
                return Decided::Downgraded { to, cost: load.cost(&lane.tariff) };
            }
        }
        Decided::Refused(reason)
    }

    /// Takes units of all counters of a lane, or says why not and which counters refuse.
    fn ask(&mut self, lane: &Lane, load: Load<'_>, now: Timestamp) -> Result<(), (Reason, Vec<usize>)> {
        let units = lane
            .units(self.counters.limits(), &self.admission, load)
            .map_err(|NotCounted { reason, place }| (reason, place.into_iter().collect()))?;
        let verdict = self.counters.decide(lane, &units, now);
        if let Some(first) = verdict.refused.first() {
            return Err((first.reason, verdict.refused.iter().map(|refused| refused.place).collect()));
        }
        self.note_thresholds(lane, &units, &verdict, now);
        self.counters.settle(lane, &units, &verdict, now);
        Ok(())
    }

    /// The breakers that a request may turn, and whether each is closed.
    fn breakers(&self, way: &Way) -> Vec<(usize, bool)> {
        let slots = way.lanes.iter().flat_map(|lane| &lane.slots);
        slots.filter_map(|slot| self.counters.is_closed(*slot).map(|is_closed| (*slot, is_closed))).collect()
    }

    fn note_turns(&mut self, before: &[(usize, bool)], at: Timestamp) {
        for (slot, was_closed) in before {
            let Some(is_closed) = self.counters.is_closed(*slot).filter(|is_closed| is_closed != was_closed) else {
                continue;
            };
            self.note(*slot, at, if is_closed { What::Closed } else { What::Opened });
        }
    }

    fn note_thresholds(&mut self, lane: &Lane, units: &Units, verdict: &Verdict, at: Timestamp) {
        for (place, (slot, units)) in lane.slots.iter().zip(units).enumerate() {
            if verdict.took(place) {
                let before = self.counters.used(*slot).saturating_sub(*units);
                for part in self.counters.reached(*slot, before) {
                    self.note(*slot, at, What::Reached(part));
                }
            }
        }
    }

    fn note(&mut self, slot: usize, at: Timestamp, what: What) {
        if let Some((limit, value)) = self.counters.named(slot) {
            self.happened.push(Happened { at, limit, value, what });
        }
    }
}
