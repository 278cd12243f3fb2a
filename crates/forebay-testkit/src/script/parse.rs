//! Scripts as JSON.
//!
//! A list of scripts, each a list of steps; or one list of steps. Names and keys that are not known are refused. Text stands for
//! latin1 bytes. Times are whole ms.
//!
//! | step | means |
//! | --- | --- |
//! | `"head"`, `"request"` | read one request head; one whole request |
//! | `"preface"` | read the preface of an HTTP/2 client |
//! | `{"streams": N}`, `"frames"` | read HTTP/2 frames until N HEADERS came, or to the end; PING and SETTINGS are answered |
//! | `{"read": N}`, `"readToEnd"` | read N bytes; read until the peer ends its side |
//! | `{"send": "text"}`, `{"hex": "0d 0a"}` | send; options `times`, `pieces` (bytes or `"random"`), `seed`, `every` (ms) |
//! | `{"pattern": N}` | send N bytes, the one at offset i is i mod 251 |
//! | `{"raw": "hex"}` | send below TLS; same options |
//! | `{"wait": MS}`, `"signal"` | wait; wait for a signal |
//! | `"close"`, `"drop"`, `"halfClose"`, `"reset"`, `"closeNotify"` | FIN after which we read on; close at once; FIN; RST; TLS `close_notify` |
//! | `"park"` | read nothing any more |
//! | `{"repeat": [steps], "times": N}` | N times; `null`: for ever |
//! | `{"tls": "good"}` | TLS handshake with this identity; options `alpn` (list), `versions` (`"1.2"`, `"1.3"`), `clientAuth`, |
//! | | `forgetsSessions`, `cut` (stop after N bytes of ours), `pieces` (bytes), `every` (ms) |
//! | `{"record": 21, "hex": "0228", "times": 1}` | TLS record of this content type |
//! | `{"keyUpdates": N}` | N TLS 1.3 `KeyUpdate` |

use std::time::Duration;

use super::step::{Handshake, Pieces, Script, Send, Step};
use crate::certificates::Identity;
use crate::encoding::{from_hex, from_latin1};
use crate::json::Json;
use crate::tls::{TlsOptions, Versions};

/// Largest record that may be sent. Source: RFC 8446 section 5.1.
const MAX_RECORD: usize = 1 << 14;

/// The scripts in this text.
///
/// # Errors
/// What is wrong, and in which step.
pub fn parse(text: &str) -> Result<Vec<Script>, String> {
    let Json::List(list) = Json::parse(text)? else {
        return Err("a list of steps or of scripts is needed".to_owned());
    };
    let lists = |item: &Json| matches!(item, Json::List(_));
    if list.is_empty() || !list.iter().all(lists) {
        return Ok(vec![Script { steps: steps(&list)? }]);
    }
    list.iter().map(|script| Ok(Script { steps: steps(items(script)?)? })).collect()
}

fn items(json: &Json) -> Result<&[Json], String> {
    if let Json::List(list) = json { Ok(list) } else { Err(format!("`{json}` is no list")) }
}

fn steps(list: &[Json]) -> Result<Vec<Step>, String> {
    list.iter().map(|json| step(json).map_err(|why| format!("step {json}: {why}"))).collect()
}

