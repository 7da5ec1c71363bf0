//! From one state of the ledger to a period's rated usage, in the detail that a report needs.

use crate::aggregate::attributed::Attribution;
use crate::aggregate::fold::{self, Basis, fold};
use crate::aggregate::{PriceChanges, from_monthly, rated};
use crate::attribute::Rules;
use crate::books::BooksError;
use crate::books::statement::completeness::{ByDepartment, Counted};
use crate::books::statement::reports::{Detail, MonthBefore, Request};
use crate::domain::number::{PayerOf, RulePayerId};
use crate::domain::period::Period;
use crate::domain::usage::Dictionary;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::read::class::StatedPrompts;
use crate::price::Book;
use crate::rating::RatedLine;
use crate::report::ReportError;
use crate::report::by::Dimension;
use crate::report::group::{Grouped, Rated, Sums};
use std::collections::BTreeMap;

/// The data to read and rate usage with.
pub(in crate::books) struct Reading<'a> {
    pub(in crate::books) snapshot: &'a Snapshot<'a>,
    pub(in crate::books) book: &'a Book,
    pub(in crate::books) books: &'a BTreeMap<String, Book>,
    pub(in crate::books) rules: &'a Rules,
    /// The sizes of prompts that users stated at import.
    pub(in crate::books) stated: &'a StatedPrompts,
}

/// The usage of a period and of the previous month, with the names of its numbers.
pub(in crate::books) struct Read {
    pub(in crate::books) rated: Rated,
    pub(in crate::books) before: Option<Rated>,
    pub(in crate::books) names: Dictionary,
    /// The counts for the period's caveats.
    pub(in crate::books) counted: ByDepartment,
}

impl Reading<'_> {
    /// The usage by payer.
    pub(in crate::books) fn of(&self, request: &Request) -> Result<Read, BooksError> {
        let before = request.period.as_month().filter(|_| request.month_before == MonthBefore::Read);
        let before = before.map(|month| month.previous().period());
        if self.is_coarse(request, before) {
            let mut names = self.snapshot.dictionary_of_payers()?;
            let rated = self.of_months(request.period, request, &mut names)?;
            let before = before.map(|period| self.of_months(period, request, &mut names)).transpose()?;
            match (rated, before) {
                (Some((rated, counted)), None) => return Ok(Read { rated, before: None, names, counted }),
                (Some((rated, counted)), Some(Some((before, _)))) => {
                    let before = Some(before).filter(|before| !before.is_empty());
                    return Ok(Read { rated, before, names, counted });
                }
                _ => {}
            }
        }
        let mut names = self.snapshot.dictionary()?;
        // First, so that an observer receives the progress of the period itself last.
        let before = before.map(|period| self.of_days(period, request, &mut names)).transpose()?;
        let before = before.map(|(before, _)| before).filter(|before| !before.is_empty());
        let (rated, counted) = self.of_days(request.period, request, &mut names)?;
        Ok(Read { rated, before, names, counted })
    }

    /// Whether totals by month and payer are enough.
    fn is_coarse(&self, request: &Request, before: Option<Period>) -> bool {
        let Detail::Groups(by) = &request.detail else { return false };
        request.basis == Basis::Sums
            && by.iter().all(Dimension::is_of_payer_or_model)
            && request.period.is_whole_months()
            && std::iter::once(request.period).chain(before).all(|period| self.rules.are_of_months(period))
    }

    /// The usage of whole months; `None` if it needs the days.
    fn of_months(
        &self,
        period: Period,
        request: &Request,
        names: &mut Dictionary,
    ) -> Result<Option<(Rated, ByDepartment)>, BooksError> {
        let changes = PriceChanges::new(self.books.values().collect(), names);
        let currency = self.snapshot.ledger().settings().currency;
        let usage = from_monthly::usage(self.snapshot, period, &changes)?;
        let lines = usage.and_then(|usage| rated::rated_as_it_is(usage, self.book, names, currency));
        let Some(lines) = lines else { return Ok(None) };
        let mut attribution = Attribution::new(self.rules, names);
        let mut kept = Kept::of(&request.detail, self.stated);
        for line in lines {
            attribution.give(line, |line, names| kept.add(line, names))?;
        }
        attribution.divide_shared(|line, names| kept.add(line, names))?;
        together(&request.detail, vec![(kept, attribution.into_names())], names).map(Some)
    }

    fn of_days(
        &self,
        period: Period,
        request: &Request,
        names: &mut Dictionary,
    ) -> Result<(Rated, ByDepartment), BooksError> {
        let changes = PriceChanges::new(self.books.values().collect(), names);
        let rating = fold::Rating { book: self.book, changes, names, rules: self.rules };
        let kept = || Kept::of(&request.detail, self.stated);
        let kept = fold(self.snapshot, &rating, period, request.basis, kept, Kept::add)?;
        together(&request.detail, kept, names)
    }
}

