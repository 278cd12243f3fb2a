//! The payload of a peer's SETTINGS, read as it passes: what the `h2` crate does not check.

use super::fault::Fault;

/// Bytes of one parameter. Source: RFC 9113 section 6.5.1.
const PARAMETER: usize = 6;

const ENABLE_PUSH: u16 = 2;
const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// Reads SETTINGS of one connection.
#[derive(Debug, Default)]
pub(super) struct Settings {
    parameter: [u8; PARAMETER],
    have: usize,
    /// The peer has allowed the extended CONNECT.
    connect_protocol: bool,
}

impl Settings {
    /// Another frame begins.
    pub(super) fn begin(&mut self) {
        self.have = 0;
    }

    /// A part of its payload.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let take = bytes.len().min(PARAMETER - self.have);
            let (now, rest) = bytes.split_at(take);
            self.parameter[self.have..self.have + take].copy_from_slice(now);
            self.have += take;
            bytes = rest;
            if self.have == PARAMETER {
                self.have = 0;
                self.parameter()?;
            }
        }
        Ok(())
    }

    fn parameter(&mut self) -> Result<(), Fault> {
        let bytes = &self.parameter;
        let value = u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]);
        match u16::from_be_bytes([bytes[0], bytes[1]]) {
            ENABLE_PUSH if value != 0 => Err(Fault::Push),
            // Other values are refused by the `h2` crate.
            ENABLE_CONNECT_PROTOCOL if value == 0 && self.connect_protocol => Err(Fault::ConnectProtocolTakenBack),
            ENABLE_CONNECT_PROTOCOL => {
                self.connect_protocol = value == 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
