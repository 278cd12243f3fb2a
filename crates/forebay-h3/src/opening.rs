//! What a client says outside requests: the first bytes of its own unidirectional streams, and that it goes.

use bytes::{BufMut, Bytes, BytesMut};

use crate::frame;
use crate::peer;
use crate::settings;
use crate::varint;

/// The whole of our QPACK encoder stream: its type. It says nothing, because we use no dynamic table.
pub const ENCODER_STREAM: [u8; 1] = [0x02];

/// The whole of our QPACK decoder stream: its type. It says nothing, because we allow no dynamic table.
pub const DECODER_STREAM: [u8; 1] = [0x03];

/// GOAWAY on our control stream: no push will be taken (RFC 9114, section 5.2).
pub const GOAWAY: [u8; 3] = [0x07, 1, 0];

/// The first bytes of our control stream: its type and SETTINGS.
///
/// `max_field_section_size` is the largest head that we take, in bytes as RFC 9114, section 4.2.2 counts them. `grease`: with a
/// setting and a frame that mean nothing, chosen by this number, so that peers which cannot skip what they do not know are found.
#[must_use]
pub fn control_stream(max_field_section_size: u64, grease: Option<u32>) -> Bytes {
    let mut payload = BytesMut::with_capacity(32);
    setting(&mut payload, settings::MAX_FIELD_SECTION_SIZE, max_field_section_size.min(varint::MAX));
    setting(&mut payload, settings::QPACK_MAX_TABLE_CAPACITY, 0);
    if let Some(n) = grease {
        setting(&mut payload, frame::grease(n), u64::from(n));
    }
    let mut out = BytesMut::with_capacity(payload.len() + 20);
    varint::put(&mut out, peer::CONTROL);
    varint::put(&mut out, frame::SETTINGS);
    varint::put(&mut out, payload.len() as u64);
    out.put(payload);
    if let Some(n) = grease {
        varint::put(&mut out, frame::grease(n));
        varint::put(&mut out, 0);
    }
    out.freeze()
}

fn setting(out: &mut BytesMut, id: u64, value: u64) {
    varint::put(out, id);
    varint::put(out, value);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Budget, Peer, PeerEvent, UniStream};

    #[test]
    fn what_we_say_of_ourselves_is_what_a_peer_reads() {
        for grease in [None, Some(0), Some(u32::MAX)] {
            let bytes = control_stream(65_536, grease);
            let (mut peer, mut stream, mut budget) = (Peer::default(), UniStream::default(), Budget::default());
            let mut input = &bytes[..];
            let Some(PeerEvent::Settings(settings)) = peer.receive(&mut stream, &mut input, &mut budget).unwrap()
            else {
                panic!("no SETTINGS");
            };
            assert_eq!(settings.max_field_section_size, Some(65_536));
            assert_eq!(settings.qpack_max_table_capacity, 0);
            assert_eq!(peer.receive(&mut stream, &mut input, &mut budget), Ok(None));
            let mut goaway = &GOAWAY[..];
            assert_eq!(peer.receive(&mut stream, &mut goaway, &mut budget), Ok(Some(PeerEvent::GoAway(0))));
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_rfc() {
        assert_eq!(&control_stream(1_024, None)[..], [0x00, 0x04, 0x05, 0x06, 0x44, 0x00, 0x01, 0x00]);
        assert_eq!((ENCODER_STREAM, DECODER_STREAM), ([2], [3]));
    }
}
