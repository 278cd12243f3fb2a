//! Field sections: what is written comes back; what is spoiled is refused or within its bounds.

use bytes::{Bytes, BytesMut};
use forebay_h3::{Answers, Bounds, Budget, Error, Event, Limits, ResponseReader, encode_trailers};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::random::Random;
use crate::wire::{hex, section};

pub fn run(random: &mut Random, loud: bool) -> Result<(), String> {
    if random.once_in(2) { round_trip(random, loud) } else { hostile(random, loud) }
}

const NAMES: [&str; 10] = [
    "content-type",
    "cookie",
    "authorization",
    "vary",
    "x-frame-options",
    "accept-ranges",
    "content-security-policy",
    "x-a",
    "x-some-longer-name",
    "~",
];

const VALUES: [&str; 7] = ["", "0", "text/plain", "bytes", "deny", "origin", "application/json"];

fn round_trip(random: &mut Random, loud: bool) -> Result<(), String> {
    let mut fields = HeaderMap::new();
    for _ in 0..random.below(20) {
        let most = random.rarely(20, 600, 40);
        let len = random.below(most);
        let noise: Vec<u8> =
            (0..len).map(|_| [b'!' + random.byte() % 94, 0x80 | random.byte()][random.below(2)]).collect();
        let value = if random.once_in(2) { random.pick(&VALUES).as_bytes() } else { &noise };
        fields.append(HeaderName::from_static(random.pick(&NAMES)), HeaderValue::from_bytes(value).unwrap());
    }
    let mut out = BytesMut::new();
    encode_trailers(&fields, None, &mut out).map_err(|error| error.to_string())?;
    if loud {
        println!("  {fields:?}\n  {}", hex(&out));
    }
    match trailers(&out, Bounds { bytes: 1 << 20, fields: 100 }) {
        Ok(Some(back)) if back == fields => Ok(()),
        other => Err(format!("{other:?} came back")),
    }
}

fn hostile(random: &mut Random, loud: bool) -> Result<(), String> {
    let mut coded = section(random, None);
    random.mutate(&mut coded);
    let bounds = Bounds { bytes: random.pick(&[0, 33, 100, 1_000, 65_536]), fields: random.pick(&[0, 1, 5, 100]) };
    let mut frame = vec![1, 0xc0];
    frame.extend(&(coded.len() as u64).to_be_bytes()[1..]);
    frame.extend(&coded);
    if loud {
        println!("  {bounds:?} {}", hex(&coded));
    }
    let Ok(Some(fields)) = trailers(&frame, bounds) else { return Ok(()) };
    let size: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
    if size > bounds.bytes || fields.len() > bounds.fields {
        return Err(format!("{size} bytes in {} fields", fields.len()));
    }
    // What was read can be written, and reads the same.
    let mut out = BytesMut::new();
    encode_trailers(&fields, None, &mut out).map_err(|error| error.to_string())?;
    match trailers(&out, Bounds { bytes: 1 << 20, fields: 100 }) {
        Ok(Some(again)) if again == fields => Ok(()),
        other => Err(format!("{other:?} came back")),
    }
}

/// The trailers that a frame holds, after a head.
fn trailers(frame: &[u8], bounds: Bounds) -> Result<Option<HeaderMap>, Error> {
    let limits = Limits { trailers: bounds, ..Limits::default() };
    let mut reader = ResponseReader::new(Answers::Request, limits);
    // HEADERS, three bytes: :status 200 of the table.
    let mut input = Bytes::from([&[1, 3, 0, 0, 0xd9][..], frame].concat());
    let mut budget = Budget::default();
    let mut found = None;
    while let Some(event) = reader.receive(&mut input, &mut budget)? {
        if let Event::Trailers(fields) = event {
            found = Some(fields);
        }
    }
    Ok(found)
}
