//! HTTP/2: a well-behaved server, and the frames for scripts that misbehave (`frame`, with the steps `preface` and `streams` of
//! `script`).
//!
//! The server answers the paths of `h1` that make sense here:
//!
//! | path | answer |
//! | --- | --- |
//! | any other | 22 bytes of text, `h1::BODY` |
//! | `/bytes/N`, `/chunked/N/K` | N bytes of `pattern`, with and without Content-Length |
//! | `/trailers/N/K` | the same, then the trailers `x-length: N` and `x-end: yes` |
//! | `/echo` | the request's body as it arrives; its trailers too |
//! | `/echo-late` | the request's body once it is whole |
//! | `/headers/N`, `/headers/N/LEN` | N more response fields |
//! | `/status/N` | status N |
//! | `/delay/MS/...` | the rest of the path after MS ms |
//! | `/inspect` | JSON: `method`, `scheme`, `authority`, `path`, `headers`, `bodyLength`, `bodyIsPattern`, `trailers` |
//! | `/interim/N` | N heads of status 103, then the text |
//! | `/reset/CODE` | `RST_STREAM` with this code instead of an answer |
//! | `/reset-after/N/CODE` | a head, N bytes, then `RST_STREAM` |
//!
//! Promise: counters are exact between two requests; dropping the server closes all.
//! Not here: misbehaviour below the level of streams (`script`).

pub mod frame;

mod answer;
mod server;
mod stats;

pub use self::server::{Going, Options, Server};
pub use self::stats::{ConnectionInfo, Stats};
