//! `tokenbook budget`: what budgets have used and will use.

use super::Session;
use super::alerts;
use super::options::OutputOptions;
use crate::cli::failure::{Code, Exit, Failure};
use tokenbook::Books;
use tokenbook::books::controls::budget_sheet::SHORT;
use tokenbook::books::controls::budgets::{BudgetRequest, BudgetStatus};
use tokenbook::domain::calendar::Day;
use tokenbook::domain::period::{self, Period};

/// Compare usage with the budgets of the limits in force
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what each budget has used, what it will use, and which threshold it has reached
    ///
    /// Usage counts on its billing day, after rules and weights, at contract prices. Usage without a price is not in an amount; the
    /// output says how many events lack one. Requests are events, or what an event that stands for several requests reports.
    Status {
        /// The day whose periods are shown; usage after it does not count (default: today)
        #[arg(long, value_name = "DATE", conflicts_with = "period")]
        at: Option<String>,
        /// Show the periods that the last day of this period is in, or today if it is not over
        #[arg(long, value_name = "PERIOD")]
        period: Option<String>,
        /// Only the budget of this name
        #[arg(long, value_name = "NAME")]
        budget: Option<String>,
        /// Show budgets without usage too
        #[arg(long)]
        all: bool,
        /// List instead the days and sources for which guarded requests settled more than the ledger has
        #[arg(long, conflicts_with_all = ["at", "period", "budget", "all"])]
        missing: bool,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Record an alert for each threshold that a budget has reached, once; for cron
    ///
    /// It looks at the current period of every budget and at the one before, if its limits were applied in time. It prints what is new
    /// and sends it to the channels that the limits name, so a cron line such as `*/5 * * * * tokenbook --quiet budget check --once` is silent otherwise. A rise and fall between two
    /// checks is not seen. It ends with 10 if a budget that blocks is used up.
    Check {
        /// End with 10 only if this check is the first to find a budget used up
        #[arg(long)]
        once: bool,
        /// End with 4 if an amount lacks usage without a price
        #[arg(long)]
        strict: bool,
        /// Send nothing to the channels of the limits; `alerts deliver` sends it later
        #[arg(long)]
        no_deliver: bool,
    },
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Status { missing: true, output, .. } => {
            let sheet = session.read()?.missing_usage(session.invocation.now)?;
            output.put(&sheet, session)?;
            if sheet.rows.is_empty() && output.is_for_people() {
                session.tell("everything that guarded requests settled is in the ledger")?;
            }
            Ok(Exit::Done)
        }
        Command::Status { at, period, budget, all, output, .. } => {
            let at = day_of(at.as_deref(), period.as_deref(), session)?;
            let request = BudgetRequest { at, now: session.invocation.now, name: budget.clone(), all: *all };
            status(&request, output, session)
        }
        Command::Check { once, strict, no_deliver } => {
            let exit = check(*once, *strict, session)?;
            // The alerts are recorded. A failed delivery must not hide how the check ended.
            if !no_deliver && let Err(failure) = alerts::deliver(session) {
                session.warn(format!("warning: no message was sent: {}", failure.what()))?;
            }
            Ok(exit)
        }
    }
}

fn status(request: &BudgetRequest, output: &OutputOptions, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let books = session.read()?;
    let status = session.progress(|progress| books.budgets(request, progress))?;
    let status = status.ok_or_else(|| {
        let day = request.at.map_or_else(|| "today".to_owned(), |day| format!("on {day}"));
        Failure::new(Code::PolicyMissing, format!("no limits are in force {day}"))
            .hint("apply limits with `tokenbook policy apply FILE`; their `from` must not be later than the day")
    })?;
    put(&status, output, session)?;
    if request.at.is_none() && output.is_for_people() {
        say_what_is_missing(&books, session)?;
    }
    Ok(Exit::Done)
}

/// Says that the guard has counted requests that the table lacks. The table is right without it, so an error is only a warning.
fn say_what_is_missing(books: &Books, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    match books.missing_usage(session.invocation.now) {
        Ok(missing) if missing.rows.is_empty() => Ok(()),
        Ok(_) => {
            let see = "`tokenbook budget status --missing`";
            session.say(format!(
                "! the guard has counted requests that are not in the ledger yet, nor in this table: see {see}"
            ))
        }
        Err(error) => session.warn(format!("warning: nobody knows what the guard has counted: {error}")),
    }
}

/// Prints budgets: for people the columns that fit a terminal, with rounded amounts.
pub fn put(status: &BudgetStatus, output: &OutputOptions, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let sheet = if output.is_for_people() { status.rounded()?.only(&SHORT) } else { Ok(status.sheet()?) };
    output.put(&sheet.map_err(|error| Failure::new(error.code(), error.to_string()))?, session)
}

fn check(once: bool, strict: bool, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let books = session.open()?;
    let today = books.settings().calendar.day_of(session.invocation.now);
    let is_limited = books.policy_in_force(today)?.is_some();
    if !is_limited {
        session.tell("no limits are in force today")?;
    }
    let found = session.progress(|progress| books.check_budgets(session.act(), progress))?;
    for raised in &found.raised {
        session.say(format!("alert {}: {}", raised.name, raised.text))?;
    }
    for name in &found.blocking {
        session.tell(format!("{name}: is used up"))?;
    }
    if found.raised.is_empty() && is_limited {
        session.tell("no threshold was reached since the last check")?;
    }
    if !found.raised.is_empty() {
        session.tell_head(&found.head)?;
    }
    let mut exit = Exit::Done;
    if strict {
        for name in &found.unpriced {
            session.warn(format!("warning: {name}: some usage has no price, so the amount is at least that"))?;
            exit = exit.worse(Exit::Incomplete);
        }
    }
    if found.blocks_anew || !once && !found.blocking.is_empty() {
        exit = exit.worse(Exit::Refused);
    }
    Ok(exit)
}

/// The day that the user asks for; `None` for today.
pub fn day_of(at: Option<&str>, period: Option<&str>, session: &Session<'_, '_>) -> Result<Option<Day>, Failure> {
    let today = session.read()?.settings().calendar.day_of(session.invocation.now);
    if let Some(text) = period {
        let period = Period::parse(text).map_err(|error| Failure::option(error.code(), "--period", text, error))?;
        if period.first() > today {
            return Err(Failure::option(Code::PeriodInvalid, "--period", text, "has not begun"));
        }
        return Ok(Some(period.last().min(today)));
    }
    let Some(text) = at else { return Ok(None) };
    let day = period::day(text).map_err(|error| {
        Failure::option(error.code(), "--at", text, format!("{error}, expected a date such as 2026-12-01"))
    })?;
    if day > today {
        return Err(Failure::option(
            Code::OptionInvalid,
            "--at",
            text,
            "is not over yet, expected today or a day before",
        ));
    }
    Ok(Some(day))
}
