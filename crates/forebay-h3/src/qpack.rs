//! QPACK (RFC 9204) without a dynamic table, which neither side uses: we announce a capacity of 0, and what refers to one is an
//! error. So a field section stands alone, and a stream that is given up costs nobody anything.

mod decoder;
mod encoder;
pub mod huffman;
mod instructions;
mod integer;
mod static_table;

pub(crate) use self::decoder::{Line, Lines};
pub(crate) use self::encoder::{begin, field};
pub(crate) use self::instructions::{DecoderStream, encoder_stream};

/// What a field counts beside its name and value, in bytes. Source: RFC 9114, section 4.2.2.
pub(crate) const FIELD_OVERHEAD: usize = 32;
