//! Streams of requests: responses, good and spoiled.

use bytes::Bytes;
use forebay_h3::{Answers, Bounds, Budget, Error, Event, Limits, ResponseReader};

use crate::random::Random;
use crate::wire::{frame, hex, section};

pub fn run(random: &mut Random, loud: bool) -> Result<(), String> {
    let bytes = Bytes::from(stream(random));
    let answers = random.pick(&[Answers::Request, Answers::Request, Answers::Head, Answers::Connect]);
    let mut limits = Limits::default();
    if random.once_in(3) {
        limits.head = Bounds { bytes: random.below(400), fields: random.below(8) };
        limits.trailers = Bounds { bytes: random.below(200), fields: random.below(4) };
    }
    let cuts = random.cuts(bytes.len());
    if loud {
        println!("  {answers:?} {limits:?}\n  {}\n  cut at {cuts:?}", hex(&bytes));
    }
    let whole = read(&bytes, &[], answers, limits)?;
    let cut = read(&bytes, &cuts, answers, limits)?;
    if loud {
        println!("  {whole:?}");
    }
    if whole != cut {
        return Err(format!("in pieces {cut:?}, whole {whole:?}"));
    }
    Ok(())
}

fn stream(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    while random.once_in(4) {
        let status = random.pick(&[100, 103]);
        let head = section(random, Some((status, None)));
        frame(&mut out, random, 1, &head);
    }
    if random.once_in(400) {
        out = out.repeat(130);
    }
    let (mut body, mut length) = (Vec::new(), 0);
    for _ in 0..random.below(6) {
        let kind = if random.once_in(60) { random.edge() } else { random.pick(&[0, 0, 0, 0, 0x21]) };
        let payload = if random.once_in(4) { Vec::new() } else { random.bytes(12) };
        length += if kind == 0 { payload.len() as u64 } else { 0 };
        frame(&mut body, random, kind, &payload);
        if random.once_in(500) {
            body.extend([0, 0].repeat(random.below(300)));
        }
    }
    let status = random.pick(&[200, 200, 200, 200, 404, 204, 304]);
    let length = Some(length).filter(|_| random.once_in(3));
    let head = section(random, Some((status, length)));
    frame(&mut out, random, 1, &head);
    out.extend(body);
    if random.once_in(3) {
        let trailers = section(random, None);
        frame(&mut out, random, 1, &trailers);
    }
    random.mutate(&mut out);
    out
}

/// What was told, as far as it does not depend on the pieces.
#[derive(Debug, Default, Eq, PartialEq)]
struct Reading {
    heads: Vec<String>,
    body: Vec<u8>,
    error: Option<Error>,
    is_complete: bool,
}

fn read(bytes: &Bytes, cuts: &[usize], answers: Answers, limits: Limits) -> Result<Reading, String> {
    let mut reader = ResponseReader::new(answers, limits);
    let (mut budget, mut reading, mut order) = (Budget::default(), Reading::default(), Order::default());
    let mut from = 0;
    let most = limits.head.bytes.max(limits.trailers.bytes);
    'pieces: for to in cuts.iter().copied().chain([bytes.len()]) {
        let mut piece = bytes.slice(from..to);
        from = to;
        loop {
            match reader.receive(&mut piece, &mut budget) {
                Ok(None) if piece.is_empty() => break,
                Ok(None) => return Err(String::from("bytes are left")),
                Ok(Some(event)) => {
                    order.follow(&event, limits)?;
                    match event {
                        Event::Data(part) => reading.body.extend(part),
                        other => reading.heads.push(format!("{other:?}")),
                    }
                }
                Err(error) => {
                    reading.error = Some(error);
                    break 'pieces;
                }
            }
        }
        if reader.kept() > most {
            return Err(format!("{} bytes are kept of at most {most}", reader.kept()));
        }
    }
    let end = reader.finish().err();
    if reading.error.is_some() && end != reading.error {
        return Err(format!("a fault went away: {:?}, then {end:?}", reading.error));
    }
    reading.error = end;
    reading.is_complete = reader.is_complete();
    if reading.is_complete == reading.error.is_some() {
        return Err(String::from("complete in spite of a fault, or the other way round"));
    }
    if let (None, Some(length), Answers::Request) = (reading.error, order.length, answers) {
        let has_body = !matches!(order.status, 204 | 304);
        if has_body && length != reading.body.len() as u64 {
            return Err(format!("{} bytes of {length} are a whole body", reading.body.len()));
        }
    }
    if order.length.is_some_and(|length| reading.body.len() as u64 > length) {
        return Err(String::from("more than the announced length was told"));
    }
    Ok(reading)
}

/// Interim*, head, data*, trailers.
#[derive(Debug, Default)]
struct Order {
    is_headed: bool,
    is_trailed: bool,
    interim: u32,
    length: Option<u64>,
    status: u16,
}

impl Order {
    fn follow(&mut self, event: &Event, limits: Limits) -> Result<(), String> {
        let (may, fields, bounds) = match event {
            Event::Interim { fields, .. } => {
                self.interim += 1;
                (!self.is_headed && self.interim <= limits.interim, Some(fields), limits.head)
            }
            Event::Head { fields, length, status, .. } => {
                self.length = *length;
                self.status = status.as_u16();
                (!std::mem::replace(&mut self.is_headed, true), Some(fields), limits.head)
            }
            Event::Data(part) => (self.is_headed && !self.is_trailed && !part.is_empty(), None, limits.head),
            Event::Trailers(fields) => {
                (self.is_headed && !std::mem::replace(&mut self.is_trailed, true), Some(fields), limits.trailers)
            }
        };
        let size: usize = fields.map_or(0, |map| map.iter().map(|(n, v)| n.as_str().len() + v.len() + 32).sum());
        if !may || size > bounds.bytes || fields.is_some_and(|map| map.len() > bounds.fields) {
            return Err(format!("{event:?} comes where it may not, or is too large"));
        }
        Ok(())
    }
}
