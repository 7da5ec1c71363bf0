//! Formats: how each reads its fixtures, what it rejects and with which message, and that a file imports once.
//!
//! `fixtures/formats/NAME/` holds files `usage*`. For each, `usage*.expected.csv` has the events: tokenbook's own CSV,
//! with the line of each event in front and whether it is a request or a bucket. `refused.txt` holds records that must
//! be rejected, each followed by `! ` and the expected message. A line that begins with `# ` is a header, which
//! precedes each of the records. Options are in `options.txt`, one on each line with its value, or in
//! `usage*.options.txt` for one file. `@NAME` is a file of the folder. `UPDATE_GOLDEN=1` rewrites the expected events.

use crate::desk::{Desk, Outcome, fixture, rows, text};
use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::event::{PromptSize, UsageEvent};
use tokenbook::domain::meter::Meter;
use tokenbook::domain::tags::TagKey;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::{Input, Source};
use tokenbook::import::format::How;
use tokenbook::import::formats::named;
use tokenbook::import::read::preview::{Preview, preview};
use tokenbook::import::record::column_map::ColumnMap;
use tokenbook::import::record::reading::{PromptTokens, Stated};
use tokenbook::import::{FORMATS, Format};
use tokenbook::text::problem::counted;

/// Formats that are never detected.
const BY_NAME: [&str; 2] = ["bodies", "mapped"];

fn files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut files = entries.collect::<Outcome<Vec<PathBuf>>>()?;
    files.sort();
    Ok(files)
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or("")
}

/// The folders of fixtures, with their formats.
fn folders() -> Outcome<Vec<(&'static Format, PathBuf)>> {
    let mut folders = Vec::new();
    for folder in files(&fixture("formats"))? {
        let format = named(name(&folder));
        folders.push((format.ok_or_else(|| format!("{} is no format", folder.display()))?, folder));
    }
    Ok(folders)
}

fn usage_files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let all = files(folder)?;
    let other = |path: &Path| [".expected.csv", ".options.txt"].iter().any(|end| name(path).ends_with(end));
    Ok(all.into_iter().filter(|path| name(path).starts_with("usage") && !other(path)).collect())
}

/// The options of a file.
fn options_of(folder: &Path, file: &Path) -> Outcome<Vec<String>> {
    let own = file.with_extension("options.txt");
    options(folder, &if own.exists() { own } else { folder.join("options.txt") })
}

/// The options in a file of a folder, as arguments.
fn options(folder: &Path, path: &Path) -> Outcome<Vec<String>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let lines = std::fs::read_to_string(path)?;
    let words = lines.split_whitespace();
    let spelled = |word: &str| match word.strip_prefix('@') {
        Some(name) => folder.join(name).to_string_lossy().into_owned(),
        None => word.to_owned(),
    };
    Ok(words.map(spelled).collect())
}

/// The same options in the library's form.
fn reading(options: &[String]) -> Outcome<Stated> {
    let mut reading = Stated::default();
    for pair in options.chunks(2) {
        let [option, value] = pair else { return Err("an option without a value".into()) };
        match option.as_str() {
            "--at" => reading.at = Some(Timestamp::parse(value)?),
            "--assume-zone" => reading.zone = Some(Calendar::of_zone(value)?),
            "--map" => {
                reading.map = Some(Arc::new(ColumnMap::read(&std::fs::read(value)?).map_err(|p| format!("{p:?}"))?));
            }
            "--format" => {}
            "--prompt-tokens" => reading.prompt = PromptTokens::named(value),
            _ => return Err(format!("{option} is not known here").into()),
        }
    }
    Ok(reading)
}

fn now() -> Outcome<Timestamp> {
    Ok(Timestamp::parse("2026-11-23T08:00:00Z")?)
}

