//! How many frames a connection may bring that carry nothing of a response.
//!
//! Promise: frames that are cheap for the peer and cost us a look (unknown and empty ones, repeated GOAWAY, instructions, streams
//! that nobody asked for) end the connection once they outnumber what the requests on it explain. Used by all readers.

use crate::error::Error;

/// Such frames of a connection. Source: the bounds of the hostile upstream rows, as for HTTP/2.
pub const CONTROL_FRAMES: u64 = 1_000;
/// More of them for each HEADERS or DATA of an open request, in either direction. Source: the same.
pub const CONTROL_FRAMES_MORE: u64 = 10;

/// The budget of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: CONTROL_FRAMES }
    }
}

impl Budget {
    /// A HEADERS or DATA frame of an open request came or was sent. Readers call it for what comes; who sends calls it for what leaves.
    pub fn allow(&mut self) {
        self.left = self.left.saturating_add(CONTROL_FRAMES_MORE);
    }

    /// A frame came that carries nothing.
    pub(crate) fn spend(&mut self) -> Result<(), Error> {
        self.left = self.left.checked_sub(1).ok_or(Error::flood("too many frames that carry nothing"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_budget_ends_at_its_bound_and_not_before() {
        let mut budget = Budget::default();
        budget.allow();
        for _ in 0..CONTROL_FRAMES + CONTROL_FRAMES_MORE {
            budget.spend().unwrap();
        }
        assert_eq!(budget.spend().unwrap_err().kind, crate::error::Kind::Flood);
        budget.allow();
        budget.spend().unwrap();
    }
}
