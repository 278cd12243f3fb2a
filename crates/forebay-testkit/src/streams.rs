//! What the servers of HTTP/2 and HTTP/3 have in common: their paths, their counters.
//!
//! | path | answer |
//! | --- | --- |
//! | any other | 22 bytes of text, `h1::BODY` |
//! | `/bytes/N`, `/chunked/N/K` | N bytes of `pattern`, with and without Content-Length |
//! | `/trailers/N/K` | the same, then the trailers `x-length: N` and `x-end: yes` |
//! | `/echo` | the request's body as it arrives; its trailers too |
//! | `/echo-late` | the request's body once it is whole |
//! | `/early/STATUS/N` | N bytes of `pattern` as soon as the head is there; the rest of the request is not wanted |
//! | `/headers/N`, `/headers/N/LEN` | N more response fields |
//! | `/status/N` | status N |
//! | `/delay/MS/...` | the rest of the path after MS ms |
//! | `/inspect` | JSON: `method`, `scheme`, `authority`, `path`, `headers`, `bodyLength`, `bodyIsPattern`, `trailers` |
//! | `/interim/N` | N heads of status 103, then the text |
//! | `/slow/N/MS` | N bytes of `pattern`, one each MS ms |
//! | `/reset/CODE` | a reset with this code instead of an answer |
//! | `/reset-after/N/CODE` | a head, N bytes, then a reset |
//! | `/too-early` | 425 where the request came in early data, else the text |
//!
//! Used by `h2` and `h3`. Not here: connections (`h2::server`, `h3::server`).

mod answer;
mod stats;

pub(crate) use self::answer::{Request, Stream, answer};
pub(crate) use self::stats::Shared;
pub use self::stats::{ConnectionInfo, Stats};
