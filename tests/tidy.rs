//! Checks the order of the sources: layers look down only, a crate is named only where it belongs, and every file opens
//! with its purpose.
//!
//! The tests read the text, with comments and literals blanked out. `rustc` and clippy check everything that they can
//! see themselves. These tests cannot judge whether a name or a sentence is good.

use crate::phrases::DECODED;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

type Outcome = Result<(), Box<dyn Error>>;

/// The layers, lowest first. Each may name itself and earlier ones. `cli` and `main` belong to the binary.
const LAYERS: [&str; 19] = [
    "fault",
    "domain",
    "text",
    "price",
    "rows",
    "import",
    "ledger",
    "attribute",
    "rating",
    "control",
    "aggregate",
    "guard",
    "deliver",
    "sheet",
    "report",
    "render",
    "books",
    "cli",
    "main",
];

/// The rooms of a layer, lowest first. Each may name itself and earlier ones. All rooms may use the layer's own file.
const ROOMS: [(&str, &[&str]); 3] = [
    ("import", &["file", "record", "events", "format", "own", "vendor", "formats", "costs", "read"]),
    ("ledger", &["values", "chain", "file", "names", "read", "sums", "facts", "append", "proof"]),
    ("books", &["watching", "heading", "setup", "statement", "controls", "usage", "month", "keep"]),
];

/// Names that are allowed in some places only: crates, and anything that a library must receive as an argument.
const CONFINED: [(&[&str], &[&str]); 8] = [
    (&["rusqlite"], &["src/ledger/", "src/guard/file"]),
    (&["clap", "clap_complete", "clap_mangen", "indicatif"], &["src/cli/", "src/main.rs"]),
    (&["rayon"], &["src/import/", "src/aggregate/", "src/books/", "src/main.rs"]),
    (&["zstd", "flate2"], &["src/import/"]),
    (&["toml"], &["src/text/", "src/price/catalog/"]),
    (&["ureq", "hmac"], &["src/deliver/"]),
    (&["std::process"], &["src/deliver/command.rs", "src/main.rs"]),
    (&["signal_hook", "std::env", "SystemTime"], &["src/main.rs"]),
];

/// The library's internals that the command line may not name. It reads and writes the ledger through `Books` only.
const NOT_FOR_CLI: [&str; 6] = ["Ledger", "Snapshot", "Transaction", "Readers", "Appender", "Access"];

const NAMELESS: [&str; 14] = [
    "util", "utils", "common", "helper", "helpers", "misc", "shared", "support", "manager", "service", "data", "info",
    "types", "imp",
];

/// Documents that may contain them. The program writes ERRORS.md: it holds the program's messages.
const RECORDS: [&str; 1] = ["ERRORS.md"];

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

/// A source file.
pub(crate) struct Source {
    /// Its path from the package's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with comments and the insides of literals blanked out. Lines keep their length.
    code: String,
}

impl Source {
    /// The code without test-only items. They are blanked, so lines keep their numbers.
    fn shipped(&self) -> String {
        const MARK: &str = "#[cfg(test)]";
        if self.path.contains("/tests/") || self.path.ends_with("/tests.rs") || !self.path.starts_with("src/") {
            return String::new();
        }
        let mut code = self.code.clone();
        while let Some(at) = code.find(MARK) {
            let end = at + item_length(&code[at..]);
            let blank: String = code[at..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
            code.replace_range(at..end, &blank);
        }
        code
    }

    /// The layer of a file under `src/`.
    fn layer(&self) -> Option<&str> {
        let first = self.path.strip_prefix("src/")?.split('/').next()?;
        Some(first.strip_suffix(".rs").unwrap_or(first)).filter(|name| *name != "lib")
    }

    fn line_of(&self, at: usize) -> usize {
        1 + self.code[..at].matches('\n').count()
    }
}

/// Every Rust file of the package, except build products.
pub(crate) fn sources() -> Result<Vec<Source>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = ["src", "tests", "benches", "examples"].map(|folder| root.join(folder)).into();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path)?;
                let relative = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
                sources.push(Source { path: relative, code: blanked(&text), text });
            }
        }
    }
    assert!(sources.len() > 80, "only {} files were found", sources.len());
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