/// Events as tokenbook's own CSV, with the columns in use.
fn golden(read: &Preview) -> Outcome<String> {
    let events: Vec<&UsageEvent> = read.events.iter().map(|(_, event)| event).collect();
    let keys: BTreeSet<&str> = events.iter().flat_map(|event| event.tags.iter().map(|(key, _)| key)).collect();
    let used = |meter: &Meter| events.iter().any(|event| event.usage.quantities().get(*meter).is_some());
    let meters: Vec<Meter> = Meter::ALL.into_iter().filter(used).collect();
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    let mut header: Vec<String> =
        ["line", "span", "event_id", "timestamp", "provider", "model", "service_tier"].map(str::to_owned).into();
    let column = |key: &&str| if TagKey::OWN_FIELDS.contains(key) { (*key).to_owned() } else { format!("tag.{key}") };
    header.extend(keys.iter().map(column));
    header.extend(meters.iter().map(|meter| meter.field().to_owned()));
    writer.write_record(&header)?;
    for (line, event) in &read.events {
        let span = if event.usage.prompt() == PromptSize::Exact { "request" } else { "bucket" };
        let mut row = vec![line.to_string(), span.to_owned(), event.id.to_string(), event.at.to_string()];
        row.push(event.model.provider.as_ref().map(ToString::to_string).unwrap_or_default());
        row.extend([event.model.name.to_string(), event.tier.to_string()]);
        row.extend(keys.iter().map(|key| event.tags.get(key).unwrap_or("").to_owned()));
        let quantity = |meter: &Meter| event.usage.quantities().get(*meter).map(|quantity| quantity.to_string());
        row.extend(meters.iter().map(|meter| quantity(meter).unwrap_or_default()));
        writer.write_record(&row)?;
    }
    Ok(String::from_utf8(writer.into_inner().map_err(|error| error.to_string())?)?)
}

#[test]
fn every_format_has_fixtures_and_they_are_read_as_expected() -> Outcome {
    let folders = folders()?;
    for format in FORMATS.iter().filter(|format| !matches!(format.how, How::Own(_))) {
        assert!(folders.iter().any(|(known, _)| known.name == format.name), "{} has no fixtures", format.name);
    }
    for (format, folder) in folders {
        assert!(!usage_files(&folder)?.is_empty(), "{} has no usage", format.name);
        for file in usage_files(&folder)? {
            let reading = reading(&options_of(&folder, &file)?)?;
            let forced = BY_NAME.contains(&format.name).then_some(format);
            let read = preview(Source::open(&Input::File(file.clone()))?, forced, &reading, now()?)
                .map_err(|error| format!("{}: {error}", file.display()))?;
            assert_eq!(read.parsed.format, format.stored, "{} is taken for another format", file.display());
            assert!(read.parsed.bad.is_empty(), "{}: {:#?}", file.display(), read.parsed.bad);
            let path = folder.join(format!("{}.expected.csv", file.file_stem().and_then(|s| s.to_str()).unwrap_or("")));
            let events = golden(&read)?;
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&path, &events)?;
            }
            let expected = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            assert_eq!(events, expected, "{}", file.display());
        }
    }
    Ok(())
}

#[test]
fn every_fixture_is_imported_once_and_every_record_is_accounted_for() -> Outcome {
    for (_, folder) in folders()? {
        for file in usage_files(&folder)? {
            let (desk, options) = (Desk::new()?, options_of(&folder, &file)?);
            let mut arguments = vec!["import", text(&file)?];
            arguments.extend(options.iter().map(String::as_str));
            let first = desk.run(&arguments)?.ends(0)?;
            let (events, sum) = (desk.events()?, "SELECT header + blank + accepted - lines FROM import");
            assert!(events > 0, "{first:?}");
            assert_eq!(desk.count(sum)?, 0, "{first:?}");
            // The same records in another file.
            let twin = format!("{}\n", std::fs::read_to_string(&file)?);
            desk.write("twin", twin)?;
            arguments[1] = "twin";
            let duplicates = counted(events, "duplicate", "duplicates");
            desk.run(&arguments)?.ends(0)?.says(&format!(" 0 accepted + {duplicates} + 0 quarantined"))?;
            desk.run(&["verify"])?.ends(0)?;
        }
    }
    Ok(())
}

