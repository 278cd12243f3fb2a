//! What may stand at a UDP port where no QUIC is spoken.
//!
//! Promise: the port is held as long as the server lives, so that nobody else can take it; packets are counted. Dropping it ends its
//! thread. Not here: QUIC (`h3`, `quic`).

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the thread looks whether it is to end. A guess.
const LOOK: Duration = Duration::from_millis(20);

/// A version that nobody speaks (RFC 9000 section 15: reserved to force negotiation).
const UNKNOWN_VERSION: u32 = 0x1a2a_3a4a;

/// What happens to packets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    /// Nothing: they are taken and forgotten.
    Silent,
    /// The system says that nobody listens (ICMP port unreachable).
    Shut,
    /// Each first packet of QUIC is answered with Version Negotiation that offers only versions nobody speaks.
    Versions,
    /// Each is answered with bytes that are no packet of QUIC.
    Noise,
}

/// Holds a port. Dropping it gives it back.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    packets: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Of `Door::Shut`.
    _held: Option<UdpSocket>,
}

impl Server {
    /// Starts on a free port of loopback.
    ///
    /// # Errors
    /// The system gives no port or no thread.
    pub fn start(door: Door) -> io::Result<Self> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), door)
    }

    /// Starts at this address.
    ///
    /// # Errors
    /// As `start`; the address cannot be bound.
    pub fn start_at(address: SocketAddr, door: Door) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        let address = socket.local_addr()?;
        let packets = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        if door == Door::Shut {
            // A socket that speaks with one peer is nobody's for all others: here, with itself.
            socket.connect(address)?;
            return Ok(Self { address, packets, stop, thread: None, _held: Some(socket) });
        }
        socket.set_read_timeout(Some(LOOK))?;
        let (count, stops) = (packets.clone(), stop.clone());
        let answer = move || {
            let mut buffer = vec![0; 65_535];
            while !stops.load(Ordering::Relaxed) {
                match socket.recv_from(&mut buffer) {
                    Ok((length, from)) => {
                        count.fetch_add(1, Ordering::Relaxed);
                        let answer = match door {
                            Door::Versions => version_negotiation(&buffer[..length]),
                            Door::Noise => Some(vec![0x15; 1_200]),
                            Door::Silent | Door::Shut => None,
                        };
                        if let Some(answer) = answer {
                            let _ = socket.send_to(&answer, from);
                        }
                    }
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    // A client that has gone: told by its system.
                    Err(_) => {}
                }
            }
        };
        let thread = std::thread::Builder::new().name("testkit-udp".to_owned()).spawn(answer)?;
        Ok(Self { address, packets, stop, thread: Some(thread), _held: None })
    }

    /// Where it is.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Packets that came; none are seen at a shut door.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The answer to a packet with a long head (RFC 9000 section 17.2.1): its ids swapped, one version.
fn version_negotiation(packet: &[u8]) -> Option<Vec<u8>> {
    let long = packet.first()? & 0x80 != 0;
    let (destination, rest) = id(packet.get(5..)?)?;
    let (source, _) = id(rest)?;
    let answer = || [&[0x80, 0, 0, 0, 0][..], source, destination, &UNKNOWN_VERSION.to_be_bytes()].concat();
    (long && packet[1..5] != [0; 4]).then(answer)
}

/// A connection id with its length, and what follows it.
fn id(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(usize::from(*bytes.first()?) + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_negotiation_swaps_the_ids() {
        let initial = [&[0xc3, 0, 0, 0, 1, 2, 7, 8, 1, 9][..], &[0; 1_190]].concat();
        let answer = version_negotiation(&initial).unwrap();
        assert_eq!(answer, [0x80, 0, 0, 0, 0, 1, 9, 2, 7, 8, 0x1a, 0x2a, 0x3a, 0x4a]);
        // Neither a short head nor a negotiation is answered.
        assert_eq!(version_negotiation(&[0x40; 30]), None);
        assert_eq!(version_negotiation(&[0x80, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(version_negotiation(&[0xc3, 0, 0, 0, 1, 200]), None);
    }

    #[test]
    fn a_shut_door_is_told_by_the_system_and_its_port_is_held() {
        let server = Server::start(Door::Shut).unwrap();
        assert!(UdpSocket::bind(server.addr()).is_err());
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.connect(server.addr()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client.send(b"is anybody there?").unwrap();
        assert_eq!(client.recv(&mut [0; 9]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}
