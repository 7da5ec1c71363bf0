//! `tokenbook maps`: keep maps of columns in the ledger under a name, for `import --map NAME`.

use super::Session;
use super::options::OutputOptions;
use crate::cli::failure::{Code, Exit, Failure};
use std::path::PathBuf;
use tokenbook::domain::name::Name;

/// Keep maps of columns for CSV and JSONL files of your own: keep a map under a name, list maps, show one
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Keep a map in the ledger under a name; the same name replaces the map for later imports
    Keep {
        /// The name of the map
        name: String,
        /// The TOML file; `tokenbook formats mapped` shows an example
        file: PathBuf,
    },
    /// List the maps: since when the ledger keeps them, and which fields they read
    List {
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Print a map
    Show {
        /// The name of the map
        name: String,
    },
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Keep { name, file } => keep(name, file, session),
        Command::List { output } => {
            let sheet = session.read()?.map_list()?;
            output.put(&sheet, session)?;
            Ok(Exit::Done)
        }
        Command::Show { name } => {
            let maps = session.read()?.maps()?;
            let map = maps.get(name).ok_or_else(|| {
                Failure::new(Code::MapUnknown, format!("the ledger has no map {name:?}"))
                    .hint("see the names with `tokenbook maps list`")
            })?;
            session.streams.out.write_all(map.as_bytes())?;
            Ok(Exit::Done)
        }
    }
}

/// Whether the name given to `--map` looks like a file.
fn looks_like_a_file(name: &str) -> bool {
    name.contains(['/', '\\']) || name.starts_with('.') || name.to_ascii_lowercase().ends_with(".toml")
}

fn keep(name: &str, file: &std::path::Path, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let shown = file.display().to_string();
    let name = Name::new(name).map_err(|error| Failure::option(error.code(), "the name", name, error))?;
    if looks_like_a_file(name.as_str()) {
        let what = format!("the name {:?} looks like a path, expected a plain name, such as gateway", name.as_str());
        return Err(
            Failure::new(Code::NameInvalid, what).hint("--map takes a path or a name, and tries the path first")
        );
    }
    let bytes = std::fs::read(file).map_err(|error| Failure::option_file(&shown, error))?;
    let books = session.open()?;
    let kept = books.keep_map(&name, &shown, &bytes, session.act(), &tokenbook::books::Silent)?;
    session.tell(format!("{shown}: {} as {name}", if kept { "kept" } else { "is kept already" }))?;
    let head = books.head()?;
    session.tell_head(&head)?;
    Ok(Exit::Done)
}