#[test]
fn what_a_format_cannot_tell_is_refused_with_the_reason() -> Outcome {
    for (format, folder) in folders()? {
        let reading = reading(&options(&folder, &folder.join("options.txt"))?)?;
        let cases = std::fs::read_to_string(folder.join("refused.txt"))
            .map_err(|error| format!("{}: refused.txt: {error}", format.name))?;
        let (mut before, mut record, mut refused) = (String::new(), String::new(), 0);
        for line in cases.lines() {
            if let Some(header) = line.strip_prefix("# ") {
                before = format!("{header}\n");
            } else if let Some(says) = line.strip_prefix("! ") {
                let file = Cursor::new(format!("{before}{}", std::mem::take(&mut record)));
                let said = match preview(Source::of_reader(file)?, Some(format), &reading, now()?) {
                    Err(error) => error.to_string(),
                    Ok(read) => read.parsed.bad.first().map(|bad| bad.problem.to_string()).unwrap_or_default(),
                };
                assert!(said.contains(says), "{}: expected {says:?}, said {said:?}", format.name);
                refused += 1;
            } else if !line.is_empty() {
                record.push_str(line);
                record.push('\n');
            }
        }
        assert!(refused >= 5, "{}: only {refused} refused records", format.name);
    }
    Ok(())
}

#[test]
fn every_example_is_of_its_format() -> Outcome {
    let others = FORMATS.iter().filter(|format| !matches!(format.how, How::Own(_)));
    for format in others.filter(|format| !BY_NAME.contains(&format.name)) {
        let source = Source::of_reader(Cursor::new(format!("{}\n", format.example)))?;
        let read = preview(source, None, &Stated::default(), now()?).map_err(|e| format!("{}: {e}", format.name))?;
        assert_eq!(read.parsed.format, format.stored);
        assert!(!read.events.is_empty() && read.parsed.bad.is_empty(), "{}: {:?}", format.name, read.parsed.bad);
        assert_eq!(format.stored.split('/').next(), Some(format.name));
    }
    Ok(())
}

#[test]
fn every_format_is_in_the_documentation_and_in_the_list() -> Outcome {
    let documentation = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FORMATS.md"))?;
    let desk = Desk::empty()?;
    let listed = desk.print(&["formats"])?;
    for format in FORMATS {
        assert!(documentation.contains(&format!("`{}`", format.name)), "{} is not documented", format.name);
        assert!(listed.contains(&format!("{}: {}\n", format.name, format.summary)), "{} is not listed", format.name);
    }
    desk.run(&["formats", "otlp"])?.ends(0)?.says("resourceSpans")?;
    Ok(())
}

