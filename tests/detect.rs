//! Detecting formats: by complete records, by more than the first one, and never as empty if the file contains usage.

use crate::desk::{Desk, Outcome};

/// Records that no format reads, and the expected message.
const UNREAD: [(&str, &str, &str); 6] = [
    (
        "traces.json",
        "{\"data\":[\n{\"id\":\"t1\",\"timestamp\":\"2026-10-01T08:30:00Z\",\"sessionId\":\"s\",\"htmlPath\":\"/t\",\"totalCost\":0.1,\"observations\":[\"o1\"]}\n],\"meta\":{\"page\":1,\"totalPages\":1}}",
        "the file contains Langfuse traces, which no format reads",
    ),
    (
        "trace.jsonl",
        "{\"id\":\"t1\",\"timestamp\":\"2026-10-01T08:30:00Z\",\"sessionId\":\"s\",\"htmlPath\":\"/t\",\"observations\":[\"o1\"]}\n",
        "the file contains Langfuse traces",
    ),
    (
        "download.json",
        "{\n \"trace\": {\"id\": \"t1\"},\n \"observations\": [{\"id\": \"o1\", \"usage\": {\"input\": 5}}]\n}\n",
        "the file contains Langfuse traces",
    ),
    (
        "qwen.jsonl",
        "{\"uuid\":\"a\",\"sessionId\":\"s\",\"type\":\"user\",\"message\":{\"role\":\"user\",\"parts\":[]}}\n{\"uuid\":\"b\",\"sessionId\":\"s\",\"timestamp\":\"2026-10-01T08:30:00Z\",\"type\":\"assistant\",\"model\":\"qwen3-coder-plus\",\"usageMetadata\":{\"promptTokenCount\":10,\"candidatesTokenCount\":5}}\n",
        "the file contains sessions of Qwen Code",
    ),
    (
        "spans.jsonl",
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"a\",\"spanId\":\"b\",\"attributes\":[{\"key\":\"llm.token_count.prompt\",\"value\":{\"intValue\":\"12\"}}]}]}]}]}\n",
        "the file contains OpenInference spans",
    ),
    (
        "other.jsonl",
        "{\"sessionId\":\"s\",\"type\":\"turn\",\"stats\":{\"totalTokens\": 120}}\n",
        "the file contains counts of tokens in another shape",
    ),
];

/// Records that are known to have no usage.
const NONE: [(&str, &str); 5] = [
    (
        "session.jsonl",
        "{\"type\":\"user\",\"sessionId\":\"s\",\"timestamp\":\"2026-10-01T08:30:00Z\",\"message\":{\"role\":\"user\",\"content\":\"what is {\\\"totalTokens\\\": 5}?\"}}\n",
    ),
    (
        "spans.jsonl",
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"a\",\"spanId\":\"b\",\"name\":\"GET /\",\"attributes\":[]}]}]}]}\n",
    ),
    ("failed.jsonl", "{\"id\":\"b\",\"custom_id\":\"c\",\"response\":null,\"error\":{\"code\":\"batch_expired\"}}\n"),
    ("blank.jsonl", "\n \n"),
    ("empty.jsonl", ""),
];

#[test]
fn a_file_that_holds_usage_of_another_shape_is_not_taken_for_empty() -> Outcome {
    let desk = Desk::new()?;
    for (name, text, says) in UNREAD {
        desk.write(name, text)?;
        for arguments in [&["import", name][..], &["import", name, "--allow-empty"], &["import", name, "--quarantine"]]
        {
            desk.run(arguments)?.ends(3)?.says(says)?;
        }
    }
    for (name, text) in NONE {
        desk.write(name, text)?;
        desk.run(&["import", name])?.ends(3)?.says("the file contains no events")?;
        desk.run(&["import", name, "--allow-empty"])?.ends(0)?.says("the file contains no events")?;
    }
    Ok(())
}

