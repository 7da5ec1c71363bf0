//! The policy: checks it against the ledger, applies it, and says what is in force.

use crate::books::controls::unused;
use crate::books::heading::heading_of;
use crate::books::setup::rules;
use crate::books::statement::reports::books;
use crate::books::{Act, Books, BooksError, Observer};
use crate::control::limit::{Bound, Channel, ChannelKind, Common, Enforce, Measure, Policy};
use crate::control::policy::difference::{self, Change};
use crate::control::policy::read::{self, PolicyRead};
use crate::deliver::address::target;
use crate::domain::calendar::Day;
use crate::domain::money::Amount;
use crate::domain::name::Name;
use crate::domain::number::EntryId;
use crate::domain::secret;
use crate::fault::Code;
use crate::ledger::LedgerError;
use crate::ledger::facts::policies::{LIMITS, StoredPolicy, in_force};
use crate::ledger::file::transaction::Snapshot;
use crate::sheet::{Cell, Column, Sheet};
use crate::text::problem::{Problem, Spot, excerpt};

/// A policy with the entry that recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The entry of the chain.
    pub entry: EntryId,
    /// Its text as it was given.
    pub document: String,
    /// The policy.
    pub policy: Policy,
}

/// What `policy apply` did, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyApplied {
    /// The first billing day of the policy.
    pub from: Day,
    /// The first day of the policy that follows it, if there is one already.
    pub until: Option<Day>,
    /// Its entry; `None` if the same text is in force already, or if it was only tried.
    pub entry: Option<EntryId>,
    /// Whether the same text is in force already.
    pub is_in_force: bool,
    /// What changes on its first day.
    pub changes: Vec<Change>,
    /// What is odd and not wrong.
    pub warnings: Vec<Problem>,
}

/// Whether a policy is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apply {
    /// It is recorded.
    Record,
    /// It is checked and compared only.
    Try,
}

impl Books {
    /// Reads a policy and checks it against the ledger. An error has every problem, in the order of the lines.
    pub fn read_policy(&self, file: &str, bytes: &[u8]) -> Result<PolicyRead, BooksError> {
        let read = read_text(file, bytes)?;
        self.check(&self.ledger.snapshot()?, file, read)
    }

    /// What needs the ledger: prices of downgrades, and names that nobody has used.
    fn check(&self, snapshot: &Snapshot<'_>, file: &str, mut read: PolicyRead) -> Result<PolicyRead, BooksError> {
        let mut problems = self.without_prices(snapshot, &read)?;
        problems.extend(refused_addresses(&read));
        problems.sort_by_key(|problem| (problem.line, problem.column));
        if !problems.is_empty() {
            return Err(BooksError::Lines { file: file.to_owned(), problems });
        }
        let found = unused::names(snapshot, &rules::of_snapshot(snapshot)?, &read)?;
        read.warnings.extend(found);
        read.warnings.sort_by_key(|problem| (problem.line, problem.column));
        Ok(read)
    }

    /// Models of downgrades that have no price, in the order of the limits.
    fn without_prices(&self, snapshot: &Snapshot<'_>, read: &PolicyRead) -> Result<Vec<Problem>, LedgerError> {
        let books = books(&snapshot.prices()?, &snapshot.aliases()?);
        let book = books.get(self.settings().book.as_str());
        let mut problems = Vec::new();
        for (common, models) in downgrades(&read.policy) {
            for model in models {
                if book.is_none_or(|book| book.providers_of(model.as_str()).is_empty()) {
                    let what = format!("{} has no price", excerpt(model.as_str()));
                    let expected = "a model with prices in the ledger".to_owned();
                    problems.push(read.problem(common, "downgrade", what, expected).coded(Code::PolicyUnpriced));
                }
            }
        }
        Ok(problems)
    }

