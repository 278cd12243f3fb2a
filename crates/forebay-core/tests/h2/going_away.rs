//! GOAWAY, resets and refusals: what goes again, and what its caller hears of.

use forebay_core::{Class, CloseReason, DrainReason, FailureReason, ReplayPolicy, Stat, StreamEnd, UpstreamConfig};

use super::support::{Scene, h2, max_connections};
use super::{end_all, many, refuse};

#[test]
fn inventory_046_resets_of_either_side_leave_the_connection_alive() {
    let mut scene = many(h2(100));
    let stream = scene.request();
    scene.connect(0);
    scene.cancel(stream);
    assert_eq!((scene.stat(Stat::RqTxReset), scene.stat(Stat::RqActive)), (1, 1), "until the reset is out");
    scene.group.stream_ended(scene.now, stream, StreamEnd::Cancelled);
    scene.turn();
    assert_eq!((scene.stat(Stat::RqTxReset), scene.stat(Stat::RqActive), scene.pool().ready), (1, 0, 1));
    let stream = scene.request();
    scene.fails(stream, Class::Maybe, FailureReason::RemoteReset);
    assert_eq!((scene.stat(Stat::RqRxReset), scene.pool().ready), (1, 1));
}

#[test]
fn inventory_051_a_go_away_while_idle_closes_and_the_next_gets_a_new_connection() {
    let mut scene = many(h2(100));
    let stream = scene.request();
    let id = scene.connect(0);
    scene.complete(stream);
    scene.go_away(id);
    assert_eq!((scene.closes(), scene.stat(Stat::CxCloseNotify)), (vec![CloseReason::Drained], 1));
    scene.request();
    assert_eq!(scene.dials(), 1);
}

#[test]
fn inventory_065_a_go_away_notice_fails_nothing_and_a_real_one_only_what_is_above_it() {
    let mut scene = many(h2(100));
    let streams = [(); 5].map(|()| scene.request());
    let id = scene.connect(0);
    scene.go_away(id);
    assert!(scene.failed.is_empty() && scene.closes().is_empty());
    // Ids 1, 3, 5, 7, 9; the transport ends those above 5.
    refuse(&mut scene, streams[3]);
    refuse(&mut scene, streams[4]);
    assert!(scene.failed.iter().all(|(_, _, class)| *class == Class::Unprocessed));
    assert_eq!(scene.failed_streams(), streams[3..]);
    for stream in &streams[..3] {
        scene.complete(*stream);
    }
    assert_eq!((scene.closes(), scene.stat(Stat::CxCloseNotify)), (vec![CloseReason::Drained], 1));
}

#[test]
fn inventory_067_all_of_a_go_away_at_zero_are_answered_by_one_new_connection() {
    let mut scene = many(UpstreamConfig { replay: ReplayPolicy::Unprocessed, ..h2(100) });
    let streams = [(); 3].map(|()| scene.post());
    let id = scene.connect(0);
    scene.group.go_away(scene.now, id);
    end_all(&mut scene, id, &streams.map(|stream| (stream, Class::Unprocessed)));
    assert_eq!((scene.dials(), scene.failed.len(), scene.stat(Stat::RqReplay)), (1, 0, 3));
    scene.connect(0);
    assert_eq!(scene.opens(), streams);
}

#[test]
fn inventory_068_after_a_go_away_the_next_request_gets_a_new_connection_and_the_open_stream_finishes() {
    let mut scene = many(h2(100));
    let open = scene.request();
    let id = scene.connect(0);
    scene.go_away(id);
    scene.request();
    assert_eq!((scene.dials(), scene.closes().len()), (1, 0));
    scene.complete(open);
    assert_eq!((scene.closes(), scene.failed.len()), (vec![CloseReason::Drained], 0));
}

#[test]
fn inventory_069_a_go_away_with_an_id_and_a_close_tell_the_unprocessed_from_the_rest() {
    let mut scene = many(h2(100));
    let streams = [(); 3].map(|()| scene.request());
    let id = scene.connect(0);
    scene.group.go_away(scene.now, id);
    end_all(&mut scene, id, &[(streams[2], Class::Unprocessed)]);
    let classes: Vec<_> = scene.failed.iter().map(|(stream, _, class)| (*stream, *class)).collect();
    assert_eq!(classes, [(streams[2], Class::Unprocessed), (streams[1], Class::Maybe), (streams[0], Class::Maybe)]);
}

#[test]
fn inventory_070_a_refused_stream_is_repeated_and_not_once_its_head_came() {
    let mut scene = many(h2(100));
    let stream = scene.post();
    scene.connect(0);
    refuse(&mut scene, stream);
    assert_eq!(scene.failed, [(stream, FailureReason::RemoteRefused, Class::Unprocessed)]);
    assert_eq!(scene.stat(Stat::RqRxReset), 0);

    let mut scene = many(UpstreamConfig { replay: ReplayPolicy::Unprocessed, ..h2(100) });
    let stream = scene.post();
    scene.connect(0);
    refuse(&mut scene, stream);
    assert_eq!((scene.opens(), scene.stat(Stat::RqReplay)), (vec![stream], 1));
    scene.head(stream);
    refuse(&mut scene, stream);
    assert_eq!(scene.failed, [(stream, FailureReason::RemoteRefused, Class::Never)]);
}

#[test]
fn inventory_071_the_ninth_refusal_reaches_the_caller() {
    let mut scene = many(UpstreamConfig { replay: ReplayPolicy::Unprocessed, ..h2(100) });
    let stream = scene.post();
    scene.connect(0);
    for _ in 0..8 {
        refuse(&mut scene, stream);
        assert_eq!(scene.opens(), [stream]);
    }
    refuse(&mut scene, stream);
    assert_eq!(scene.failed, [(stream, FailureReason::RemoteRefused, Class::Unprocessed)]);
    assert_eq!(scene.stat(Stat::RqReplay), 8);
}

#[test]
fn inventory_072_ninety_of_a_hundred_refused_are_all_answered_in_order() {
    let mut scene = Scene::new(max_connections(1), UpstreamConfig { replay: ReplayPolicy::Unprocessed, ..h2(100) });
    let streams = [(); 100].map(|()| scene.post());
    let id = scene.connect(0);
    scene.group.stream_limit_changed(scene.now, id, 10);
    // In any order; here the newest first.
    for stream in streams[10..].iter().rev() {
        let (class, reason) = (Class::Unprocessed, FailureReason::RemoteRefused);
        scene.group.stream_ended(scene.now, *stream, StreamEnd::Failed { class, reason, response_started: false });
    }
    scene.turn();
    let mut resent = Vec::new();
    for stream in streams {
        scene.complete(stream);
        resent.append(&mut scene.opens());
    }
    assert_eq!(resent, streams[10..]);
    assert_eq!((scene.failed.len(), scene.stat(Stat::RqReplay)), (0, 90));
}

#[test]
fn inventory_078_a_connection_that_the_shell_retires_drains_and_its_open_streams_finish() {
    let mut scene = many(h2(100));
    let streams = [scene.request(), scene.request()];
    let id = scene.connect(0);
    scene.group.drain_connection(scene.now, id, DrainReason::LocalErrors);
    scene.turn();
    let next = scene.request();
    assert_eq!((scene.dials(), scene.closes().len(), scene.stat(Stat::CxCloseNotify)), (1, 0, 0));
    for stream in streams {
        scene.complete(stream);
    }
    assert_eq!((scene.closes(), scene.failed.len()), (vec![CloseReason::Drained], 0));
    scene.connect(0);
    assert_eq!(scene.opens(), [next]);
}