fn step(json: &Json) -> Result<Step, String> {
    let pairs = match json {
        Json::Text(name) => return plain_step(name),
        Json::Object(pairs) => pairs,
        _ => return Err("a name or an object is needed".to_owned()),
    };
    let (name, value) = pairs.first().ok_or("it is empty")?;
    let options = Options { json, name };
    match name.as_str() {
        "send" => options.send(from_latin1(text(value)?)?).map(Step::Send),
        "hex" => options.send(from_hex(text(value)?)?).map(Step::Send),
        "raw" => options.send(from_hex(text(value)?)?).map(Step::Raw),
        "read" => options.only(&[]).and(whole(value)).map(Step::Read),
        "streams" => options.only(&[]).and(whole(value)).map(|count| Step::Streams { count, answering: true }),
        "pattern" => options.only(&[]).and(whole(value)).map(Step::Pattern),
        "wait" => options.only(&[]).and(whole(value)).map(|ms| Step::Wait(Duration::from_millis(ms))),
        "keyUpdates" => options.only(&[]).and(whole(value)).map(Step::KeyUpdates),
        "repeat" => {
            options.only(&["times"])?;
            let times = match json.get("times") {
                Some(Json::Null) => None,
                Some(times) => Some(whole(times)?),
                None => return Err("`times` is missing".to_owned()),
            };
            Ok(Step::Repeat { steps: steps(items(value)?)?, times })
        }
        "record" => {
            options.only(&["hex", "times"])?;
            let content_type = u8::try_from(whole(value)?).map_err(|_| "a content type is one byte")?;
            let bytes = from_hex(json.get("hex").map_or(Ok(""), text)?)?;
            if bytes.len() > MAX_RECORD {
                return Err(format!("a record carries at most {MAX_RECORD} bytes"));
            }
            Ok(Step::Record { content_type, bytes, times: options.whole_or("times", 1)? })
        }
        "tls" => options.handshake(Identity::from_name(text(value)?)?).map(Step::Tls),
        _ => Err(format!("no step `{name}` (its key comes first)")),
    }
}

fn plain_step(name: &str) -> Result<Step, String> {
    Ok(match name {
        "head" => Step::Head,
        "request" => Step::Request,
        "preface" => Step::Preface,
        "frames" => Step::Frames,
        "readToEnd" => Step::ReadToEnd,
        "signal" => Step::Signal,
        "closeNotify" => Step::CloseNotify,
        "close" => Step::Close,
        "drop" => Step::Drop,
        "halfClose" => Step::HalfClose,
        "reset" => Step::Reset,
        "park" => Step::Park,
        _ => return Err(format!("no step `{name}`")),
    })
}

/// The other fields of a step.
struct Options<'a> {
    json: &'a Json,
    name: &'a str,
}

impl Options<'_> {
    fn only(&self, known: &[&str]) -> Result<(), String> {
        let Json::Object(pairs) = self.json else { return Ok(()) };
        match pairs.iter().find(|(key, _)| key != self.name && !known.contains(&key.as_str())) {
            Some((key, _)) => Err(format!("no option `{key}`")),
            None => Ok(()),
        }
    }

    fn whole_or(&self, key: &str, default: u64) -> Result<u64, String> {
        self.json.get(key).map_or(Ok(default), whole)
    }

    fn flag(&self, key: &str) -> Result<bool, String> {
        match self.json.get(key) {
            None => Ok(false),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(other) => Err(format!("`{key}` is true or false, not {other}")),
        }
    }

    fn every(&self) -> Result<Duration, String> {
        self.whole_or("every", 0).map(Duration::from_millis)
    }

    fn send(&self, bytes: Vec<u8>) -> Result<Send, String> {
        self.only(&["times", "pieces", "seed", "every"])?;
        let pieces = match self.json.get("pieces") {
            None => Pieces::Whole,
            Some(Json::Text(word)) if word == "random" => Pieces::Random(self.whole_or("seed", 1)?),
            Some(size) => Pieces::Of(size_of(size)?),
        };
        Ok(Send { bytes, times: self.whole_or("times", 1)?, pieces, every: self.every()? })
    }

    fn handshake(&self, identity: Identity) -> Result<Handshake, String> {
        self.only(&["alpn", "versions", "clientAuth", "forgetsSessions", "cut", "pieces", "every"])?;
        let mut options = TlsOptions::from(identity);
        if let Some(alpn) = self.json.get("alpn") {
            options.alpn = items(alpn)?.iter().map(|name| text(name).map(str::to_owned)).collect::<Result<_, _>>()?;
        }
        options.versions = match self.json.get("versions").map(text).transpose()? {
            None => Versions::Both,
            Some("1.2") => Versions::Tls12,
            Some("1.3") => Versions::Tls13,
            Some(other) => return Err(format!("no version `{other}`")),
        };
        options.client_auth = self.flag("clientAuth")?;
        options.forgets_sessions = self.flag("forgetsSessions")?;
        let cut = self.json.get("cut").map(whole).transpose()?.map(|cut| usize::try_from(cut).unwrap_or(usize::MAX));
        let pieces = self.json.get("pieces").map(size_of).transpose()?;
        Ok(Handshake { options, cut, pieces, every: self.every()? })
    }
}

