//! Recognises the secrets of vendors and platforms by their form. They must not get into a ledger, which cannot delete,
//! nor into a message.
//!
//! A secret is found wherever a word begins, so that `Bearer sk-…` and a connection string are found too. Each form
//! asks for the length and the letters that the vendor's secrets really have: `xai-grok-4-fast` is a name. Not found:
//! secrets without a mark of their own, such as 32 hexadecimal digits.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "places in a text and lengths of its parts are at most the length of the text"
)]

use std::borrow::Cow;
use std::ops::Range;

/// The text that replaces a secret.
pub const REDACTED: &str = "(secret)";

/// A form of secrets that begin with a mark.
struct Form {
    prefix: &'static str,
    /// The bytes that follow the mark.
    letters: fn(u8) -> bool,
    /// The minimum lengths of the parts after the mark, separated by dots.
    parts: &'static [usize],
    /// A further condition on what follows the mark.
    also: fn(&str) -> bool,
}

const fn form(prefix: &'static str, letters: fn(u8) -> bool, parts: &'static [usize]) -> Form {
    Form { prefix, letters, parts, also: |_| true }
}

/// A form whose letters include the dash, which also occurs in names.
const fn random(prefix: &'static str, parts: &'static [usize]) -> Form {
    Form { prefix, letters: url, parts, also: is_random }
}

const fn access_key_id(prefix: &'static str) -> Form {
    Form { prefix, letters: upper, parts: &[16], also: |body| body.len() == 16 }
}

const FORMS: [Form; 36] = [
    random("sk-", &[21]),
    form("sk_live_", alphanumeric, &[12]),
    form("sk_test_", alphanumeric, &[12]),
    form("rk_live_", alphanumeric, &[12]),
    access_key_id("AKIA"),
    access_key_id("ASIA"),
    form("ABSK", base64, &[40]),
    form("bedrock-api-key-", base64, &[40]),
    form("ghp_", alphanumeric, &[26]),
    form("gho_", alphanumeric, &[26]),
    form("ghu_", alphanumeric, &[26]),
    form("ghs_", alphanumeric, &[26]),
    form("ghr_", alphanumeric, &[26]),
    form("github_pat_", url, &[19]),
    random("glpat-", &[20]),
    random("xoxa-", &[15]),
    random("xoxb-", &[15]),
    random("xoxp-", &[15]),
    random("xoxr-", &[15]),
    random("xoxs-", &[15]),
    random("xapp-", &[20]),
    form("AIza", url, &[31]),
    random("GOCSPX-", &[24]),
    random("ya29.", &[30]),
    form("hf_", alphanumeric, &[30]),
    form("api_org_", alphanumeric, &[30]),
    form("gsk_", alphanumeric, &[32]),
    form("xai-", alphanumeric, &[40]),
    form("pplx-", alphanumeric, &[40]),
    random("nvapi-", &[40]),
    form("npm_", alphanumeric, &[36]),
    form("r8_", alphanumeric, &[32]),
    form("SG.", url, &[16, 32]),
    // A key by which webhooks are signed: at least 24 bytes.
    form("whsec_", base64, &[32]),
    // A JSON Web Token: the first part is the Base64 of `{"…`.
    form("eyJ", url, &[10, 4, 10]),
    form("-----BEGIN", |byte| byte != b'\n', &[10]),
];

/// Secrets identified by the name before them, and their minimum lengths: `AccountKey=…`, `"SecretAccessKey": "…"`.
const NAMED: [(&str, usize); 6] = [
    ("accountkey", 40),
    ("sharedaccesskey", 40),
    ("sig", 40),
    ("aws_secret_access_key", 40),
    ("secretaccesskey", 40),
    ("aws_session_token", 40),
];

const fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

const fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

const fn url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

const fn base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// Base64, including its escaped form in the parameters of a URL.
const fn encoded(byte: u8) -> bool {
    base64(byte) || matches!(byte, b'%' | b'_' | b'-')
}

/// Whether letters look random, unlike words with dashes between them.
fn is_random(body: &str) -> bool {
    body.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        || body.split(['-', '_']).any(|word| word.len() >= 20)
}