#[test]
fn a_record_that_grows_is_revised_and_one_that_does_not_only_grow_is_a_conflict() -> Outcome {
    let desk = Desk::new()?;
    let format = named("openai-usage").ok_or("no such format")?;
    desk.write("early.jsonl", format!("{}\n", format.example))?;
    desk.write(
        "late.jsonl",
        format!("{}\n", format.example.replace("\"output_tokens\":500", "\"output_tokens\":501")),
    )?;
    desk.run(&["import", "early.jsonl"])?.ends(0)?;
    desk.run(&["import", "late.jsonl"])?
        .ends(0)?
        .says("1 accepted + 0 duplicates")?
        .says("(1 of them has grown since it was imported)")?;
    // An earlier or smaller state brings nothing new. A state with one larger and one smaller count is a conflict.
    desk.write("again.jsonl", [desk.read("early.jsonl")?, b"\n".to_vec()].concat())?;
    desk.run(&["import", "again.jsonl"])?.ends(0)?.says("0 accepted + 1 duplicate")?;
    for shrunk in ["\"output_tokens\":499", "\"output_tokens\":null"] {
        desk.write("shrunk.jsonl", format!("{}\n", format.example.replace("\"output_tokens\":500", shrunk)))?;
        desk.run(&["import", "shrunk.jsonl"])?.ends(0)?.says("0 accepted + 1 duplicate")?.says("earlier versions")?;
    }
    let mixed = format.example.replace("\"output_tokens\":500", "\"output_tokens\":499");
    let mixed = mixed.replace("\"input_tokens\":", "\"input_tokens\":1");
    assert!(mixed.contains("\"input_tokens\":1"));
    desk.write("mixed.jsonl", format!("{mixed}\n"))?;
    let says = "output_tokens is 501 in the ledger and 499 here";
    desk.run(&["import", "mixed.jsonl"])?.ends(5)?.says(says)?.says("some counts larger and some smaller")?;
    // One file has one state of its records. The same bucket twice shows a grouping that the key lacks.
    let twice = format.example.replace("\"output_tokens\":500", "\"output_tokens\":502");
    desk.write("twice.jsonl", format!("{twice}\n{}\n", twice.replace("502", "503")))?;
    desk.run(&["import", "twice.jsonl"])?.ends(5)?;
    let sums = "SELECT sum(events) * 100000 + sum(output) FROM usage_daily";
    assert_eq!(desk.count(sums)?, 100_501);
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn a_map_is_kept_under_a_name_and_imports_name_its_text() -> Outcome {
    let desk = Desk::new()?;
    let map = |column: &str| {
        format!("[fields]\nevent_id = \"i\"\ntimestamp = \"t\"\nmodel = \"m\"\ninput_tokens = \"{column}\"\n")
    };
    desk.write("map.toml", map("p"))?;
    desk.write("bad.toml", map("p").replace("model", "modell"))?;
    desk.write("u.csv", "i,t,m,p,q\na,2026-10-05T10:00:00Z,x,7,8\n")?;
    desk.run(&["import", "u.csv", "--map", "gateway"])?.ends(2)?.says("no file and no map")?.says("hint: ")?;
    desk.run(&["maps", "keep", "gateway", "bad.toml"])?
        .ends(3)?
        .says("bad.toml:4:10: fields: modell: is not a field")?;
    desk.run(&["maps", "keep", "gateway", "map.toml"])?.ends(0)?.says("map.toml: kept as gateway")?;
    let head = desk.head()?;
    desk.run(&["maps", "keep", "gateway", "map.toml"])?.ends(0)?.says("is kept already")?;
    assert_eq!(desk.head()?, head);
    desk.run(&["import", "u.csv", "--map", "gateway"])?.ends(0)?.says("1 accepted")?;
    // Given as a file, it is the same map and the same import.
    desk.run(&["import", "u.csv", "--map", "map.toml"])?.ends(0)?.says("this exact file was imported before")?;
    assert_eq!(desk.count("SELECT sum(input) FROM usage_daily")?, 7);
    // Another map under the name applies to later imports.
    desk.write("other.toml", map("q"))?;
    desk.run(&["maps", "keep", "gateway", "other.toml"])?.ends(0)?;
    assert_eq!(desk.print(&["maps", "show", "gateway"])?, map("q"));
    let list = rows(&desk.print(&["maps", "list", "--format", "csv"])?)?;
    let [row] = list.as_slice() else { return Err(format!("{list:?}").into()) };
    let columns = ["map", "fields", "tags", "time", "zone"].map(|column| row[column].as_str());
    assert_eq!(columns, ["gateway", "event_id timestamp model input_tokens", "", "rfc3339", ""]);
    assert_eq!(row["digest"], blake3::hash(map("q").as_bytes()).to_hex().as_str());
    assert!(row["kept_at"].starts_with("20") && row["kept_at"].ends_with('Z'), "{row:?}");
    desk.run(&["maps", "keep", "columns", text(&fixture("formats/mapped/map.toml"))?])?.ends(0)?;
    let table = desk.print(&["maps", "list"])?;
    assert!(table.contains("columns") && table.contains("gateway"), "{table}");
    for name in ["a/b", "..", "a\\b", "./map", "map.toml"] {
        desk.run(&["maps", "keep", name, "map.toml"])?
            .ends(2)?
            .says(&format!(
                "error[name-invalid]: the name {name:?} looks like a path, expected a plain name, such as gateway"
            ))?
            .says("hint: --map takes a path or a name")?;
    }
    desk.run(&["maps", "show", "other"])?.ends(2)?.says("the ledger has no map \"other\"")?;
    desk.run(&["import", "u.csv", "--map", "gateway"])?.ends(5)?;
    desk.run(&["verify", "--deep"])?.ends(0)?;
    Ok(())
}

#[test]
fn what_a_format_does_not_tell_is_a_caveat_of_its_month_only() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", format!("{}\n", named("openrouter-daily").ok_or("no such format")?.example))?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let says = "records of openrouter-daily do not report how much of a prompt was cached";
    let month = |month| desk.print(&["report", "chargeback", "--period", month]);
    assert!(month("2026-10")?.contains(says) && !month("2026-09")?.contains(says));
    desk.run(&["report", "chargeback", "--period", "2026-10", "--format", "json"])?.ends(0)?.says(says)?;
    Ok(())
}

