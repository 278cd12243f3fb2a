#![allow(clippy::unwrap_used)]
use super::*;
use std::time::Duration;

use crate::complete::Outlet;
use crate::record::end;
use forebay_transport::sink::Sink as _;
use http::{HeaderMap, StatusCode};

fn none() -> Targets<Vec<u8>> {
    Targets::default()
}

fn records(mut slab: &[u8]) -> Vec<(u32, u32, usize)> {
    let mut found = vec![];
    while !slab.is_empty() {
        let mut words = slab;
        let (length, kind, subject) = (words.get_u32_le(), words.get_u32_le(), words.get_u32_le());
        found.push((kind & 0xff, subject, length as usize));
        slab = &slab[length as usize..];
    }
    found
}

#[test]
fn records_that_do_not_fit_wait_whole_and_in_order() {
    let outlet = Outlet::default();
    for request in 0..10 {
        outlet.end(request, None);
        outlet.data(request, Bytes::from(vec![7; LARGE + 1]));
    }
    let mut out = outlet.outbox().borrow_mut();
    let mut slab = vec![0; LARGE * 2];
    let mut seen = vec![];
    while !out.is_empty() {
        let filled = out.fill(&mut slab, &mut none());
        assert!(filled > 0);
        seen.extend(records(&slab[..filled]));
    }
    let expected: Vec<_> = (0..10).flat_map(|r| [(deliver_kind::END, r), (deliver_kind::DATA, r)]).collect();
    assert_eq!(seen.iter().map(|(k, r, _)| (*k, *r)).collect::<Vec<_>>(), expected);
}

#[test]
fn appended_records_keep_their_payloads() {
    let (first, second) = (Outlet::default(), Outlet::default());
    first.end(1, None);
    second.data(2, Bytes::from(vec![9; LARGE]));
    second.data(3, Bytes::from(vec![8; 3]));
    let mut all = first.outbox().take();
    all.append(&mut second.outbox().take());
    let mut slab = vec![0; LARGE * 2];
    let filled = all.fill(&mut slab, &mut none());
    assert_eq!(records(&slab[..filled]).iter().map(|r| r.1).collect::<Vec<_>>(), [1, 2, 3]);
    let payload = (end::WORDS + data::WORDS) as usize * 4;
    assert!(slab[payload..payload + LARGE].iter().all(|b| *b == 9));
    assert_eq!(all.take_terminals(), 1);
}

#[test]
fn a_long_part_is_split_into_records_that_fit_any_slab() {
    let outlet = Outlet::default();
    outlet.data(1, Bytes::from(vec![1; MAX_PART * 3 + 5]));
    let heads = DATA_HEAD * 4 + 5_usize.next_multiple_of(4);
    assert_eq!(outlet.outbox().borrow().waiting(), MAX_PART * 3 + heads);
    let mut slab = vec![0; MAX_PART * 4];
    let filled = outlet.outbox().borrow_mut().fill(&mut slab, &mut none());
    let found = records(&slab[..filled]);
    assert_eq!(outlet.outbox().borrow().waiting(), 0);
    assert_eq!(found.len(), 4);
    assert_eq!(found[3].2, (data::WORDS * 4 + 8) as usize);
}

fn is_direct(record: &[u8]) -> bool {
    word_at(record, word::KIND) == deliver_kind::DATA | data_flag::DIRECT << 8
}

#[test]
fn parts_of_a_body_with_a_target_go_there_and_others_to_the_slab() {
    let outlet = Outlet::default();
    outlet.data(1, Bytes::from(vec![1; LARGE]));
    outlet.data(2, Bytes::from(vec![2; LARGE]));
    outlet.data(1, Bytes::from(vec![3; 5]));
    outlet.end(1, None);
    let mut targets = Targets::default();
    targets.set(1, vec![0; LARGE + 5]);
    let mut slab = vec![0; LARGE * 4];
    let filled = outlet.outbox().borrow_mut().fill(&mut slab, &mut targets);
    let small = (data::WORDS * 4) as usize;
    let found: Vec<_> = records(&slab[..filled]).iter().map(|r| (r.0, r.1, r.2)).collect();
    let large = small + LARGE;
    let ended = (deliver_kind::END, 1, (end::WORDS * 4) as usize);
    assert_eq!(
        found,
        [(deliver_kind::DATA, 1, small), (deliver_kind::DATA, 2, large), (deliver_kind::DATA, 1, small), ended]
    );
    assert!(is_direct(&slab) && !is_direct(&slab[small..]) && is_direct(&slab[small + large..]));
    assert_eq!(word_at(&slab[small + large..], data::LENGTH), 5);
    assert!(targets.is_empty(), "the end lets go of it");
}

#[test]
fn what_does_not_fit_its_target_goes_to_the_slab() {
    let outlet = Outlet::default();
    outlet.data(1, Bytes::from(vec![1; LARGE]));
    outlet.data(1, Bytes::from(vec![2; LARGE]));
    let mut targets = Targets::default();
    targets.set(1, vec![0; LARGE * 2 - 1]);
    let mut slab = vec![0; LARGE * 4];
    let filled = outlet.outbox().borrow_mut().fill(&mut slab, &mut targets);
    let small = (data::WORDS * 4) as usize;
    assert_eq!(filled, small + small + LARGE);
    assert!(is_direct(&slab) && !is_direct(&slab[small..]));
    assert!(targets.is_empty());
}

#[test]
fn a_delivery_ends_between_a_head_and_the_first_large_part() {
    let head = Head {
        status: StatusCode::OK,
        reason: None,
        fields: HeaderMap::new(),
        connection: 1,
        reused: false,
        queued: Duration::ZERO,
        waited: Duration::ZERO,
        body_length: Some(LARGE as u64 * 2),
        tunnel: false,
    };
    let (before, turn) = (Outlet::default(), Outlet::default());
    before.end(8, None);
    let all = &mut before.outbox().take();
    turn.end(7, None);
    turn.head(1, &head);
    turn.data(1, Bytes::from(vec![1; LARGE]));
    turn.data(1, Bytes::from(vec![1; LARGE]));
    all.append(&mut turn.outbox().take());
    let mut slab = vec![0; LARGE * 4];
    let filled = all.fill(&mut slab, &mut none());
    assert_eq!(records(&slab[..filled]).last().map(|r| r.0), Some(deliver_kind::RESPONSE));
    let filled = all.fill(&mut slab, &mut none());
    assert_eq!(records(&slab[..filled]).iter().map(|r| r.0).collect::<Vec<_>>(), [deliver_kind::DATA; 2]);
    assert!(all.is_empty());
}
