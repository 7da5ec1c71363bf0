//! Every line of a file is counted, whatever its length and position, or the file is rejected with the line's number.
//!
//! The test compares the product's counts with an independent count of line ends.

use crate::desk::{Desk, Outcome};
use std::io::{Cursor, Write};
use std::sync::{Arc, OnceLock};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Source;
use tokenbook::import::formats::named;
use tokenbook::import::read::parse::ParseError;
use tokenbook::import::read::preview::preview;
use tokenbook::import::record::column_map::ColumnMap;
use tokenbook::import::record::reading::Stated;

/// The longest line, as FORMATS.md states.
const LIMIT: usize = 64 << 20;

/// A spelling of a file of records, one of which is long.
struct Spelling {
    name: &'static str,
    header: &'static str,
    /// A record: the text before its number, the text before the padding, and the text after it.
    parts: [&'static str; 3],
    map: &'static str,
}

const MAP: &str = "[fields]\nevent_id = \"k\"\ntimestamp = \"t\"\nmodel = \"m\"\ninput_tokens = \"i\"\n";
const SPELLINGS: [Spelling; 8] = [
    Spelling {
        name: "our CSV",
        header: "event_id,note,timestamp,model,input_tokens\n",
        parts: ["r", ",", ",2026-10-05T10:00:00Z,m,1"],
        map: "",
    },
    Spelling {
        name: "our JSONL",
        header: "",
        parts: [
            r#"{"event_id":"r"#,
            r#"","note":""#,
            r#"","timestamp":"2026-10-05T10:00:00Z","model":"m","input_tokens":1}"#,
        ],
        map: "",
    },
    Spelling {
        name: "a session's log, an image pasted before all that tells what it is",
        header: "",
        parts: [
            r#"{"requestId":"q"#,
            r#"","message":{"content":[{"type":"image","data":""#,
            r#""}],"id":"m@","model":"m","usage":{"input_tokens":1,"output_tokens":1}},"type":"assistant","sessionId":"s","timestamp":"2026-10-05T10:00:00Z"}"#,
        ],
        map: "",
    },
    Spelling {
        name: "bodies of Chat Completions",
        header: "",
        parts: [
            r#"{"id":"r"#,
            r#"","choices":[{"message":{"content":""#,
            r#""}}],"created":1790848800,"model":"m","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#,
        ],
        map: "",
    },
    Spelling {
        name: "a gateway's CSV",
        header: "request_id,messages,startTime,prompt_tokens,completion_tokens,total_tokens,model,call_type,status\n",
        parts: ["r", ",", ",2026-10-05T10:00:00Z,1,1,2,m,acompletion,success"],
        map: "",
    },
    Spelling {
        name: "a mapped CSV",
        header: "k,note,t,m,i\n",
        parts: ["r", ",", ",2026-10-05T10:00:00Z,m,1"],
        map: MAP,
    },
    Spelling {
        name: "mapped JSONL",
        header: "",
        parts: [r#"{"k":"r"#, r#"","note":""#, r#"","t":"2026-10-05T10:00:00Z","m":"m","i":1}"#],
        map: MAP,
    },
    Spelling {
        name: "traces",
        header: "",
        parts: [
            r#"{"id":"r"#,
            r#"","input":""#,
            r#"","traceId":"t","startTime":"2026-10-05T10:00:00Z","type":"GENERATION","model":"m","usageDetails":{"input":1,"output":1,"total":2}}"#,
        ],
        map: "",
    },
];

static PADDING: OnceLock<String> = OnceLock::new();

/// A text of 1 MiB. It does not repeat a single letter, because that would look like a decompression bomb.
fn padding() -> String {
    let letters = (0_u64..1 << 20).map(|n| {
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        char::from(b'a' + u8::try_from((mixed >> 40) % 26).unwrap_or(0))
    });
    letters.collect()
}

impl Spelling {
    /// The line of a record, with a given length if there is one.
    fn line(&self, number: usize, length: Option<usize>) -> String {
        let [before, middle, after] = self.parts;
        let after = after.replace('@', &number.to_string());
        let short = format!("{before}{number}{middle}{after}");
        let pad = length.map_or(0, |length| length - short.len());
        let padding = PADDING.get_or_init(padding).repeat(pad.div_ceil(1 << 20));
        format!("{before}{number}{middle}{}{after}", padding.get(..pad).unwrap_or(""))
    }

    /// A file of five records. One of them has the given length.
    fn file(&self, place: usize, length: usize, end: &str) -> String {
        let lines = (0..5).map(|number| self.line(number, (number == place).then_some(length)) + end);
        self.header.replace('\n', end) + &lines.collect::<String>()
    }

    fn reading(&self) -> Outcome<Stated> {
        if self.map.is_empty() {
            return Ok(Stated::default());
        }
        let map = ColumnMap::read(self.map.as_bytes()).map_err(|problems| format!("{problems:?}"))?;
        Ok(Stated { map: Some(Arc::new(map)), ..Stated::default() })
    }

    /// The counts of a file: lines, header and blank lines, events, bad lines, and the position of the first bad line.
    fn account(&self, bytes: Vec<u8>) -> Outcome<Result<[u64; 6], String>> {
        let format = if self.map.is_empty() { None } else { named("mapped") };
        let source = Source::of_reader(Cursor::new(bytes))?;
        match preview(source, format, &self.reading()?, Timestamp::parse("2026-11-23T08:00:00Z")?) {
            Ok(read) => {
                let counts = read.parsed.counts;
                let events = u64::try_from(read.events.len())?;
                let first = read.parsed.bad.first().map_or(0, |bad| bad.problem.line);
                Ok(Ok([counts.lines, counts.header, counts.blank, events, counts.bad, first]))
            }
            Err(ParseError::File(problem)) => Ok(Err(problem.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}

fn packed(text: &str, how: &str) -> Outcome<Vec<u8>> {
    Ok(match how {
        "gzip" => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(text.as_bytes())?;
            writer.finish()?
        }
        "zstd" => zstd::encode_all(text.as_bytes(), 1)?,
        _ => text.as_bytes().to_vec(),
    })
}

fn newlines(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').count().try_into().unwrap_or(u64::MAX)
}

#[test]
fn a_long_line_is_read_like_any_other_wherever_it_stands() -> Outcome {
    for spelling in SPELLINGS {
        let header = u64::from(!spelling.header.is_empty());
        for around in [64 << 10, 1 << 20] {
            for (length, end) in [(around - 1, "\n"), (around, "\n"), (around, "\r\n"), (2 * around + 3, "\n")] {
                for place in [0, 2, 4] {
                    let text = spelling.file(place, length, end);
                    let account = spelling.account(text.clone().into_bytes())?;
                    let expected = Ok([newlines(&text), header, 0, 5, 0, 0]);
                    assert_eq!(account, expected, "{}: {length} bytes at {place} {end:?}", spelling.name);
                }
            }
            for (how, place) in [("gzip", 0), ("zstd", 0), ("gzip", 4), ("zstd", 2)] {
                let text = spelling.file(place, around + 1, "\n");
                let account = spelling.account(packed(&text, how)?)?;
                assert_eq!(account, Ok([newlines(&text), header, 0, 5, 0, 0]), "{}: {how}", spelling.name);
            }
        }
    }
    Ok(())
}

#[test]
fn a_line_over_the_limit_is_named_and_the_others_are_kept() -> Outcome {
    for (spelling, place, how) in [(1, 0, "plain"), (2, 2, "gzip"), (0, 4, "zstd")] {
        let spelling = &SPELLINGS[spelling];
        let header = u64::from(!spelling.header.is_empty());
        for (length, bad) in [(LIMIT, 0), (LIMIT + 1, 1)] {
            let text = spelling.file(place, length, "\n");
            let number = (u64::try_from(place)? + 1 + header) * bad;
            let expected = Ok([newlines(&text), header, 0, 5 - bad, bad, number]);
            let account = spelling.account(packed(&text, how)?)?;
            assert_eq!(account, expected, "{}: {length} bytes at {place}", spelling.name);
        }
    }
    Ok(())
}

#[test]
fn what_stands_before_a_header_is_blank_or_refused() -> Outcome {
    for spelling in SPELLINGS.iter().filter(|spelling| !spelling.header.is_empty()) {
        for length in [10, 64 << 10, 1 << 20, (1 << 20) + 1, 3 << 20] {
            let text = " ".repeat(length) + "\n\n" + &spelling.file(0, 100, "\n");
            assert_eq!(spelling.account(text.into_bytes())?, Ok([8, 1, 2, 5, 0, 0]), "{}: {length}", spelling.name);
            let junk = "x".repeat(length) + "\n" + &spelling.file(0, 100, "\n");
            let refused = spelling.account(junk.into_bytes())?;
            // With a map of other columns than the padding, each line is rejected separately.
            let none_read = refused.as_ref().map_or(true, |read| read[1..] == [1, 0, 0, 6, 2]);
            assert!(none_read, "{}: {length}: {refused:?}", spelling.name);
        }
        if spelling.name != "our CSV" {
            continue;
        }
        let endless = "x".repeat(LIMIT + 1) + "\n" + &spelling.file(0, 100, "\n");
        let says = "the line is longer than 64 MiB, expected a shorter line";
        let refused = spelling.account(endless.into_bytes())?;
        assert!(refused.as_ref().is_err_and(|error| error.contains(says)), "{refused:?}");
    }
    Ok(())
}

#[test]
fn records_of_a_document_may_be_as_long_as_lines() -> Outcome {
    for spelling in SPELLINGS.iter().filter(|spelling| spelling.header.is_empty() && spelling.name != "our JSONL") {
        for (length, place) in [(1_000, 2), ((1 << 20) + 1, 0), ((1 << 20) + 1, 4), (17 << 20, 1)] {
            if length < 17 << 20 || spelling.name.starts_with("bodies") {
                let text = spelling.file(place, length, "\n");
                let records: Vec<&str> = text.lines().collect();
                for joined in [",", ",\n"] {
                    let account = spelling.account(format!("[{}]\n", records.join(joined)).into_bytes());
                    if spelling.name.starts_with("a session") || spelling.map == MAP {
                        // Whether the records form an array does not matter here. They may be rejected, but not lost.
                        assert!(!matches!(account, Ok(Ok(read)) if read[3] < 5 && read[4] == 0), "{}", spelling.name);
                        continue;
                    }
                    assert_eq!(account?, Ok([5, 0, 0, 5, 0, 0]), "{}: {length} at {place}", spelling.name);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn the_command_counts_the_first_lines_of_a_file() -> Outcome {
    let desk = Desk::new()?;
    let [csv, jsonl, ..] = &SPELLINGS;
    desk.write("long.jsonl", jsonl.file(0, (1 << 20) + 1, "\n"))?;
    desk.run(&["import", "long.jsonl"])?.ends(0)?.says("5 lines = 0 header + 0 blank + 5 accepted + 0 duplicates")?;
    desk.write("cut.jsonl", jsonl.file(0, (3 << 20) + 1, "\n").replacen("\"model\":\"m\"", "\"model\":7", 1))?;
    desk.run(&["import", "cut.jsonl"])?.ends(3)?.says("cut.jsonl:1: model: ")?;
    desk.run(&["import", "cut.jsonl", "--quarantine"])?.ends(4)?.says("0 accepted + 4 duplicates + 1 quarantined")?;
    desk.write("endless.jsonl", jsonl.file(0, LIMIT + 1, "\n"))?;
    let says = "endless.jsonl:1: the line is longer than 64 MiB";
    desk.run(&["import", "endless.jsonl"])?.ends(3)?.says(says)?;
    desk.run(&["import", "endless.jsonl", "--quarantine"])?.ends(4)?.says("4 duplicates + 1 quarantined")?;
    desk.write("long.csv", csv.file(0, (1 << 20) + 1, "\n"))?;
    desk.run(&["import", "long.csv", "--source", "b"])?.ends(0)?.says("6 lines = 1 header + 0 blank + 5 accepted")?;
    Ok(())
}
