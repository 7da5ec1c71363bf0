//! Which counters a caller's requests touch, for the model that is asked for and for those of a downgrade.

use super::terms::Terms;
use crate::attribute::matching::Usage;
use crate::control::ask::{Ask, Load, Tariff};
use crate::control::enforced::{Enforced, Form};
use crate::control::lane::{Lane, NotCounted, Units, are_known, downgrades};
use crate::control::limit::Measure;
use crate::control::period::forward;
use crate::control::touch::{Touch, touches};
use crate::domain::event::{Model, ServiceTier};
use crate::domain::tags::TagSet;
use crate::domain::timestamp::Timestamp;
use std::sync::{Arc, Mutex};

/// Who asks. Rules find the payer as they do for recorded usage.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The tags: department, project, environment and others.
    pub tags: &'a TagSet,
}

/// The counters of a caller and a model. Keep it for requests of the same kind.
#[derive(Debug)]
pub struct Route(pub(super) Mutex<Arc<Lanes>>);

/// A route with what it was made from.
#[derive(Debug)]
pub(super) struct Lanes {
    pub(super) terms: Arc<Terms>,
    pub(super) tags: TagSet,
    pub(super) tier: ServiceTier,
    /// The model that is asked for.
    pub(super) asked: Model,
    /// The number of the terms.
    pub(super) generation: u64,
    /// The model that is asked for, and those of a downgrade in the order of the limits that name them.
    pub(super) models: Vec<Lane>,
    /// It holds until then: another day, another price or another policy begins.
    pub(super) until: Timestamp,
}

impl Lanes {
    pub(super) fn new(
        terms: &Arc<Terms>,
        caller: Caller<'_>,
        model: &Model,
        tier: &ServiceTier,
        source: &str,
        now: Timestamp,
    ) -> Self {
        let lane = |model: Model| {
            let usage = Usage { tags: caller.tags, model: Some(&model), source: Some(source) };
            let shares = terms.rules.shares(terms.calendar.day_of(now), usage);
            let touches = touches(&terms.limits, caller.tags, &shares, &model);
            let tariff = Tariff::of(&terms.book, &model, tier, now, terms.currency);
            let is_unknown = !are_known(&shares, &terms.registry);
            Lane::new(model, touches, tariff, &terms.limits, is_unknown)
        };
        let first = lane(model.clone());
        let names = downgrades(&terms.limits, &first.touches, &model.name);
        let others: Vec<Lane> = names.into_iter().map(|name| lane(terms.book.model_named(name))).collect();
        let lanes = std::iter::once(first).chain(others).collect();
        let midnight = terms.calendar.start_of(forward(terms.calendar.day_of(now), 1));
        let until = [Some(midnight), terms.book.next_change(now), terms.until.filter(|until| *until > now)];
        Self {
            terms: Arc::clone(terms),
            tags: caller.tags.clone(),
            tier: tier.clone(),
            asked: model.clone(),
            generation: 0,
            models: lanes,
            until: until.into_iter().flatten().min().unwrap_or(midnight),
        }
    }

    /// The limit of a counter.
    pub(super) fn limit(&self, touch: &Touch) -> Option<&Enforced> {
        self.terms.limits.get(touch.limit)
    }

    /// The units to reserve for a request with a model.
    pub(super) fn asked(&self, lane: &Lane, ask: Ask<'_>) -> Result<Units, NotCounted> {
        // Without limits, nothing is asked.
        let Some(admission) = &self.terms.admission else { return Ok(Units::new()) };
        lane.units(&self.terms.limits, admission, Load::asked(ask, admission))
    }

    /// The most units that a request may take of a counter of a lane without a look at the file.
    pub(super) fn most_at_once(&self, touch: &Touch) -> i64 {
        match self.limit(touch).map(|limit| &limit.form) {
            Some(Form::Period { request_at_most: Some(most), .. }) => *most,
            _ => i64::MAX,
        }
    }

    /// Models that the limits of some counters name for downgrades, as places, each once.
    pub(super) fn downgrades(&self, places: &[usize]) -> Vec<usize> {
        let Some(first) = self.models.first() else { return Vec::new() };
        let refusing = places.iter().filter_map(|place| first.touches.get(*place));
        let names = downgrades(&self.terms.limits, refusing, &self.asked.name);
        names.into_iter().filter_map(|name| self.models.iter().position(|lane| lane.model.name == *name)).collect()
    }

    /// The first limit of the model that is asked for which needs more than a number of tokens, and what it counts.
    pub(super) fn needs_more_than_tokens(&self) -> Option<(&Enforced, &'static str)> {
        let touches = self.models.first().map_or(&[][..], |lane| lane.touches.as_slice());
        touches.iter().filter_map(|touch| self.limit(touch)).find_map(|limit| match limit.bound.measure {
            Measure::Amount => Some((limit, "money")),
            Measure::Tokens if limit.meters.is_some() => Some((limit, "tokens of some meters")),
            Measure::Tokens | Measure::Requests => None,
        })
    }
}
