//! What upstreams and the network may do, and what must then happen: one test for each row, named after it. Byte rows run
//! three ways: in one write, byte by byte, in random pieces.
//!
//! Rows that cannot be shown here, and where they are:
//!
//! | row | why | where |
//! |---|---|---|
//! | C08, C09, C10, C11, C13 | names are looked up and filtered in TypeScript | unit tests of `ts/`, integration |
//! | C12 | proxies come later | - |
//! | C15 | needs the system to pick our own port | `forebay-reactor`, `stream.rs`: its error is the one of C01 |
//! | M15 in part | the `h2` crate makes an unsound name an error of the connection, not of the stream | `h2_stream.rs` |
//! | M17, M18 in part | the `h2` crate drops `:path` of a response and `:status` of trailers without a word | - |
//! | F30 | the life of a connection is the core's | `forebay-core` |
//! | H17 | that names touch no prototype is JavaScript's part | unit tests of `ts/response` |
//! | B17, B19, B21, R14 | bodies that are produced | `exchange/interim.rs`, `exchange/upload.rs`; those in memory: `body.rs` |
//! | B23, P03 | limits of an exchange as a whole | `exchange/timeouts.rs` |
//! | B24 | the window of a stream's reader is TypeScript's; credit is here | integration |
//! | B26 | 3xx pass as they are; following them is fetch's | unit tests of `ts/` |
//! | P02, P04, P06, P07, P19 | limits and drains are the core's | `forebay-core`; `suite.rs` |
//! | P24 | a panic in the core cannot be forced from outside; those of a sink can | `pool/guarded/tests.rs`; `reuse.rs` |
//! | R rows | what is submitted is checked again | `request.rs`; first in `ts/request` |
#![allow(clippy::unwrap_used)]

#[path = "fault/body.rs"]
mod body;
#[path = "fault/connect.rs"]
mod connect;
#[path = "fault/h2_connection.rs"]
mod h2_connection;
#[path = "fault/h2_goaway.rs"]
mod h2_goaway;
#[path = "fault/h2_identity.rs"]
mod h2_identity;
#[path = "fault/h2_stream.rs"]
mod h2_stream;
#[path = "fault/h3.rs"]
mod h3;
#[path = "fault/head.rs"]
mod head;
#[path = "fault/reuse.rs"]
mod reuse;
mod support;
#[path = "fault/tls.rs"]
mod tls;
