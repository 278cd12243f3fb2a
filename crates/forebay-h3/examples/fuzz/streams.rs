//! Unidirectional streams of the peer: control, QPACK, others.

use forebay_h3::{Budget, CONTROL_FRAMES, Error, MAX_SETTINGS, Peer, PeerEvent, UniStream};

use crate::random::Random;
use crate::wire::{frame, hex, number, prefixed};

pub fn run(random: &mut Random, loud: bool) -> Result<(), String> {
    let streams: Vec<Vec<u8>> = (0..=random.below(5)).map(|_| stream(random)).collect();
    if loud {
        for bytes in &streams {
            println!("  stream {}", hex(bytes));
        }
    }
    let whole = read(&streams, |_| Vec::new())?;
    let cut = read(&streams, |len| random.cuts(len))?;
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
    let kind = random.pick(&[0, 0, 0x21, 2, 3, 0x54]);
    number(&mut out, random, kind);
    match kind {
        0 => control(&mut out, random),
        2 => (0..random.below(20)).for_each(|_| out.push(if random.once_in(30) { random.byte() } else { 0x20 })),
        3 => (0..random.below(20)).for_each(|_| {
            let (flags, id) = (if random.once_in(30) { 0x80 } else { 0x40 }, random.edge());
            prefixed(&mut out, flags, 6, id);
        }),
        _ => out.extend(random.bytes(20)),
    }
    if random.once_in(300) {
        let again = out.split_off(1);
        out.extend(again.repeat(random.below(1_500)));
    }
    random.mutate(&mut out);
    out
}

fn control(out: &mut Vec<u8>, random: &mut Random) {
    let mut settings = Vec::new();
    let most = random.rarely(20, MAX_SETTINGS + 9, 5);
    for at in 0..random.below(most) {
        let grease = 0x1f * at as u64 + 0x21;
        let id = if random.once_in(30) { random.pick(&[1, 2]) } else { random.pick(&[grease, at as u64 + 6]) };
        number(&mut settings, random, id);
        let value = if random.once_in(2) { 1 } else { random.edge() };
        number(&mut settings, random, value);
    }
    frame(out, random, 4, &settings);
    let mut last = (1 << 62) - 4;
    for _ in 0..random.below(6) {
        let mut payload = random.bytes(10);
        let kind =
            if random.once_in(30) { random.pick(&[0, 3, 4, 13, 0xf_0700]) } else { random.pick(&[7, 7, 0x21, 0x40]) };
        if kind == 7 {
            last = if random.once_in(10) { random.edge() } else { (random.next() % (last + 1)) & !3 };
            payload.clear();
            number(&mut payload, random, last);
        }
        frame(out, random, kind, &payload);
    }
}

/// Events, and how it ended; `cuts` says where a stream of a length is cut.
fn read(
    streams: &[Vec<u8>],
    mut cuts: impl FnMut(usize) -> Vec<usize>,
) -> Result<(Vec<PeerEvent>, Option<Error>), String> {
    let (mut peer, mut budget, mut events) = (Peer::default(), Budget::default(), Vec::new());
    for bytes in streams {
        let mut stream = UniStream::default();
        let mut from = 0;
        for to in cuts(bytes.len()).into_iter().chain([bytes.len()]) {
            let mut piece = &bytes[from..to];
            from = to;
            loop {
                match peer.receive(&mut stream, &mut piece, &mut budget) {
                    Ok(None) if piece.is_empty() => break,
                    Ok(None) => return Err(String::from("bytes are left")),
                    Ok(Some(event)) => events.push(event),
                    Err(error) => return check(events).map(|events| (events, Some(error))),
                }
            }
        }
        // Either answer will do.
        let _ = stream.closed();
    }
    check(events).map(|events| (events, None))
}

fn check(events: Vec<PeerEvent>) -> Result<Vec<PeerEvent>, String> {
    let (mut is_set, mut last) = (false, u64::MAX);
    for event in &events {
        match *event {
            PeerEvent::Settings(_) if is_set => return Err(String::from("SETTINGS twice")),
            PeerEvent::Settings(_) => is_set = true,
            PeerEvent::GoAway(_) if !is_set => return Err(String::from("GOAWAY before SETTINGS")),
            PeerEvent::GoAway(id) if id > last || id % 4 != 0 => return Err(format!("GOAWAY {id} after {last}")),
            PeerEvent::GoAway(id) => last = id,
            PeerEvent::Unwanted => {}
        }
    }
    if events.len() as u64 > CONTROL_FRAMES + 1 {
        return Err(String::from("more events than the budget"));
    }
    Ok(events)
}
