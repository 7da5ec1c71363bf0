//! Addresses of webhooks: which URLs may be called.
//!
//! The person who applies a policy chooses where messages go, so names of hosts are not checked. An address that is written out and leads
//! into a private network is refused, in any spelling, unless the channel allows exactly that address and port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The URL to call.
    url: String,
    scheme: &'static str,
    /// The host, and the port if the URL names one.
    host: String,
}

impl Target {
    /// The URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.scheme == "https"
    }
}

/// Scheme, host and port only, because the rest of a chat's address is a secret.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)
    }
}

/// Why a URL is not called. No message contains the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Another scheme, or none.
    #[error("is not an address that starts with https://")]
    Scheme,
    /// No host, or characters that no URL has.
    #[error("is not a valid address")]
    Form,
    /// A name and a password stand in it.
    #[error("contains a user name before the host")]
    UserInfo,
    /// A private or special address.
    #[error("is an address of a private or special network, which `allow` does not name")]
    Private,
    /// Without encryption.
    #[error("is not encrypted, and only a loopback address that `allow` names may be")]
    Plain,
}

impl AddressError {
    /// The stable code.
    pub const fn code(&self) -> crate::fault::Code {
        crate::fault::Code::AddressRefused
    }
}

/// Checks a URL. `allow` has private addresses with ports, such as `10.1.2.3:8443`.
pub fn target(url: &str, allow: &[String]) -> Result<Target, AddressError> {
    let (scheme, rest) = url.split_once("://").ok_or(AddressError::Scheme)?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "https" => "https",
        "http" => "http",
        _ => return Err(AddressError::Scheme),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    if authority.contains('@') {
        return Err(AddressError::UserInfo);
    }
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '%' | '"' | '<' | '>');
    if authority.is_empty()
        || !authority.is_ascii()
        || authority.chars().any(is_odd)
        || url.chars().any(|c| c.is_control() || c == ' ')
    {
        return Err(AddressError::Form);
    }
    let (host, port) = host_and_port(authority)?;
    let port = port.unwrap_or(if scheme == "https" { 443 } else { 80 });
    let allowed = |address: IpAddr| {
        let wanted = SocketAddr::new(address, port);
        allow.iter().any(|known| known.parse::<SocketAddr>() == Ok(wanted))
    };
    let literal = literal(&host);
    match literal {
        Some(address) if is_special(address) && !allowed(address) => return Err(AddressError::Private),
        Some(address) if scheme == "http" && !(is_loopback(address) && allowed(address)) => {
            return Err(AddressError::Plain);
        }
        None if scheme == "http" => return Err(AddressError::Plain),
        _ => {}
    }
    Ok(Target { url: url.to_owned(), scheme, host: authority.to_owned() })
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), AddressError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(AddressError::Form)?;
        (host, after.strip_prefix(':').or_else(|| after.is_empty().then_some("")).ok_or(AddressError::Form)?)
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, port),
            None => (authority, ""),
        }
    };
    if host.is_empty() {
        return Err(AddressError::Form);
    }
    let port = if port.is_empty() { None } else { Some(port.parse().map_err(|_| AddressError::Form)?) };
    Ok((host.trim_end_matches('.').to_ascii_lowercase(), port))
}

/// The address that a host spells out; `None` for a name.
fn literal(host: &str) -> Option<IpAddr> {
    if let Ok(address) = host.parse::<Ipv6Addr>() {
        return Some(embedded(address).map_or(IpAddr::V6(address), IpAddr::V4));
    }
    spelled(host).map(IpAddr::V4)
}

/// An IPv4 address as any system reads it: one to four numbers, decimal, octal or hexadecimal, the last one filling the rest.
fn spelled(host: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = host.split('.').collect();
    if parts.len() > 4 {
        return None;
    }
    let numbers: Vec<u64> = parts.iter().map(|part| number(part)).collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    let mut address = 0_u64;
    for part in first {
        if *part > 255 {
            return None;
        }
        address = address.checked_mul(256)?.checked_add(*part)?;
    }
    let rest_bits = u32::try_from(first.len()).ok().and_then(|count| 32_u32.checked_sub(count.checked_mul(8)?))?;
    let rest = 1_u64.checked_shl(rest_bits)?;
    if *last >= rest {
        return None;
    }
    u32::try_from(address.checked_mul(rest)?.checked_add(*last)?).ok().map(Ipv4Addr::from)
}

fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (text.get(2..)?, 16),
        [b'0', _, ..] => (text.get(1..)?, 8),
        _ => (text, 10),
    };
    if digits.is_empty() {
        // `0x` is 0 for the systems that read it.
        return (radix == 16).then_some(0);
    }
    let is_digit = |c: char| c.is_digit(radix);
    if digits.chars().all(is_digit) { u64::from_str_radix(digits, radix).ok() } else { None }
}

