//! What a peer may do on an HTTP/1.1 connection that ends it. Which code callers see is said in `error`.

/// One way to break the rules. Texts are ours: no byte of the peer's is in them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the answer is not HTTP/1: it looks like a TLS record")]
    LooksLikeTls,
    #[error("the answer is not HTTP/1: it looks like an HTTP/2 frame")]
    LooksLikeHttp2,
    #[error("bytes that answer no request")]
    Stray,
    /// In order: servers say so before they close an idle connection.
    #[error("the peer says 408 on an idle connection")]
    IdleTimeoutNotice,
    #[error("the status line is malformed")]
    StatusLine,
    #[error("empty lines before the status line")]
    EmptyLines,
    #[error("a line does not end in CR LF")]
    LineEnd,
    #[error("content-length is no plain number")]
    Length,
    #[error("content-length is there twice")]
    TwoLengths,
    #[error("content-length and transfer-encoding are both there")]
    LengthAndCoding,
    #[error("transfer-encoding is not exactly `chunked`")]
    Coding,
    #[error("a body is announced where there can be none")]
    BodyAnnounced,
    #[error("101 without a request to upgrade")]
    Upgrade,
    #[error("the head is larger than the limit")]
    HeadTooLarge,
    #[error("the head has more fields than the limit")]
    TooManyFields,
    #[error("too many interim responses")]
    TooManyInterim,
    #[error("a chunk's size is malformed")]
    ChunkSize,
    #[error("a chunk's extension is malformed")]
    ChunkExtension,
    #[error("a chunk is not followed by CR LF")]
    ChunkEnd,
    #[error("too many bytes of chunk extensions")]
    TooManyExtensions,
    #[error("the framing of the chunks outweighs what they carry")]
    Overhead,
    #[error("the trailers are larger than the limit")]
    TrailersTooLarge,
    #[error("there are more trailers than the limit")]
    TooManyTrailers,
    #[error("TLS records outweigh what they carry")]
    TlsOverhead,
}
