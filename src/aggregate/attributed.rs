//! Gives rated lines to their payers: each line goes whole to one payer, or in whole parts to several.
//!
//! The rules in force on a line's day decide, by its tags, model and source. A split divides quantities, never amounts.
//! A part's amount is its quantity at the line's own rate, so the parts add up to the line, to the last femto-unit.
//! Payers that are not the payer of the tags get numbers below 0, in the order in which they occur.

use crate::aggregate::AggregateError;
use crate::attribute::Rules;
use crate::attribute::matching::{Decision, Usage, decide};
use crate::attribute::split::{Owed, split};
use crate::domain::calendar::Day;
use crate::domain::meter::Meter;
use crate::domain::money::Amount;
use crate::domain::number::{ModelId, PayerOf, RulePayerId, SourceId, TagSetId};
use crate::domain::quantities::Quantities;
use crate::domain::ratio::Overflow;
use crate::domain::rule::{Payer, Share, Subject};
use crate::domain::tags::TagSet;
use crate::domain::usage::{Dictionary, UsageKey, UsageLine};
use crate::rating::{Charge, Cost, RatedLine};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Gives lines to their payers, and names the payers.
#[derive(Debug)]
pub struct Attribution<'a> {
    rules: &'a Rules,
    names: Dictionary,
    /// Whether any rule examines models or providers, and whether any examines sources. If none does, these need not be
    /// distinguished.
    by_model: bool,
    by_source: bool,
    decided: FxHashMap<(Day, TagSetId, ModelId, SourceId), Option<Rc<Parts>>>,
    numbers: FxHashMap<(TagSetId, Payer), RulePayerId>,
    /// Lines with several payers. They wait until all lines of their day have arrived.
    shared: Vec<(RatedLine, Rc<Parts>)>,
}

/// Who pays a line that is not its tag set's own payer alone: shares, and the payer of each.
#[derive(Debug)]
struct Parts {
    shares: Vec<Share>,
    payers: Vec<PayerOf>,
}

impl<'a> Attribution<'a> {
    /// Attribution by rules, for lines with these names.
    pub fn new(rules: &'a Rules, names: &Dictionary) -> Self {
        let conditions = || rules.sets().flat_map(|(_, set)| set.rules()).flat_map(|rule| &rule.conditions);
        let by = |looked_at: fn(&Subject) -> bool| conditions().any(|condition| looked_at(&condition.subject));
        Self {
            rules,
            names: Dictionary { paid: FxHashMap::default(), ..names.clone() },
            by_model: by(|subject| matches!(subject, Subject::Model | Subject::Provider)),
            by_source: by(|subject| *subject == Subject::Source),
            decided: FxHashMap::default(),
            numbers: FxHashMap::default(),
            shared: Vec::new(),
        }
    }

    /// Passes a line on for its payer. A line with several payers waits.
    pub fn give<E>(
        &mut self,
        line: RatedLine,
        mut each: impl FnMut(RatedLine, &Dictionary) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(parts) = self.parts(&line.usage.key) else { return each(line, &self.names) };
        if let [payer] = parts.payers[..] {
            return each(RatedLine { payer, ..line }, &self.names);
        }
        self.shared.push((line, parts));
        Ok(())
    }

    /// Passes on the parts of the waiting lines. The parts of one line come together, in the order of its payers. Call
    /// it when all lines of their days have been given.
    pub fn divide_shared<E: From<AggregateError>>(
        &mut self,
        mut each: impl FnMut(RatedLine, &Dictionary) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut shared = std::mem::take(&mut self.shared);
        // The lines of a day with the same shares are divided one after another, so that many small ones are divided
        // like their sum. They are in the order of their names, which does not depend on what was imported first.
        shared.sort_by(|(a, by_a), (b, by_b)| self.order(a, by_a).cmp(&self.order(b, by_b)));
        let mut left = LeftOver::default();
        let mut before: Option<(Day, Rc<Parts>)> = None;
        for (line, parts) in shared {
            let day = line.usage.key.day;
            if before.as_ref().is_none_or(|(of, by)| *of != day || by.shares != parts.shares) {
                left = LeftOver::default();
            }
            for part in divide(&line, &parts, &mut left).map_err(AggregateError::from)? {
                each(part, &self.names)?;
            }
            before = Some((day, parts));
        }
        Ok(())
    }

