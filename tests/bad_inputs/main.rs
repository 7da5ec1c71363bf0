//! Every class of bad input that concerns our own usage formats, prices and files: what is said, and what is kept.
//!
//! The numbers are those of the catalogue of bad inputs. What stands here as accepted is accepted on purpose. Usage that
//! is refused is refused plain and as gzip, and leaves the ledger as it was.

mod accepted;
mod case;
#[path = "../desk/mod.rs"]
mod desk;
mod files;
mod price_lists;
mod refused;

use accepted::accepted;
use desk::Outcome;
use refused::{bytes_and_framing, csv_shape, json_structure, names, numbers, times};
use std::collections::BTreeSet;

/// Classes of the catalogue that are tested beside this file, or are not of our own formats, prices and files.
const ELSEWHERE: [(u32, &str); 24] = [
    (41, "quantities: a sum beyond 64 bits"),
    (45, "catalogues in JSON come with a later card"),
    (53, "import: an instant's spellings; fixtures/import has a month's last instant"),
    (59, "closed periods come with a later card"),
    (63, "import: a file imported twice"),
    (65, "here: an id belongs to its source"),
    (69, "import: colliding hashes"),
    (70, "import: quarantined lines"),
    (72, "here: two spellings of a name"),
    (75, "here: names of any kind"),
    (76, "here: names of any kind"),
    (77, "here: names of any kind"),
    (79, "here: names of any kind"),
    (80, "here: names of any kind"),
    (102, "here: only regular files"),
    (103, "here: only regular files"),
    (104, "here: a path may hold anything"),
    (107, "import: one bad file"),
    (113, "exact: a price's first and last nanosecond"),
    (116, "a price has a start only"),
    (120, "exchange rates by date come with a later card; savings: an exchange rate of 0"),
    (121, "exchange rates by date come with a later card"),
    (122, "closed periods come with a later card"),
    (123, "here: prices come again"),
];

#[test]
fn no_class_of_the_catalogue_is_forgotten() -> Outcome {
    let mut source = String::new();
    for file in ["accepted.rs", "files.rs", "main.rs", "price_lists.rs"] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bad_inputs");
        source.push_str(&std::fs::read_to_string(std::path::Path::new(folder).join(file))?);
    }
    let groups = [bytes_and_framing(), json_structure(), numbers(), times(), names(), csv_shape(), accepted()];
    let mut known: BTreeSet<u32> = groups.into_iter().flatten().map(|case| case.number).collect();
    known.extend(ELSEWHERE.map(|(number, _)| number));
    // Tables of files and prices name their numbers as the first of a tuple, on its line or on one of its own.
    let tuples = source.lines().map(str::trim).filter_map(|line| {
        let first = line.strip_prefix('(').map_or(line, |rest| rest.split_once(',').map_or(rest, |(first, _)| first));
        first.strip_suffix(',').unwrap_or(first).parse::<u32>().ok()
    });
    known.extend(tuples);
    // Budgets, split allocations, webhooks; offers are tested above.
    known.extend(124..=127);
    let forgotten: Vec<u32> = (1..=127).filter(|number| !known.contains(number)).collect();
    assert_eq!(forgotten, Vec::<u32>::new());
    Ok(())
}