/// The IPv4 address inside an IPv6 address: mapped, compatible, translated (NAT64) or 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let [first, second, third, .., high, low] = segments;
    let of = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => of(high, low),
        // `::` and `::1` are special by themselves.
        [0, 0, 0, 0, 0, 0, ..] if high != 0 || low > 1 => of(high, low),
        _ if first == 0x2002 => of(second, third),
        _ => None,
    }
}

fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address.is_loopback(),
    }
}

/// Whether an address is of no public network: loopback, private, link-local, unique-local, shared, multicast, unspecified,
/// for documentation or tests, or reserved.
fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            matches!(
                (a, b, c),
                (0 | 10 | 127 | 224..=255, ..)
                    | (100, 64..=127, _)
                    | (169, 254, _)
                    | (172, 16..=31, _)
                    | (192, 0, 0 | 2)
                    | (192, 88, 99)
                    | (192, 168, _)
                    | (198, 18 | 19, _)
                    | (198, 51, 100)
                    | (203, 0, 113)
            )
        }
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            address.is_unspecified()
                || address.is_loopback()
                || first & 0xfe00 == 0xfc00
                || first & 0xffc0 == 0xfe80
                || first & 0xffc0 == 0xfec0
                || first & 0xff00 == 0xff00
                || (first, second) == (0x2001, 0x0db8)
                || (first, second) == (0x2001, 0)
                || first == 0x0100
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_private_network_is_refused_in_any_spelling() {
        let private = [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "0177.1",
            "127.0.0.1.",
            "10.0.0.1",
            "10.1",
            "167772161",
            "169.254.169.254",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
            "192.168.1.1",
            "172.16.0.1",
            "172.31.255.255",
            "100.64.0.1",
            "0.0.0.0",
            "0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.2.1",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd12::1]",
            "[ff02::1]",
            "[2001:db8::1]",
            "[0:0:0:0:0:ffff:a9fe:a9fe]",
        ];
        for host in private {
            for port in ["", ":8443"] {
                let found = target(&format!("https://{host}{port}/hook"), &[]);
                assert_eq!(found, Err(AddressError::Private), "{host}");
            }
        }
        for host in [
            "8.8.8.8",
            "1.1",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "[2606:4700::1111]",
            "hooks.example.com",
            "10.example.com",
            "0x7f.example",
        ] {
            assert!(target(&format!("https://{host}/hook"), &[]).is_ok(), "{host}");
        }
    }

    #[test]
    fn a_private_address_is_called_only_as_it_is_allowed() {
        let allow = ["10.1.2.3:8443".to_owned(), "127.0.0.1:8080".to_owned(), "[::1]:9000".to_owned()];
        for (url, expected) in [
            ("https://10.1.2.3:8443/x", Ok(())),
            ("https://0x0a.1.2.3:8443/x", Ok(())),
            ("https://10.1.2.3/x", Err(AddressError::Private)),
            ("https://10.1.2.4:8443/x", Err(AddressError::Private)),
            ("http://10.1.2.3:8443/x", Err(AddressError::Plain)),
            ("http://127.0.0.1:8080/x", Ok(())),
            ("http://127.0.0.1:8081/x", Err(AddressError::Private)),
            ("http://[::1]:9000/x", Ok(())),
            ("http://8.8.8.8/x", Err(AddressError::Plain)),
            ("http://localhost:8080/x", Err(AddressError::Plain)),
        ] {
            assert_eq!(target(url, &allow).map(|_| ()), expected, "{url}");
        }
    }

    #[test]
    fn what_is_no_address_of_a_webhook_is_refused() {
        for (url, expected) in [
            ("file:///etc/passwd", AddressError::Scheme),
            ("ftp://example.com/x", AddressError::Scheme),
            ("example.com/x", AddressError::Scheme),
            ("javascript:alert(1)", AddressError::Scheme),
            ("https://user:pass@example.com/x", AddressError::UserInfo),
            ("https://example.com@127.0.0.1/x", AddressError::UserInfo),
            ("https:///x", AddressError::Form),
            ("https://", AddressError::Form),
            ("https://exa mple.com/x", AddressError::Form),
            ("https://example.com/x\n", AddressError::Form),
            ("https://127.0.0.1\\.example.com/", AddressError::Form),
            ("https://%31%32%37.0.0.1/", AddressError::Form),
            ("https://example.com:99999/", AddressError::Form),
            ("https://①②⑦.0.0.1/", AddressError::Form),
            ("https://[::1/", AddressError::Form),
            ("https://[::1]x/", AddressError::Form),
        ] {
            assert_eq!(target(url, &[]), Err(expected), "{url}");
        }
        let shown = target("https://hooks.example.com:443/services/SECRET", &[]).map(|target| target.to_string());
        assert_eq!(shown.as_deref(), Ok("https://hooks.example.com:443"));
    }
}
