//! A blocking connection: the TCP stream and, after a handshake, TLS on it.
//!
//! Promise: an error says how the connection ended (`End`). Used by `play`. Not here: recording.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::{
    ConnectionTrafficSecrets, ContentType, HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection,
    SupportedCipherSuite,
};

use super::connection::{End, TlsInfo};
use super::step::Handshake;

/// Bytes read at once. A guess.
const BLOCK: usize = 64 * 1024;

/// What later steps read and write through.
enum Layer {
    Plain,
    Tls(Box<ServerConnection>),
    /// We seal records ourselves; what the peer sends is no longer opened.
    Sealed {
        encrypter: Box<dyn MessageEncrypter>,
        sequence: u64,
        version: ProtocolVersion,
    },
    /// Between two of the others.
    Changing,
}

pub(super) struct Channel {
    stream: Arc<TcpStream>,
    layer: Layer,
}

impl Channel {
    pub(super) fn new(stream: Arc<TcpStream>) -> Self {
        Self { stream, layer: Layer::Plain }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Reads what there is, at least one byte.
    pub(super) fn read(&mut self) -> Result<Vec<u8>, End> {
        let mut bytes = vec![0; BLOCK];
        let len = match &mut self.layer {
            Layer::Plain | Layer::Sealed { .. } | Layer::Changing => (&*self.stream).read(&mut bytes)?,
            Layer::Tls(tls) => read_tls(tls, &self.stream, &mut bytes)?,
        };
        if len == 0 {
            return Err(End::PeerClosed);
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    /// Writes through TLS if there is any.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), End> {
        match &mut self.layer {
            Layer::Plain | Layer::Changing => Ok((&*self.stream).write_all(bytes)?),
            Layer::Tls(tls) => {
                while !bytes.is_empty() {
                    let taken = tls.writer().write(bytes)?;
                    bytes = &bytes[taken..];
                    send_records(tls, &self.stream)?;
                }
                Ok(())
            }
            Layer::Sealed { .. } => {
                bytes.chunks(1 << 14).try_for_each(|part| self.write_record(ContentType::ApplicationData, part))
            }
        }
    }

    /// Writes below TLS.
    pub(super) fn write_raw(&mut self, bytes: &[u8]) -> Result<(), End> {
        Ok((&*self.stream).write_all(bytes)?)
    }

    /// `close_notify`; nothing without TLS.
    pub(super) fn close_notify(&mut self) -> Result<(), End> {
        match &mut self.layer {
            Layer::Tls(tls) => {
                tls.send_close_notify();
                Ok(send_records(tls, &self.stream)?)
            }
            // A warning alert, close_notify.
            Layer::Sealed { .. } => self.write_record(ContentType::Alert, &[1, 0]),
            Layer::Plain | Layer::Changing => Ok(()),
        }
    }

    pub(super) fn key_updates(&mut self, times: u64) -> Result<(), End> {
        let Layer::Tls(tls) = &mut self.layer else {
            return Err(End::Script("key updates need TLS 1.3".to_owned()));
        };
        for _ in 0..times {
            tls.refresh_traffic_keys().map_err(|error| End::Script(error.to_string()))?;
            send_records(tls, &self.stream)?;
        }
        Ok(())
    }

    /// Sends records of this type, sealed by ourselves.
    pub(super) fn records(&mut self, content_type: u8, bytes: &[u8], times: u64) -> Result<(), End> {
        self.seal_ourselves()?;
        (0..times).try_for_each(|_| self.write_record(ContentType::from(content_type), bytes))
    }

    fn write_record(&mut self, typ: ContentType, bytes: &[u8]) -> Result<(), End> {
        let Layer::Sealed { encrypter, sequence, version } = &mut self.layer else {
            return Err(End::Script("records need TLS".to_owned()));
        };
        let payload = OutboundChunks::Single(bytes);
        let plain = OutboundPlainMessage { typ, version: *version, payload };
        let sealed = encrypter.encrypt(plain, *sequence).map_err(|error| End::Script(error.to_string()))?;
        *sequence += 1;
        Ok((&*self.stream).write_all(&sealed.encode())?)
    }

    /// Takes the keys out of rustls, which would not send what a script may want.
    fn seal_ourselves(&mut self) -> Result<(), End> {
        if matches!(self.layer, Layer::Sealed { .. }) {
            return Ok(());
        }
        let Layer::Tls(tls) = std::mem::replace(&mut self.layer, Layer::Changing) else {
            return Err(End::Script("records need TLS".to_owned()));
        };
        let Some(suite) = tls.negotiated_cipher_suite() else {
            return Err(End::Script("records need TLS".to_owned()));
        };
        let secrets = tls.dangerous_extract_secrets().map_err(|error| End::Script(error.to_string()))?;
        let (sequence, ours) = secrets.tx;
        let (ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = ours
        else {
            return Err(End::Script("cipher suite not known".to_owned()));
        };
        let mut encrypter = match suite {
            SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
            SupportedCipherSuite::Tls12(suite) => {
                // The shorter part is fixed for the connection, the rest goes with each record (RFC 5288).
                let (fixed, explicit) = iv.as_ref().split_at(suite.aead_alg.key_block_shape().fixed_iv_len);
                suite.aead_alg.encrypter(key, fixed, explicit)
            }
        };
        let version = suite.version().version;
        if sequence > 0 {
            // AWS-LC takes the first nonce that it sees for that of record 0 and refuses to go back behind it.
            let typ = ContentType::ApplicationData;
            let unused = OutboundPlainMessage { typ, version, payload: OutboundChunks::Single(&[]) };
            encrypter.encrypt(unused, 0).map_err(|error| End::Script(error.to_string()))?;
        }
        self.layer = Layer::Sealed { encrypter, sequence, version };
        Ok(())
    }

    /// Shakes hands. `None`: it was cut, and the connection is plain as before. `pause` is called between two pieces.
    pub(super) fn handshake(
        &mut self,
        config: Arc<ServerConfig>,
        step: &Handshake,
        mut pause: impl FnMut(Duration) -> Result<(), End>,
    ) -> Result<Option<TlsInfo>, End> {
        let mut tls = Box::new(ServerConnection::new(config).map_err(|error| End::Script(error.to_string()))?);
        let mut left = step.cut.unwrap_or(usize::MAX);
        loop {
            let mut ours = Vec::new();
            send_all(&mut tls, &mut ours)?;
            let send = &ours[..ours.len().min(left)];
            for (i, piece) in send.chunks(step.pieces.unwrap_or(BLOCK)).enumerate() {
                if i > 0 && !step.every.is_zero() {
                    pause(step.every)?;
                }
                (&*self.stream).write_all(piece)?;
            }
            left -= send.len();
            if left == 0 {
                return Ok(None);
            }
            if !tls.is_handshaking() {
                break;
            }
            if tls.read_tls(&mut &*self.stream)? == 0 {
                return Err(End::PeerClosed);
            }
            if let Err(error) = tls.process_new_packets() {
                // The alert, if the peer still takes it.
                let _ = send_records(&mut tls, &self.stream);
                return Err(End::Tls(error.to_string()));
            }
        }
        let info = TlsInfo {
            version: tls.protocol_version().map_or_else(String::new, |version| format!("{version:?}")),
            server_name: tls.server_name().map(str::to_owned),
            alpn: tls.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
            resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
            client_certificate: tls.peer_certificates().is_some(),
        };
        self.layer = Layer::Tls(tls);
        Ok(Some(info))
    }
}

fn read_tls(tls: &mut ServerConnection, mut stream: &TcpStream, into: &mut [u8]) -> Result<usize, End> {
    loop {
        match tls.reader().read(into) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
            done => return Ok(done?),
        }
        if tls.read_tls(&mut stream)? == 0 {
            return Ok(0);
        }
        let processed = tls.process_new_packets();
        send_records(tls, stream)?;
        processed.map_err(|error| End::Tls(error.to_string()))?;
    }
}

fn send_records(tls: &mut ServerConnection, mut stream: &TcpStream) -> io::Result<()> {
    send_all(tls, &mut stream)
}

fn send_all(tls: &mut ServerConnection, to: &mut dyn Write) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(to)?;
    }
    Ok(())
}