    /// The sort key of a line among the lines to divide.
    fn order<'l>(&'l self, line: &'l RatedLine, parts: &'l Parts) -> impl Ord + use<'l, 'a> {
        let UsageKey { day, posted, priced_at, source, tag_set, model, tier, band } = line.usage.key;
        let Dictionary { models, tiers, sources, .. } = &self.names;
        let names = (models.get(&model), tiers.get(&tier), self.names.tags(tag_set), sources.get(&source));
        (day, posted, &parts.shares, names, band, priced_at)
    }

    /// The names of the lines' numbers, including payers by rules.
    pub fn into_names(self) -> Dictionary {
        self.names
    }

    fn parts(&mut self, key: &UsageKey) -> Option<Rc<Parts>> {
        let (start, _) = self.rules.in_force(key.day)?;
        let model = if self.by_model { key.model } else { ModelId::NONE };
        let source = if self.by_source { key.source } else { SourceId::NONE };
        let memory = (start, key.tag_set, model, source);
        if let Some(known) = self.decided.get(&memory) {
            return known.clone();
        }
        let parts = self.decide(key).map(Rc::new);
        self.decided.insert(memory, parts.clone());
        parts
    }

    fn decide(&mut self, key: &UsageKey) -> Option<Parts> {
        let (_, set) = self.rules.in_force(key.day)?;
        let no_tags = TagSet::new();
        let tags = self.names.tags(key.tag_set).unwrap_or(&no_tags);
        let source = self.names.sources.get(&key.source).map(String::as_str);
        let Decision::Rule(_, shares) = decide(set, Usage { tags, model: self.names.models.get(&key.model), source })
        else {
            return None;
        };
        let own = Payer::of(tags);
        if matches!(shares.as_slice(), [share] if share.payer == own) {
            return None;
        }
        let tags = tags.clone();
        let payers = shares.iter().map(|share| self.payer(key.tag_set, &tags, &own, &share.payer)).collect();
        Some(Parts { shares, payers })
    }

    /// A payer of usage with these tags, which name their own.
    fn payer(&mut self, tag_set: TagSetId, tags: &TagSet, own: &Payer, payer: &Payer) -> PayerOf {
        if payer == own {
            return PayerOf::Tags(tag_set);
        }
        // There are no more numbers than combinations in memory.
        let next = RulePayerId::new(i64::try_from(self.numbers.len()).unwrap_or(i64::MAX));
        let number = *self.numbers.entry((tag_set, payer.clone())).or_insert(next);
        if number == next {
            self.names.paid.insert(number, tags.paid_by(payer));
        }
        PayerOf::Rule(number)
    }
}

/// What the payers of the same shares are owed from the lines of a day divided so far.
#[derive(Default)]
struct LeftOver {
    active: Owed,
    unpriced: Owed,
    priced: Owed,
    meters: BTreeMap<Meter, Owed>,
}

fn divide(line: &RatedLine, parts: &Parts, left: &mut LeftOver) -> Result<Vec<RatedLine>, Overflow> {
    let divided = |quantity: i64, owed: &mut Owed| split(quantity, &parts.shares, owed);
    let active = divided(line.usage.active, &mut left.active);
    // They are divided separately, so that no part has more unpriced events than events.
    let unpriced = divided(line.unpriced_events, &mut left.unpriced);
    let all_priced = line.usage.events.checked_sub(line.unpriced_events).ok_or(Overflow)?;
    let priced = divided(all_priced, &mut left.priced);
    let together = priced.iter().zip(&unpriced).map(|(priced, unpriced)| priced.checked_add(*unpriced).ok_or(Overflow));
    let events: Vec<i64> = together.collect::<Result<_, _>>()?;
    // If each event is one request, each part keeps one request for each event.
    let one_each = |charge: &Charge| charge.meter == Meter::Request && charge.quantity == line.usage.events;
    let of_charge = |charge: &Charge| {
        if one_each(charge) {
            return events.clone();
        }
        divided(charge.quantity, left.meters.entry(charge.meter).or_default())
    };
    let charges: Vec<Vec<i64>> = line.charges.iter().map(of_charge).collect();
    let mut lines = Vec::with_capacity(parts.payers.len());
    for (place, payer) in parts.payers.iter().enumerate() {
        let of = |quantities: &[i64]| quantities.get(place).copied().unwrap_or(0);
        let mut quantities = Quantities::NONE;
        let mut of_part = Vec::with_capacity(charges.len());
        for (charge, divided) in line.charges.iter().zip(&charges) {
            let quantity = of(divided);
            quantities.set(charge.meter, quantity);
            of_part.push(Charge { meter: charge.meter, quantity, cost: cost(charge, quantity)? });
        }
        // A payer whose part is nothing gets no line.
        if of(&events) == 0 && of_part.iter().all(|charge| charge.quantity == 0) {
            continue;
        }
        let usage = UsageLine { events: of(&events), active: of(&active), quantities, ..line.usage };
        let of_unpriced = line.unpriced_events > 0;
        let unpriced_events = of(&unpriced);
        lines.push(RatedLine { usage, payer: *payer, charges: of_part, unpriced_events, of_unpriced });
    }
    Ok(lines)
}