/// What is kept of one thread's lines.
struct Kept<'s> {
    usage: KeptUsage,
    counted: Counted<'s>,
}

enum KeptUsage {
    Lines(Vec<RatedLine>),
    Unpriced(Vec<RatedLine>),
    Sums(Sums),
}

impl<'s> Kept<'s> {
    fn of(detail: &Detail, stated: &'s StatedPrompts) -> Self {
        let usage = match detail {
            Detail::Lines => KeptUsage::Lines(Vec::new()),
            Detail::Unpriced => KeptUsage::Unpriced(Vec::new()),
            Detail::Groups(by) => KeptUsage::Sums(Sums::by(by)),
        };
        Self { usage, counted: Counted::new(stated) }
    }

    fn add(&mut self, line: RatedLine, names: &Dictionary) -> Result<(), BooksError> {
        self.counted.add(&line).map_err(ReportError::from)?;
        match &mut self.usage {
            KeptUsage::Lines(lines) => lines.push(line),
            KeptUsage::Unpriced(lines) => lines.extend(Some(line).filter(RatedLine::has_unpriced)),
            KeptUsage::Sums(sums) => sums.add(&line, names)?,
        }
        Ok(())
    }
}

/// Combines what all threads kept. It adds the names of the payers in their lines.
fn together(
    detail: &Detail,
    all: Vec<(Kept<'_>, Dictionary)>,
    names: &mut Dictionary,
) -> Result<(Rated, ByDepartment), BooksError> {
    let mut counted = ByDepartment::default();
    let (mut lines, mut sums) = (Vec::new(), Vec::new());
    for (kept, of_thread) in all {
        counted.add(&kept.counted, &of_thread).map_err(ReportError::from)?;
        match kept.usage {
            KeptUsage::Lines(of_lines) | KeptUsage::Unpriced(of_lines) => {
                lines.extend(renumbered(of_lines, of_thread, names));
            }
            KeptUsage::Sums(of_groups) => sums.push((of_groups, of_thread)),
        }
    }
    // Each day belongs to one thread.
    lines.sort_by_key(|line: &RatedLine| line.usage.key.day);
    let rated = match detail {
        Detail::Lines => Rated::Lines(lines),
        Detail::Unpriced => Rated::Unpriced(lines),
        Detail::Groups(by) => Rated::Groups(Grouped::of(by, sums)?),
    };
    Ok((rated, counted))
}

/// Renumbers the payers by rules, so that the numbers of different threads cannot clash.
fn renumbered(lines: Vec<RatedLine>, of_thread: Dictionary, names: &mut Dictionary) -> impl Iterator<Item = RatedLine> {
    // There are no more numbers than combinations in memory.
    let taken = i64::try_from(names.paid.len()).unwrap_or(i64::MAX);
    let number = move |own: RulePayerId| RulePayerId::new(own.number().saturating_add(taken));
    names.paid.extend(of_thread.paid.into_iter().map(|(own, tags)| (number(own), tags)));
    lines.into_iter().map(move |mut line| {
        if let PayerOf::Rule(own) = line.payer {
            line.payer = PayerOf::Rule(number(own));
        }
        line
    })
}
