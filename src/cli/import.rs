//! `tokenbook import`: import usage files into the ledger.

use super::options::{UsageOptions, counted, files_of_paths, grouped};
use super::{Session, StandardInput};
use crate::cli::failure::{Code, Exit, Failure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tokenbook::books::usage::doubts::NotHashed;
use tokenbook::books::usage::import::{ImportError, ImportOptions, ImportOutcome, Run};
use tokenbook::import::file::input::{Input, misnamed};
use tokenbook::import::format::How;
use tokenbook::import::formats::stored;
use tokenbook::import::record::pages::Pages;
use tokenbook::text::problem::Problem;

/// Import usage files, each file whole or not at all; plain, gzip or zstd (see `tokenbook formats`)
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Files, folders with all their subfolders, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    usage: UsageOptions,
    /// Follow symbolic links
    #[arg(long)]
    follow: bool,
    /// Check everything and import nothing; each file is counted as if the files before it were imported
    #[arg(long)]
    dry_run: bool,
    /// Accept a file without events, instead of rejecting it
    #[arg(long)]
    allow_empty: bool,
    /// Reject the file unless it has this many rows, not counting headers and blank lines
    #[arg(long, value_name = "ROWS")]
    expect_rows: Option<u64>,
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let run = if arguments.dry_run { Run::Dry } else { Run::Real };
    let options = ImportOptions { expect_rows: arguments.expect_rows, ..arguments.usage.to_import(run, session)? };
    let inputs = files_of_paths(&arguments.files, arguments.follow, session)?;
    check(arguments, &inputs, session)?;
    let books = session.open()?;
    // With this, each file is counted as if the files before it were imported.
    let rehearsal = if arguments.dry_run { Some(session.progress(|progress| books.rehearse(progress))?) } else { None };
    if arguments.files.iter().any(|path| path.is_dir()) {
        session.tell(format!("{} to read", files_of(inputs.len())))?;
    }
    let (mut exit, mut errors, mut pages) = (Exit::Done, String::new(), PagesSeen::default());
    let mut total = Total::default();
    for input in &inputs {
        warn_misnamed(input, session)?;
        let result = session.progress(|progress| books.import(input, &options, session.act(), progress));
        note_errors(arguments.usage.errors.as_deref(), &result, &mut errors);
        if arguments.allow_empty && is_empty(&result) {
            session.tell(format!("{}: the file contains no events", input.name()))?;
            total.empty += 1;
            continue;
        }
        pages.note(result.as_ref().ok());
        total.note(result.as_ref().ok());
        exit = exit.worse(report(result, &options, session)?);
        if exit == Exit::Interrupted {
            break;
        }
    }
    finish(arguments.usage.errors.as_deref(), &errors, &pages, session)?;
    drop(rehearsal);
    if inputs.len() > 1 {
        session.tell(total)?;
    }
    let head = books.head()?;
    session.tell_head(&head)?;
    Ok(exit)
}

fn files_of(files: usize) -> String {
    counted(u64::try_from(files).unwrap_or(u64::MAX), "file", "files")
}

/// The total counts over all files of one command.
#[derive(Debug, Default)]
struct Total {
    imported: usize,
    empty: usize,
    rejected: usize,
    accepted: u64,
    duplicates: u64,
    quarantined: u64,
}

impl Total {
    /// Adds the counts of a file; `None` if it was rejected.
    fn note(&mut self, outcome: Option<&ImportOutcome>) {
        let Some(outcome) = outcome else {
            self.rejected += 1;
            return;
        };
        self.imported += 1;
        self.accepted = self.accepted.saturating_add(outcome.accepted);
        self.duplicates = self.duplicates.saturating_add(outcome.duplicates);
        self.quarantined = self.quarantined.saturating_add(outcome.quarantined);
    }
}

impl std::fmt::Display for Total {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { imported, empty, rejected, accepted, duplicates, quarantined } = self;
        let (accepted, quarantined) = (grouped(*accepted), grouped(*quarantined));
        let duplicates = counted(*duplicates, "duplicate", "duplicates");
        let files = files_of(imported + empty + rejected);
        write!(f, "{files}: {accepted} accepted + {duplicates} + {quarantined} quarantined")?;
        if *empty > 0 {
            write!(f, "; {} without events", files_of(*empty))?;
        }
        if *rejected > 0 {
            write!(f, "; {} rejected", files_of(*rejected))?;
        }
        Ok(())
    }
}

/// Rejects combinations of options that cannot be intended.
fn check(arguments: &Arguments, inputs: &[Input], session: &Session<'_, '_>) -> Result<(), Failure> {
    let stdin = match session.invocation.stdin {
        StandardInput::Terminal => Some("a terminal"),
        StandardInput::Nothing => Some("closed or a device"),
        StandardInput::Data => None,
    };
    if let Some(what) = stdin.filter(|_| inputs.contains(&Input::Stdin)) {
        return Err(Failure::new(Code::StandardInput, format!("standard input is {what}, expected a file or a pipe"))
            .hint("for example: zcat usage.jsonl.gz | tokenbook import -"));
    }
    if arguments.expect_rows.is_some() && inputs.len() != 1 {
        let what = format!("--expect-rows is for one file, and the command names {}", files_of(inputs.len()));
        return Err(Failure::new(Code::OptionsConflict, what));
    }
    arguments.usage.refuse_errors_over(inputs, &session.ledger)
}