/// The cost of a part of a charge: its quantity at the charge's rate.
fn cost(charge: &Charge, part: i64) -> Result<Cost, Overflow> {
    match charge.cost {
        _ if part == 0 => Ok(Cost::NotCharged),
        Cost::Priced(amount) => {
            // A rate is a whole number of femto-units for each unit, so there is no remainder.
            let rate = amount.femtos().checked_div(charge.quantity.into()).ok_or(Overflow)?;
            rate.checked_mul(part.into()).map(|femtos| Cost::Priced(Amount::from_femtos(femtos))).ok_or(Overflow)
        }
        unchanged @ (Cost::NotCharged | Cost::Unpriced(_)) => Ok(unchanged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::department::Registry;
    use crate::domain::event::Band;
    use crate::domain::number::TierId;
    use crate::domain::timestamp::Timestamp;
    use crate::rating::Unpriced;
    use std::error::Error;

    type Outcome<T = ()> = Result<T, Box<dyn Error>>;

    fn line(events: i64, unpriced_events: i64, charges: &[(Meter, i64, Cost)]) -> Outcome<RatedLine> {
        let at = Timestamp::parse("2026-10-05T10:00:00Z")?;
        let day = crate::domain::period::day("2026-10-05")?;
        let key = UsageKey {
            day,
            posted: day.month(),
            priced_at: at,
            source: SourceId::new(1),
            tag_set: TagSetId::new(1),
            model: ModelId::new(1),
            tier: TierId::new(1),
            band: Band::Above(0),
        };
        let mut quantities = Quantities::NONE;
        for (meter, quantity, _) in charges {
            quantities.set(*meter, *quantity);
        }
        let usage = UsageLine { key, events, active: events, first_at: at, last_at: at, quantities };
        let charge =
            |(meter, quantity, cost): &(Meter, i64, Cost)| Charge { meter: *meter, quantity: *quantity, cost: *cost };
        let payer = PayerOf::Tags(key.tag_set);
        Ok(RatedLine {
            usage,
            payer,
            charges: charges.iter().map(charge).collect(),
            unpriced_events,
            of_unpriced: false,
        })
    }

    /// The line's parts for departments `a`, `b` and `c` with these weights.
    fn divided(line: RatedLine, weights: [i64; 3]) -> Outcome<Vec<RatedLine>> {
        let whole: i64 = weights.iter().sum();
        let [a, b, c] = weights;
        let file = format!("rule,department,weight\nall,a,{a}/{whole}\nall,b,{b}/{whole}\nall,c,{c}/{whole}\n");
        let set = crate::attribute::read::rules(file.as_bytes(), &Registry::default());
        let rules = Rules::always(set.map_err(|problems| format!("{problems:?}"))?);
        let mut attribution = Attribution::new(&rules, &Dictionary::default());
        let mut parts = Vec::new();
        let mut keep = |line, _: &Dictionary| {
            parts.push(line);
            Ok::<_, AggregateError>(())
        };
        attribution.give(line, &mut keep)?;
        attribution.divide_shared(keep)?;
        Ok(parts)
    }

    #[test]
    fn no_part_has_more_unpriced_events_than_events() -> Outcome {
        let unpriced = Cost::Unpriced(Unpriced::NoPrice);
        for events in 1..12 {
            for unpriced_events in 0..=events {
                for weights in [[1, 1, 4], [1, 3, 3], [2, 3, 7], [1, 1, 1]] {
                    let parts = divided(line(events, unpriced_events, &[(Meter::Input, 90, unpriced)])?, weights)?;
                    for part in &parts {
                        assert!(part.unpriced_events <= part.usage.events, "{events} {unpriced_events} {weights:?}");
                        assert_eq!(part.of_unpriced, unpriced_events > 0, "{events} {unpriced_events} {weights:?}");
                    }
                    let sum = |of: fn(&RatedLine) -> i64| parts.iter().map(of).sum::<i64>();
                    assert_eq!(sum(|part| part.usage.events), events);
                    assert_eq!(sum(|part| part.unpriced_events), unpriced_events);
                }
            }
        }
        Ok(())
    }

    #[test]
    fn parts_cost_what_their_quantities_cost_and_a_part_of_nothing_is_no_line() -> Outcome {
        let price = Cost::Priced(Amount::from_femtos(2 * 7));
        let charges =
            [(Meter::Input, 2, price), (Meter::Output, 0, Cost::NotCharged), (Meter::Request, 1, Cost::NotCharged)];
        let parts = divided(line(1, 0, &charges)?, [2, 1, 3])?;
        let found: Vec<(i64, Vec<(i64, Cost)>)> = parts
            .iter()
            .map(|part| (part.usage.events, part.charges.iter().map(|charge| (charge.quantity, charge.cost)).collect()))
            .collect();
        let (one, nothing) = ((1, Cost::Priced(Amount::from_femtos(7))), (0, Cost::NotCharged));
        // 2 tokens in sixths are 4, 2 and 6. `c` gets one token and `a` the other. `c` gets the one event, and `b` gets
        // nothing.
        assert_eq!(found, [(0, vec![one, nothing, nothing]), (1, vec![one, nothing, (1, Cost::NotCharged)])]);
        Ok(())
    }
}
