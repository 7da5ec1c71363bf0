//! Channels of a policy: where alerts go. An address of a chat is a secret, so it never stands in the policy.

use crate::control::limit::{Channel, ChannelKind, Chat, Secret};
use crate::text::problem::Problem;
use crate::text::toml_table::{Section, TomlValue};

const KEYS: [&str; 9] = ["kind", "url", "url_env", "url_file", "secret_env", "secret_file", "command", "to", "allow"];

const KINDS: [&str; 7] = ["slack", "discord", "teams", "wecom", "dingtalk", "json", "command"];

/// A channel.
pub(super) fn channel(table: &Section<'_>) -> Result<Channel, Problem> {
    table.no_unknown_keys(&KEYS)?;
    let kinds = KINDS.map(|kind| format!("\"{kind}\"")).join(", ");
    let kind = table.required("kind", &kinds, |value| super::values::word(value, &KINDS, |kind| kind))?;
    let text = |value: &TomlValue<'_>| value.text().map(str::to_owned);
    let url = table.optional("url", text)?;
    let (url_env, url_file) = (table.optional("url_env", text)?, table.optional("url_file", text)?);
    let found_in = secret(table, ("url_env", url_env), ("url_file", url_file))?;
    let (secret_env, secret_file) = (table.optional("secret_env", text)?, table.optional("secret_file", text)?);
    let signed_by = secret(table, ("secret_env", secret_env), ("secret_file", secret_file))?;
    let command = table.optional("command", words)?;
    let to = table.optional("to", receiver)?;
    let allow = table.optional("allow", |value| Ok(value.texts()?.into_iter().map(str::to_owned).collect()))?;
    let only_for = |key: &str, given: bool, allowed: bool, kinds: &str| {
        let what = format!("is not for a channel of kind {kind}");
        if given && !allowed { Err(table.problem(key, what, kinds)) } else { Ok(()) }
    };
    let (is_json, is_command) = (kind == "json", kind == "command");
    if url.is_some() && !is_json && !is_command {
        let what = "the webhook address of a chat is a secret";
        return Err(table.problem("url", what, "url_env or url_file"));
    }
    only_for("url", url.is_some(), is_json, "kind json")?;
    only_for(
        if found_in_variable(found_in.as_ref()) { "url_env" } else { "url_file" },
        found_in.is_some(),
        !is_command,
        "a chat or json",
    )?;
    let signs = is_json || kind == "dingtalk";
    only_for(
        if found_in_variable(signed_by.as_ref()) { "secret_env" } else { "secret_file" },
        signed_by.is_some(),
        signs,
        "kind json or dingtalk",
    )?;
    only_for("command", command.is_some(), is_command, "kind command")?;
    only_for("to", to.is_some(), is_command, "kind command")?;
    only_for("allow", allow.is_some(), !is_command, "a chat or json")?;
    let chat = |chat: Chat| ChannelKind::Chat(chat);
    let kind = match kind {
        "slack" => chat(Chat::Slack),
        "discord" => chat(Chat::Discord),
        "teams" => chat(Chat::Teams),
        "wecom" => chat(Chat::Wecom),
        "dingtalk" => chat(Chat::Dingtalk),
        "json" => ChannelKind::Json { url },
        _ => ChannelKind::Command { command: program(table, command)?, to },
    };
    match (&kind, &found_in) {
        (ChannelKind::Command { .. } | ChannelKind::Json { url: Some(_) }, _) | (_, Some(_)) => {}
        (ChannelKind::Json { url: None }, None) => {
            return Err(table.problem("url", "is missing", "url, url_env or url_file"));
        }
        (ChannelKind::Chat(_), None) => return Err(table.problem("url_env", "is missing", "url_env or url_file")),
    }
    if matches!(kind, ChannelKind::Json { url: Some(_) }) && found_in.is_some() {
        return Err(table.problem("url", "is given twice", "one of url, url_env and url_file"));
    }
    Ok(Channel { kind, url: found_in, secret: signed_by, allow: allow.unwrap_or_default() })
}

/// A program and its arguments. One text with spaces would be taken for the name of a program.
fn words(value: &TomlValue<'_>) -> Result<Vec<String>, Problem> {
    match value.texts()?[..] {
        [one] if one.contains(char::is_whitespace) => {
            Err(value.problem("is one text", "a list of the program and its arguments, such as [\"sendmail\", \"-t\"]"))
        }
        ref words => Ok(words.iter().map(|word| (*word).to_owned()).collect()),
    }
}

/// The receiver of a mail, on one line.
fn receiver(value: &TomlValue<'_>) -> Result<String, Problem> {
    let to = value.text()?;
    if to.trim().is_empty() || to.chars().any(char::is_control) {
        return Err(value.problem("is no receiver of a mail", "one line, such as \"finops@example.com\""));
    }
    Ok(to.to_owned())
}

fn found_in_variable(secret: Option<&Secret>) -> bool {
    matches!(secret, Some(Secret::Variable(_)))
}

fn program(table: &Section<'_>, command: Option<Vec<String>>) -> Result<Vec<String>, Problem> {
    let expected = "the program and its arguments, such as [\"sendmail\", \"-t\"]";
    let command = command.ok_or_else(|| table.problem("command", "is missing", expected))?;
    let is_named = command.first().is_some_and(|program| !program.trim().is_empty());
    if is_named { Ok(command) } else { Err(table.problem("command", "names no program", expected)) }
}

/// Where a secret is found, if it is given in one of two ways.
fn secret(
    table: &Section<'_>,
    (env_key, variable): (&str, Option<String>),
    (file_key, file): (&str, Option<String>),
) -> Result<Option<Secret>, Problem> {
    match (variable, file) {
        (Some(_), Some(_)) => {
            Err(table.problem(file_key, format!("is given beside {env_key}"), format!("{env_key} or {file_key}")))
        }
        (Some(variable), None) if is_variable(&variable) => Ok(Some(Secret::Variable(variable))),
        (Some(_), None) => {
            let what = "is not the name of a variable of the environment";
            Err(table.problem(env_key, what, "letters, digits and _, such as TOKENBOOK_CHAT_URL"))
        }
        (None, Some(file)) => Ok(Some(Secret::File(file))),
        (None, None) => Ok(None),
    }
}

fn is_variable(text: &str) -> bool {
    let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    starts && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