/// Warns that a file is compressed in another way than its name says. The import reads it by its content.
pub fn warn_misnamed(input: &Input, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    match misnamed(input) {
        Some(what) => session.warn(format!("warning: {}: is {what}, though its name says otherwise", input.name())),
        None => Ok(()),
    }
}

/// What the files of one command reported about pages, by format.
#[derive(Debug, Default)]
pub struct PagesSeen(BTreeMap<String, Pages>);

impl PagesSeen {
    /// What these files reported.
    pub fn of(outcomes: &[ImportOutcome]) -> Self {
        let mut seen = Self::default();
        for outcome in outcomes {
            seen.note(Some(outcome));
        }
        seen
    }

    /// Adds the report of a file, if it was imported.
    fn note(&mut self, outcome: Option<&ImportOutcome>) {
        let Some(outcome) = outcome else { return };
        let said = self.0.entry(outcome.format.clone()).or_default();
        *said = outcome.pages.max(*said);
    }

    /// Warns of formats for which no file had the last page: the totals lack the usage on the missing pages.
    fn warn(&self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let missing = self.0.iter().filter(|(_, said)| **said == Pages::Followed);
        for (format, _) in missing {
            let name = stored(format).map_or(format.as_str(), |format| format.name);
            session.warn(format!(
                "warning: {name}: the vendor's export has more pages, and no file is the last one; import the missing pages too"
            ))?;
        }
        Ok(())
    }
}

fn is_empty(result: &Result<ImportOutcome, ImportError>) -> bool {
    result.as_ref().is_err_and(|error| error.code() == Code::NoEvents)
}

/// Collects the errors of a file and its bad lines, if `--errors` asks for them.
pub fn note_errors(wanted: Option<&Path>, result: &Result<ImportOutcome, ImportError>, errors: &mut String) {
    let Some(path) = wanted else { return };
    let (file, problems) = match result {
        Ok(outcome) => (&outcome.file, outcome.problems.as_slice()),
        Err(ImportError::Rejected { file, problems, .. }) => (file, problems.as_slice()),
        Err(ImportError::File { file, problem }) => (file, std::slice::from_ref(problem)),
        Err(_) => return,
    };
    let as_json = path.extension().is_some_and(|extension| extension == "jsonl");
    for problem in problems {
        errors.push_str(&if as_json { in_json(file, problem) } else { problem.in_file(file) });
        errors.push('\n');
    }
}

/// An error as JSON; line 0 is the file as a whole.
fn in_json(file: &str, problem: &Problem) -> String {
    let Problem { line, field, what, expected, code, .. } = problem;
    serde_json::json!({ "file": file, "line": line, "field": field, "code": code.name(), "what": what, "expected": expected })
        .to_string()
}

/// Writes the collected errors to the file of `--errors`, even if there are none, and warns of missing pages.
pub fn finish(
    wanted: Option<&Path>,
    errors: &str,
    pages: &PagesSeen,
    session: &mut Session<'_, '_>,
) -> Result<(), Failure> {
    if let Some(path) = wanted {
        tokenbook::books::month::output::replace(path, errors.as_bytes())?;
    }
    pages.warn(session)
}

/// Prints the counts or the error of a file, and returns its exit code.
pub fn report(
    result: Result<ImportOutcome, ImportError>,
    options: &ImportOptions,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let outcome = match result {
        Ok(outcome) => outcome,
        Err(error) => {
            let failure = Failure::from(error);
            session.streams.out.flush()?;
            failure.print(session.streams.err, session.colour);
            return Ok(failure.exit());
        }
    };
    for problem in &outcome.problems {
        session.warn(problem.in_file(&outcome.file))?;
    }
    if !outcome.ignored.is_empty() {
        let fields: Vec<&str> = outcome.ignored.iter().map(String::as_str).collect();
        session.warn(format!("{}: fields that tokenbook does not read: {}", outcome.file, fields.join(", ")))?;
    }
    if let Some(source) = &outcome.other_source {
        session.warn(format!(
            "warning: {}: this exact file was also imported under the source {source}, so its events count twice",
            outcome.file
        ))?;
    }
    session.warn_alike(&outcome.doubts.similar)?;
    if let Some((id, other)) = &outcome.doubts.overlapping {
        session.warn(format!(
            "warning: {}: the ledger has the usage of {id} in {other} as well, and both count (`tokenbook imports \
             retract` retracts one of the imports)",
            outcome.file
        ))?;
    }
    warn_not_hashed(&outcome, session)?;
    if outcome.older > 0 {
        session.warn(format!(
            "{}: earlier versions of records: {} (the ledger has higher counts and keeps them; a lower count corrects nothing)",
            outcome.file,
            grouped(outcome.older)
        ))?;
    }
    for problem in &outcome.doubts.unregistered {
        session.warn(format!("warning: {}", problem.in_file(&outcome.file)))?;
    }
    tell_unserved(&outcome, session)?;
    tell_dated(&outcome, session)?;
    session.tell(counts(&outcome, options))?;
    Ok(if outcome.open > 0 { Exit::Incomplete } else { Exit::Done })
}

