#![allow(clippy::unwrap_used)]

use std::net::UdpSocket;
use std::time::Duration;

use super::*;

/// Longest that a test waits for a packet.
const PATIENCE: Duration = Duration::from_secs(10);

struct Scene {
    relay: Relay,
    server: UdpSocket,
    client: UdpSocket,
}

fn scene(faults: Faults) -> Scene {
    let socket = || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    };
    let (server, client) = (socket(), socket());
    let relay = Relay::start(server.local_addr().unwrap(), faults).unwrap();
    client.connect(relay.addr()).unwrap();
    Scene { relay, server, client }
}

impl Scene {
    fn at_server(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 2_048];
        let (length, from) = self.server.recv_from(&mut buffer).unwrap();
        (buffer[..length].to_vec(), from)
    }

    fn at_client(&self) -> Vec<u8> {
        let mut buffer = [0; 2_048];
        let length = self.client.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }
}

#[test]
fn a_good_network_passes_packets_both_ways_in_order() {
    let scene = scene(Faults::default());
    for n in 0..50 {
        scene.client.send(&[n]).unwrap();
    }
    for n in 0..50 {
        let (bytes, from) = scene.at_server();
        assert_eq!(bytes, [n]);
        scene.server.send_to(&[n, n], from).unwrap();
    }
    for n in 0..50 {
        assert_eq!(scene.at_client(), [n, n]);
    }
    let stats = scene.relay.stats();
    assert_eq!((stats.from_clients, stats.from_server, stats.passed, stats.lost, stats.clients), (50, 50, 100, 0, 1));
}

#[test]
fn another_address_is_seen_by_the_server_and_answers_find_the_client() {
    let scene = scene(Faults::default());
    scene.client.send(b"a").unwrap();
    let (_, first) = scene.at_server();
    scene.relay.rebind();
    scene.client.send(b"b").unwrap();
    let (bytes, second) = scene.at_server();
    assert_eq!(bytes, b"b");
    assert_ne!(first, second);
    scene.server.send_to(b"old", first).unwrap();
    scene.server.send_to(b"new", second).unwrap();
    assert_eq!(scene.at_client(), b"new");
}

#[test]
fn a_hole_swallows_and_can_be_closed() {
    let scene = scene(Faults::default());
    scene.relay.set_hole(Hole::Both);
    scene.client.send(b"lost").unwrap();
    let end = Instant::now() + PATIENCE;
    while scene.relay.stats().swallowed == 0 {
        assert!(Instant::now() < end, "it was not swallowed");
        std::thread::yield_now();
    }
    scene.relay.set_hole(Hole::None);
    scene.client.send(b"found").unwrap();
    assert_eq!(scene.at_server().0, b"found");
}

#[test]
fn duplicates_and_wrong_bytes_arrive() {
    let scene = scene(Faults { duplicate: 100.0, corrupt: 100.0, ..Faults::default() });
    scene.client.send(&[7; 100]).unwrap();
    let (first, second) = (scene.at_server().0, scene.at_server().0);
    assert_eq!(first, second);
    assert_eq!(first.iter().filter(|&&byte| byte != 7).count(), 1);
    assert_eq!(scene.relay.stats().passed, 2);
}

#[test]
fn what_is_held_back_is_overtaken() {
    let faults = Faults { reorder: 30.0, late: Duration::from_millis(20), ..Faults::default() };
    let scene = scene(faults);
    for n in 0..100 {
        scene.client.send(&[n]).unwrap();
    }
    let mut order: Vec<u8> = (0..100).map(|_| scene.at_server().0[0]).collect();
    assert!(!order.is_sorted());
    order.sort_unstable();
    assert_eq!(order, (0..100).collect::<Vec<_>>());
}
