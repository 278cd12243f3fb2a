//! The `Alt-Svc` field of responses (RFC 7838, section 3): where else an origin says that it can be reached.
//!
//! Promise: strict and bounded. A value that breaks the syntax, or that is too long, voids all that the response says; what other hosts,
//! ports or protocols it names is read and left alone by whoever asks. Used by `origin`. Not here: what is done with it.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// Longest field value of one response, all lines together, in bytes. A guess: real ones have less than 200.
const LONGEST: usize = 4_096;
/// Alternatives that are kept of a response; the rest is dropped. Source: the contract, 6.5.
const MOST: usize = 10;
/// How long an alternative holds without `ma`. Source: RFC 7838, section 3.1.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest age, in seconds: what RFC 9111, section 1.2.2, has for numbers that are too large.
const LONGEST_AGE: u64 = 1 << 31;

/// What a response says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AltSvc {
    /// `clear`: forget what earlier responses said.
    Clear,
    /// These, in place of what earlier responses said; best first.
    Alternatives(Vec<Alternative>),
}

/// One place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alternative {
    /// The ALPN protocol.
    pub protocol: Vec<u8>,
    /// Empty: the origin's own.
    pub host: String,
    /// UDP or TCP, as the protocol has it.
    pub port: u16,
    /// How long this holds.
    pub max_age: Duration,
}

impl AltSvc {
    /// Reads all lines of the field in one response. `None`: there is none, it breaks the syntax or is too long; what was known stays.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let (mut found, mut clear, mut length) = (Vec::new(), false, 0_usize);
        for line in lines {
            length = length.saturating_add(line.len());
            if length > LONGEST {
                return None;
            }
            let mut input = Input(line);
            loop {
                input.blanks();
                if input.0.is_empty() {
                    break;
                }
                if !input.skip(b',') {
                    match input.element()? {
                        Element::Clear => clear = true,
                        Element::Alternative(alternative) => found.push(alternative),
                    }
                    input.blanks();
                    if !input.0.is_empty() && !input.skip(b',') {
                        return None;
                    }
                }
            }
        }
        found.truncate(MOST);
        match (clear, found.is_empty()) {
            (true, _) => Some(Self::Clear),
            (false, false) => Some(Self::Alternatives(found)),
            (false, true) => None,
        }
    }

    /// How long HTTP/3 can be had at the origin's own host and port, if that is said.
    #[must_use]
    pub fn http3(&self, port: u16) -> Option<Duration> {
        let Self::Alternatives(alternatives) = self else { return None };
        let ours = |found: &&Alternative| found.protocol == b"h3" && found.host.is_empty() && found.port == port;
        alternatives.iter().find(ours).map(|found| found.max_age)
    }
}

enum Element {
    Clear,
    Alternative(Alternative),
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// OWS.
    fn blanks(&mut self) {
        self.0 = self.0.trim_ascii_start_blank();
    }

    fn skip(&mut self, byte: u8) -> bool {
        let rest = self.0.strip_prefix(&[byte]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| !is_token(*byte)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    fn quoted(&mut self) -> Option<Vec<u8>> {
        if !self.skip(b'"') {
            return None;
        }
        let mut text = Vec::new();
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            match byte {
                b'"' => return Some(text),
                b'\\' => {
                    let (escaped, rest) = self.0.split_first()?;
                    if !is_text(*escaped) {
                        return None;
                    }
                    self.0 = rest;
                    text.push(*escaped);
                }
                byte if is_text(*byte) => text.push(*byte),
                _ => return None,
            }
        }
    }

    fn element(&mut self) -> Option<Element> {
        let name = self.token()?;
        if !self.skip(b'=') {
            // Case counts: `%s"clear"`.
            return (name == b"clear").then_some(Element::Clear);
        }
        let protocol = unescaped(name)?;
        let (host, port) = authority(self.quoted()?)?;
        let mut max_age = DEFAULT_MAX_AGE;
        loop {
            let before = self.0;
            self.blanks();
            if !self.skip(b';') {
                self.0 = before;
                return Some(Element::Alternative(Alternative { protocol, host, port, max_age }));
            }
            self.blanks();
            let name = self.token()?;
            if !self.skip(b'=') {
                return None;
            }
            let value = if self.0.first() == Some(&b'"') { self.quoted()? } else { self.token()?.to_vec() };
            // Others, `persist` among them, change nothing here.
            if name.eq_ignore_ascii_case(b"ma") {
                max_age = Duration::from_secs(number(&value, LONGEST_AGE)?);
            }
        }
    }
}

trait Blank {
    fn trim_ascii_start_blank(&self) -> &Self;
}

impl Blank for [u8] {
    fn trim_ascii_start_blank(&self) -> &Self {
        let end = self.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(self.len());
        &self[end..]
    }
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// An ALPN name: what is no token character stands as `%xx`.
fn unescaped(name: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = name.iter();
    let mut plain = Vec::with_capacity(name.len());
    while let Some(byte) = bytes.next() {
        if *byte == b'%' {
            let mut digit = || bytes.next().and_then(|byte| char::from(*byte).to_digit(16));
            let (high, low) = (digit()?, digit()?);
            plain.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            plain.push(*byte);
        }
    }
    Some(plain)
}

/// `[ host ] ":" port`.
fn authority(text: Vec<u8>) -> Option<(String, u16)> {
    let text = String::from_utf8(text).ok()?;
    let (host, port) = text.rsplit_once(':')?;
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#' | b'@' | b'"' | b'\\');
    if !host.bytes().all(allowed) || (host.contains(':') && !(host.starts_with('[') && host.ends_with(']'))) {
        return None;
    }
    let port = u16::try_from(number(port.as_bytes(), u64::from(u16::MAX) + 1)?).ok()?;
    Some((String::from(host), port))
}

/// Digits alone; `most` stands for all that is larger.
fn number(digits: &[u8], most: u64) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        Some((value * 10 + u64::from(digit)).min(most))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::vec;

