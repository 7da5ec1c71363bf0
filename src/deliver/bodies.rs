//! What each kind of receiver gets, and which answers mean that it took the message. Forms as their vendors described them on
//! 2026-11-30.

use crate::control::limit::Chat;
use serde_json::{Value, json};

/// The most alerts in one message of a chat or a mail.
pub const LISTED: usize = 20;

/// The longest message of Discord, in characters.
const DISCORD: usize = 2_000;
/// The longest message of `WeCom` and `DingTalk`, in bytes.
const WECOM: usize = 2_048;

/// One alert in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its name, `58.2`.
    pub name: String,
    /// Which budget, how much of it is used, what to do.
    pub first: String,
    /// The rest: scope, threshold, period, where it stands in the ledger.
    pub rest: Vec<String>,
    /// The budget, measure, value and period. Of several thresholds of one, a message for people names the highest.
    pub about: String,
    /// The threshold in hundredths of a percent.
    pub threshold: u32,
}

/// What people need of several alerts: the highest threshold of each budget, the highest first.
pub fn for_people(alerts: &[Told]) -> Vec<Told> {
    let mut highest: std::collections::BTreeMap<&str, &Told> = std::collections::BTreeMap::new();
    for told in alerts {
        let known = highest.entry(&told.about).or_insert(told);
        if told.threshold > known.threshold {
            *known = told;
        }
    }
    let mut all: Vec<Told> = highest.into_values().cloned().collect();
    all.sort_by_key(|told| std::cmp::Reverse(told.threshold));
    all
}

/// The text of a message with several alerts.
pub fn text(alerts: &[Told]) -> String {
    let mut paragraphs: Vec<String> = alerts
        .iter()
        .take(LISTED)
        .map(|told| std::iter::once(&told.first).chain(&told.rest).cloned().collect::<Vec<_>>().join("\n"))
        .collect();
    if let Some(more) = alerts.len().checked_sub(LISTED).filter(|more| *more > 0) {
        paragraphs.push(format!("and {more} more: tokenbook alerts list"));
    }
    paragraphs.join("\n\n")
}

/// The body for a chat.
pub fn chat(chat: Chat, text: &str) -> Value {
    match chat {
        Chat::Slack => {
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            json!({ "text": escaped })
        }
        Chat::Discord => {
            let mark = |c: char| {
                matches!(c, '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '#' | '[' | ']' | '(' | ')' | '<' | '@')
            };
            let escaped: String = text.chars().flat_map(|c| mark(c).then_some('\\').into_iter().chain([c])).collect();
            let cut: String = escaped.chars().take(DISCORD).collect();
            json!({ "content": cut, "allowed_mentions": { "parse": [] } })
        }
        Chat::Teams => json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": [{ "type": "TextBlock", "text": text, "wrap": true }],
                },
            }],
        }),
        Chat::Wecom | Chat::Dingtalk => json!({ "msgtype": "text", "text": { "content": cut(text, WECOM) } }),
    }
}

/// A text of at most so many bytes, cut between characters.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or("")
}

/// A mail for a program such as `sendmail -t`.
pub fn mail(to: Option<&str>, alerts: &[Told]) -> String {
    let line = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let to = to.map(|to| format!("To: {}\n", line(to))).unwrap_or_default();
    let subject = alerts.first().map_or(String::new(), |told| line(&told.first));
    format!("{to}Subject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{}\n", text(alerts))
}

/// How a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, or its beginning.
    pub body: String,
    /// Seconds that it asks to wait.
    pub retry_after: Option<i64>,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It took the message.
    Taken,
    /// It did not. It may be tried again, after so many seconds if it said so.
    Failed {
        /// Why, without anything secret.
        why: String,
        /// Seconds to wait.
        wait: Option<i64>,
    },
    /// It wants no messages any more.
    Gone,
}

