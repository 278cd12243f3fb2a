//! Field sections, read line by line (RFC 9204, section 4.5).
//!
//! Promise: a string takes no more memory than its reader grants; what refers to a dynamic table, or goes past the end of the
//! section, ends the connection. Values of a section share one piece of memory. Used by `fields`, which knows what a line means.

use bytes::{Bytes, BytesMut};

use super::huffman::{self, Fault};
use super::static_table::{self, Entry};
use super::{FIELD_OVERHEAD, integer};
use crate::error::{Code, Error};

/// One line of a section.
#[derive(Debug)]
pub(crate) enum Line<'a> {
    /// Name and value stand in the table.
    Indexed(&'static Entry),
    /// The name stands in the table.
    Named { name: &'static Entry, value: Bytes, never_indexed: bool },
    /// Neither.
    Literal { name: &'a [u8], value: Bytes, never_indexed: bool },
}

/// The lines of a section.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
    /// A name that was Huffman coded.
    name: BytesMut,
    /// Values that are being read; what was given out is split off.
    values: BytesMut,
}

const WRONG: Error =
    Error::connection(Code::QPACK_DECOMPRESSION_FAILED, "a field section that QPACK cannot have written");
const DYNAMIC: Error =
    Error::connection(Code::QPACK_DECOMPRESSION_FAILED, "a field section refers to a dynamic table, and there is none");

/// The section would go past its bound.
pub(crate) const TOO_LARGE: Error = Error::too_large("the head or the trailers are larger than the limit");

impl<'a> Lines<'a> {
    /// The lines after the prefix of `section`, which must say that no dynamic table is needed.
    pub(crate) fn new(section: &'a [u8]) -> Result<Self, Error> {
        let mut rest = section;
        if integer::take(&mut rest, 8).ok_or(WRONG)? != 0 {
            return Err(DYNAMIC);
        }
        let negative = rest.first().is_some_and(|byte| byte & 0x80 != 0);
        integer::take(&mut rest, 7).ok_or(WRONG)?;
        if negative {
            // A base below an insert count of 0 (section 4.5.1.2).
            return Err(WRONG);
        }
        Ok(Self { rest, name: BytesMut::new(), values: BytesMut::new() })
    }

    /// The next line, which counts at most `max` bytes; `None` at the end.
    pub(crate) fn next(&mut self, max: usize) -> Result<Option<Line<'_>>, Error> {
        let Some(&first) = self.rest.first() else { return Ok(None) };
        // A counted field takes its overhead even if it is empty.
        let max = max.checked_sub(FIELD_OVERHEAD).ok_or(TOO_LARGE)?;
        let line = match first {
            // 1 T index(6+)
            0x80.. => {
                let entry = self.entry(first & 0x40 != 0, 6)?;
                if entry.name.len() + entry.value.len() > max {
                    return Err(TOO_LARGE);
                }
                Line::Indexed(entry)
            }
            // 0 1 N T index(4+), then the value
            0x40.. => {
                let name = self.entry(first & 0x10 != 0, 4)?;
                let value = self.value(max.checked_sub(name.name.len()).ok_or(TOO_LARGE)?)?;
                Line::Named { name, value, never_indexed: first & 0x20 != 0 }
            }
            // 0 0 1 N H length(3+), then the name and the value
            0x20.. => {
                let (coded, name) = string(&mut self.rest, 3)?;
                self.name.clear();
                if coded {
                    huffman::decode(name, &mut self.name, max).map_err(fault)?;
                }
                let len = if coded { self.name.len() } else { name.len() };
                let value = self.value(max.checked_sub(len).ok_or(TOO_LARGE)?)?;
                Line::Literal { name: if coded { &self.name } else { name }, value, never_indexed: first & 0x10 != 0 }
            }
            // 0 0 0 1 and 0 0 0 0 N: counted from the base of a dynamic table
            _ => return Err(DYNAMIC),
        };
        Ok(Some(line))
    }

    fn entry(&mut self, is_static: bool, prefix: u32) -> Result<&'static Entry, Error> {
        let index = integer::take(&mut self.rest, prefix).ok_or(WRONG)?;
        if !is_static {
            return Err(DYNAMIC);
        }
        static_table::get(index).ok_or(WRONG)
    }

    fn value(&mut self, max: usize) -> Result<Bytes, Error> {
        let (coded, text) = string(&mut self.rest, 7)?;
        if self.values.capacity() == 0 {
            // As much as is likely for all that follow. Its length was bounded before it was kept.
            self.values.reserve((text.len() + self.rest.len()) * 3 / 2);
        }
        if coded {
            huffman::decode(text, &mut self.values, max).map_err(fault)?;
        } else if text.len() > max {
            return Err(TOO_LARGE);
        } else {
            self.values.extend_from_slice(text);
        }
        Ok(self.values.split().freeze())
    }
}

fn fault(fault: Fault) -> Error {
    match fault {
        Fault::Wrong => WRONG,
        Fault::TooLong => TOO_LARGE,
    }
}

/// Whether a string is Huffman coded, and its bytes.
fn string<'a>(input: &mut &'a [u8], prefix: u32) -> Result<(bool, &'a [u8]), Error> {
    let coded = input.first().ok_or(WRONG)? & (1 << prefix) != 0;
    let len = integer::take(input, prefix).and_then(|len| usize::try_from(len).ok()).ok_or(WRONG)?;
    let (text, rest) = input.split_at_checked(len).ok_or(WRONG)?;
    *input = rest;
    Ok((coded, text))
}