impl Form {
    /// The length of the secret of this form at the start of a text.
    fn length(&self, text: &str) -> Option<usize> {
        let body = text.strip_prefix(self.prefix)?;
        let mut length = 0;
        for (place, least) in self.parts.iter().enumerate() {
            let mut rest = body.get(length..)?;
            if place > 0 {
                rest = rest.strip_prefix('.')?;
                length += 1;
            }
            let part = run(rest, self.letters);
            if part < *least {
                return None;
            }
            length += part;
        }
        (self.also)(body.get(..length)?).then_some(self.prefix.len() + length)
    }
}

/// The number of bytes at the start of a text that are all such letters.
fn run(text: &str, letters: fn(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| letters(*byte)).count()
}

/// The length of a secret at the start of a text that begins with a name.
fn named(text: &str) -> Option<usize> {
    NAMED.iter().find_map(|(name, least)| {
        let (own, rest) = text.split_at_checked(name.len())?;
        let value = own.eq_ignore_ascii_case(name).then_some(rest)?;
        let value = value.trim_start_matches(['"', '\'', ' ']).strip_prefix(['=', ':'])?;
        let value = value.trim_start_matches(['"', '\'', ' ']);
        let length = run(value, encoded);
        (length >= *least).then_some(text.len() - value.len() + length)
    })
}

/// The length of a secret access key of AWS at the start of a text: 40 letters of Base64 without a mark. A path
/// consists of words; such a key does not.
fn access_key(text: &str) -> Option<usize> {
    let key = text.get(..40).filter(|_| run(text, base64) == 40)?;
    let has = |of: fn(&u8) -> bool| key.as_bytes().iter().any(of);
    let words = key.split(|c: char| !c.is_ascii_lowercase()).any(|word| word.len() >= 6);
    let mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit);
    (mixed && has(|byte| matches!(byte, b'+' | b'/')) && !key.contains('=') && !words).then_some(40)
}

/// The secret that begins at a position.
fn at(text: &str, start: usize) -> Option<Range<usize>> {
    let (before, rest) = text.split_at_checked(start)?;
    let length = FORMS.iter().find_map(|form| form.length(rest)).or_else(|| named(rest));
    let length = length.or_else(|| if before.ends_with(['+', '/']) { None } else { access_key(rest) })?;
    Some(start..start + length)
}

/// The positions at which a word begins: after anything except a letter or digit, and after the URL code of such a
/// character (`%3D`).
fn starts(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let ends = bytes.iter().enumerate().filter(|(_, byte)| !byte.is_ascii_alphanumeric());
    std::iter::once(0).chain(ends.flat_map(|(end, byte)| {
        let code = bytes.get(end + 1..end + 3).filter(|code| *byte == b'%' && code.iter().all(u8::is_ascii_hexdigit));
        [Some(end + 1), code.map(|_| end + 3)].into_iter().flatten()
    }))
}

/// The first secret in a text. After a dash or an underscore, a word with dashes is a secret only if a long part of it
/// has no dash: `batch-sk-…` is one, `eu-sk-bratislava-2026` is not.
pub fn find(text: &str) -> Option<Range<usize>> {
    starts(text).find_map(|start| {
        let found = at(text, start)?;
        let inside = text.get(..start).is_some_and(|before| before.ends_with(['-', '_']));
        let long = text.get(found.clone())?.split(['-', '_']).any(|word| word.len() >= 16);
        (!inside || long).then_some(found)
    })
}

/// Whether a text contains a secret.
pub fn looks_secret(text: &str) -> bool {
    find(text).is_some()
}

/// Whether an id contains a secret. The import asks this for every event's id. So if an id has only letters, digits,
/// `-` and `_`, as nearly all have, the function checks its start only.
pub fn id_looks_secret(id: &str) -> bool {
    // Compilers turn a fold over all bytes into vector instructions.
    if !id.bytes().fold(true, |plain, byte| plain & url(byte)) {
        return looks_secret(id);
    }
    begins_like_one(id.as_bytes()) && FORMS.iter().any(|form| form.length(id).is_some())
}

