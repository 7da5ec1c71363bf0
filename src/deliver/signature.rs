//! Signatures of messages: Standard Webhooks for JSON, and the form of `DingTalk`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Why a secret cannot sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Not `whsec_` and Base64.
    #[error("is not whsec_ and Base64")]
    Form,
    /// Too short or too long.
    #[error("has not 24 to 64 bytes")]
    Length,
}

impl SecretError {
    /// The stable code.
    pub const fn code(&self) -> crate::fault::Code {
        crate::fault::Code::ChannelSecret
    }
}

/// The bytes of a secret `whsec_…`.
fn key(secret: &str) -> Result<Vec<u8>, SecretError> {
    let text = secret.strip_prefix("whsec_").ok_or(SecretError::Form)?;
    let key = STANDARD.decode(text).map_err(|_| SecretError::Form)?;
    if (24..=64).contains(&key.len()) { Ok(key) } else { Err(SecretError::Length) }
}

/// The header `webhook-signature`: one signature for each secret, separated by spaces, so that a secret can be replaced.
pub fn webhook(secrets: &str, id: &str, timestamp: i64, body: &str) -> Result<String, SecretError> {
    let signed = format!("{id}.{timestamp}.{body}");
    let mut signatures = Vec::new();
    for secret in secrets.split_whitespace() {
        signatures.push(format!("v1,{}", STANDARD.encode(hmac(&key(secret)?, signed.as_bytes())?)));
    }
    if signatures.is_empty() { Err(SecretError::Form) } else { Ok(signatures.join(" ")) }
}

/// What the address of a `DingTalk` robot gets: the time in milliseconds, and its signature, ready for a URL.
pub fn dingtalk(secret: &str, millis: i64) -> Result<String, SecretError> {
    let signature = STANDARD.encode(hmac(secret.as_bytes(), format!("{millis}\n{secret}").as_bytes())?);
    let escaped: String = signature
        .chars()
        .map(|c| match c {
            '+' => "%2B".to_owned(),
            '/' => "%2F".to_owned(),
            '=' => "%3D".to_owned(),
            other => other.to_string(),
        })
        .collect();
    Ok(format!("timestamp={millis}&sign={escaped}"))
}

fn hmac(key: &[u8], message: &[u8]) -> Result<Vec<u8>, SecretError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| SecretError::Length)?;
    mac.update(message);
    Ok(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vector_of_standard_webhooks_is_met() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let found = webhook(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(found.as_deref(), Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        let twice = webhook(&format!("{secret} {secret}"), "a", 1, "{}").unwrap_or_default();
        assert_eq!(twice.split(' ').count(), 2);
        for (secret, error) in [
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::Form),
            ("whsec_???", SecretError::Form),
            ("whsec_c2hvcnQ=", SecretError::Length),
            ("", SecretError::Form),
        ] {
            assert_eq!(webhook(secret, "a", 1, "{}"), Err(error), "{secret}");
        }
    }

    /// From `hmac(sha256)` and Base64 of another program, for this secret and time.
    #[test]
    fn an_address_of_dingtalk_is_signed() {
        let found = dingtalk("SEC0123456789", 1_794_996_003_000);
        assert_eq!(found.as_deref(), Ok(EXPECTED));
    }

    const EXPECTED: &str = "timestamp=1794996003000&sign=w02q1HI9O7VlAOTuoYvJuXfO8Bgs%2FbGcdK8Xv96Bqtw%3D";
}
