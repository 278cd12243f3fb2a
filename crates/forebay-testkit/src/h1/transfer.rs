//! How a connection reads and writes its socket.

use std::io::ErrorKind;

use super::connection::{Connection, READ_AHEAD, Surroundings};

impl Connection {
    /// Ok(true): something was read. Ok(false): nothing there. Err: over.
    pub(super) fn read(&mut self, near: &mut Surroundings<'_>) -> Result<bool, ()> {
        if !self.readable {
            return Ok(false);
        }
        match self.socket.read(near.scratch) {
            Ok(0) => Err(()),
            Ok(len) => {
                if len < near.scratch.len() && !self.fin_arrived && self.socket.short_read_empties() {
                    self.readable = false;
                }
                if self.used == self.input.len() {
                    self.input.clear();
                    self.used = 0;
                } else if self.used > READ_AHEAD {
                    self.input.drain(..self.used);
                    self.used = 0;
                }
                self.input.extend_from_slice(&near.scratch[..len]);
                self.note_handshake(near);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                self.note_handshake(near);
                Ok(false)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(_) => Err(()),
        }
    }

    fn note_handshake(&mut self, near: &Surroundings<'_>) {
        if let Some(resumed) = self.socket.handshake_done() {
            near.shared.handshake(resumed);
        }
    }

    /// Ok(true): all is with the system. Ok(false): the peer must read first. Err: over.
    pub(super) fn flush(&mut self) -> Result<bool, ()> {
        loop {
            let rest = &self.output[self.sent..];
            let written = if rest.is_empty() { self.socket.flush().map(|()| 0) } else { self.socket.write(rest) };
            match written {
                Ok(0) if rest.is_empty() => {
                    self.output.clear();
                    self.sent = 0;
                    return Ok(true);
                }
                Ok(len) => self.sent += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(()),
            }
        }
    }
}