/// Whether the first two bytes match some form.
const fn begins_like_one(text: &[u8]) -> bool {
    let [first, second, ..] = text else { return false };
    match first {
        b'-' => *second == b'-',
        b'A' => matches!(second, b'B' | b'I' | b'K' | b'S'),
        b'G' => *second == b'O',
        b'S' => *second == b'G',
        b'a' | b'p' => *second == b'p',
        b'b' => *second == b'e',
        b'e' => *second == b'y',
        b'g' => matches!(second, b'h' | b'i' | b'l' | b's'),
        b'h' => *second == b'f',
        b'n' => matches!(second, b'p' | b'v'),
        b'r' => matches!(second, b'8' | b'k'),
        b's' => *second == b'k',
        b'w' => *second == b'h',
        b'x' => matches!(second, b'a' | b'o'),
        b'y' => *second == b'a',
        _ => false,
    }
}

/// A text with [`REDACTED`] in place of each secret.
pub fn redacted(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut rest = text;
    while let Some(found) = find(rest) {
        clean.push_str(rest.get(..found.start).unwrap_or_default());
        clean.push_str(REDACTED);
        rest = rest.get(found.end..).unwrap_or_default();
    }
    if clean.is_empty() {
        return Cow::Borrowed(text);
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_are_no_secrets() {
        let names = [
            "sk-telecom-enterprise-agents",
            "sk-learn",
            "eu-sk-bratislava-prod-cluster-01",
            "task-0123456789abcdef0123456789abcdef",
            "risk-management-committee-2026",
            "ASIAPACIFICOPERATIONSTEAM",
            "ASIA Pacific",
            "AKIA",
            "xai-grok-4-fast-reasoning-latest",
            "pplx-70b-online",
            "pplx-sonar-reasoning-pro-2026-03-01-preview-eu",
            "hf_inference_endpoint_production_2026_eu",
            "gsk_marketing_emea",
            "glpat-shared-runner-team-eu",
            "nvapi-shared-inference-gateway-production-europe",
            "npm_registry",
            "SG.Singapore.office",
            "r8_team",
            "ya29.project",
            "eyJ.a.b",
            "accounts/fireworks/models/llama4Maverick",
            "sig=ok",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            "0198f2b4-6f6e-7c3e-9d5e-0a1b2c3d4e5f",
            "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
            "msg_01XFDUDYJgAACzvnptvVoYEL:req_011CSHoEeqs5C35K2UUqR7Fy",
            "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "a|start=2026-10-01T00:00:00Z|model=gpt-5.4|api_key_id=key_9f86d081884c7d65",
        ];
        for name in names {
            assert_eq!(find(name), None, "{name}");
            assert!(!id_looks_secret(name), "{name}");
        }
    }

    #[test]
    fn every_form_begins_like_one() {
        for form in &FORMS {
            assert!(begins_like_one(form.prefix.as_bytes()), "{}", form.prefix);
        }
    }

    #[test]
    fn a_secret_is_found_where_a_word_begins() {
        let secret = "sk-live-0123456789abcdef0123";
        for (before, after) in
            [("", ""), ("Bearer ", ""), ("\"", "\""), ("é", " x"), ("key=", "&b=c"), ("key%3D", "%26b"), ("a\n", "\n")]
        {
            let text = format!("{before}{secret}{after}");
            assert_eq!(find(&text), Some(before.len()..before.len() + secret.len()), "{text}");
            assert_eq!(redacted(&text), format!("{before}{REDACTED}{after}"));
        }
        for code in 0..=255_u8 {
            let [upper, lower] = [format!("a%{code:02X}{secret}"), format!("a%{code:02x}{secret}")];
            assert!(looks_secret(&upper) && looks_secret(&lower), "{upper}");
        }
        for before in ["batch-", "key_", "a-b-"] {
            assert!(looks_secret(&format!("{before}{secret}")), "{before}");
        }
        assert!(id_looks_secret(secret) && id_looks_secret(&format!("a|key={secret}")));
        assert_eq!(redacted(&format!("{secret} {secret}")), "(secret) (secret)");
        assert_eq!(redacted("plain"), "plain");
    }
}
