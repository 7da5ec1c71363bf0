//! No secret reaches the ledger or a message, whichever way it comes in.
//!
//! Every form of secret goes in by every way, in ids, fields and tags. Afterwards its text must be nowhere: not in the
//! output, not in the file of errors, and not in the bytes of the ledger.

use crate::desk::{Desk, Outcome, Ran, fixture};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tokenbook::domain::event::{EventId, ServiceTier};
use tokenbook::domain::name::{Name, TagValue};
use tokenbook::domain::tags::{Tag, TagKey};

/// Invented secrets in the forms that vendors document or issue, each with a part that no other text has.
const SECRETS: [(&str, &str); 39] = [
    ("sk-Zq3vT8mWb2LxYc9RkD4nHs7P", "Zq3vT8mWb2Lx"), // LiteLLM's virtual keys are as short
    ("sk-5f1c0a9e8d7b4c3fa2e1d0c9b8a79685", "5f1c0a9e8d7b"), // DeepSeek
    ("sk-proj-T8mWb2LxYc9RkD4nHs7PZq3v_A1-bcdefghijkl", "T8mWb2LxYc9R"),
    ("sk-ant-api03-Wb2LxYc9RkD4nHs7PZq3vT8m-AbCdEfGhIjKlMnOp_QrStUvWx-AA", "Wb2LxYc9RkD4"),
    ("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", "9e8d7b4c3fa2"),
    ("sk_live_LxYc9RkD4nHs7PZq3vT8mWb2", "LxYc9RkD4nHs"),
    ("rk_live_Yc9RkD4nHs7PZq3vT8mWb2Lx", "Yc9RkD4nHs7P"),
    ("AKIAQ7PZK3VT5MWB2LXY", "Q7PZK3VT5MWB"),
    ("ASIAT5MWB2LXYQ7PZK3V", "T5MWB2LXYQ7P"),
    ("qX3/vT8mWb2LxYc9RkD4nHs7PZ+A1bCdEfGhIjKl", "vT8mWb2LxYc9"), // an AWS secret access key
    ("aws_secret_access_key = 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", "D4nHs7PZq3vT"),
    ("ABSKQmVkcm9ja0FQSUtleS1kNG5IczdQWnEzdlQ4bVdiMkx4WWM5UmtENG5IczdQ", "QmVkcm9ja0FQ"),
    ("ghp_Hs7PZq3vT8mWb2LxYc9RkD4nHs7PZq3vT8mW", "Hs7PZq3vT8mW"),
    ("gho_D4nHs7PZq3vT8mWb2LxYc9RkD4nHs7PZq3vT", "D4nHs7PZq3vT"),
    ("ghs_kD4nHs7PZq3vT8mWb2LxYc9RkD4nHs7PZq3v", "kD4nHs7PZq3v"),
    ("github_pat_11ABCDEFG0nHs7PZq3vT8mWb_2LxYc9RkD4nHs7PZq3vT8mWb2LxYc9RkD4nHs7PZq3vT8mWb2LxYc9", "nHs7PZq3vT8m"),
    ("glpat-s7PZq3vT8mWb2LxYc9Rk", "s7PZq3vT8mWb"),
    ("xoxb-314159265358-271828182845-PZq3vT8mWb2LxYc9RkD4nHs7", "314159265358"),
    ("xoxp-161803398874-141421356237-Zq3vT8mWb2LxYc9RkD4nHs7P", "161803398874"),
    ("AIzaSyD4nHs7PZq3vT8mWb2LxYc9RkD4nHs7PZq", "SyD4nHs7PZq3"),
    ("ya29.a0AfH6SMBq3vT8mWb2LxYc9RkD4nHs7PZq3vT8mWb2LxYc9RkD4nHs7PZq3vT8mWb", "AfH6SMBq3vT8"),
    ("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", "qvTmWbLxYcRk"),
    ("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", "3vT8mWb2LxYc"),
    ("xai-vT8mWb2LxYc9RkD4nHs7PZq3vT8mWb2LxYc9RkD4nHs7PZq3vT8mWb2LxYc9RkD4nHs7PZq3vT8mWb2L", "vT8mWb2LxYc9"),
    ("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", "T8mWb2LxYc9R"),
    ("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", "8mWb2LxYc9Rk"),
    ("npm_mWb2LxYc9RkD4nHs7PZq3vT8mWb2LxYc9RkD", "mWb2LxYc9RkD"),
    ("r8_Wb2LxYc9RkD4nHs7PZq3vT8mWb2LxYc9RkD4n", "Wb2LxYc9RkD4"),
    ("SG.b2LxYc9RkD4nHs7PZq3vT8.mWb2LxYc9RkD4nHs7PZq3vT8mWb2LxYc9RkD4nHs7PZ", "b2LxYc9RkD4n"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.2LxYc9RkD4nHs7PZq3vT8mWb2LxYc9RkD4nHs7PZq3v", "LxYc9RkD4nHs"),
    ("-----BEGIN PRIVATE KEY-----MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "MIIEvQIBADAN"),
    (
        "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=xYc9RkD4nHs7PZq3vT8mWb2LxYc9RkD4nHs7PZq3vT8mWb2LxYc9RkD4nHs7PZq3vT8mWb2LxYc9Rk==;EndpointSuffix=core.windows.net",
        "xYc9RkD4nHs7",
    ),
    ("sv=2024-11-04&ss=b&sig=Yc9RkD4nHs7PZq3vT8mWb2LxYc9RkD4nHs7PZq3vT8m%3D", "Yc9RkD4nHs7P"),
    ("SharedAccessSignature sr=x&sig=c9RkD4nHs7PZq3vT8mWb2LxYc9RkD4nHs7PZq3vT8mW%3D&se=1&skn=y", "c9RkD4nHs7PZ"),
    (
        "Endpoint=sb://x/;SharedAccessKeyName=y;SharedAccessKey=9RkD4nHs7PZq3vT8mWb2LxYc9RkD4nHs7PZq3vT8mWb=",
        "9RkD4nHs7PZq",
    ),
    ("Bearer sk-RkD4nHs7PZq3vT8mWb2LxYc9", "RkD4nHs7PZq3"),
    (
        "Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ0b2tlbiJ9.RkD4nHs7PZq3vT8mWb2LxYc9RkD4nHs7PZq3vT8mWb2L",
        "kD4nHs7PZq3v",
    ),
    ("team=a;key=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", "nHs7PZq3vT8m"),
    ("'npm_7PZq3vT8mWb2LxYc9RkD4nHs7PZq3vT8mWb2'", "7PZq3vT8mWb2"),
];

/// Returns an error if a text contains part of a secret.
fn clean(what: &str, bytes: &[u8]) -> Outcome {
    // In lower case, most of a secret can still be recognised.
    let bytes = bytes.to_ascii_lowercase();
    for (secret, part) in SECRETS {
        if let Some(at) = memchr::memmem::find(&bytes, part.to_ascii_lowercase().as_bytes()) {
            let near = String::from_utf8_lossy(&bytes[at.saturating_sub(120)..(at + 60).min(bytes.len())]).into_owned();
            return Err(format!("{what} holds {secret:?}: …{near}…").into());
        }
    }
    Ok(())
}

/// Checks that nothing that a command left contains a secret.
fn left_nothing(desk: &Desk, ran: &Ran) -> Outcome {
    clean("standard output", ran.out.as_bytes())?;
    clean("standard error", ran.err.as_bytes())?;
    for name in ["tokenbook.db", "tokenbook.db-wal", "tokenbook.db-shm", "errors.txt", "errors.jsonl"] {
        if desk.path(name).exists() {
            clean(name, &desk.read(name)?)?;
        }
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[test]
fn the_parts_tell_the_secrets_and_nothing_else() {
    for (secret, part) in SECRETS {
        assert!(secret.contains(part) && part.len() == 12, "{secret}");
    }
}

#[test]
fn what_a_program_builds_holds_no_secret() {
    for (secret, _) in SECRETS {
        assert!(EventId::new(secret).is_err(), "{secret}");
        assert!(Name::new(secret).is_err(), "{secret}");
        assert!(TagValue::new(secret).is_err(), "{secret}");
        assert!(TagKey::new(secret).is_err(), "{secret}");
        assert!(Tag::parse(&format!("team={secret}")).is_err(), "{secret}");
        assert!(ServiceTier::new(secret).is_err(), "{secret}");
    }
}

/// A usage file with a line for each secret in a place.
fn usage_csv(place: &str) -> String {
    const PLACES: [&str; 7] = ["event_id", "model", "provider", "service_tier", "department", "project", "tag.team"];
    let mut text = format!("timestamp,input_tokens,{}\n", PLACES.join(","));
    for (number, (secret, _)) in (0..).zip(SECRETS) {
        let value = |own: &&str| match *own {
            _ if *own == place => quoted(secret),
            "event_id" => format!("e{number}"),
            "service_tier" => String::new(),
            _ => "m".to_owned(),
        };
        let cells: Vec<String> = PLACES.iter().map(value).collect();
        text.extend(["2026-10-05T10:00:00Z,1,", &cells.join(","), "\n"]);
    }
    text
}

/// The same as JSONL: every secret unchanged, with its first letter escaped, and in a record that is bad for another
/// reason.
fn usage_jsonl(place: &str) -> String {
    let mut text = String::new();
    for (number, (secret, _)) in (0..).zip(SECRETS) {
        let mut record = json!({"event_id": format!("e{number}"), "timestamp": "2026-10-05T10:00:00Z", "model": "m", "input_tokens": 1});
        match place.strip_prefix("tags.") {
            Some("") => record["tags"] = json!({ secret: "x" }),
            Some(key) => record["tags"] = json!({ key: secret }),
            None => record[place] = json!(secret),
        }
        let plain = record.to_string();
        let first = u32::from(secret.chars().next().unwrap_or(' '));
        let escaped = plain.replace(secret, &format!("\\u{first:04x}{}", &secret[1..]));
        assert!(escaped.contains("\\u00"), "{plain}");
        record["input_tokens"] = json!(-1);
        let bad = record.to_string();
        record["model"] = json!({ "nested": [secret] });
        text.extend([plain, escaped, bad, record.to_string()].map(|line| line + "\n"));
    }
    text
}

/// Imports a file with only bad lines, in both ways to treat bad lines.
fn refused_and_set_aside(desk: &Desk, file: &str, lines: usize) -> Outcome {
    for errors in ["errors.txt", "errors.jsonl"] {
        let refused = desk.run(&["import", file, "--errors", errors])?.ends(3)?;
        left_nothing(desk, &refused)?;
    }
    let aside = desk.run(&["import", file, "--quarantine"])?.ends(4)?.says(&format!("{lines} quarantined"))?;
    left_nothing(desk, &aside)?;
    left_nothing(desk, &desk.run(&["quarantine", "list"])?.ends(0)?)
}

#[test]
fn our_own_usage_files_bring_no_secret() -> Outcome {
    for place in ["event_id", "model", "provider", "service_tier", "department", "project", "tag.team"] {
        let desk = Desk::new()?;
        desk.write("u.csv", usage_csv(place))?;
        refused_and_set_aside(&desk, "u.csv", SECRETS.len())?;
        desk.write("u.jsonl", usage_jsonl(place))?;
        refused_and_set_aside(&desk, "u.jsonl", 4 * SECRETS.len())?;
    }
    for place in ["tags.team", "tags.department", "tags."] {
        let desk = Desk::new()?;
        desk.write("u.jsonl", usage_jsonl(place))?;
        refused_and_set_aside(&desk, "u.jsonl", 4 * SECRETS.len())?;
    }
    Ok(())
}

#[test]
fn a_secret_in_a_field_that_is_not_read_is_not_shown() -> Outcome {
    let desk = Desk::new()?;
    for (secret, _) in SECRETS {
        let file = format!(
            "event_id,timestamp,model,input_tokens,{},note\ne,2026-10-05T10:00:00Z,m,1,x,{}\n",
            quoted(secret),
            quoted(secret)
        );
        desk.write("u.csv", file)?;
        left_nothing(&desk, &desk.run(&["import", "u.csv", "--errors", "errors.txt"])?)?;
        let record = json!({"event_id": "e", "timestamp": "2026-10-05T10:00:00Z", "model": "m", "input_tokens": 1, secret: 1, "note": secret});
        desk.write("u.jsonl", record.to_string() + "\n")?;
        left_nothing(&desk, &desk.run(&["import", "u.jsonl", "--errors", "errors.txt"])?)?;
        left_nothing(&desk, &desk.run(&["import", "u.jsonl", "--strict-fields"])?)?;
    }
    Ok(())
}

/// A list with a line for each secret, in one of its columns.
fn list(columns: &str, usual: &str, place: &str) -> String {
    let mut text = format!("{columns}\n");
    for (number, (secret, _)) in (0..).zip(SECRETS) {
        let usual = usual.replace('#', &number.to_string());
        let value = |(column, usual): (&str, &str)| if column == place { quoted(secret) } else { usual.to_owned() };
        let cells: Vec<String> = columns.split(',').zip(usual.split(',')).map(value).collect();
        text.extend([&cells.join(","), "\n"]);
    }
    text
}

#[test]
fn no_list_brings_a_secret() -> Outcome {
    let lists: [(&[&str], &str, &str, &[&str]); 5] = [
        (
            &["rules", "import", "l", "--valid-from", "2026-10-01"],
            "rule,key,value,department,project,environment",
            "r#,model,m#,D,P,E",
            &["rule", "value", "department", "project", "environment", "key"],
        ),
        (
            &["departments", "import", "l"],
            "department,cost_centre,owner,account",
            "d#,c,o,a",
            &["department", "cost_centre", "owner", "account"],
        ),
        (
            &["aliases", "import", "l"],
            "alias,provider,model,valid_from",
            "a#,p,m,2026-01-01",
            &["alias", "provider", "model", "valid_from"],
        ),
        (
            &["prices", "import", "l"],
            "book,provider,model,service_tier,meter,currency,price,valid_from",
            "b,p,m#,batch,input,USD,1,2026-01-01",
            &["book", "provider", "model", "service_tier", "meter", "currency", "price", "valid_from"],
        ),
        (&["costs", "import", "l"], "key", "k#", &["key"]),
    ];
    for (command, columns, usual, places) in lists {
        for place in places {
            let desk = Desk::new()?;
            desk.write("l", list(columns, usual, place))?;
            let ran = desk.run(command)?;
            assert_ne!(ran.code, Some(0), "{command:?} {place}");
            left_nothing(&desk, &ran).map_err(|error| format!("{command:?} {place}: {error}"))?;
        }
    }
    Ok(())
}

#[test]
fn neither_rules_in_toml_nor_maps_nor_options_bring_a_secret() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", crate::desk::usage(0, 1))?;
    for (secret, _) in SECRETS {
        let text = json!(secret);
        let map = "[fields]\nevent_id = \"i\"\ntimestamp = \"t\"\ninput_tokens = \"p\"\n";
        let files = [
            ("r.toml", format!("[[rule]]\nname = {text}\ndepartment = \"D\"\n")),
            ("r.toml", format!("[[rule]]\nname = \"r\"\nequals = {{ model = {text} }}\ndepartment = {text}\n")),
            ("r.toml", format!("[[rule]]\nname = \"r\"\nequals = {{ {text} = \"x\" }}\ndepartment = \"D\"\n{text}\n")),
            ("m.toml", format!("{map}[constants]\nmodel = {text}\n")),
            ("m.toml", format!("{map}model = \"m\"\n[constants]\ndepartment = {text}\n")),
            ("m.toml", format!("{map}model = {text}\n")),
            ("m.toml", format!("{map}model = \"m\"\n# {secret}\n")),
            ("m.toml", format!("{map}model = \"m\"\n[tags]\n{text} = \"x\"\n")),
        ];
        for (name, file) in files {
            desk.write(name, &file)?;
            let command: &[&str] = if name == "r.toml" {
                &["rules", "import", name, "--valid-from", "2026-10-01"]
            } else {
                &["maps", "keep", "own", name]
            };
            let ran = desk.run(command)?;
            assert_ne!(ran.code, Some(0), "{file}");
            left_nothing(&desk, &ran).map_err(|error| format!("{file}: {error}"))?;
        }
        let tag = format!("team={secret}");
        let options: [&[&str]; 8] = [
            &["import", "u.csv", "--tag", &tag],
            &["import", "u.csv", "--source", secret],
            &["import", "u.csv", "--provider", secret],
            &["import", "u.csv", "--ignore-tag", secret],
            &["import", "u.csv", "--prompt-tokens", secret],
            &["maps", "keep", secret, "m.toml"],
            &["quarantine", "discard", "--all", "--reason", secret],
            &["report", "summary", "--period", secret],
        ];
        for command in options.into_iter().filter(|_| !secret.starts_with('-')) {
            let ran = desk.run(command)?;
            assert_ne!(ran.code, Some(0), "{command:?}");
            left_nothing(&desk, &ran).map_err(|error| format!("{command:?}: {error}"))?;
        }
    }
    Ok(())
}

/// Replaces each text of a value by a secret, one at a time, and adds secrets beside the fields of each object.
fn variants(value: &Value, next: &mut impl FnMut() -> &'static str) -> Vec<Value> {
    match value {
        Value::String(_) => vec![json!(next())],
        Value::Array(values) => {
            let of = |(place, inner): (usize, &Value)| (place, inner.clone());
            let mut all = Vec::new();
            for (place, inner) in values.iter().enumerate().map(of) {
                for variant in variants(&inner, next) {
                    let mut changed = values.clone();
                    changed[place] = variant;
                    all.push(Value::Array(changed));
                }
            }
            all
        }
        Value::Object(fields) => {
            let mut more = fields.clone();
            more.insert(next().to_owned(), json!(1));
            let mut all = vec![Value::Object(more)];
            for (name, inner) in fields {
                for variant in variants(inner, next) {
                    let mut changed = fields.clone();
                    changed.insert(name.clone(), variant);
                    all.push(Value::Object(changed));
                }
            }
            all
        }
        _ => Vec::new(),
    }
}

/// The usage files of a folder of fixtures.
fn usage_files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        let end = path.extension().and_then(|end| end.to_str()).unwrap_or("");
        if name.starts_with("usage") && !name.contains("expected") && ["jsonl", "json", "csv"].contains(&end) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The variants of a usage file, each as a separate file.
fn changed(file: &Path, next: &mut impl FnMut() -> &'static str) -> Outcome<Vec<String>> {
    let text = fs::read_to_string(file)?;
    if let Ok(whole) = serde_json::from_str::<Value>(&text) {
        return Ok(variants(&whole, next).iter().map(Value::to_string).collect());
    }
    let lines: Vec<&str> = text.lines().collect();
    let records: Option<Vec<Value>> = lines.iter().map(|line| serde_json::from_str(line).ok()).collect();
    let mut files = Vec::new();
    let mut with = |place: usize, line: String| {
        let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        changed[place] = line;
        files.push(changed.join("\n") + "\n");
    };
    if let Some(records) = records {
        for (place, record) in records.iter().enumerate() {
            for variant in variants(record, next) {
                with(place, variant.to_string());
            }
        }
    } else if let (Some(second), true) = (lines.get(1), file.extension().is_some_and(|end| end == "csv")) {
        let cells: Vec<&str> = second.split(',').collect();
        for place in 0..cells.len() {
            let mut cells: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
            cells[place] = quoted(next());
            with(1, cells.join(","));
        }
    }
    Ok(files)
}

#[test]
fn no_vendors_format_brings_a_secret() -> Outcome {
    let mut number = 0;
    let mut next = || {
        number += 1;
        SECRETS[number % SECRETS.len()].0
    };
    let (mut formats, mut tried) = (0, 0);
    for entry in fs::read_dir(fixture("formats"))? {
        let folder = entry?.path();
        let desk = Desk::new()?;
        let mut files = Vec::new();
        for file in usage_files(&folder)? {
            let end = file.extension().and_then(|end| end.to_str()).unwrap_or("json").to_owned();
            let all = changed(&file, &mut next)?;
            // A long fixture repeats itself.
            let step = all.len() / 60 + 1;
            for text in all.into_iter().step_by(step) {
                let name = format!("v{:04}.{end}", files.len());
                desk.write(&name, text)?;
                files.push(name);
            }
        }
        if files.is_empty() {
            continue;
        }
        (formats, tried) = (formats + 1, tried + files.len());
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let options = [
            "--quarantine",
            "--at",
            "2026-10-01T08:30:00Z",
            "--assume-zone",
            "UTC",
            "--prompt-tokens",
            "with-cache",
            "--errors",
            "errors.jsonl",
        ];
        let ran = desk.run(&[&["import"], &options[..], &files[..]].concat())?;
        left_nothing(&desk, &ran).map_err(|error| format!("{}: {error}", folder.display()))?;
        left_nothing(&desk, &desk.run(&["quarantine", "list"])?)?;
    }
    assert!(formats >= 15 && tried >= 500, "{formats} formats, {tried} files");
    Ok(())
}

#[test]
fn who_acts_is_no_secret() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", crate::desk::usage(0, 1))?;
    let head = desk.head()?;
    for secret in ["sk-proj-abcdefghijklmnopqrstuvwxyz0123456789", "AKIAIOSFODNN7EXAMPLE"] {
        let ran = desk.run(&["import", "u.csv", "--actor", secret])?.ends(2)?.says("--actor contains a secret key")?;
        assert!(!ran.err.contains(secret) && !ran.out.contains(secret), "{ran:?}");
        let ran = Ran::of(desk.command(&["import", "u.csv"]).env("TOKENBOOK_ACTOR", secret).output()?)?;
        ran.ends(2)?.says("--actor contains a secret key")?;
    }
    assert_eq!(desk.head()?, head);
    Ok(())
}

#[test]
fn no_name_of_a_file_brings_a_secret() -> Outcome {
    let desk = Desk::new()?;
    let rules = "rule,key,value,department\na,model,m,Legal\n";
    for (number, (secret, _)) in SECRETS.iter().enumerate() {
        if secret.contains(['/', '\n', '"']) {
            continue;
        }
        for name in [format!("./{secret}.csv"), format!("./usage_{secret}")] {
            desk.write(&name, crate::desk::usage(number * 10, 2))?;
            let ran = desk.run(&["import", &name])?.says("(secret)").map_err(|error| format!("{secret}: {error}"))?;
            left_nothing(&desk, &ran).map_err(|error| format!("{name}: {error}"))?;
            desk.write(&name, "event_id,timestamp,model,input_tokens\nx,y,z,1\n")?;
            left_nothing(&desk, &desk.run(&["import", &name])?.ends(3)?).map_err(|error| format!("{name}: {error}"))?;
        }
        desk.write("rules", rules)?;
        std::fs::rename(desk.path("rules"), desk.path(&format!("{secret}.csv")))?;
        let day = format!("2026-10-{:02}", number % 28 + 1);
        let ran = desk.run(&["rules", "import", &format!("./{secret}.csv"), "--valid-from", &day])?;
        assert!(ran.code == Some(0), "{secret}: {ran:?}");
        left_nothing(&desk, &ran)?;
    }
    assert!(desk.count("SELECT count(*) FROM import WHERE file LIKE '%(secret)%'")? > 20);
    Ok(())
}
