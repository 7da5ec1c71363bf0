//! `tokenbook month-end`: do a whole month, from input files to reports.

use super::Session;
use super::options::{UsageOptions, counted, files_of_paths, grouped};
use super::{aliases, departments, import, init, prices, rules};
use crate::cli::failure::{Exit, Failure};
use std::path::{Path, PathBuf};
use tokenbook::books::Books;
use tokenbook::books::month::manifest::Earlier;
use tokenbook::books::month::month_change::{MonthChange, Owed};
use tokenbook::books::month::month_end::{MonthEnd, Reports};
use tokenbook::books::month::output::make_folders;
use tokenbook::books::usage::import::Run;
use tokenbook::domain::period::Month;
use tokenbook::import::file::input::Input;
use tokenbook::sheet::{Cell, Sheet};
use tokenbook::text::problem::{excerpt, listed};

/// Do a whole month: import prices and usage, check them, and write every report and a manifest
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The month, YYYY-MM
    #[arg(value_name = "MONTH")]
    month: String,
    /// Usage files or folders
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    usage: Vec<PathBuf>,
    /// The price list, a CSV
    #[arg(long, value_name = "FILE")]
    prices: PathBuf,
    /// Accept prices that look like a mistake: a jump of about a thousand times, or of over ten times in a replacement,
    /// up or down
    #[arg(long)]
    accept_jumps: bool,
    /// Aliases of models, a CSV
    #[arg(long, value_name = "FILE")]
    aliases: Option<PathBuf>,
    /// Rules that decide who pays, in force from the first day of the month
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// The registry of departments, a CSV
    #[arg(long, value_name = "FILE")]
    departments: Option<PathBuf>,
    /// Benefits and costs, a CSV; writes roi.csv
    #[arg(long, value_name = "FILE")]
    roi: Option<PathBuf>,
    /// Offers, a TOML file; writes savings.csv and savings-by-department.csv
    #[arg(long, value_name = "FILE")]
    offers: Option<PathBuf>,
    /// The folder to write the reports to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The currency; an error if the ledger has another (default of a new ledger: USD)
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// The time zone; an error if the ledger has another (default of a new ledger: UTC)
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    #[command(flatten)]
    import: UsageOptions,
    /// Follow symbolic links
    #[arg(long)]
    follow: bool,
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let month = Month::parse(&arguments.month)
        .map_err(|error| Failure::new(Exit::Usage, format!("{:?} {error}, expected YYYY-MM", arguments.month)))?;
    let earlier = Earlier::of(&arguments.out)?;
    let inputs = files_of_paths(&arguments.usage, arguments.follow, session)?;
    if inputs.contains(&Input::Stdin) {
        return Err(Failure::new(Exit::Usage, "--usage - is standard input, expected files, which the manifest names"));
    }
    let month_end = asked(arguments, month, &inputs, session)?;
    if let Some(earlier) = &earlier {
        earlier.expect_month(&month_end.out, month)?;
    }
    readable(&month_end)?;
    arguments.import.refuse_errors_over(&inputs, &session.ledger)?;
    let books = open_or_create(arguments, earlier.as_ref(), session)?;
    books.check_inputs(&month_end)?;
    if let Some(appended) = session.progress(|p| books.import_month_departments(&month_end, session.act(), p))? {
        departments::tell(arguments.departments.as_deref(), appended, session)?;
    }
    if let Some(imported) = session.progress(|p| books.import_month_rules(&month_end, session.act(), p))? {
        rules::tell(arguments.rules.as_deref(), imported, session)?;
    }
    let listed = session.progress(|p| books.import_month_prices(&month_end, session.act(), p))?;
    prices::print_replaced(&books, &listed.replaced, session)?;
    prices::warn_foreign(&books, session)?;
    session.tell(format!(
        "{}: {} added, {} replaced, {} unchanged",
        arguments.prices.display(),
        counted(listed.added, "price", "prices"),
        listed.replaced.len(),
        grouped(listed.unchanged)
    ))?;
    if let Some((file, listed)) = session.progress(|p| books.import_month_aliases(&month_end, session.act(), p))? {
        aliases::tell(&file, &listed, session)?;
    }
    let (mut exit, mut outcomes, mut errors) = (Exit::Done, Vec::new(), String::new());
    for input in &inputs {
        import::warn_misnamed(input, session)?;
        let result = import::one(&books, input, &month_end.import, session);
        outcomes.extend(result.as_ref().ok().cloned());
        import::note_errors(arguments.import.errors.as_deref(), &result, &mut errors);
        exit = exit.worse(import::report(result, &month_end.import, session)?);
        if exit == Exit::Interrupted {
            return Ok(exit);
        }
    }
    import::finish(arguments.import.errors.as_deref(), &errors, &import::PagesSeen::of(&outcomes), session)?;
    if outcomes.len() < inputs.len() {
        let refused = inputs.len() - outcomes.len();
        return Err(Failure::new(
            exit,
            format!("{refused} of {} usage files were refused: no reports were written", inputs.len()),
        )
        .hint("correct the files and run it again: what was imported is not counted twice"));
    }
    let reports = session.progress(|p| books.report_month(&month_end, &outcomes, session.act(), p))?;
    print(&reports, &arguments.out, session)?;
    if reports.statement.rated.is_empty() {
        session.warn(format!("warning: the ledger holds no usage of {month}: every report of it is empty"))?;
    }
    Ok(if reports.is_clean() { exit } else { exit.worse(Exit::Incomplete) })
}