#[test]
fn what_is_said_about_a_file_is_kept_with_it() -> Outcome {
    let desk = Desk::new()?;
    let body = r#"{"id":"m1","model":"claude-sonnet-4-5","usage":{"input_tokens":1,"output_tokens":1}}"#;
    desk.write("u.jsonl", format!("{body}\n"))?;
    desk.run(&["import", "u.jsonl"])?.ends(3)?.says("or --at TIME")?;
    let at = ["import", "u.jsonl", "--at", "2026-10-05T10:00:00Z", "--provider", "anthropic"];
    desk.run(&at)?.ends(0)?.says("1 record = 0 header + 0 without usage + 1 accepted")?;
    desk.run(&at)?.ends(0)?.says("this exact file was imported before")?;
    let kept: (String, String) =
        desk.database()?.query_row("SELECT format, options FROM import", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    assert_eq!(kept, ("anthropic-messages/1".to_owned(), "provider anthropic\nat 2026-10-05T10:00:00Z".to_owned()));
    // Another time is another reading of the same ids.
    desk.run(&["import", "u.jsonl", "--at", "2026-10-06T10:00:00Z", "--provider", "anthropic"])?.ends(5)?;
    desk.run(&["import", "u.jsonl", "--at", "yesterday"])?.ends(2)?.says("--at \"yesterday\" is not a date")?;
    desk.run(&["import", "u.jsonl", "--assume-zone", "Mars"])?.ends(2)?.says("is not an IANA time zone")?;
    desk.run(&["import", "u.jsonl", "--format", "mapped"])?.ends(2)?.says("needs a map")?;
    desk.write("map.toml", "[fields]\nevent_id = \"i\"\n")?;
    desk.run(&["import", "u.jsonl", "--map", "map.toml"])?
        .ends(2)?
        .says("map.toml:1:1: fields: timestamp: is missing")?;
    Ok(())
}

#[test]
fn a_bad_record_is_set_aside_without_its_prompt_and_resolved_by_its_correction() -> Outcome {
    let desk = Desk::new()?;
    let body = |output: &str| {
        format!(
            r#"{{"id":"c1","created":1790848800,"model":"m","choices":[{{"message":{{"content":"Quick-Brown-Fox"}}}}],"usage":{{"prompt_tokens":10,"completion_tokens":{output},"total_tokens":15}}}}"#
        )
    };
    desk.write("bad.jsonl", format!("{}\n{}\n", body("6"), body("5").replace("\"c1\"", "\"c2\"")))?;
    desk.run(&["import", "bad.jsonl", "--quarantine"])?.ends(4)?.says("1 accepted + 0 duplicates + 1 quarantined")?;
    let listed = desk.print(&["quarantine", "list"])?;
    assert!(listed.contains("usage.completion_tokens=\"6\"") && listed.contains("(2026-10-01)"), "{listed}");
    for name in desk.names(".")?.iter().filter(|name| name.starts_with("tokenbook.db")) {
        assert!(!String::from_utf8_lossy(&desk.read(name)?).contains("Quick-Brown-Fox"), "{name} holds the prompt");
    }
    desk.write("good.jsonl", format!("{}\n", body("5")))?;
    desk.run(&["import", "good.jsonl"])?.ends(0)?;
    desk.run(&["quarantine", "list"])?.ends(0)?.says("0 lines wait for a decision")?;
    Ok(())
}

#[test]
fn a_document_is_read_record_by_record_whatever_its_length() -> Outcome {
    let desk = Desk::new()?;
    let record = |number: usize| {
        let id = format!("\"id\": \"c{number}\",\n \"created\": 1790848800");
        format!(
            "{{{id}, \"model\": \"m\", \"usage\": {{\"prompt_tokens\": {number}}}, \"pad\": \"{}\"}}",
            "x".repeat(300)
        )
    };
    let records: Vec<String> = (0..20_000).map(record).collect();
    desk.write("all.json", format!("[\n{}\n]\n", records.join(",\n")))?;
    desk.run(&["import", "all.json"])?
        .ends(0)?
        .says("20,000 records = 0 header + 0 without usage + 20,000 accepted")?;
    assert_eq!(desk.count("SELECT min(line) * 100000 + max(line) FROM usage_event")?, 200_000 + 40_000);
    // A document that is cut is rejected whole.
    let cut = desk.read("all.json")?;
    desk.write("cut.json", &cut[..cut.len() - 200])?;
    desk.run(&["import", "cut.json"])?
        .ends(3)?
        .says("line 40000: the document ends inside the record that begins here")?;
    Ok(())
}

#[test]
fn pages_without_the_last_one_are_said_to_be_followed() -> Outcome {
    let desk = Desk::new()?;
    let format = named("openai-usage").ok_or("no such format")?;
    let page = |hour: u32, more: &str| {
        let bucket = format.example.replace("1790812800", &(1_790_812_800 + hour * 3_600).to_string());
        format!("{{\"object\":\"page\",\"data\":[{bucket}],\"has_more\":{more}}}\n")
    };
    let says = "warning: openai-usage: the vendor's export has more pages, and no file is the last one";
    // On separate lines, and spread over lines.
    for spread in [false, true] {
        let first = if spread { 10 } else { 0 };
        for (hour, pages, wanted) in [(0, &["true"][..], true), (1, &["false"], false), (2, &["true", "false"], false)]
        {
            let text: String = pages.iter().map(|more| page(first + hour, more)).collect();
            desk.write("u.json", if spread { text.replace(',', ",\n") } else { text })?;
            let ran = desk.run(&["import", "u.json"])?.ends(0)?;
            assert_eq!(ran.err.contains(says), wanted, "{pages:?}, spread: {spread}: {ran:?}");
        }
    }
    // The last page may be in another file of the same command.
    desk.write("1.json", page(20, "true"))?;
    desk.write("2.json", page(21, "false"))?;
    assert!(!desk.run(&["import", "1.json", "2.json"])?.ends(0)?.err.contains(says));
    let litellm = named("litellm").ok_or("no such format")?;
    desk.write("l.json", format!("{{\"data\":[{}],\"total\":60,\"page\":1,\"total_pages\":2}}\n", litellm.example))?;
    desk.run(&["import", "l.json"])?.ends(0)?.says("warning: litellm: the vendor's export has more pages")?;
    Ok(())
}

#[test]
fn a_log_of_requests_and_responses_is_no_batch() -> Outcome {
    let desk = Desk::new()?;
    let usage = r#"{"id":"c1","created":1790848800,"model":"m","usage":{"prompt_tokens":9,"total_tokens":9}}"#;
    let line = format!(r#"{{"at":"2026-10-01T08:30:00Z","request":{{"model":"m"}},"response":{usage}}}"#);
    desk.write("u.jsonl", format!("{line}\n"))?;
    desk.run(&["import", "u.jsonl"])?.ends(3)?.says("u.jsonl:1: ")?;
    desk.run(&["import", "u.jsonl", "--format", "openai-chat"])?.ends(3)?.says("usage: is missing")?;
    let map = "[fields]\nevent_id = \"response.id\"\ntimestamp = \"at\"\nmodel = \"response.model\"\n\
               input_tokens = \"response.usage.prompt_tokens\"\n";
    desk.write("map.toml", map)?;
    desk.run(&["import", "u.jsonl", "--map", "map.toml"])?.ends(0)?.says("1 accepted")?;
    assert_eq!(desk.count("SELECT count(*) FROM usage_event")?, 1);
    Ok(())
}

#[test]
fn a_prompt_with_its_cached_tokens_and_one_without_are_told_apart() -> Outcome {
    let records = [
        (
            "litellm",
            r#"{"request_id":"a","startTime":"2026-10-01 09:22:00","model":"claude","metadata":{"additional_usage_values":{"cache_read_input_tokens":100}},"total_tokens":505,"prompt_tokens":500,"completion_tokens":5,"custom_llm_provider":"anthropic"}"#,
        ),
        (
            "helicone",
            r#"{"request_id":"a","request_created_at":"2026-10-01 08:31:00","response_status":200,"request_model":"m","prompt_tokens":500,"prompt_cache_read_tokens":100,"completion_tokens":5,"total_tokens":505}"#,
        ),
        (
            "bedrock-logs",
            r#"{"schemaType":"ModelInvocationLog","timestamp":"2026-10-01T08:31:00Z","requestId":"a","modelId":"meta.llama4","input":{"inputTokenCount":500,"cacheReadInputTokenCount":100},"output":{"outputTokenCount":5}}"#,
        ),
        (
            "bedrock-converse",
            r#"{"timestamp":"2026-10-01T08:30:00Z","event_id":"a","model":"m","body":{"usage":{"inputTokens":500,"outputTokens":5,"cacheReadInputTokens":100}}}"#,
        ),
    ];
    for (name, record) in records {
        for (prompt, input) in [(None, None), (Some("with-cache"), Some(400)), (Some("without-cache"), Some(500))] {
            let reading = Stated { prompt: prompt.and_then(PromptTokens::named), ..Stated::default() };
            let source = Source::of_reader(Cursor::new(format!("{record}\n")))?;
            let read = match preview(source, named(name), &reading, now()?) {
                Ok(read) => read,
                Err(error) => return Err(format!("{name}: {error}").into()),
            };
            let bad = read.parsed.bad.first().map(|bad| bad.problem.to_string());
            assert_eq!(bad.is_some_and(|bad| bad.contains("--prompt-tokens")), input.is_none(), "{name} {prompt:?}");
            let meter = |meter| read.events.first().and_then(|(_, event)| event.usage.quantities().get(meter));
            assert_eq!(meter(Meter::Input), input, "{name} {prompt:?}");
            assert_eq!(meter(Meter::CacheRead), input.map(|_| 100), "{name} {prompt:?}");
        }
    }
    Ok(())
}

#[test]
fn a_map_that_is_no_toml_at_all_is_told_once() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", crate::desk::usage(0, 50))?;
    desk.write("u.jsonl", "{\"a\":1}\n{\"b\":2}\n\n")?;
    for (map, lines) in [("u.csv", 51), ("u.jsonl", 2)] {
        let err = desk.run(&["import", "u.csv", "--map", map])?.ends(2)?.err;
        let says = format!(
            "error[option-file]: {map}:1: is not TOML, as {lines} of its {lines} lines are not, expected lines such as [section] and key = \"value\"\n\
             hint: see an example of a map with `tokenbook formats mapped`\n"
        );
        assert_eq!(err, says);
    }
    // If a file is TOML with a few errors, each is reported.
    desk.write("two.toml", "bucket = \ngrows = \nloose_numbers = false\n[fields]\nevent_id = \"i\"\n")?;
    let err = desk.run(&["import", "u.csv", "--map", "two.toml"])?.ends(2)?.err;
    assert!(err.contains("two.toml:1:10: ") && err.contains("two.toml:2:9: "), "{err}");
    Ok(())
}
