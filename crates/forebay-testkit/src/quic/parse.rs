//! Scripts as JSON.
//!
//! A list of scripts, each a list of steps; or one list of steps. Names and keys that are not known are refused. Text stands for
//! latin1 bytes. Times are whole ms. A stream is `0`, `1`, ... (requests by their place), `"uni0"` or `"bidi0"` (streams of ours by
//! their place, opened when first named).
//!
//! | step | means |
//! | --- | --- |
//! | `"http3"` | opens `uni0` as the control stream, with empty SETTINGS |
//! | `{"streams": N}` | wait until N requests in all have begun |
//! | `{"ended": I}`, `{"received": I, "bytes": N}` | wait until request I has ended; until N bytes of it have come |
//! | `{"on": STREAM, "send": [part, ...]}` | send these parts; options `fin`, `times`, `pieces` (bytes or `"random"`), `seed`, `every` (ms) |
//! | `{"on": STREAM, "pattern": N}` | send N bytes, the one at offset i is i mod 251, as DATA |
//! | `{"on": STREAM, "reset": CODE}`, `{"on": I, "stop": CODE}` | reset our side; ask the client to stop sending |
//! | `{"flood": N, "hex": "21"}` | open N further unidirectional streams with these bytes |
//! | `{"serve": I, "text": "ok"}` | answer each request from the Ith on with 200 and this text, for ever |
//! | `{"credit": N}` | N requests may be open at once |
//! | `"keyUpdate"`, `{"close": CODE}` | new keys; close the connection with this code |
//! | `{"wait": MS}`, `"signal"` | wait; wait for a signal |
//! | `{"repeat": [steps], "times": N}` | N times |
//!
//! | part | bytes |
//! | --- | --- |
//! | `{"hex": "00 ff"}`, `{"text": "abc"}` | as they are |
//! | `{"varint": N}` | a number of the wire |
//! | `{"headers": [[name, value], ...]}`, `{"data": "text"}` | a frame |
//! | `{"settings": [[id, value], ...]}`, `{"goaway": ID}` | a frame |
//! | `{"frame": TYPE, "hex": "..", "saying": LENGTH}` | any frame; `saying`: the length it announces |

use std::time::Duration;

use super::step::{Script, Send, Step, To};
use crate::encoding::{from_hex, from_latin1};
use crate::h3::frame;
use crate::json::Json;
use crate::script::Pieces;

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
    let only = |known: &[&str]| match pairs.iter().skip(1).find(|(key, _)| !known.contains(&key.as_str())) {
        Some((key, _)) => Err(format!("no option `{key}`")),
        None => Ok(()),
    };
    let needed = |key: &str| json.get(key).ok_or_else(|| format!("`{key}` is missing"));
    match name.as_str() {
        "streams" => only(&[]).and(whole(value)).map(Step::Streams),
        "ended" => only(&[]).and(place(value)).map(Step::Ended),
        "received" => only(&["bytes"]).and(Ok(Step::Received(place(value)?, whole(needed("bytes")?)?))),
        "on" => {
            only(&["send", "pattern", "reset", "stop", "fin", "times", "pieces", "seed", "every"])?;
            on(stream(value)?, json)
        }
        "flood" => only(&["hex"]).and(Ok(Step::Flood(whole(value)?, from_hex(text(needed("hex")?)?)?))),
        "serve" => only(&["text"]).and(Ok(Step::Serve(place(value)?, from_latin1(text(needed("text")?)?)?))),
        "credit" => only(&[]).and(whole(value)).map(Step::Credit),
        "close" => only(&[]).and(whole(value)).map(|code| Step::Close(code, Vec::new())),
        "wait" => only(&[]).and(whole(value)).map(|ms| Step::Wait(Duration::from_millis(ms))),
        "repeat" => {
            only(&["times"]).and(Ok(Step::Repeat { steps: steps(items(value)?)?, times: whole(needed("times")?)? }))
        }
        _ => Err(format!("no step `{name}` (its key comes first)")),
    }
}

fn plain_step(name: &str) -> Result<Step, String> {
    match name {
        "http3" => Ok(Step::Send(Send::new(To::Uni(0), frame::control(&[])))),
        "keyUpdate" => Ok(Step::KeyUpdate),
        "signal" => Ok(Step::Signal),
        _ => Err(format!("no step `{name}`")),
    }
}

fn on(to: To, json: &Json) -> Result<Step, String> {
    let whole_of = |key: &str| json.get(key).map(whole).transpose();
    if let Some(length) = whole_of("pattern")? {
        return Ok(Step::Pattern(to, length));
    }
    if let Some(code) = whole_of("reset")? {
        return Ok(Step::Reset(to, code));
    }
    if let Some(code) = whole_of("stop")? {
        let To::Request(place) = to else { return Err("only a request has what can be stopped".to_owned()) };
        return Ok(Step::Stop(place, code));
    }
    let parts = items(json.get("send").ok_or("`send`, `pattern`, `reset` or `stop` is missing")?)?;
    let bytes = parts.iter().map(part).collect::<Result<Vec<_>, _>>()?.concat();
    let pieces = match json.get("pieces") {
        None => Pieces::Whole,
        Some(Json::Text(word)) if word == "random" => Pieces::Random(whole_of("seed")?.unwrap_or(1)),
        Some(size) => Pieces::Of(place(size)?),
    };
    Ok(Step::Send(Send {
        to,
        bytes,
        fin: json.get("fin") == Some(&Json::Bool(true)),
        times: whole_of("times")?.unwrap_or(1),
        pieces,
        every: Duration::from_millis(whole_of("every")?.unwrap_or(0)),
    }))
}

