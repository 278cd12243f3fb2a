//! TLS settings of the servers: what is in the handshake besides the certificate, and the client side for tests.
//!
//! Used by `h1` and `script`. Not here: certificates (`certificates`), records and sockets.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{StoresServerSessions, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::certificates::{Authority, Identity};

/// How a server behaves in the handshake.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsOptions {
    /// The certificate chain it sends.
    pub identity: Identity,
    /// Protocols it selects from, in order; empty: it does not answer ALPN.
    pub alpn: Vec<String>,
    /// Which versions it speaks.
    pub versions: Versions,
    /// Whether it demands a client certificate issued by the same root.
    pub client_auth: bool,
    /// Whether it forgets each session: tickets are sent, none is ever taken back.
    pub forgets_sessions: bool,
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Versions {
    /// 1.2 and 1.3.
    Both,
    /// 1.2 only.
    Tls12,
    /// 1.3 only.
    Tls13,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            identity: Identity::Good,
            alpn: vec!["http/1.1".to_owned()],
            versions: Versions::Both,
            client_auth: false,
            forgets_sessions: false,
        }
    }
}

impl From<Identity> for TlsOptions {
    fn from(identity: Identity) -> Self {
        Self { identity, ..Self::default() }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The server side. Bad identities are allowed on purpose.
///
/// # Panics
/// Never on what `Authority` issues.
#[must_use]
pub fn server_config(authority: &Authority, options: &TlsOptions) -> Arc<ServerConfig> {
    let provider = provider();
    let chain = authority.identity(options.identity);
    let key = provider.key_provider.load_private_key(chain.key).expect("P-256 is known");
    let versions: &[&SupportedProtocolVersion] = match options.versions {
        Versions::Both => rustls::DEFAULT_VERSIONS,
        Versions::Tls12 => &[&rustls::version::TLS12],
        Versions::Tls13 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .expect("the provider knows both versions");
    let builder = if options.client_auth {
        let roots = Arc::new(trust(authority));
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
        builder.with_client_cert_verifier(verifier.expect("there is a root"))
    } else {
        builder.with_no_client_auth()
    };
    // A resolver of its own: `with_single_cert` would refuse some of the bad identities.
    let resolver = SingleCertAndKey::from(CertifiedKey::new(chain.certificates, key));
    let mut config = builder.with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = options.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    if options.forgets_sessions {
        config.session_storage = Arc::new(Forgetful);
    }
    // For records that no honest endpoint sends (`script`, step `tls-record`).
    config.enable_secret_extraction = true;
    Arc::new(config)
}

/// Keeps no session, though it says so.
#[derive(Debug)]
struct Forgetful;

impl StoresServerSessions for Forgetful {
    fn put(&self, _key: Vec<u8>, _value: Vec<u8>) -> bool {
        true
    }

    fn get(&self, _key: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, _key: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// A client that trusts the root and nothing else, for tests of the servers.
///
/// # Panics
/// Never on what `Authority` issues.
#[must_use]
pub fn client_config(authority: &Authority, with_certificate: bool) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .expect("the provider knows both versions")
        .with_root_certificates(trust(authority));
    let mut config = if with_certificate {
        let chain = authority.client();
        builder.with_client_auth_cert(chain.certificates, chain.key).expect("the key is of the certificate")
    } else {
        builder.with_no_client_auth()
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    config
}

fn trust(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate()).expect("the root is a valid trust anchor");
    roots
}