/// Blanks comments and the insides of strings and character literals. Line ends stay.
fn blanked(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = literal_or_comment(rest, code.chars().next_back()).unwrap_or(0);
        let taken = &rest[..length.max(first.len_utf8())];
        if length == 0 {
            code.push_str(taken);
        } else {
            code.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = &rest[taken.len()..];
    }
    code
}

/// The length of the comment or literal that begins here.
fn literal_or_comment(rest: &str, before: Option<char>) -> Option<usize> {
    let ends_at = |from: usize, end: &str| rest[from..].find(end).map(|at| from + at + end.len());
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return ends_at(2, "*/");
    }
    let raw = rest.strip_prefix('b').unwrap_or(rest);
    let word_before = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if let Some(raw) = raw.strip_prefix('r').filter(|raw| raw.starts_with(['"', '#']) && !word_before) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let opened = raw[hashes..].starts_with('"');
        return if opened { ends_at(hashes + 3, &format!("\"{}", "#".repeat(hashes))) } else { None };
    }
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some(at + 1),
            // A lifetime has no closing quote after one character.
            _ if quote == '\'' && at > 1 && !rest.starts_with("'\\") => return None,
            _ => {}
        }
    }
    None
}

/// The positions at which a word or path occurs as a whole word.
fn places<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        !code[..*at].ends_with(is_word) && (word.ends_with("::") || !code[at + word.len()..].starts_with(is_word))
    })
}

/// The names that follow a path's `::`: one, or those of a group in braces.
fn names_after(code: &str, at: usize) -> Vec<&str> {
    let rest = &code[at..];
    let name = |text: &'_ str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let Some(group) = rest.strip_prefix('{') else { return vec![&rest[..name(rest)]] };
    let (mut depth, mut names) = (0_usize, Vec::new());
    let mut start = Some(0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = Some(at + 1),
            _ if c.is_whitespace() => start = start.map(|start| if start == at { at + 1 } else { start }),
            _ if start == Some(at) => {
                names.push(&group[at..at + name(&group[at..])]);
                start = None;
            }
            _ => {}
        }
    }
    names
}

fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|name| *name == layer)
}

