//! Sends a message over HTTPS: no redirect, no proxy of the environment, short waits, a small answer.

use crate::deliver::address::Target;
use crate::deliver::bodies::Answer;
use crate::deliver::schedule::LONGEST_WAIT;
use std::time::Duration;

/// The longest answer that is read, in bytes.
const ANSWER: u64 = 64 << 10;

const UNENCRYPTED: &str = "no encrypted connection: the certificate or the protocol is wrong";

/// Posts a JSON body. An error is in words without the address.
pub fn post(target: &Target, headers: &[(&str, String)], body: &str) -> Result<Answer, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .https_only(target.is_https())
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_connect(Some(Duration::from_secs(5)))
        .timeout_global(Some(Duration::from_secs(10)))
        .user_agent(concat!("tokenbook/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut request = agent.post(target.url()).content_type("application/json");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let mut response = request.send(body).map_err(|error| in_words(&error))?;
    let status = response.status().as_u16();
    let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let retry_after = wait.filter(|wait| (0..=LONGEST_WAIT).contains(wait));
    let limited = response.body_mut().with_config().limit(ANSWER).read_to_string();
    // A status alone decides for most receivers. Those that put errors into the body get an empty one.
    let body = limited.unwrap_or_default();
    Ok(Answer { status, body, retry_after })
}

/// Why a request failed. The library's own words may contain the address, which may be a secret.
fn in_words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "the host is not known".to_owned(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        // The TLS library reports a wrong certificate this way.
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => UNENCRYPTED.to_owned(),
        ureq::Error::Io(error) => format!("the connection failed: {}", error.kind()),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => UNENCRYPTED.to_owned(),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "the address is not valid".to_owned(),
        ureq::Error::Protocol(_) => "the answer is not HTTP".to_owned(),
        _ => "the request failed".to_owned(),
    }
}