#[test]
fn a_directory_is_read_with_all_below_it() -> Outcome {
    let desk = Desk::new()?;
    let line = |id: &str| {
        format!(
            "{{\"type\":\"assistant\",\"timestamp\":\"2026-10-01T08:30:00.000Z\",\"sessionId\":\"s1\",\"message\":{{\"id\":\"{id}\",\"model\":\"m\",\"usage\":{{\"input_tokens\":4,\"output_tokens\":2}}}}}}\n"
        )
    };
    desk.write("projects/shop/s1.jsonl", line("msg_1"))?;
    desk.write("projects/shop/s1/subagents/agent-7.jsonl", line("msg_2"))?;
    desk.write("projects/a/b/c/d/e.jsonl", line("msg_3"))?;
    desk.write("projects/shop/.hidden/s9.jsonl", line("msg_9"))?;
    desk.write("projects/.s8.jsonl", line("msg_8"))?;
    let ran = desk.run(&["import", "projects"])?.ends(0)?;
    let lines: Vec<&str> = ran.out.lines().collect();
    let begins = [
        "3 files to read",
        "projects/a/b/c/d/e.jsonl: ",
        "projects/shop/s1/subagents/agent-7.jsonl: ",
        "projects/shop/s1.jsonl: ",
    ];
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(begin), "{line}: {begin}");
    }
    assert_eq!(lines.get(4), Some(&"3 files: 3 accepted + 0 duplicates + 0 quarantined"), "{lines:?}");
    assert_eq!(desk.events()?, 3);
    // A hidden file is read if it is named.
    desk.run(&["import", "projects/.s8.jsonl", "projects/shop/.hidden"])?.ends(0)?.says("2 files: 2 accepted")?;
    desk.write("projects/x.jsonl", "")?;
    let says = "4 files: 0 accepted + 3 duplicates + 0 quarantined; 1 file without events";
    desk.run(&["import", "projects", "--allow-empty"])?.ends(0)?.says(says)?;
    desk.run(&["import", "projects"])?.ends(3)?.says("+ 0 quarantined; 1 file rejected")?;
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_link_below_a_directory_is_refused_or_followed_once() -> Outcome {
    let desk = Desk::new()?;
    desk.write("d/u.csv", crate::desk::usage(0, 3))?;
    std::os::unix::fs::symlink("..", desk.path("d/up"))?;
    desk.run(&["import", "d"])?.ends(3)?.says("d/up: is a symbolic link")?;
    std::fs::remove_file(desk.path("d/up"))?;
    desk.write("elsewhere/v.csv", crate::desk::usage(3, 2))?;
    std::os::unix::fs::symlink("../elsewhere", desk.path("d/to"))?;
    std::os::unix::fs::symlink(".", desk.path("d/self"))?;
    desk.run(&["import", "d", "--follow"])?.ends(0)?.says("2 files: 5 accepted")?;
    Ok(())
}

