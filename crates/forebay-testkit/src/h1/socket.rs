//! A stream that does not block: plain TCP, or TLS on it.
//!
//! Promise: `read` and `write` mean plaintext; `WouldBlock` means that the socket itself has no more to give or take.
//! Not here: when to read or write (`connection`).

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;
use rustls::{HandshakeKind, ServerConnection};

/// The socket of one connection.
pub(super) enum Socket {
    Plain(TcpStream),
    Tls { stream: TcpStream, tls: Box<ServerConnection>, shaken: bool },
}

impl Socket {
    pub(super) fn stream(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) | Self::Tls { stream, .. } => stream,
        }
    }

    /// Whether a read that did not fill its buffer has emptied the socket. Not so on TLS, whose records are not the socket's bytes, and
    /// not on Windows, where mio reports a socket again only after `WouldBlock`.
    pub(super) fn short_read_empties(&self) -> bool {
        cfg!(unix) && matches!(self, Self::Plain(_))
    }

    /// Reads plaintext; 0 means that the peer has ended its side.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls { stream, tls, .. } => loop {
                match tls.reader().read(into) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    // The peer closed without close_notify: still an end to us.
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                    done => return done,
                }
                if tls.read_tls(stream)? == 0 {
                    return Ok(0);
                }
                let processed = tls.process_new_packets();
                // The handshake's answer, or the alert that says what was wrong. If it blocks, `flush` ends it.
                match send_records(tls, stream) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    done => done?,
                }
                processed.map_err(io::Error::other)?;
            },
        }
    }

    /// Writes plaintext from the front of `bytes` and returns how much was taken over.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls { stream, tls, .. } => {
                let taken = tls.writer().write(bytes)?;
                if taken == 0 {
                    send_records(tls, stream)?;
                }
                Ok(taken)
            }
        }
    }

    /// Hands what was taken over to the system; `WouldBlock`: not all of it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls { stream, tls, .. } => send_records(tls, stream),
        }
    }

    /// Says once that the handshake is over, and whether it resumed a session.
    pub(super) fn handshake_done(&mut self) -> Option<bool> {
        match self {
            Self::Tls { tls, shaken, .. } if !*shaken && !tls.is_handshaking() => {
                *shaken = true;
                Some(tls.handshake_kind() == Some(HandshakeKind::Resumed))
            }
            _ => None,
        }
    }

    /// Ends our side in order: `close_notify` under TLS, then FIN.
    pub(super) fn end(&mut self) {
        if let Self::Tls { stream, tls, .. } = self {
            tls.send_close_notify();
            let _ = send_records(tls, stream);
        }
        let _ = self.stream().shutdown(Shutdown::Write);
    }
}

fn send_records(tls: &mut ServerConnection, stream: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(stream)?;
    }
    Ok(())
}
