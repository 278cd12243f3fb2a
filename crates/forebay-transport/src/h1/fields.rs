//! What the fields of a response say about its connection.

use std::time::Duration;

use http::header::{AsHeaderName, CONNECTION};
use http::{HeaderMap, Version};

/// Whether the peer closes the connection after this response.
pub(super) fn closes(version: Version, fields: &HeaderMap) -> bool {
    has_token(fields, CONNECTION, "close")
        || has_token(fields, "proxy-connection", "close")
        || (version == Version::HTTP_10 && !has_token(fields, CONNECTION, "keep-alive"))
}

fn has_token(fields: &HeaderMap, name: impl AsHeaderName, token: &str) -> bool {
    let mut tokens = fields.get_all(name).iter().flat_map(|v| v.as_bytes().split(|b| *b == b','));
    tokens.any(|t| t.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// For how long the peer keeps the connection without a request.
pub(super) fn keep_alive_hint(fields: &HeaderMap) -> Option<Duration> {
    timeout_of(fields.get("keep-alive")?.to_str().ok()?)
}

/// `timeout=N` of a `Keep-Alive` field.
fn timeout_of(value: &str) -> Option<Duration> {
    let mut parts = value.split(',').filter_map(|p| p.trim().split_once('='));
    let (_, seconds) = parts.find(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"))?;
    seconds.trim().trim_matches('"').parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_keep_alive_hint_is_read_among_other_parameters() {
        assert_eq!(timeout_of("timeout=5"), Some(Duration::from_secs(5)));
        assert_eq!(timeout_of("max=10, Timeout = \"7\""), Some(Duration::from_secs(7)));
        assert_eq!(timeout_of("max=10"), None);
        assert_eq!(timeout_of("timeout=soon"), None);
    }

    fn says_close(version: Version, lines: &[(&'static str, &'static str)]) -> bool {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(*name, value.parse().unwrap());
        }
        closes(version, &fields)
    }

    #[test]
    fn close_is_found_in_any_case_and_among_others() {
        assert!(says_close(Version::HTTP_11, &[("connection", "x-y , CLOSE")]));
        assert!(says_close(Version::HTTP_11, &[("connection", "keep-alive"), ("connection", "close")]));
        assert!(says_close(Version::HTTP_11, &[("proxy-connection", "Close")]));
        assert!(!says_close(Version::HTTP_11, &[("connection", "closed"), ("connection", "keep-alive")]));
        assert!(!says_close(Version::HTTP_11, &[]));
    }

    #[test]
    fn an_old_peer_closes_unless_it_says_otherwise() {
        assert!(says_close(Version::HTTP_10, &[]));
        assert!(!says_close(Version::HTTP_10, &[("connection", "Keep-Alive")]));
        assert!(says_close(Version::HTTP_10, &[("connection", "keep-alive, close")]));
    }
}