/// What a receiver's answer means. `None` for a chat stands for a receiver of JSON.
pub fn verdict(chat: Option<Chat>, answer: &Answer) -> Verdict {
    let Answer { status, body, retry_after } = answer;
    if *status == 410 {
        return Verdict::Gone;
    }
    let failed = |why: String| Verdict::Failed { why, wait: *retry_after };
    let taken = match chat {
        None => (200..300).contains(status),
        Some(Chat::Slack) => *status == 200 && body.trim() == "ok",
        Some(Chat::Discord) => matches!(status, 200 | 204),
        Some(Chat::Teams) => matches!(status, 200 | 202),
        Some(Chat::Wecom | Chat::Dingtalk) => {
            let code = serde_json::from_str::<Value>(body).ok().and_then(|body| body.get("errcode")?.as_i64());
            match code {
                Some(0) if *status == 200 => true,
                // More than 20 messages a minute.
                Some(45009) => {
                    return Verdict::Failed { why: "errcode 45009, too many messages".to_owned(), wait: Some(60) };
                }
                Some(code) if *status == 200 => return failed(format!("errcode {code}")),
                _ => false,
            }
        }
    };
    match (taken, status) {
        (true, _) => Verdict::Taken,
        (false, 200..=299) => failed(format!("status {status} with an answer that is no success")),
        (false, 300..=399) => failed(format!("status {status}, a redirect, which is not followed")),
        (false, _) => failed(format!("status {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(number: usize) -> Told {
        let (name, first) = (format!("58.{number}"), format!("budget {number} <b> & *x*"));
        Told { name, first, rest: vec!["line".to_owned()], about: number.to_string(), threshold: 5_000 }
    }

    #[test]
    fn every_chat_gets_its_form_and_nothing_is_markup() {
        let text = text(&[told(1)]);
        assert_eq!(chat(Chat::Slack, &text), json!({ "text": "budget 1 &lt;b&gt; &amp; *x*\nline" }));
        let discord = chat(Chat::Discord, &text);
        assert_eq!(discord["content"], "budget 1 \\<b\\> & \\*x\\*\nline");
        assert_eq!(discord["allowed_mentions"], json!({ "parse": [] }));
        assert_eq!(chat(Chat::Teams, &text)["attachments"][0]["content"]["body"][0]["text"], text);
        assert_eq!(chat(Chat::Wecom, &text), json!({ "msgtype": "text", "text": { "content": text } }));
    }

    #[test]
    fn a_long_message_is_cut_where_its_receiver_cuts() {
        let all: Vec<Told> = (1..=34).map(told).collect();
        let listed = text(&all);
        assert!(listed.ends_with("and 14 more: tokenbook alerts list"), "{listed}");
        assert_eq!(listed.matches("budget ").count(), 20);
        let long = "ä".repeat(3_000);
        assert_eq!(chat(Chat::Discord, &long)["content"].as_str().map(|text| text.chars().count()), Some(2_000));
        assert_eq!(chat(Chat::Wecom, &long)["text"]["content"].as_str().map(str::len), Some(2_048));
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(mail(Some("a@example.com\nBcc: x"), &[told(1)]).lines().next(), Some("To: a@example.com Bcc: x"));
    }

    #[test]
    fn people_hear_of_the_highest_threshold_of_each_budget_first() {
        let of = |about: &str, threshold: u32| Told { about: about.to_owned(), threshold, ..told(1) };
        let all = [of("a", 5_000), of("a", 8_000), of("b", 10_000), of("a", 7_500), of("b", 5_000), of("c", 9_000)];
        let found: Vec<(String, u32)> = for_people(&all).into_iter().map(|told| (told.about, told.threshold)).collect();
        assert_eq!(found, [("b".to_owned(), 10_000), ("c".to_owned(), 9_000), ("a".to_owned(), 8_000)]);
    }

    #[test]
    fn an_answer_of_success_with_an_error_in_it_is_a_failure() {
        let answer = |status: u16, body: &str| Answer { status, body: body.to_owned(), retry_after: None };
        let cases = [
            (Some(Chat::Slack), 200, "ok", true),
            (Some(Chat::Slack), 200, "no_service", false),
            (Some(Chat::Slack), 201, "ok", false),
            (Some(Chat::Discord), 204, "", true),
            (Some(Chat::Discord), 400, "", false),
            (Some(Chat::Teams), 202, "1", true),
            (Some(Chat::Wecom), 200, "{\"errcode\":0,\"errmsg\":\"ok\"}", true),
            (Some(Chat::Wecom), 200, "{\"errcode\":310000}", false),
            (Some(Chat::Dingtalk), 200, "ok", false),
            (None, 200, "", true),
            (None, 204, "", true),
            (None, 302, "", false),
            (None, 500, "", false),
        ];
        for (chat, status, body, taken) in cases {
            assert_eq!(verdict(chat, &answer(status, body)) == Verdict::Taken, taken, "{chat:?} {status} {body}");
        }
        assert_eq!(verdict(None, &answer(410, "")), Verdict::Gone);
        let busy = verdict(Some(Chat::Wecom), &answer(200, "{\"errcode\":45009}"));
        assert!(matches!(busy, Verdict::Failed { wait: Some(60), .. }), "{busy:?}");
    }
}
