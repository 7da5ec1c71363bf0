//! The page of errors: the output of every row of the table.

use super::case::{Case, Row};
use super::catalogue::{CATALOGUE, PARTS};
use crate::desk::{Outcome, Ran};
use tokenbook::fault::{CODES, Explained};

/// The most characters of an input and of a message that the page shows.
const INPUT_SHOWN: usize = 110;
const MESSAGE_SHOWN: usize = 260;

const OPENING: &str = "# Errors

Every error has a stable code. The command line prints it as `error[CODE]: what happened`, then `hint: what to do`. The command
`tokenbook explain-error CODE` prints the entry of a code. The library gives the same code by the method `code` of each error.
A code never changes its meaning; the texts of messages may change.

This page has two parts: all codes, and the messages about every kind of bad input that the tests know. It is made by
`UPDATE_GOLDEN=1 cargo test --test suite bad_inputs` from the table in `src/fault` and the table in `tests/bad_inputs`. Do not
edit it.

# Codes

Exit codes: 0 done, 1 a bug in tokenbook, 2 the command line or a configuration, 3 input rejected, 4 done but incomplete, 5 an id
with other content, 7 a ledger that does not verify, 8 storage, 9 not a ledger that this version opens, 130 stopped.
";

const INPUTS: &str = "
# Bad inputs

The table includes inputs that look bad and are not. Inputs are shortened. In a CSV the header is
`event_id,timestamp,model,department,input_tokens,output_tokens`, and the line stands below it; a `.jsonl` has one object on each
line. The import prints the message with all other bad lines of the file, and ends with `error[CODE]:` and `hint:`.
";

/// The page as written so far.
pub(crate) struct Page {
    text: String,
    part: usize,
}

impl Page {
    pub(crate) fn new() -> Self {
        let mut text = OPENING.to_owned();
        for (heading, codes) in CODES {
            text.extend([
                "\n## ",
                heading,
                "\n\n| code | exit | what it means | why it happens | what to do |\n|---|---|---|---|---|\n",
            ]);
            for Explained { name, exit, meaning, cause, remedy, .. } in codes {
                let (code, exit) = (format!("`{name}`"), exit.code().to_string());
                text.extend([
                    "| ",
                    &[&*code, &exit, meaning, cause, remedy].map(|cell| cell.replace('|', "\\|")).join(" | "),
                    " |\n",
                ]);
            }
        }
        text.push_str(INPUTS);
        Self { text, part: 0 }
    }

    /// Adds a row with its output, if it is a row that runs.
    pub(crate) fn add(&mut self, row: &Row, ran: Option<&Ran>) {
        let number = row.number();
        while let Some((_, heading)) = PARTS.get(self.part).filter(|(first, _)| *first <= number) {
            self.part += 1;
            let head = "| no. | what it is | input | exit | code | message | hint |\n|---|---|---|---|---|---|---|\n";
            self.text.extend(["\n## ", heading, "\n\n", head]);
        }
        let what = CATALOGUE.iter().find(|(known, _)| *known == number).map_or("", |(_, what)| what);
        let only = |said: String| [String::new(), String::new(), String::new(), said, String::new()];
        let [input, exit, coded, said, hint] = match (row, ran) {
            (Row::Case(case), Some(ran)) => cells(case, ran),
            (Row::Case(_), None) => only(String::new()),
            (Row::Tested(_, file, test), _) => only(format!("tested by `{test}` in `{file}`")),
            (Row::Absent(_, why), _) => only(format!("not applicable: {why}")),
        };
        let cells = [&number.to_string(), what, &input, &exit, &coded, &said, &hint];
        self.text.extend(["| ", &cells.join(" | "), " |\n"]);
    }

    /// Returns an error if the page in the repository differs. `UPDATE_GOLDEN=1` writes it.
    pub(crate) fn is_current(&self) -> Outcome {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ERRORS.md");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &self.text)?;
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        let differs = found.lines().zip(self.text.lines()).find(|(found, made)| found != made);
        if found == self.text {
            return Ok(());
        }
        Err(format!("docs/ERRORS.md is not current (UPDATE_GOLDEN=1 writes it), first: {differs:?}").into())
    }
}

fn cells(case: &Case, ran: &Ran) -> [String; 5] {
    let lines = || ran.err.lines().chain(ran.out.lines());
    let said = lines().find(|line| line.contains(&case.says)).unwrap_or_default();
    let hint = ran.err.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap_or_default();
    let imports = case.files.len() == 1 && case.commands == format!("tokenbook import {}", case.files[0].0);
    let shown = code(&case.shown, INPUT_SHOWN);
    let input = if imports || case.shown == case.commands {
        shown
    } else {
        [shown, code(&case.commands, MESSAGE_SHOWN)].join(" ")
    };
    let coded = code(ran.error_code().unwrap_or_default(), MESSAGE_SHOWN);
    [input, case.exit.to_string(), coded, code(said.trim(), MESSAGE_SHOWN), code(hint, MESSAGE_SHOWN)]
}

/// A text as code in a table cell: shortened, on one line, without characters that end the cell.
fn code(text: &str, most: usize) -> String {
    if text.is_empty() {
        return String::new();
    }
    let visible = |c: char| {
        let plain = !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}');
        if plain { c.to_string() } else { c.escape_default().to_string() }
    };
    let mut shown: String = text.chars().take(most).map(visible).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    format!("`{}`", shown.replace('`', "'").replace('|', "\\|"))
}
