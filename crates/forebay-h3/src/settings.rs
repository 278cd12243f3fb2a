//! SETTINGS (RFC 9114, section 7.2.4; RFC 9204, section 5; RFC 9220): what the peer says of itself, once, first.
//!
//! Promise: the payload is read as it comes; only ids are kept, at most [`MAX_SETTINGS`]. Used by `control`. What we say of
//! ourselves is in `opening`.

use crate::error::{Code, Error};
use crate::varint::Partial;

/// Most settings in one frame. A guess: seven are registered, the rest is grease.
pub const MAX_SETTINGS: usize = 64;

pub(crate) const QPACK_MAX_TABLE_CAPACITY: u64 = 0x01;
pub(crate) const MAX_FIELD_SECTION_SIZE: u64 = 0x06;
const QPACK_BLOCKED_STREAMS: u64 = 0x07;
const ENABLE_CONNECT_PROTOCOL: u64 = 0x08;
const H3_DATAGRAM: u64 = 0x33;

/// The peer's settings; defaults before they have come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Settings {
    /// Largest field section that it takes, counted as RFC 9114, section 4.2.2 says, in bytes. `None`: no bound.
    pub max_field_section_size: Option<u64>,
    /// Largest dynamic table that we might use, in bytes. We use none.
    pub qpack_max_table_capacity: u64,
    /// Streams that may wait for that table. None of ours does.
    pub qpack_blocked_streams: u64,
    /// Whether it takes extended CONNECT.
    pub enable_connect_protocol: bool,
}

impl Settings {
    /// Whether a request that was sent under `remembered` settings, as early data, is within these.
    ///
    /// # Errors
    /// `H3_SETTINGS_ERROR` if a limit shrank or a permission was taken back (RFC 9114, section 7.2.4.2).
    pub fn follow(&self, remembered: &Self) -> Result<(), Error> {
        let size = |settings: &Self| settings.max_field_section_size.unwrap_or(u64::MAX);
        if size(self) < size(remembered)
            || self.qpack_max_table_capacity < remembered.qpack_max_table_capacity
            || self.qpack_blocked_streams < remembered.qpack_blocked_streams
            || (remembered.enable_connect_protocol && !self.enable_connect_protocol)
        {
            return Err(Error::connection(Code::SETTINGS_ERROR, "SETTINGS take back what was remembered"));
        }
        Ok(())
    }

    fn set(&mut self, id: u64, value: u64) -> Result<(), Error> {
        match id {
            QPACK_MAX_TABLE_CAPACITY => self.qpack_max_table_capacity = value,
            MAX_FIELD_SECTION_SIZE => self.max_field_section_size = Some(value),
            QPACK_BLOCKED_STREAMS => self.qpack_blocked_streams = value,
            ENABLE_CONNECT_PROTOCOL | H3_DATAGRAM if value > 1 => {
                return Err(Error::connection(Code::SETTINGS_ERROR, "a setting that is neither 0 nor 1"));
            }
            ENABLE_CONNECT_PROTOCOL => self.enable_connect_protocol = value == 1,
            0x00 | 0x02..=0x05 => {
                return Err(Error::connection(Code::SETTINGS_ERROR, "a setting of HTTP/2"));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Reads the payload of the frame.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    settings: Settings,
    seen: Vec<u64>,
    id: Option<u64>,
    number: Partial,
}

impl Reader {
    /// Takes bytes of the payload.
    pub(crate) fn take(&mut self, mut payload: &[u8]) -> Result<(), Error> {
        while let Some(number) = self.number.take(&mut payload) {
            let Some(id) = self.id.take() else {
                self.id = Some(number);
                continue;
            };
            if self.seen.contains(&id) {
                return Err(Error::connection(Code::SETTINGS_ERROR, "a setting is there twice"));
            }
            if self.seen.len() == MAX_SETTINGS {
                return Err(Error::flood("too many settings"));
            }
            self.seen.push(id);
            self.settings.set(id, number)?;
        }
        Ok(())
    }

    /// The payload ended.
    pub(crate) fn finish(&self) -> Result<Settings, Error> {
        if self.id.is_some() || self.number.is_open() {
            return Err(Error::connection(Code::FRAME_ERROR, "SETTINGS end within a setting"));
        }
        Ok(self.settings)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(payload: &[u8]) -> Result<Settings, Error> {
        let mut reader = Reader::default();
        reader.take(payload)?;
        reader.finish()
    }

    #[test]
    fn each_setting_that_matters_is_read_and_others_are_skipped() {
        let payload = [0x06, 0x44, 0x00, 0x01, 0x05, 0x07, 0x06, 0x08, 0x01, 0x21, 0x07, 0x33, 0x01];
        let settings = Settings {
            max_field_section_size: Some(1_024),
            qpack_max_table_capacity: 5,
            qpack_blocked_streams: 6,
            enable_connect_protocol: true,
        };
        assert_eq!(read(&payload), Ok(settings));
        assert_eq!(read(&[]), Ok(Settings::default()));
    }

    #[test]
    fn a_switch_is_0_or_1() {
        for id in [0x08, 0x33] {
            read(&[id, 0]).unwrap();
            assert_eq!(read(&[id, 2]).unwrap_err().code, Code::SETTINGS_ERROR);
        }
    }

    #[test]
    fn a_frame_that_ends_within_a_setting_is_a_frame_error() {
        for payload in [&[0x06][..], &[0x06, 0x44], &[0x40]] {
            assert_eq!(read(payload).unwrap_err().code, Code::FRAME_ERROR);
        }
    }

    #[test]
    fn settings_are_counted() {
        let many = |count: u16| {
            let payload: Vec<u8> =
                (0..count).flat_map(|n| [0x50 | u8::try_from(n >> 8).unwrap(), n.to_be_bytes()[1], 0]).collect();
            read(&payload)
        };
        let bound = u16::try_from(MAX_SETTINGS).unwrap();
        many(bound).unwrap();
        assert_eq!(many(bound + 1).unwrap_err().kind, crate::error::Kind::Flood);
    }

    #[test]
    fn settings_after_early_data_may_grow_but_not_shrink() {
        let small = Settings { max_field_section_size: Some(100), ..Settings::default() };
        let large = Settings { max_field_section_size: Some(200), enable_connect_protocol: true, ..small };
        large.follow(&small).unwrap();
        Settings::default().follow(&small).unwrap();
        assert_eq!(small.follow(&large).unwrap_err().code, Code::SETTINGS_ERROR);
        assert_eq!(small.follow(&Settings::default()).unwrap_err().code, Code::SETTINGS_ERROR);
    }
}