/// The bytes of a part.
fn part(json: &Json) -> Result<Vec<u8>, String> {
    let Json::Object(pairs) = json else { return Err(format!("`{json}` is no part")) };
    let (name, value) = pairs.first().ok_or("a part is empty")?;
    match name.as_str() {
        "hex" => from_hex(text(value)?),
        "text" => from_latin1(text(value)?),
        "varint" => Ok(frame::varint(whole(value)?)),
        "data" => Ok(frame::data(&from_latin1(text(value)?)?)),
        "goaway" => Ok(frame::goaway(whole(value)?)),
        "headers" => {
            let fields = items(value)?.iter().map(|pair| match items(pair)? {
                [name, value] => Ok((text(name)?, text(value)?)),
                _ => Err(format!("`{pair}` is no field")),
            });
            Ok(frame::headers(&fields.collect::<Result<Vec<_>, String>>()?))
        }
        "settings" => {
            let pairs = items(value)?.iter().map(|pair| match items(pair)? {
                [id, value] => Ok((whole(id)?, whole(value)?)),
                _ => Err(format!("`{pair}` is no setting")),
            });
            Ok(frame::settings(&pairs.collect::<Result<Vec<_>, String>>()?))
        }
        "frame" => {
            let payload = from_hex(json.get("hex").map_or(Ok(""), text)?)?;
            let length = json.get("saying").map(whole).transpose()?.unwrap_or(payload.len() as u64);
            Ok(frame::frame_saying(length, whole(value)?, &payload))
        }
        _ => Err(format!("no part `{name}` (its key comes first)")),
    }
}

fn stream(json: &Json) -> Result<To, String> {
    let Json::Text(name) = json else { return place(json).map(To::Request) };
    let number = |digits: &str| digits.parse().map_err(|_| format!("no stream `{name}`"));
    match (name.strip_prefix("uni"), name.strip_prefix("bidi")) {
        (Some(digits), _) => number(digits).map(To::Uni),
        (None, Some(digits)) => number(digits).map(To::Bidi),
        (None, None) => Err(format!("no stream `{name}`")),
    }
}

fn items(json: &Json) -> Result<&[Json], String> {
    if let Json::List(list) = json { Ok(list) } else { Err(format!("`{json}` is no list")) }
}

fn text(json: &Json) -> Result<&str, String> {
    json.as_text().ok_or_else(|| format!("`{json}` is no text"))
}

fn whole(json: &Json) -> Result<u64, String> {
    json.as_whole().ok_or_else(|| format!("`{json}` is no whole number"))
}

fn place(json: &Json) -> Result<usize, String> {
    whole(json).map(|place| usize::try_from(place).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_step_has_a_text_form() {
        let text = r#"["http3",{"streams":2},{"ended":0},{"received":1,"bytes":9},
            {"on":0,"send":[{"headers":[[":status","200"]]},{"data":"hi"}],"fin":true},
            {"on":"uni1","send":[{"varint":2},{"hex":"3f e1 1f"}],"times":3,"pieces":"random","seed":7,"every":5},
            {"on":"bidi0","send":[{"settings":[[6,9]]},{"goaway":8},{"frame":33,"saying":70,"hex":"00"},{"text":"x"}]},
            {"on":1,"pattern":9},{"on":1,"reset":267},{"on":1,"stop":256},{"flood":4,"hex":"21"},{"serve":2,"text":"ok"},
            {"credit":5},"keyUpdate",{"close":256},{"wait":1},"signal",{"repeat":[{"wait":1}],"times":2}]"#;
        let expected = Script::new()
            .http3()
            .streams(2)
            .ended(0)
            .step(Step::Received(1, 9))
            .finish(To::Request(0), [frame::headers(&[(":status", "200")]), frame::data(b"hi")].concat())
            .step(Step::Send(Send {
                times: 3,
                pieces: Pieces::Random(7),
                every: Duration::from_millis(5),
                ..Send::new(To::Uni(1), [0x02, 0x3f, 0xe1, 0x1f])
            }))
            .send(
                To::Bidi(0),
                [frame::settings(&[(6, 9)]), frame::goaway(8), frame::frame_saying(70, 33, &[0]), b"x".to_vec()]
                    .concat(),
            )
            .step(Step::Pattern(To::Request(1), 9))
            .reset(To::Request(1), 267)
            .stop(1, 256)
            .step(Step::Flood(4, vec![0x21]))
            .serve(2, "ok")
            .step(Step::Credit(5))
            .step(Step::KeyUpdate)
            .close(256)
            .wait(Duration::from_millis(1))
            .signal()
            .step(Step::Repeat { steps: vec![Step::Wait(Duration::from_millis(1))], times: 2 });
        assert_eq!(parse(text).unwrap(), [expected]);
        assert_eq!(parse(r#"[["signal"],[]]"#).unwrap(), [Script::new().signal(), Script::new()]);
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (text, name) in [
            (r#"["http4"]"#, "http4"),
            (r#"[{"streams":1,"then":2}]"#, "then"),
            (r#"[{"on":"uno0","send":[]}]"#, "uno0"),
            (r#"[{"on":0}]"#, "send"),
            (r#"[{"on":0,"send":[{"header":[]}]}]"#, "header"),
            (r#"[{"on":"uni0","stop":1}]"#, "request"),
            (r#"[{"repeat":[]}]"#, "times"),
            (r#"{"wait":1}"#, "list"),
        ] {
            assert!(parse(text).unwrap_err().contains(name), "{text}");
        }
    }
}
