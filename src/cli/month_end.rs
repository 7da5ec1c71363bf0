//! `tokenbook month-end`: do a whole month, from input files to reports.

use super::Session;
use super::options::{UsageOptions, counted, files_of_paths, grouped};
use super::replacing::refuse_ledger;
use super::{aliases, departments, import, init, prices, rules};
use crate::cli::failure::{Code, Exit, Failure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokenbook::books::month::month_change::{MonthChange, Owed};
use tokenbook::books::month::month_end::{MonthEnd, Reports};
use tokenbook::books::month::output::make_folders;
use tokenbook::books::month::run::{MonthRun, Step};
use tokenbook::books::usage::import::{ImportOutcome, Run};
use tokenbook::books::{Act, Books, BooksError};
use tokenbook::domain::period::Month;
use tokenbook::import::file::input::Input;
use tokenbook::ledger::facts::prices::PricesAppended;
use tokenbook::report::FileKind;
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
    /// Accept prices that look like a mistake: more than ten times the price they replace or
    /// the one before, or less than a tenth
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
        .map_err(|error| Failure::new(error.code(), format!("{:?} {error}, expected YYYY-MM", arguments.month)))?;
    let inputs = files_of_paths(&arguments.usage, arguments.follow, session)?;
    if inputs.contains(&Input::Stdin) {
        return Err(Failure::new(
            Code::StandardInput,
            "--usage - is standard input, expected files that the manifest can name",
        ));
    }
    let month_end = asked(arguments, month, &inputs, session)?;
    month_end.check()?;
    refuse_ledger(&arguments.out, &session.ledger)?;
    arguments.import.refuse_errors_over(&inputs, &session.ledger)?;
    let books = open_or_create(arguments, &month_end, session)?;
    let actor = session.actor.clone();
    let run = books.month_run(&month_end, Act { now: session.invocation.now, actor: &actor })?;
    let (reports, exit) = stepped(run, arguments, &books, &month_end, session)?;
    print(&reports, &arguments.out, session)?;
    if reports.statement.rated.is_empty() {
        session.warn(format!("warning: the ledger has no usage of {month}, so every report of the month is empty"))?;
    }
    Ok(if reports.is_clean() { exit } else { exit.worse(Exit::Incomplete) })
}

/// Does the steps of the month end, and prints what each did. Returns the exit code that its usage files ask for.
fn stepped(
    mut run: MonthRun<'_>,
    arguments: &Arguments,
    books: &Books,
    month_end: &MonthEnd,
    session: &mut Session<'_, '_>,
) -> Result<(Box<Reports>, Exit), Failure> {
    let mut files = Files { seen: 0, outcomes: Vec::new(), errors: String::new(), exit: Exit::Done, finished: false };
    let errors = arguments.import.errors.as_deref();
    loop {
        if files.seen == month_end.usage.len() && !files.finished {
            files.finished = true;
            import::finish(errors, &files.errors, &import::PagesSeen::of(&files.outcomes), session)?;
        }
        let step = match session.progress(|progress| run.step(progress)) {
            Err(error @ BooksError::UsageRejected { .. }) => {
                return Err(if matches!(error.code().exit(), Exit::Rejected | Exit::Conflict) {
                    let hint =
                        "correct the files, then run the command again; events that are imported already count once";
                    Failure::new(error.code(), error).hint(hint)
                } else {
                    error.into()
                });
            }
            step => step?,
        };
        match step {
            Step::Departments(appended) => departments::tell(arguments.departments.as_deref(), appended, session)?,
            Step::Rules(imported) => rules::tell(arguments.rules.as_deref(), imported, session)?,
            Step::Prices(appended) => tell_prices(&arguments.prices, &appended, books, session)?,
            Step::Aliases(imported) => {
                let file = arguments.aliases.as_deref().unwrap_or(Path::new("")).display().to_string();
                aliases::tell(&file, &imported, session)?;
            }
            Step::Usage(input, result) => {
                import::warn_misnamed(&input, session)?;
                files.seen += 1;
                files.outcomes.extend(result.as_ref().as_ref().ok().cloned());
                import::note_errors(errors, &result, &mut files.errors);
                files.exit = files.exit.worse(import::report(*result, &month_end.import, session)?);
            }
            Step::Reports(reports) => return Ok((reports, files.exit)),
        }
    }
}

/// The results of the usage files so far.
struct Files {
    seen: usize,
    outcomes: Vec<ImportOutcome>,
    /// The lines for the file of `--errors`.
    errors: String,
    exit: Exit,
    /// Whether the file of `--errors` is written.
    finished: bool,
}

fn tell_prices(
    file: &Path,
    appended: &PricesAppended,
    books: &Books,
    session: &mut Session<'_, '_>,
) -> Result<(), Failure> {
    prices::print_replaced(books, &appended.replaced, session)?;
    prices::warn_foreign(books, session)?;
    session.tell(format!(
        "{}: {} added, {} replaced, {} unchanged",
        file.display(),
        counted(appended.added, "price", "prices"),
        appended.replaced.len(),
        grouped(appended.unchanged)
    ))
}

/// The inputs of the month end.
fn asked(
    arguments: &Arguments,
    month: Month,
    inputs: &[Input],
    session: &mut Session<'_, '_>,
) -> Result<MonthEnd, Failure> {
    let files = inputs.iter().filter_map(|input| if let Input::File(path) = input { Some(path.clone()) } else { None });
    let report_files =
        [(FileKind::Benefits, arguments.roi.clone()), (FileKind::Offers, arguments.offers.clone())].into_iter();
    Ok(MonthEnd {
        month,
        usage: files.collect(),
        prices: arguments.prices.clone(),
        jumps: prices::jumps(arguments.accept_jumps),
        aliases: arguments.aliases.clone(),
        rules: arguments.rules.clone(),
        departments: arguments.departments.clone(),
        report_files: report_files.filter_map(|(kind, path)| Some((kind, path?))).collect::<BTreeMap<_, _>>(),
        out: arguments.out.clone(),
        import: arguments.import.to_import(Run::Real, session)?,
    })
}

fn open_or_create(arguments: &Arguments, month_end: &MonthEnd, session: &Session<'_, '_>) -> Result<Books, Failure> {
    let currency = arguments.currency.as_deref();
    let zone = arguments.time_zone.as_deref();
    if session.ledger.symlink_metadata().is_err() {
        let (currency, zone) = (currency.unwrap_or("USD"), zone.unwrap_or("UTC"));
        let settings = init::settings(currency, zone, "contract")?;
        month_end.check_settings(&settings)?;
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
    for sheet in &reports.printed {
        table(sheet, session)?;
        session.say("")?;
    }
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
            "outside the month, the ledger has {} earlier and {} later events",
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