#[test]
fn a_batch_whose_first_requests_failed_is_what_it_is() -> Outcome {
    let body = "{\"id\":\"chatcmpl-1\",\"created\":1790848800,\"model\":\"gpt-5.4\",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7}}";
    let gemini = "{\"responseId\":\"r1\",\"modelVersion\":\"gemini-2.5-flash\",\"usageMetadata\":{\"promptTokenCount\":5,\"candidatesTokenCount\":2,\"totalTokenCount\":7}}";
    let converse = "{\"id\":\"m1\",\"model\":\"claude-sonnet-4-5\",\"usage\":{\"input_tokens\":5,\"output_tokens\":2}}";
    let batches = [
        (
            "openai",
            "{\"id\":\"b0\",\"custom_id\":\"0\",\"response\":{\"status_code\":400,\"body\":{\"error\":{\"message\":\"no\"}}},\"error\":null}".to_owned(),
            format!("{{\"id\":\"b1\",\"custom_id\":\"1\",\"response\":{{\"status_code\":200,\"body\":{body}}},\"error\":null}}"),
        ),
        (
            "openai-expired",
            "{\"id\":\"b0\",\"custom_id\":\"0\",\"response\":null,\"error\":{\"code\":\"batch_expired\"}}".to_owned(),
            format!("{{\"id\":\"b1\",\"custom_id\":\"1\",\"response\":{{\"status_code\":200,\"body\":{body}}},\"error\":null}}"),
        ),
        ("gemini", "{\"key\":\"0\",\"error\":{\"code\":3}}".to_owned(), format!("{{\"key\":\"1\",\"response\":{gemini}}}")),
        (
            "vertex",
            "{\"status\":\"Bad Request\",\"processed_time\":\"2026-10-01T08:30:00.000+00:00\",\"request\":{\"contents\":[]},\"response\":{}}".to_owned(),
            format!("{{\"status\":\"\",\"processed_time\":\"2026-10-01T08:31:00.000+00:00\",\"request\":{{\"contents\":[]}},\"response\":{gemini}}}"),
        ),
        (
            "bedrock",
            "{\"recordId\":\"0\",\"modelInput\":{\"messages\":[]},\"error\":{\"errorCode\":400,\"errorMessage\":\"no\"}}".to_owned(),
            format!("{{\"recordId\":\"1\",\"modelInput\":{{\"messages\":[]}},\"modelOutput\":{converse}}}"),
        ),
    ];
    for (batch, failed, done) in batches {
        let desk = Desk::new()?;
        let at = ["--at", "2026-10-01T09:00:00Z"];
        for failures in [0, 1, 3_000] {
            let text = format!("{failed}\n").repeat(failures) + &done + "\n" + &failed + "\n";
            let name = format!("{failures}.jsonl");
            desk.write(&name, text)?;
            desk.run(&[&["import", &name], &at[..]].concat())?.ends(0)?;
            assert_eq!(desk.events()?, 1, "{batch} behind {failures} failures");
        }
        // Records on lines may also be elements of an array.
        desk.write("array.json", format!("[{failed},\n{done}]"))?;
        desk.run(&[&["import", "array.json"], &at[..]].concat())?.ends(0)?.says("1 duplicate")?;
        desk.write("none.jsonl", format!("{failed}\n{failed}\n"))?;
        desk.run(&["import", "none.jsonl", "--allow-empty"])?.ends(0)?.says("the file contains no events")?;
    }
    Ok(())
}

#[test]
fn an_event_of_a_realtime_session_is_no_event_of_ours() -> Outcome {
    let desk = Desk::new()?;
    let done = "{\"type\":\"response.done\",\"event_id\":\"event_2\",\"response\":{\"id\":\"resp_1\",\"usage\":{\"total_tokens\":7,\"input_tokens\":5,\"output_tokens\":2}}}\n";
    desk.write(
        "r.jsonl",
        format!("{{\"type\":\"session.created\",\"event_id\":\"event_1\",\"session\":{{}}}}\n{done}"),
    )?;
    desk.run(&["import", "r.jsonl"])?.ends(3)?.says("r.jsonl:2: timestamp: is missing")?;
    desk.run(&["import", "r.jsonl", "--at", "2026-10-01T09:00:00Z"])?.ends(3)?.says("r.jsonl:2: model: is missing")?;
    // For a record of tokenbook's own that lacks a field, the message names the field. It does not hide later records.
    desk.write("ours.jsonl", "{\"event_id\":\"a\",\"timestamp\":\"2026-10-01T08:30:00Z\",\"input_tokens\":5}\n")?;
    desk.run(&["import", "ours.jsonl"])?.ends(3)?.says("ours.jsonl:1: model: ")?;
    desk.write("u.csv", crate::desk::usage(0, 1))?;
    desk.run(&["import", "u.csv"])?.ends(0)?.says("1 accepted")?;
    Ok(())
}

#[test]
fn a_provider_that_is_given_wins_over_what_a_span_says() -> Outcome {
    let spans = crate::desk::text(&crate::desk::fixture("formats/otlp/usage-ai-sdk.jsonl"))?.to_owned();
    for (option, expected) in [(&[][..], "anthropic,openai"), (&["--provider", "azure"], "azure")] {
        let desk = Desk::new()?;
        desk.run(&[&["import", &spans], option].concat())?.ends(0)?.says("3 accepted")?;
        let providers = "SELECT group_concat(name) FROM (SELECT DISTINCT provider AS name FROM usage ORDER BY name)";
        let found: String = desk.database()?.query_row(providers, [], |row| row.get(0))?;
        assert_eq!(found, expected, "{option:?}");
    }
    Ok(())
}