/// The inputs of the month end.
fn asked(
    arguments: &Arguments,
    month: Month,
    inputs: &[Input],
    session: &mut Session<'_, '_>,
) -> Result<MonthEnd, Failure> {
    let files = inputs.iter().filter_map(|input| if let Input::File(path) = input { Some(path.clone()) } else { None });
    Ok(MonthEnd {
        month,
        usage: files.collect(),
        prices: arguments.prices.clone(),
        jumps: prices::jumps(arguments.accept_jumps),
        aliases: arguments.aliases.clone(),
        rules: arguments.rules.clone(),
        departments: arguments.departments.clone(),
        roi: arguments.roi.clone(),
        offers: arguments.offers.clone(),
        out: arguments.out.clone(),
        import: arguments.import.to_import(Run::Real, session)?,
    })
}

/// Stops a run whose other inputs cannot be read, before it imports anything.
fn readable(month_end: &MonthEnd) -> Result<(), Failure> {
    let optional = month_end.optional().into_iter().filter_map(|(_, path)| path);
    for path in std::iter::once(&month_end.prices).chain(optional) {
        std::fs::File::open(path)
            .map_err(|error| Failure::new(Exit::Rejected, format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

fn open_or_create(
    arguments: &Arguments,
    earlier: Option<&Earlier>,
    session: &Session<'_, '_>,
) -> Result<Books, Failure> {
    let currency = arguments.currency.as_deref();
    let zone = arguments.time_zone.as_deref();
    if session.ledger.symlink_metadata().is_err() {
        let (currency, zone) = (currency.unwrap_or("USD"), zone.unwrap_or("UTC"));
        let settings = init::settings(currency, zone, "contract")?;
        if let Some(earlier) = earlier {
            earlier.expect_settings(&arguments.out, settings.currency.code(), settings.calendar.zone_name())?;
        }
        make_folder_of(&session.ledger)?;
        return Ok(Books::create(&session.ledger, &settings, session.act())?);
    }
    let books = session.open()?;
    books.expect_settings(currency, zone)?;
    Ok(books)
}

/// Makes the ledger's folder. A new ledger may be beside the reports, in a folder that the first run makes.
fn make_folder_of(ledger: &Path) -> Result<(), Failure> {
    let Some(folder) = ledger.parent() else { return Ok(()) };
    Ok(make_folders(folder)?)
}

/// Prints the tables that a finance person reads first.
fn print(reports: &Reports, out: &Path, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    session.tell("")?;
    table(&reports.summary, session)?;
    for sheet in [&reports.roi, &reports.savings].into_iter().flatten() {
        session.say("")?;
        table(sheet, session)?;
    }
    if !reports.unpriced.rows.is_empty() {
        session.say("")?;
        table(&reports.unpriced, session)?;
    }
    session.say("")?;
    for coverage in &reports.coverage {
        let empty = match coverage.empty_days.as_slice() {
            [] => "every day has events".to_owned(),
            days => format!("{} without events, the first {}", listed(days.len(), "day", "days"), days[0]),
        };
        let source = &coverage.source;
        let events = counted(coverage.events, "event", "events");
        session
            .say(format!("source {source}: {events} from {} to {}; {empty}", coverage.first_at, coverage.last_at))?;
    }
    let outside = reports.outside;
    if outside.before + outside.after > 0 {
        session.say(format!(
            "outside the month the ledger holds {} earlier and {} later events",
            grouped(outside.before),
            grouped(outside.after)
        ))?;
    }
    if let Some(change) = &reports.change {
        print_change(change, out, reports.statement.heading.currency.code(), session)?;
    }
    let heading = &reports.statement.heading;
    session.say(format!("{} files written to {}, the manifest last", reports.files, out.display()))?;
    session.say(format!("ledger head: {} {}", reports.entry, heading.ledger_head))
}

/// The most departments with changed amounts that the output lists.
const DEPARTMENTS_LISTED: usize = 12;

/// Prints what changed since the earlier reports in the folder, and why.
fn print_change(
    change: &MonthChange,
    out: &Path,
    currency: &str,
    session: &mut Session<'_, '_>,
) -> Result<(), Failure> {
    let owed = |owed: Option<&Owed>| match owed {
        None => "nothing".to_owned(),
        Some(owed) if owed.amount.is_empty() => "unpriced".to_owned(),
        Some(owed) => owed.amount.clone(),
    };
    let line = |name: &str, before: Option<&Owed>, now: Option<&Owed>| {
        let (before, now) = match (before, now) {
            // The difference is below the last decimal.
            (Some(before), Some(now)) if before.amount == now.amount => {
                (before.amount_exact.clone(), now.amount_exact.clone())
            }
            _ => (owed(before), owed(now)),
        };
        if before == now {
            format!("  {name}: {now} {currency}, as before")
        } else {
            format!("  {name}: {before} -> {now} {currency}")
        }
    };
    session.say(format!("changed since the reports in {} (ledger entry {}):", out.display(), change.entry))?;
    session.say(line("total", Some(&change.before.all), Some(&change.now.all)))?;
    let departments = change.departments();
    for (name, before, now) in departments.iter().take(DEPARTMENTS_LISTED) {
        session.say(line(&excerpt(name), *before, *now))?;
    }
    if let Some(more) = departments.len().checked_sub(DEPARTMENTS_LISTED).filter(|more| *more > 0) {
        session.say(format!("  and {}", listed(more, "department more", "departments more")))?;
    }
    session.say(format!("  why: {}", change.causes.join("; ")))
}

fn table(sheet: &Sheet, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    // A total of 0 rows carries no information.
    let total =
        sheet.total.clone().filter(|total| !sheet.rows.is_empty() && total.iter().any(|cell| *cell != Cell::Nothing));
    let sheet = Sheet { total, ..sheet.clone() };
    let renderer = tokenbook::render::named("table").unwrap_or(&tokenbook::render::RENDERERS[0]);
    Ok((renderer.render)(&sheet, &mut session.streams.out)?)
}
