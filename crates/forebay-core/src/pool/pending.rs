//! The streams that wait in a pool, first come first served.
//!
//! Promise: strictly by arrival number. New streams have ever higher ones and are linked at the end; those that return (replay,
//! re-queue) keep theirs and stand apart, by number. Every operation is O(1) for new streams, O(log n) for returned and early ones.
//! Used by `pool`. Not here: places under the limit and time-outs (they are the stream's).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::id::{Store, StreamId};
use crate::stream::Stream;

#[derive(Default)]
pub(crate) struct Pending {
    oldest: Option<StreamId>,
    youngest: Option<StreamId>,
    returned: BTreeMap<u64, StreamId>,
    /// Those of either kind that may go before the handshake is done.
    early: BTreeMap<u64, StreamId>,
    len: u32,
}

type Streams = Store<StreamId, Stream>;

impl Pending {
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn push_new(&mut self, streams: &mut Streams, id: StreamId) {
        let previous = self.youngest.replace(id);
        match previous {
            Some(previous) => streams[previous].after = Some(id),
            None => self.oldest = Some(id),
        }
        let stream = &mut streams[id];
        stream.before = previous;
        stream.after = None;
        self.note(stream, id);
    }

    pub(crate) fn push_returned(&mut self, streams: &Streams, id: StreamId) {
        let stream = &streams[id];
        self.returned.insert(stream.arrival, id);
        self.note(stream, id);
    }

    pub(crate) fn remove(&mut self, streams: &mut Streams, id: StreamId, returned: bool) {
        let stream = &mut streams[id];
        self.len -= 1;
        if stream.early {
            self.early.remove(&stream.arrival);
        }
        if returned {
            self.returned.remove(&stream.arrival);
            return;
        }
        let (before, after) = (stream.before.take(), stream.after.take());
        match before {
            Some(before) => streams[before].after = after,
            None => self.oldest = after,
        }
        match after {
            Some(after) => streams[after].before = before,
            None => self.youngest = before,
        }
    }

    pub(crate) fn oldest(&self, streams: &Streams) -> Option<StreamId> {
        match (self.oldest, self.returned.first_key_value()) {
            (Some(new), Some((arrival, returned))) => {
                Some(if streams[new].arrival < *arrival { new } else { *returned })
            }
            (new, returned) => new.or(returned.map(|(_, id)| *id)),
        }
    }

    pub(crate) fn youngest(&self, streams: &Streams) -> Option<StreamId> {
        match (self.youngest, self.returned.last_key_value()) {
            (Some(new), Some((arrival, returned))) => {
                Some(if streams[new].arrival > *arrival { new } else { *returned })
            }
            (new, returned) => new.or(returned.map(|(_, id)| *id)),
        }
    }

    pub(crate) fn oldest_early(&self) -> Option<StreamId> {
        self.early.first_key_value().map(|(_, id)| *id)
    }

    /// All, oldest first.
    pub(crate) fn in_order(&self, streams: &Streams) -> Vec<StreamId> {
        let mut all = Vec::with_capacity(self.len as usize);
        let mut returned = self.returned.iter().peekable();
        let mut next = self.oldest;
        while let Some(id) = next {
            let stream = &streams[id];
            while let Some((_, older)) = returned.next_if(|(arrival, _)| **arrival < stream.arrival) {
                all.push(*older);
            }
            all.push(id);
            next = stream.after;
        }
        all.extend(returned.map(|(_, id)| *id));
        all
    }

    fn note(&mut self, stream: &Stream, id: StreamId) {
        self.len += 1;
        if stream.early {
            self.early.insert(stream.arrival, id);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::id::{Id, PoolId, UpstreamId};
    use crate::outcome::NewStream;

    fn stream(streams: &mut Streams, arrival: u64) -> StreamId {
        let new = NewStream::new(arrival, UpstreamId::from_parts(0, 0));
        streams.insert(Stream::new(&new, PoolId::from_parts(0, 0), arrival, arrival.is_multiple_of(2), None))
    }

    fn arrivals(pending: &Pending, streams: &Streams) -> Vec<u64> {
        pending.in_order(streams).iter().map(|id| streams[*id].arrival).collect()
    }

    #[test]
    fn returned_streams_stand_where_they_stood() {
        let mut streams = Streams::new();
        let mut pending = Pending::default();
        let ids: Vec<StreamId> = (0..6).map(|arrival| stream(&mut streams, arrival)).collect();
        for id in &ids[2..4] {
            pending.push_new(&mut streams, *id);
        }
        pending.push_returned(&streams, ids[1]);
        pending.push_returned(&streams, ids[0]);
        pending.push_new(&mut streams, ids[5]);
        pending.push_returned(&streams, ids[4]);
        assert_eq!(arrivals(&pending, &streams), [0, 1, 2, 3, 4, 5]);
        assert_eq!(pending.oldest(&streams), Some(ids[0]));
        assert_eq!(pending.oldest_early(), Some(ids[0]));
        pending.remove(&mut streams, ids[0], true);
        pending.remove(&mut streams, ids[1], true);
        assert_eq!(pending.oldest(&streams), Some(ids[2]));
        pending.remove(&mut streams, ids[3], false);
        assert_eq!(arrivals(&pending, &streams), [2, 4, 5]);
        assert_eq!(pending.oldest_early(), Some(ids[2]));
        for (id, returned) in [(ids[5], false), (ids[2], false), (ids[4], true)] {
            pending.remove(&mut streams, id, returned);
        }
        assert!(pending.is_empty());
        assert_eq!(pending.oldest(&streams), None);
        assert_eq!(pending.oldest_early(), None);
        assert_eq!(pending.len(), 0);
    }

    #[test]
    fn any_stream_can_leave_from_the_middle() {
        let mut streams = Streams::new();
        let mut pending = Pending::default();
        let ids: Vec<StreamId> = (0..3).map(|arrival| stream(&mut streams, arrival)).collect();
        for id in &ids {
            pending.push_new(&mut streams, *id);
        }
        pending.remove(&mut streams, ids[1], false);
        pending.remove(&mut streams, ids[2], false);
        let id = stream(&mut streams, 7);
        pending.push_new(&mut streams, id);
        assert_eq!(arrivals(&pending, &streams), [0, 7]);
    }
}