#[test]
fn layers_look_down_only() -> Outcome {
    let mut wrong = Vec::new();
    for source in sources()?.iter().filter(|source| source.path.starts_with("src/")) {
        let Some(layer) = source.layer() else { continue };
        let own = rank(layer).ok_or_else(|| format!("{}: {layer} has no place in the order of layers", source.path))?;
        for prefix in ["crate::", "tokenbook::"] {
            for at in places(&source.code, prefix) {
                for name in names_after(&source.code, at + prefix.len()) {
                    if rank(name).is_some_and(|other| other > own) {
                        wrong.push(format!("{}:{}: {layer} names {name}", source.path, source.line_of(at)));
                    }
                }
            }
        }
        // `super` up to the crate's root would bypass the rule.
        let depth = source.path.trim_end_matches("/mod.rs").matches('/').count();
        let (shipped, climb) = (source.shipped(), "super::".repeat(depth));
        wrong.extend(places(&shipped, &climb).map(|at| format!("{}:{}: {climb}", source.path, source.line_of(at))));
    }
    assert!(wrong.is_empty(), "a layer names one above it:\n{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn rooms_look_down_only() -> Outcome {
    let sources = sources()?;
    let mut wrong = Vec::new();
    for (layer, rooms) in ROOMS {
        let (folder, prefix) = (format!("src/{layer}/"), format!("crate::{layer}::"));
        let rank = |name: &str| rooms.iter().position(|room| *room == name);
        for source in &sources {
            let Some(inner) = source.path.strip_prefix(&folder).filter(|inner| *inner != "mod.rs") else { continue };
            let room = inner.split('/').next().map_or("", |name| name.trim_end_matches(".rs"));
            let own = rank(room).ok_or_else(|| format!("{}: {room} is no room of {layer}", source.path))?;
            let shipped = source.shipped();
            for at in places(&shipped, &prefix) {
                for name in names_after(&shipped, at + prefix.len()) {
                    if rank(name).is_some_and(|other| other > own) {
                        wrong.push(format!("{}:{}: {room} names {name}", source.path, source.line_of(at)));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "a room names one above it:\n{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn documents_name_files_that_exist() -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents: Vec<PathBuf> =
        ["README.md", "SECURITY.md", "CONTRIBUTING.md", "fixtures/README.md"].map(|name| root.join(name)).to_vec();
    for entry in fs::read_dir(root.join("docs"))? {
        documents.push(entry?.path());
    }
    let is_source =
        |name: &&str| name.strip_suffix(".rs").is_some_and(|path| path.contains('/') && !path.contains(' '));
    let (mut named, mut missing) = (0, Vec::new());
    for document in documents.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(document)?;
        for name in text.split('`').filter(|name| is_source(name)) {
            named += 1;
            let is_pattern = name.contains("NAME") || name.contains('{');
            // In the table of layers, a name is relative to its layer.
            let in_a_layer = |layer: &&str| root.join("src").join(layer).join(name).is_file();
            let is_there = ["", "src", "tests"].iter().any(|folder| root.join(folder).join(name).is_file());
            if !is_pattern && !is_there && !LAYERS.iter().any(in_a_layer) {
                missing.push(format!("{}: {name}", document.display()));
            }
        }
    }
    assert!(named > 80, "only {named} files are named");
    assert!(missing.is_empty(), "no such file:\n{}", missing.join("\n"));
    Ok(())
}

#[test]
fn documents_avoid_phrases_that_need_decoding() -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents: Vec<PathBuf> =
        ["README.md", "SECURITY.md", "CONTRIBUTING.md"].map(|name| root.join(name)).into();
    for entry in fs::read_dir(root.join("docs"))? {
        documents.push(entry?.path());
    }
    let mut texts = Vec::new();
    for path in documents.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        if path.is_file() && !RECORDS.iter().any(|record| path.ends_with(record)) {
            // Code blocks hold the program's output.
            let text = fs::read_to_string(path)?;
            let prose: Vec<&str> = text.split("\n```").step_by(2).collect();
            texts.push((path.display().to_string(), prose.join("\n")));
        }
    }
    for Source { path, text, .. } in sources()?.into_iter().filter(|source| source.path.starts_with("src/cli/")) {
        let comments = text.lines().map(str::trim_start).filter(|line| line.starts_with("//"));
        texts.push((path, comments.map(|line| line.trim_start_matches(['/', '!'])).collect::<Vec<_>>().join("\n")));
    }
    let mut found = Vec::new();
    for (name, text) in &texts {
        // A phrase may continue on the next line.
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        for at in DECODED.split('|').flat_map(|phrase| places(&words, phrase)) {
            found.push(format!("{name}: {}", words[at..].chars().take(60).collect::<String>()));
        }
    }
    assert!(texts.len() > 30, "only {} texts were read", texts.len());
    assert!(found.is_empty(), "phrases that a reader has to decode:\n{}", found.join("\n"));
    Ok(())
}

#[test]
fn every_layer_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let missing: Vec<&str> = LAYERS
        .into_iter()
        .filter(|name| !root.join(name).is_dir() && !root.join(format!("{name}.rs")).is_file())
        .collect();
    assert!(missing.is_empty(), "layers without a source: {missing:?}");
}

#[test]
fn crates_are_named_where_they_belong() -> Outcome {
    let mut wrong = Vec::new();
    for source in sources()? {
        let shipped = source.shipped();
        for (words, homes) in CONFINED {
            if homes.iter().any(|home| source.path.starts_with(home)) {
                continue;
            }
            for word in words {
                let found = places(&shipped, word);
                wrong.extend(found.map(|at| format!("{}:{}: {word}", source.path, source.line_of(at))));
            }
        }
    }
    assert!(wrong.is_empty(), "named outside of its place:\n{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn the_command_line_goes_through_books() -> Outcome {
    let mut wrong = Vec::new();
    for source in sources()?.iter().filter(|source| matches!(source.layer(), Some("cli" | "main"))) {
        for inside in ["tokenbook::ledger::", "tokenbook::aggregate::"] {
            for at in places(&source.code, inside) {
                let end = source.code[at..].find([';', '(', ')', '<']).map_or(source.code.len(), |end| at + end);
                let path = &source.code[at..end];
                let forbidden = NOT_FOR_CLI.iter().any(|name| places(path, name).next().is_some());
                let a_type = path
                    .rsplit("::")
                    .next()
                    .is_some_and(|last| last.trim_start_matches('{').starts_with(char::is_uppercase));
                if forbidden || !a_type {
                    wrong.push(format!("{}:{}: {path}", source.path, source.line_of(at)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "the command line names more than types:\n{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn files_open_with_what_they_are_for() -> Outcome {
    let opening = |text: &str| text.lines().next().and_then(|line| line.strip_prefix("//! ")).unwrap_or("").len();
    let bare: Vec<String> =
        sources()?.into_iter().filter(|source| opening(&source.text) < 20).map(|source| source.path).collect();
    assert!(bare.is_empty(), "files that do not open with a sentence in `//!`: {bare:?}");
    Ok(())
}

#[test]
fn files_and_functions_are_short() -> Outcome {
    let mut long = Vec::new();
    for source in sources()? {
        let lines = source.text.lines().count();
        if lines > FILE_LINES {
            long.push(format!("{}: {lines} lines, at most {FILE_LINES}", source.path));
        }
        for at in places(&source.code, "fn") {
            let function = &source.code[at..];
            let lines = function[..item_length(function)].lines().count();
            if lines > FUNCTION_LINES {
                long.push(format!(
                    "{}:{}: a function of {lines} lines, at most {FUNCTION_LINES}",
                    source.path,
                    source.line_of(at)
                ));
            }
        }
    }
    assert!(long.is_empty(), "too long:\n{}", long.join("\n"));
    Ok(())
}

/// The length of the item that begins here: to the end of its body, or to its `;` if it has no body.
fn item_length(code: &str) -> usize {
    let (mut depth, mut brackets) = (0_usize, 0_usize);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            ';' if depth == 0 && brackets == 0 => return at + 1,
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

#[test]
fn names_say_what_is_inside() -> Outcome {
    let nameless =
        |source: &Source| source.path.trim_end_matches(".rs").split('/').any(|part| NAMELESS.contains(&part));
    let found: Vec<String> = sources()?.into_iter().filter(nameless).map(|source| source.path).collect();
    assert!(found.is_empty(), "names that say nothing: {found:?}");
    Ok(())
}

#[test]
fn nothing_is_left_for_later() -> Outcome {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let mut found = Vec::new();
    for source in sources()? {
        for (number, line) in (1..).zip(source.text.lines()) {
            if marks.iter().any(|mark| line.contains(mark)) {
                found.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
        for word in ["dbg!", "todo!", "unimplemented!"] {
            let left = source.code.match_indices(word);
            found.extend(left.map(|(at, _)| format!("{}:{}: {word}", source.path, source.line_of(at))));
        }
    }
    assert!(found.is_empty(), "left for later:\n{}", found.join("\n"));
    Ok(())
}

#[test]
fn no_float_is_near_money() -> Outcome {
    let mut found = Vec::new();
    for source in sources()? {
        for word in ["f32", "f64"] {
            let places = source.code.match_indices(word).map(|(at, _)| at);
            let floats = places.filter(|at| !source.code[..*at].ends_with(|c: char| c.is_alphabetic() || c == '_'));
            found.extend(floats.map(|at| format!("{}:{}: {word}", source.path, source.line_of(at))));
        }
    }
    assert!(found.is_empty(), "floating point:\n{}", found.join("\n"));
    Ok(())
}

#[test]
fn a_lint_is_expected_with_a_reason() -> Outcome {
    let mut found = Vec::new();
    for source in sources()? {
        for attribute in ["#[allow", "#![allow"] {
            let places = source.code.match_indices(attribute);
            found.extend(places.map(|(at, _)| format!("{}:{}", source.path, source.line_of(at))));
        }
        for (at, _) in source.code.match_indices("[expect(") {
            let end = source.code[at..].find(")]").map_or(source.code.len(), |end| at + end);
            if !source.code[at..end].contains("reason") {
                found.push(format!("{}:{}", source.path, source.line_of(at)));
            }
        }
    }
    assert!(found.is_empty(), "a lint is silenced without `#[expect(…, reason = …)]`:\n{}", found.join("\n"));
    Ok(())
}

#[test]
fn blanking_keeps_code_and_lines() {
    let text =
        "let a = \"{ //\"; // fn b() {\nlet c: &'static str = r#\"\"}\"#; /* }\n */ let d = ('{', b'\\'', '\\n');\n";
    let code = blanked(text);
    assert_eq!(code.matches('\n').count(), text.matches('\n').count());
    assert!(!code.contains(['{', '}']), "{code}");
    assert!(code.contains("let c: &'static str =") && code.contains("let d = ("), "{code}");
}