fn text(json: &Json) -> Result<&str, String> {
    json.as_text().ok_or_else(|| format!("`{json}` is no text"))
}

fn whole(json: &Json) -> Result<u64, String> {
    json.as_whole().ok_or_else(|| format!("`{json}` is no whole number"))
}

fn size_of(json: &Json) -> Result<usize, String> {
    whole(json)
        .and_then(|size| usize::try_from(size).ok().filter(|&size| size > 0).ok_or("a piece has bytes".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_list_is_one_script_and_lists_are_many() {
        assert_eq!(parse("[]").unwrap(), [Script::new()]);
        assert_eq!(parse(r#"["request","close"]"#).unwrap(), [Script::new().request().close()]);
        assert_eq!(
            parse(r#"[["request"],[],["reset"]]"#).unwrap(),
            [Script::new().request(), Script::new(), Script::new().reset()]
        );
    }

    #[test]
    fn each_step_has_a_text_form() {
        let text = r#"["head","request",{"read":3},"readToEnd",
            {"send":"a\r\n\u00ff","times":2,"pieces":1,"every":5},{"hex":"00ff","pieces":"random","seed":7},{"pattern":9},
            {"raw":"14"},{"wait":1},"signal","closeNotify","close","drop","halfClose","reset","park",
            {"repeat":["request"],"times":null},{"record":21,"hex":"0228"},{"keyUpdates":4},
            {"tls":"expired","alpn":[],"versions":"1.3","clientAuth":true,"cut":10,"pieces":1,"every":2}]"#;
        let send =
            Send { times: 2, pieces: Pieces::Of(1), every: Duration::from_millis(5), ..b"a\r\n\xff".to_vec().into() };
        let options = TlsOptions {
            alpn: Vec::new(),
            versions: Versions::Tls13,
            client_auth: true,
            ..TlsOptions::from(Identity::Expired)
        };
        let expected = vec![
            Step::Head,
            Step::Request,
            Step::Read(3),
            Step::ReadToEnd,
            Step::Send(send),
            Step::Send(Send { pieces: Pieces::Random(7), ..vec![0, 255].into() }),
            Step::Pattern(9),
            Step::Raw(vec![0x14].into()),
            Step::Wait(Duration::from_millis(1)),
            Step::Signal,
            Step::CloseNotify,
            Step::Close,
            Step::Drop,
            Step::HalfClose,
            Step::Reset,
            Step::Park,
            Step::Repeat { steps: vec![Step::Request], times: None },
            Step::Record { content_type: 21, bytes: vec![2, 40], times: 1 },
            Step::KeyUpdates(4),
            Step::Tls(Handshake { options, cut: Some(10), pieces: Some(1), every: Duration::from_millis(2) }),
        ];
        assert_eq!(parse(text).unwrap(), [Script { steps: expected }]);
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (text, name) in [
            (r#"["requst"]"#, "requst"),
            (r#"[{"send":"x","time":2}]"#, "time"),
            (r#"[{"send":"\u0100"}]"#, "U+00FF"),
            (r#"[{"send":"x","pieces":0}]"#, "piece"),
            (r#"[{"repeat":["request"]}]"#, "times"),
            (r#"[{"tls":"godo"}]"#, "godo"),
            (r#"[{"wait":-1}]"#, "whole"),
            (r#"{"send":"x"}"#, "list"),
        ] {
            assert!(parse(text).unwrap_err().contains(name), "{text}");
        }
    }
}