    fn parse(value: &str) -> Option<AltSvc> {
        AltSvc::parse([value.as_bytes()])
    }

    fn h3(port: u16, seconds: u64) -> Alternative {
        Alternative { protocol: b"h3".to_vec(), host: String::new(), port, max_age: Duration::from_secs(seconds) }
    }

    #[test]
    fn alternatives_are_read_with_their_age() {
        assert_eq!(parse(r#"h3=":443""#), Some(AltSvc::Alternatives(vec![h3(443, 86_400)])));
        let two = parse("h3=\":443\" ; ma=60;persist=1 , h2=\"other.example:8443\"; MA=\"5\"").unwrap();
        let h2 = Alternative {
            protocol: b"h2".to_vec(),
            host: String::from("other.example"),
            port: 8_443,
            max_age: Duration::from_secs(5),
        };
        assert_eq!(two, AltSvc::Alternatives(vec![h3(443, 60), h2]));
        assert_eq!(two.http3(443), Some(Duration::from_secs(60)));
        assert_eq!(two.http3(8_443), None, "another port");
    }

    #[test]
    fn names_and_quotes_are_unescaped() {
        let AltSvc::Alternatives(found) = parse(r#"w%3Dx%3Ay#z=":\443""#).unwrap() else { panic!("none") };
        assert_eq!((&found[0].protocol[..], found[0].port), (&b"w=x:y#z"[..], 443));
        let AltSvc::Alternatives(found) = parse(r#"h3="[2001:db8::1]:443""#).unwrap() else { panic!("none") };
        assert_eq!(found[0].host, "[2001:db8::1]");
    }

    #[test]
    fn inventory_110_other_hosts_ports_and_protocols_are_not_http3_of_the_origin() {
        for value in [r#"h3="evil.example:443""#, r#"h3=":8443""#, r#"h3-29=":443""#, r#"hq=":443""#, r#"h2=":443""#] {
            assert_eq!(parse(value).unwrap().http3(443), None, "{value}");
        }
        assert!(parse(r#"h3="x:443", h3=":443""#).unwrap().http3(443).is_some());
    }

    #[test]
    fn clear_is_heard_wherever_it_stands_and_only_in_lower_case() {
        assert_eq!(parse("clear"), Some(AltSvc::Clear));
        assert_eq!(parse(r#"h3=":443", clear"#), Some(AltSvc::Clear));
        assert_eq!(AltSvc::parse([&br#"h3=":443""#[..], b"clear"]), Some(AltSvc::Clear));
        assert_eq!(parse("Clear"), None);
    }

    #[test]
    fn what_is_malformed_voids_all_of_the_response() {
        for value in [
            "",
            " ",
            ",",
            "h3",
            "h3=",
            "h3=443",
            "h3=:443",
            r#"h3=":443"#,
            r#"h3="443""#,
            r#"h3=":""#,
            r#"h3=":65536""#,
            r#"h3=":-1""#,
            r#"h3=":4 43""#,
            r#"h3 =":443""#,
            r#"h3= ":443""#,
            r#"h3=":443";"#,
            r#"h3=":443"; ma"#,
            r#"h3=":443"; ma="#,
            r#"h3=":443"; ma=x"#,
            r#"h3=":443"; ma=-1"#,
            r#"h3=":443" h2=":443""#,
            r#"h%3=":443""#,
            r#"h%zz=":443""#,
            r#"h3="a:b:443""#,
            r#"h3="a/b:443""#,
            "h3=\":443\u{7f}\"",
            "h3=\":443\"; a=\"\n\"",
            r#"=":443""#,
            r#"h3=":443\"#,
        ] {
            assert_eq!(parse(value), None, "{value:?}");
        }
        assert_eq!(AltSvc::parse([&br#"h3=":443""#[..], b"h3"]), None, "one bad line voids the others");
        assert_eq!(AltSvc::parse([&b"h3=\":\xff443\""[..]]), None);
        assert_eq!(AltSvc::parse([]), None);
    }

    #[test]
    fn empty_elements_are_nothing_and_huge_numbers_are_the_largest() {
        assert_eq!(parse(r#",, h3=":1" ,,"#), Some(AltSvc::Alternatives(vec![h3(1, 86_400)])));
        let long = parse(r#"h3=":1"; ma=99999999999999999999999999"#);
        assert_eq!(long, Some(AltSvc::Alternatives(vec![h3(1, 1 << 31)])));
        assert_eq!(parse(r#"h3=":1"; ma=0"#), Some(AltSvc::Alternatives(vec![h3(1, 0)])));
    }

    #[test]
    fn ten_are_kept_and_ten_kilobytes_are_not_read() {
        let many = alloc::vec![r#"h3=":1""#; 40].join(",");
        let Some(AltSvc::Alternatives(found)) = parse(&many) else { panic!("none") };
        assert_eq!(found.len(), 10);
        let long = alloc::format!("h3=\":443\"; x={}", "y".repeat(10_000));
        assert_eq!(parse(&long), None);
        let half = alloc::format!("h3=\":443\"; x={}", "y".repeat(2_500));
        assert!(parse(&half).is_some());
        assert_eq!(AltSvc::parse([half.as_bytes(), half.as_bytes()]), None, "the lines count together");
    }
}
