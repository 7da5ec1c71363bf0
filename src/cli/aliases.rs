//! `tokenbook aliases`: say under which name the prices of a model stand that is used under another.

use super::Session;
use super::options::{OutputOptions, counted};
use super::prices::instant;
use crate::cli::failure::{Exit, Failure};
use std::path::PathBuf;
use tokenbook::books::setup::aliases::AliasesImported;
use tokenbook::books::setup::price_list::Listing;
use tokenbook::price::alias::AliasRow;
use tokenbook::price::alias_list::{SHIPPED, SHIPPED_NAME};
use tokenbook::text::problem::excerpt;

/// How many aliases without a price are named.
const NAMED: usize = 12;

/// Aliases of models: a dated snapshot, a deployment or a cloud's resource is priced as the model it stands for
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Import a list of aliases, CSV with `alias,provider,model,valid_from`: all of it, or nothing
    ///
    /// An alias holds where no price in force names the model as it was used. It is exact, is followed once, and holds
    /// from `valid_from` (a day of the ledger's zone, or an instant) until the next row of the same alias and provider;
    /// the model `-` ends it. Reports keep the name that was used.
    Import {
        /// The list
        #[arg(required_unless_present = "shipped", conflicts_with = "shipped")]
        file: Option<PathBuf>,
        /// The list that comes with tokenbook: dated names of the main vendors' models
        #[arg(long)]
        shipped: bool,
    },
    /// List the aliases in force on a date, or all that ever were
    List {
        /// A date of the ledger's zone or an RFC 3339 instant (default: now)
        #[arg(long, value_name = "WHEN", conflicts_with = "history")]
        at: Option<String>,
        /// Every alias that ever was
        #[arg(long)]
        history: bool,
        #[command(flatten)]
        output: OutputOptions,
    },
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Import { file, .. } => import(file.as_ref(), session),
        Command::List { at, history, output } => {
            let books = session.read()?;
            let listing = match at {
                _ if *history => Listing::History,
                None => Listing::InForceAt(session.invocation.now),
                Some(text) => Listing::InForceAt(instant("--at", text, &books)?),
            };
            output.put(&books.alias_list(listing)?, session)?;
            Ok(Exit::Done)
        }
    }
}

/// Imports the aliases of a file, or those that come with tokenbook.
fn import(file: Option<&PathBuf>, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let (name, bytes) = match file {
        None => (SHIPPED_NAME.to_owned(), SHIPPED.as_bytes().to_vec()),
        Some(path) => {
            let shown = path.display().to_string();
            let bytes =
                std::fs::read(path).map_err(|error| Failure::new(Exit::Rejected, format!("{shown}: {error}")))?;
            (shown, bytes)
        }
    };
    let books = session.open()?;
    let outcome = session.progress(|progress| books.import_aliases(&name, &bytes, session.act(), progress))?;
    // The list that comes with tokenbook names models of every vendor.
    let without_price = if file.is_some() { outcome.without_price } else { Vec::new() };
    tell(&name, &AliasesImported { without_price, ..outcome }, session)?;
    let head = books.head()?;
    session.tell(format!("ledger head: {} {head}", head.seq))?;
    Ok(Exit::Done)
}

/// Says what became of a list of aliases.
pub fn tell(file: &str, imported: &AliasesImported, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    for alias in imported.without_price.iter().take(NAMED) {
        let nearest =
            if alias.nearest.is_empty() { String::new() } else { format!(" (nearest: {})", alias.nearest.join("; ")) };
        let (line, model) = (alias.line, excerpt(&alias.model));
        session
            .warn(format!("warning: {file}:{line}: no price names {model}{nearest}: the alias holds once one does"))?;
    }
    if imported.without_price.len() > NAMED {
        session.warn(format!(
            "warning: {file}: {} more stand for a name without a price",
            imported.without_price.len() - NAMED
        ))?;
    }
    let outcome = &imported.appended;
    for (old, new) in &outcome.replaced {
        let alias = &new.key.alias;
        session.say(format!("replaced: {alias} from {}: {} -> {}", new.valid_from, target(old), target(new)))?;
    }
    session.tell(format!(
        "{file}: {} added, {} replaced, {} unchanged",
        counted(outcome.added, "alias", "aliases"),
        outcome.replaced.len(),
        outcome.unchanged
    ))
}

fn target(row: &AliasRow) -> String {
    row.model.as_ref().map_or_else(|| "no alias".to_owned(), ToString::to_string)
}
