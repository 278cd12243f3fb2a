//! Memory of readers who collect a whole body: what comes is copied there at once, and not by way of the slab.
//!
//! Promise: a target is written from its start on, in the order of the body, and not after the terminal record of its
//! request was handed over. Used by `complete`. Not here: who asks for it (`ts/response/takers.ts`).

use std::collections::BTreeMap;

use forebay_transport::sink::RequestId;

use crate::js::Memory;

/// Where a body goes.
struct Target<M> {
    into: M,
    at: usize,
}

/// By request.
pub(crate) struct Targets<M = Memory>(BTreeMap<RequestId, Target<M>>);

impl<M> Default for Targets<M> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<M: AsMut<[u8]>> Targets<M> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rest of the body of `request` goes there, as long as it fits.
    pub(crate) fn set(&mut self, request: RequestId, into: M) {
        self.0.insert(request, Target { into, at: 0 });
    }

    /// Copies a part of a body. False: it has no target, or none with room any more.
    pub(crate) fn put(&mut self, request: RequestId, part: &[u8]) -> bool {
        let Some(target) = self.0.get_mut(&request) else {
            return false;
        };
        let Some(place) = target.into.as_mut().get_mut(target.at..target.at + part.len()) else {
            self.0.remove(&request);
            return false;
        };
        place.copy_from_slice(part);
        target.at += part.len();
        true
    }

    /// The request has ended.
    pub(crate) fn release(&mut self, request: RequestId) {
        self.0.remove(&request);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
