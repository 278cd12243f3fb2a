//! What passed over all HTTP/2 connections of a pool: bytes, and frames by type, each way.
//!
//! Promise: exact; to count one costs an addition. Written by the meters of connections, read when somebody asks for statistics (`drain`).

use std::cell::Cell;

use forebay_core::Stat;

/// Types of frames that RFC 9113 has, by number; what is above counts as the one after the last.
const KINDS: usize = 11;

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Way {
    bytes: Cell<u64>,
    frames: [Cell<u64>; KINDS],
}

impl Way {
    pub(super) fn bytes(&self, count: usize) {
        self.bytes.set(self.bytes.get() + count as u64);
    }

    pub(super) fn frame(&self, kind: u8) {
        let cell = &self.frames[usize::from(kind).min(KINDS - 1)];
        cell.set(cell.get() + 1);
    }

    /// Gives what was counted since the last time.
    fn drain(&self, names: &Names, add: &mut impl FnMut(Stat, u64)) {
        add(names.bytes, self.bytes.take());
        for (kind, cell) in self.frames.iter().enumerate() {
            let count = cell.take();
            add(names.frames, count);
            if let Some((_, name)) = names.kinds.iter().find(|(of, _)| *of == kind) {
                add(*name, count);
            }
        }
    }
}

/// Both directions.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(super) received: Way,
    pub(super) sent: Way,
}

struct Names {
    bytes: Stat,
    frames: Stat,
    kinds: [(usize, Stat); 7],
}

const RECEIVED: Names = Names {
    bytes: Stat::Http2RxBytes,
    frames: Stat::Http2RxFrames,
    kinds: [
        (0, Stat::Http2RxData),
        (1, Stat::Http2RxHeaders),
        (3, Stat::Http2RxReset),
        (4, Stat::Http2RxSettings),
        (6, Stat::Http2RxPing),
        (7, Stat::Http2RxGoaway),
        (8, Stat::Http2RxWindowUpdate),
    ],
};

const SENT: Names = Names {
    bytes: Stat::Http2TxBytes,
    frames: Stat::Http2TxFrames,
    kinds: [
        (0, Stat::Http2TxData),
        (1, Stat::Http2TxHeaders),
        (3, Stat::Http2TxReset),
        (4, Stat::Http2TxSettings),
        (6, Stat::Http2TxPing),
        (7, Stat::Http2TxGoaway),
        (8, Stat::Http2TxWindowUpdate),
    ],
};

impl Traffic {
    /// Gives what was counted since the last time.
    pub(crate) fn drain(&self, mut add: impl FnMut(Stat, u64)) {
        self.received.drain(&RECEIVED, &mut add);
        self.sent.drain(&SENT, &mut add);
    }
}