/// Warns of tags to hash that no event has. If the key is mistyped, the real tag's values are stored in the clear.
fn warn_not_hashed(outcome: &ImportOutcome, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let NotHashed { missing, kept } = &outcome.doubts.not_hashed;
    if missing.is_empty() {
        return Ok(());
    }
    let kept = kept.iter().map(String::as_str).collect::<Vec<_>>();
    let kept = if kept.is_empty() { "none".to_owned() } else { kept.join(", ") };
    session.warn(format!(
        "warning: {}: no event has the tag {} that --hash-tag names (tags kept in the clear: {kept})",
        outcome.file,
        missing.join(", ")
    ))
}

/// Warns of models that have a price only under their name without the date.
fn tell_dated(
    ImportOutcome { file, unserved, .. }: &ImportOutcome,
    session: &mut Session<'_, '_>,
) -> Result<(), Failure> {
    let Some((model, undated)) = unserved.dated.iter().next() else { return Ok(()) };
    let models = match unserved.dated.len() - 1 {
        0 => format!("{model} has no price, but {undated} has one"),
        more => {
            let more = tokenbook::text::problem::listed(more, "more model", "more models");
            format!("{model} and {more} have no price, but their names without the date, such as {undated}, have one")
        }
    };
    session.warn(format!(
        "warning: {file}: {models} (map dated names with `tokenbook aliases import --shipped` or with aliases of your own)"
    ))
}

/// Warns which prices apply to usage without a provider.
fn tell_unserved(
    ImportOutcome { file, unserved, .. }: &ImportOutcome,
    session: &mut Session<'_, '_>,
) -> Result<(), Failure> {
    let mut by_providers: BTreeMap<&BTreeSet<String>, Vec<&str>> = BTreeMap::new();
    for (model, providers) in &unserved.only {
        by_providers.entry(providers).or_default().push(model);
    }
    for (providers, models) in by_providers {
        let it = if models.len() == 1 { "it" } else { "them" };
        let have = if providers.len() == 1 { "has" } else { "have" };
        let providers: Vec<&str> = providers.iter().map(String::as_str).collect();
        let option = if let [one] = providers[..] { one } else { "NAME" };
        session.warn(format!(
            "warning: {file}: the usage of {} names no provider, and only {} {have} prices for {it}, so it stays unpriced \
             (add --provider {option})",
            listed(&models),
            providers.join(" and ")
        ))?;
    }
    if !unserved.none.is_empty() {
        let models: Vec<&str> = unserved.none.iter().map(String::as_str).collect();
        session.warn(format!(
            "warning: {file}: the usage of {} names no provider; only prices without a provider will apply to it (add \
             --provider NAME)",
            listed(&models)
        ))?;
    }
    Ok(())
}

/// The first of some names.
fn listed(names: &[&str]) -> String {
    const NAMED: usize = 5;
    let more = if names.len() > NAMED { format!(" and {} more models", names.len() - NAMED) } else { String::new() };
    let named: Vec<&str> = names.iter().take(NAMED).copied().collect();
    format!("{}{more}", named.join(", "))
}

fn counts(outcome: &ImportOutcome, options: &ImportOptions) -> String {
    let ImportOutcome { file, lines, header, blank, accepted, revisions, duplicates, quarantined, .. } = outcome;
    let mut notes = match (options.run, outcome.same_file) {
        (Run::Dry, _) => vec!["dry run: nothing was kept".to_owned()],
        (Run::Real, true) => vec!["this exact file was imported before".to_owned()],
        (Run::Real, false) => Vec::new(),
    };
    notes.extend(options.ignored.keys().map(|key| format!("without the tag {key}")));
    notes.extend(options.hashed.keys().map(|key| format!("with hashes of the tag {key}")));
    notes.extend((*revisions > 0).then(|| match *revisions {
        1 => "1 of them has grown since it was imported".to_owned(),
        more => format!("{} of them have grown since they were imported", grouped(more)),
    }));
    if outcome.returned > 0 {
        let events = counted(outcome.returned, "event was", "events were");
        notes.push(format!("{events} retracted before, and count again"));
    }
    if outcome.left > 0 {
        notes.push(format!(
            "a last line of {} is incomplete and was left for the next import",
            counted(outcome.left, "byte", "bytes")
        ));
    }
    let note = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
    // In other vendors' formats a record may be several lines or several events, or no event.
    let own = stored(&outcome.format).is_none_or(|format| matches!(format.how, How::Own(_)));
    let (one, many, blank_word) = if own { ("line", "lines", "blank") } else { ("record", "records", "without usage") };
    format!(
        "{file}: {} = {} header + {} {blank_word} + {} accepted + {} + {} quarantined{note}",
        counted(*lines, one, many),
        grouped(*header),
        grouped(*blank),
        grouped(*accepted),
        counted(*duplicates, "duplicate", "duplicates"),
        grouped(*quarantined)
    )
}
