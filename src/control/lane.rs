//! The counters that requests of one caller touch with one model.

use crate::control::ask::{Load, Tariff, Totals};
use crate::control::decide::Reason;
use crate::control::enforced::Enforced;
use crate::control::limit::{Admission, Doubt, Measure};
use crate::control::touch::Touch;
use crate::domain::department::Registry;
use crate::domain::event::Model;
use crate::domain::name::Name;
use crate::domain::rule::Share;
use smallvec::SmallVec;

/// Units of a request, by the counters that it touches.
pub type Units = SmallVec<[i64; 8]>;

/// The counters and prices for one model.
#[derive(Debug, Clone)]
pub struct Lane {
    /// The model.
    pub model: Model,
    /// The counters, in the order of the limits.
    pub touches: Vec<Touch>,
    /// Where these counters are kept; the keeper of the counters gives the places.
    pub slots: Vec<usize>,
    /// The prices.
    pub tariff: Tariff,
    /// Whether nobody is known to pay.
    pub is_unknown: bool,
    /// Whether some limit counts money.
    pub counts_money: bool,
}

/// Why a request is refused before any counter is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotCounted {
    /// Why.
    pub reason: Reason,
    /// The place of the counter that cannot count it.
    pub place: Option<usize>,
}

impl Lane {
    /// The counters that requests of a model touch, for payers. Nobody keeps them yet.
    pub fn new(model: Model, touches: Vec<Touch>, tariff: Tariff, limits: &[Enforced], is_unknown: bool) -> Self {
        let mut measures = touches.iter().filter_map(|touch| limits.get(touch.limit)).map(|limit| limit.bound.measure);
        let counts_money = measures.any(|measure| measure == Measure::Amount);
        Self { model, touches, slots: Vec::new(), tariff, is_unknown, counts_money }
    }

    /// What a load comes to.
    pub fn totals(&self, load: Load<'_>) -> Totals {
        Totals::of(load, &self.tariff, self.counts_money)
    }

    /// The units of a request at each counter, or why it is refused.
    pub fn units(&self, limits: &[Enforced], admission: &Admission, load: Load<'_>) -> Result<Units, NotCounted> {
        if self.is_unknown && admission.unknown_department == Doubt::Refuse {
            return Err(NotCounted { reason: Reason::UnknownDepartment, place: None });
        }
        let totals = self.totals(load);
        let mut units = Units::new();
        for (place, touch) in self.touches.iter().enumerate() {
            let Some(limit) = limits.get(touch.limit) else { continue };
            match touch.units(limit, load, &totals) {
                Some(number) => units.push(number),
                None if admission.unpriced == Doubt::Refuse && !limit.common.shadow => {
                    return Err(NotCounted { reason: Reason::Unpriced, place: Some(place) });
                }
                None => units.push(0),
            }
        }
        Ok(units)
    }
}

/// Whether somebody is known to pay each part of a request.
pub fn are_known(shares: &[Share], registry: &Registry) -> bool {
    let is_known = |share: &Share| share.payer.department.as_ref().is_some_and(|name| !registry.lacks(name.as_str()));
    shares.iter().all(is_known)
}

/// The models that limits of some touches name for downgrades, each once, without the one that is asked for.
pub fn downgrades<'l>(
    limits: &'l [Enforced],
    touches: impl IntoIterator<Item = &'l Touch>,
    asked: &Name,
) -> Vec<&'l Name> {
    let mut found: Vec<&Name> = Vec::new();
    for name in touches.into_iter().filter_map(|touch| limits.get(touch.limit)).flat_map(|limit| &limit.downgrade) {
        if name != asked && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}