    /// Applies a policy from its first day on, or tries it. The same text in force on that day changes nothing.
    pub fn apply_policy(
        &self,
        file: &str,
        bytes: &[u8],
        apply: Apply,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<PolicyApplied, BooksError> {
        let PolicyRead { policy, warnings, .. } = self.read_policy(file, bytes)?;
        // It was read successfully, so it is UTF-8.
        let text = String::from_utf8_lossy(bytes);
        if apply == Apply::Try {
            return compared(&self.ledger.snapshot()?.policies(LIMITS)?, &text, &policy, warnings);
        }
        let write = self.ledger.write(|| observer.waiting())?;
        let mut applied = compared(&write.policies(LIMITS)?, &text, &policy, warnings)?;
        if !applied.is_in_force {
            applied.entry = Some(write.append_policy(LIMITS, &text, policy.from, act.now, act.actor)?);
            write.commit()?;
            self.ledger.checkpoint()?;
        }
        Ok(applied)
    }

    /// The policy in force on a day.
    pub fn policy_in_force(&self, day: Day) -> Result<Option<InForce>, BooksError> {
        of_snapshot(&self.ledger.snapshot()?, day)
    }

    /// What changes from the policy in force on its first day to the one of a file.
    pub fn policy_changes(&self, file: &str, bytes: &[u8]) -> Result<Vec<Change>, BooksError> {
        let read = self.read_policy(file, bytes)?;
        let before = self.policy_in_force(read.policy.from)?.map_or(Policy::NONE, |known| known.policy);
        Ok(difference::changes(&before, &read.policy))
    }

    /// Every policy that was applied: its first day, its entry, when and by whom.
    pub fn policy_list(&self) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let all = snapshot.policies(LIMITS)?;
        let row = |stored: &StoredPolicy| {
            let is_replaced = all.iter().any(|other| other.first_day == stored.first_day && other.entry > stored.entry);
            let next = all.iter().map(|other| other.first_day).filter(|day| *day > stored.first_day).min();
            let last = if is_replaced { Cell::Word("replaced") } else { Cell::day(next.and_then(Day::previous)) };
            let read = read::policy(&stored.document);
            let limits = read.map_or(Cell::Unknown("unreadable"), |read| {
                Cell::Count(i128::try_from(read.policy.limits().count()).unwrap_or(i128::MAX))
            });
            vec![
                Cell::Text(stored.name.clone()),
                Cell::Day(stored.first_day),
                last,
                Cell::Count(stored.entry.number().into()),
                Cell::Instant(stored.at),
                Cell::Text(stored.actor.clone()),
                limits,
            ]
        };
        let rows = all.iter().map(row).collect();
        let columns = vec![
            Column::text("document"),
            Column::day("first_day"),
            Column::day("last_day"),
            Column::number("entry"),
            Column::instant("applied_at"),
            Column::text("actor"),
            Column::count("limits"),
        ];
        Ok(Sheet { heading: heading_of(&snapshot, "policies", "all")?, columns, rows, total: None })
    }

    /// The limits in force on a day, one line for each measure, with shares as numbers.
    pub fn limit_list(&self, day: Day) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let policy = of_snapshot(&snapshot, day)?.map_or(Policy::NONE, |known| known.policy);
        let columns = vec![
            Column::text("limit"),
            Column::text("kind"),
            Column::money("amount", Some(self.settings().currency)),
            Column::count("tokens"),
            Column::count("requests"),
            Column::text("time"),
            Column::text("each"),
            Column::text("within"),
            Column::text("enforce"),
            Column::text("scope"),
        ];
        let heading = heading_of(&snapshot, "limits", day.to_string())?;
        Ok(Sheet { heading, columns, rows: limits(&policy, self.settings().currency.digits()), total: None })
    }
}

fn limits(policy: &Policy, digits: u8) -> Vec<Vec<Cell>> {
    let row = |common: &Common, kind: &str, bound: Bound, time: &str, enforce: &str| {
        let of = |measure: Measure| if bound.measure == measure { Cell::Count(bound.most) } else { Cell::Nothing };
        let is_amount = bound.measure == Measure::Amount;
        let amount = if is_amount { money(bound.most, digits) } else { Cell::Nothing };
        let enforce = if common.shadow { "shadow" } else { enforce };
        vec![
            Cell::text(common.name.as_str()),
            Cell::text(kind),
            amount,
            of(Measure::Tokens),
            of(Measure::Requests),
            Cell::text(time),
            Cell::some(common.each.as_ref().map(ToString::to_string)),
            Cell::some(common.within.as_ref().map(Name::as_str)),
            Cell::text(enforce),
            Cell::filled(common.scope.to_string()),
        ]
    };
    let mut rows = Vec::new();
    for budget in &policy.budgets {
        let enforce = budget.enforce.name();
        rows.extend(
            budget.bounds.iter().map(|bound| row(&budget.common, "budget", *bound, budget.per.name(), enforce)),
        );
    }
    for quota in &policy.quotas {
        rows.push(row(&quota.common, "quota", quota.bound, quota.per.name(), "block"));
    }
    for breaker in &policy.breakers {
        rows.push(row(&breaker.common, "breaker", breaker.bound, &breaker.window.to_string(), "block"));
    }
    rows
}

