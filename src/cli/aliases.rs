//! `tokenbook aliases`: map a name in the usage to the model whose prices apply.

use super::Session;
use super::options::{OutputOptions, counted};
use super::prices::instant;
use crate::cli::failure::{Exit, Failure};
use std::path::PathBuf;
use tokenbook::books::setup::aliases::{AliasesImported, WithoutPrice};
use tokenbook::books::setup::price_list::Listing;
use tokenbook::price::alias::AliasRow;
use tokenbook::price::alias_list::{SHIPPED, SHIPPED_NAME};
use tokenbook::text::problem::listed;

/// Up to so many aliases without a price have a line each. More of them are one line, which names so many.
const NAMED: usize = 3;

/// Map a dated name, a deployment or a cloud resource to the model whose prices apply: import aliases, list them
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Import a list of aliases, CSV with `alias,provider,model,model_provider,valid_from`; the whole list or nothing
    ///
    /// tokenbook follows an alias only if no price in force has the name in the usage. It compares names exactly and
    /// follows one alias, never a chain. An alias holds from `valid_from` until the next row of the same alias and
    /// provider. `valid_from` is a day in the ledger's time zone, or an instant. The model `-` ends an alias. Reports
    /// keep the name in the usage.
    ///
    /// `model_provider` names the provider whose prices apply, if it is not the provider of the usage. With `*` as alias and
    /// model, every model of `provider` has the prices of the same name of `model_provider`.
    Import {
        /// The CSV file
        #[arg(required_unless_present = "shipped", conflicts_with = "shipped")]
        file: Option<PathBuf>,
        /// Import the list that comes with tokenbook, with dated names of the main vendors' models
        #[arg(long)]
        shipped: bool,
    },
    /// List the aliases in force on a date, or all aliases with their history
    List {
        /// A date in the ledger's time zone, or an RFC 3339 instant (default: now)
        #[arg(long, value_name = "WHEN", conflicts_with = "history")]
        at: Option<String>,
        /// List every alias, past, present and future
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

/// Imports the aliases in a file, or the list that comes with tokenbook.
fn import(file: Option<&PathBuf>, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let (name, bytes) = match file {
        None => (SHIPPED_NAME.to_owned(), SHIPPED.as_bytes().to_vec()),
        Some(path) => {
            let shown = path.display().to_string();
            let bytes = std::fs::read(path).map_err(|error| Failure::unreadable(&shown, &error))?;
            (shown, bytes)
        }
    };
    let books = session.open()?;
    let outcome = session.progress(|progress| books.import_aliases(&name, &bytes, session.act(), progress))?;
    // The list that comes with tokenbook names models of every vendor.
    let without_price = if file.is_some() { outcome.without_price } else { Vec::new() };
    tell(&name, &AliasesImported { without_price, ..outcome }, session)?;
    let head = books.head()?;
    session.tell_head(&head)?;
    Ok(Exit::Done)
}

/// Prints the outcome of an import of aliases.
pub fn tell(file: &str, imported: &AliasesImported, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let without_price = &imported.without_price;
    if without_price.len() > NAMED {
        let names: Vec<&str> = without_price.iter().take(NAMED).map(|alias| alias.name.as_str()).collect();
        session.warn(format!(
            "warning: {file}: {} to names without a price, such as {}; they apply when prices for these names come",
            listed(without_price.len(), "alias leads", "aliases lead"),
            names.join(", ")
        ))?;
    } else {
        for WithoutPrice { line, name, nearest } in without_price {
            let nearest =
                if nearest.is_empty() { String::new() } else { format!(" (nearest: {})", nearest.join("; ")) };
            let what = format!("{name} has no price{nearest}; the alias applies when a price comes");
            session.warn(format!("warning: {file}:{line}: {what}"))?;
        }
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
    row.target.as_ref().map_or_else(|| "no alias".to_owned(), ToString::to_string)
}
