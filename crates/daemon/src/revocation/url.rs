//! HTTP addresses, as far as certificates have them (RFC 3986).

use std::fmt;
use std::net::IpAddr;

/// Where to ask.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Url {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query, which go into the request line.
    pub target: String,
}

const LONGEST: usize = 2048;

impl Url {
    /// Reads one. The error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        // What could end a request line or a header is refused, whatever the certificate says.
        if text.len() > LONGEST || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err("it is too long or has characters that no URL has".into());
        }
        let (scheme, rest) = text.split_once("://").ok_or("it is no URL")?;
        if !scheme.eq_ignore_ascii_case("http") {
            // What is fetched is signed itself; HTTPS would need what is being checked (RFC 5280 section 8).
            return Err(format!("{scheme} is not fetched, only http"));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        if authority.contains('@') {
            return Err("it has a user name".into());
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or("its address has no end")?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let bracketed = authority.starts_with('[');
        if host.is_empty() || bracketed && host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err("it has no host".into());
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => 80,
            Some("") => 80,
            Some(digits) => digits.parse().map_err(|_| "its port is no number")?,
            None => return Err("its port is no number".into()),
        };
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self {
            host: host.to_owned(),
            port,
            target: format!("{slash}{target}"),
        })
    }

    /// Where a redirection from here leads.
    pub fn join(&self, location: &str) -> Result<Self, String> {
        if location.starts_with('/') && !location.starts_with("//") {
            return Self::parse(&format!("http://{}{location}", self.authority()));
        }
        Self::parse(location)
    }

    /// Host and port, as the Host header has them.
    pub fn authority(&self) -> String {
        let host = match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host.clone(),
        };
        match self.port {
            80 => host,
            port => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.target)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_addresses() {
        for (text, shown) in [
            ("http://ca.example", "http://ca.example/"),
            ("HTTP://ca.example:80/a/b.crl?x=1#part", "http://ca.example/a/b.crl?x=1"),
            ("http://ca.example:8080?x", "http://ca.example:8080/?x"),
            ("http://[2001:DB8::1]:81/a", "http://[2001:db8::1]:81/a"),
            ("http://192.0.2.1:/", "http://192.0.2.1/"),
        ] {
            assert_eq!(Url::parse(text).unwrap().to_string(), shown);
        }
        let url = Url::parse("http://ca.example:81/a").unwrap();
        assert_eq!(url.join("/b").unwrap().to_string(), "http://ca.example:81/b");
        assert_eq!(url.join("http://other.example/c").unwrap().host, "other.example");
        assert!(url.join("//other.example/c").is_err());
        assert!(
            url.join("https://ca.example/")
                .unwrap_err()
                .contains("https is not fetched")
        );
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "ca.crl",
            "ldap://ca.example/cn=x",
            "file:///etc/passwd",
            "http://",
            "http:///a",
            "http://user@host/",
            "http://[::1/",
            "http://[gw]/",
            "http://[::1]x/",
            "http://h:99999/",
            "http://h:port/",
            "http://h/a b",
            "http://h/a\r\nX: y",
            "http://h\u{e9}/",
            &format!("http://h/{}", "a".repeat(LONGEST)),
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