/// An amount with the decimals of its currency, or with more if it has more.
pub(in crate::books) fn money(femtos: i128, digits: u8) -> Cell {
    let amount = Amount::from_femtos(femtos);
    let unit = Amount::minor_unit(digits);
    match femtos.checked_rem(unit) {
        Some(0) => Cell::Fixed { value: amount.minor_units(digits), digits },
        _ => Cell::Exact(amount),
    }
}

/// What applying a policy changes on its first day.
fn compared(
    known: &[StoredPolicy],
    text: &str,
    policy: &Policy,
    warnings: Vec<Problem>,
) -> Result<PolicyApplied, BooksError> {
    let from = policy.from;
    let before = in_force(known, from);
    let is_in_force = before.is_some_and(|before| before.document == text && before.first_day == from);
    let before = before.map(understood).transpose()?.map_or(Policy::NONE, |before| before.policy);
    let until = known.iter().map(|other| other.first_day).filter(|day| *day > from).min();
    let changes = difference::changes(&before, policy);
    Ok(PolicyApplied { from, until, entry: None, is_in_force, changes, warnings })
}

/// Addresses that stand in the policy and may not be called.
fn refused_addresses(read: &PolicyRead) -> Vec<Problem> {
    let refused = |(name, channel): (&Name, &Channel)| {
        let ChannelKind::Json { url: Some(url) } = &channel.kind else { return None };
        let error = target(url, &channel.allow).err()?;
        let expected = "an https address, or a private one that `allow` names with its port".to_owned();
        Some(read.channel_problem(name, "url", error.to_string(), expected).coded(error.code()))
    };
    read.policy.channels.iter().filter_map(refused).collect()
}

/// Limits with the models that they name for downgrades.
fn downgrades(policy: &Policy) -> impl Iterator<Item = (&Common, &[Name])> {
    let of_budgets = policy.budgets.iter().filter_map(|budget| match &budget.enforce {
        Enforce::Block { downgrade, .. } => Some((&budget.common, downgrade.as_slice())),
        Enforce::Warn => None,
    });
    of_budgets.chain(policy.quotas.iter().map(|quota| (&quota.common, quota.downgrade.as_slice())))
}

/// The policy in force on a day of a state of the ledger.
pub(in crate::books) fn of_snapshot(snapshot: &Snapshot<'_>, day: Day) -> Result<Option<InForce>, BooksError> {
    in_force(&snapshot.policies(LIMITS)?, day).map(understood).transpose()
}

/// A stored policy, read again. A newer version may have recorded what this one cannot read.
pub(in crate::books) fn understood(stored: &StoredPolicy) -> Result<InForce, BooksError> {
    let wrong = |problems| BooksError::Lines { file: format!("the policy of entry {}", stored.entry), problems };
    let read = read::policy(&stored.document).map_err(wrong)?;
    Ok(InForce { entry: stored.entry, document: stored.document.clone(), policy: read.policy })
}

fn read_text(file: &str, bytes: &[u8]) -> Result<PolicyRead, BooksError> {
    let wrong = |problems| BooksError::Lines { file: secret::redacted(file).into_owned(), problems };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let ends = memchr::memchr_iter(b'\n', before).count();
        let line = u64::try_from(ends).unwrap_or(u64::MAX).saturating_add(1);
        wrong(vec![Problem::line("is not UTF-8", "UTF-8").coded(Code::NotUtf8).at(line)])
    })?;
    let secrets: Vec<Problem> = (1..).zip(text.lines()).filter_map(|(line, text)| secret_in(line, text)).collect();
    if !secrets.is_empty() {
        return Err(wrong(secrets));
    }
    read::policy(text).map_err(wrong)
}

/// A secret in a line of a policy, also in a comment: the chain would keep it.
fn secret_in(line: u64, text: &str) -> Option<Problem> {
    let found = secret::find(text)?;
    let before = text.get(..found.start)?.chars().count();
    let column = u32::try_from(before).ok()?.saturating_add(1);
    let problem = Problem::line(
        "has a value that looks like a secret (not shown)",
        "the name of a variable or a file that has it",
    );
    Some(problem.coded(Code::FieldInvalid).at_spot(Spot { line, column }))
}
