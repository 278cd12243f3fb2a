//! The peer's QPACK streams (RFC 9204, sections 4.3 and 4.4), where there is no dynamic table.
//!
//! Promise: what may not come is refused from its first byte; nothing is buffered.

use super::integer::MAX_MORE;
use crate::budget::Budget;
use crate::error::{Code, Error};

/// `Set Dynamic Table Capacity` to 0: the one instruction that keeps within the capacity that we announce.
const SET_CAPACITY_0: u8 = 0b0010_0000;

/// Takes all of `input`, bytes of the peer's encoder stream.
pub(crate) fn encoder_stream(input: &mut &[u8], budget: &mut Budget) -> Result<(), Error> {
    for byte in std::mem::take(input) {
        if *byte != SET_CAPACITY_0 {
            let text = "an instruction for a dynamic table, and there is none";
            return Err(Error::connection(Code::QPACK_ENCODER_STREAM_ERROR, text));
        }
        budget.spend()?;
    }
    Ok(())
}

/// Reads the peer's decoder stream.
#[derive(Debug, Default)]
pub(crate) struct DecoderStream {
    /// Bytes of the id of a cancelled stream that may still come; 0 between instructions.
    more: usize,
}

impl DecoderStream {
    /// Takes all of `input`. A stream that was cancelled referred to nothing, so which one it was does not matter.
    pub(crate) fn receive(&mut self, input: &mut &[u8], budget: &mut Budget) -> Result<(), Error> {
        let error = |text| Err(Error::connection(Code::QPACK_DECODER_STREAM_ERROR, text));
        for byte in std::mem::take(input) {
            if self.more > 0 {
                self.more -= 1;
                if byte & 0x80 == 0 {
                    self.more = 0;
                } else if self.more == 0 {
                    return error("the id of a cancelled stream is too long");
                }
                continue;
            }
            match byte {
                0x80.. => return error("a section was acknowledged that needs no acknowledgement"),
                // Stream Cancellation: 0 1 id(6+)
                0x40.. => {
                    budget.spend()?;
                    if byte & 0x3f == 0x3f {
                        self.more = MAX_MORE;
                    }
                }
                _ => return error("inserts were acknowledged, and there were none"),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn decoder(input: &[u8]) -> Result<(), Error> {
        DecoderStream::default().receive(&mut &input[..], &mut Budget::default())
    }

    #[test]
    fn a_table_may_be_set_to_nothing_and_used_for_nothing() {
        let encoder = |input: &[u8]| encoder_stream(&mut &input[..], &mut Budget::default());
        encoder(&[0x20, 0x20]).unwrap();
        // Capacity 1 and 31 or more, a duplicate, an insert with and without a name of the table.
        for byte in [0x21, 0x3f, 0x00, 0xc0, 0x41] {
            assert_eq!(encoder(&[byte]).unwrap_err().code, Code::QPACK_ENCODER_STREAM_ERROR);
        }
    }

    #[test]
    fn streams_are_cancelled_without_effect() {
        decoder(&[0x40, 0x44, 0x7f, 0x80, 0x01, 0x48]).unwrap();
    }

    #[test]
    fn what_was_not_sent_cannot_be_acknowledged() {
        for bytes in [&[0x84][..], &[0x01], &[0x00]] {
            assert_eq!(decoder(bytes).unwrap_err().code, Code::QPACK_DECODER_STREAM_ERROR);
        }
    }

    #[test]
    fn an_id_without_end_is_refused() {
        let mut bytes = vec![0x7f];
        bytes.extend([0x80; MAX_MORE - 1]);
        bytes.push(0);
        decoder(&bytes).unwrap();
        bytes.insert(1, 0x80);
        assert_eq!(decoder(&bytes).unwrap_err().code, Code::QPACK_DECODER_STREAM_ERROR);
    }

    #[test]
    fn instructions_count() {
        let flood = [SET_CAPACITY_0; 1_001];
        let error = encoder_stream(&mut &flood[..], &mut Budget::default()).unwrap_err();
        assert_eq!(error.code, Code::EXCESSIVE_LOAD);
    }
}
