//! What a peer may do on an HTTP/2 connection that ends it and that the `h2` crate would let pass. Which code callers see is
//! said in `error`.

/// One way to break the rules. Texts are ours: no byte of the peer's is in them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the first frame is not SETTINGS")]
    NotSettings,
    #[error("the answer is not HTTP/2: it looks like HTTP/1")]
    LooksLikeHttp1,
    #[error("SETTINGS allow push, which is for clients to say")]
    Push,
    #[error("SETTINGS take the extended CONNECT back")]
    ConnectProtocolTakenBack,
    #[error("too many control frames for what they control")]
    TooManyControlFrames,
    #[error("TLS records outweigh what they carry")]
    TlsOverhead,
}
