//! TLS configuration of a pool. One `ClientConfig` per distinct set of options, or sessions would never be resumed.
//!
//! Promise: the certificate is checked for the origin's host (or `servername`), never for the address.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, SupportedProtocolVersion};

/// The name of HTTP/1.1 in ALPN.
pub(crate) const H1: &[u8] = b"http/1.1";

/// The name of HTTP/3 in ALPN.
pub(crate) const H3: &[u8] = b"h3";

/// What a caller says of TLS.
#[derive(Clone, Copy, Debug)]
pub struct TlsOptions<'a> {
    /// Trusted roots, PEM.
    pub ca: &'a [u8],
    /// Revocation lists, PEM. With any, each certificate of a chain below the root must be covered by one, as in Envoy and
    /// Node: an issuer without a list is not believed.
    pub crl: Option<&'a [u8]>,
    /// Our certificate chain and its key, PEM.
    pub identity: Option<(&'a [u8], &'a [u8])>,
    /// The name to ask for and to check: a host name or an address.
    pub server_name: &'a str,
    /// Nothing below TLS 1.3.
    pub only_tls13: bool,
    /// Protocols to offer by ALPN, most wanted first. `h3` is offered over QUIC alone, the others over TCP alone.
    pub alpn: &'a [&'a [u8]],
    /// Sessions to remember; 0: no resumption.
    pub session_cache: usize,
    /// Believe any certificate.
    pub skip_verification: bool,
    /// Whether a resumed QUIC connection may carry data before its handshake is done.
    pub early_data: bool,
}

/// TLS options that cannot be used: which, and why.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{option}: {reason}")]
pub struct TlsConfigError {
    /// `ca`, `crl`, `cert`, `key` or `servername`.
    pub option: &'static str,
    /// In words.
    pub reason: String,
}

/// TLS as a pool uses it.
#[derive(Clone, Debug)]
pub struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    /// The same, offering HTTP/1.1 alone: for upstreams that asked for it.
    pub(crate) only_h1: Arc<ClientConfig>,
    /// Where `h3` is offered.
    pub(crate) quic: Option<Quic>,
    pub(crate) server_name: ServerName<'static>,
}

impl Tls {
    /// Reads the certificates and keys.
    ///
    /// # Errors
    /// Names the option that cannot be used.
    pub fn new(options: &TlsOptions<'_>) -> Result<Self, TlsConfigError> {
        let versions: &[_] = if options.only_tls13 { &[&rustls::version::TLS13] } else { rustls::ALL_VERSIONS };
        let noted = Arc::new(Noted::default());
        let mut config = client_config(options, versions, &noted)?;
        config.alpn_protocols.retain(|protocol| protocol != H3);
        let server_name =
            ServerName::try_from(options.server_name.to_owned()).map_err(|e| refused("servername", &e))?;
        let mut only_h1 = config.clone();
        only_h1.alpn_protocols.retain(|protocol| protocol == H1);
        let quic = if options.alpn.contains(&H3) { Some(Quic::new(options, noted)?) } else { None };
        Ok(Self { config: Arc::new(config), only_h1: Arc::new(only_h1), quic, server_name })
    }
}

/// TLS for QUIC: 1.3, and tickets of its own, which hold more than those of TCP.
#[derive(Clone)]
pub(crate) struct Quic {
    pub(crate) config: Arc<QuicClientConfig>,
    pub(crate) noted: Arc<Noted>,
}

impl Quic {
    fn new(options: &TlsOptions<'_>, noted: Arc<Noted>) -> Result<Self, TlsConfigError> {
        let mut config = client_config(options, &[&rustls::version::TLS13], &noted)?;
        config.alpn_protocols = vec![H3.to_vec()];
        config.enable_early_data = options.early_data;
        let config = QuicClientConfig::try_from(config).map_err(|e| refused("alpn", &e))?;
        Ok(Self { config: Arc::new(config), noted })
    }
}

impl fmt::Debug for Quic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Quic")
    }
}

fn client_config(
    options: &TlsOptions<'_>,
    versions: &[&'static SupportedProtocolVersion],
    noted: &Arc<Noted>,
) -> Result<ClientConfig, TlsConfigError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(|e| refused("minVersion", &e))?;
    let verifier: Arc<dyn ServerCertVerifier> = if options.skip_verification {
        Arc::new(Anyone(provider))
    } else {
        let mut verifier = WebPkiServerVerifier::builder_with_provider(roots(options.ca)?, provider);
        if let Some(lists) = options.crl {
            verifier = verifier.with_crls(revocation_lists(lists)?);
        }
        let inner = verifier.build().map_err(|e| refused("crl", &e))?;
        Arc::new(Noting { inner, noted: noted.clone() })
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match options.identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| refused("key", &e))?;
            builder.with_client_auth_cert(certificates("cert", cert)?, key).map_err(|e| refused("key", &e))?
        }
    };
    config.alpn_protocols = options.alpn.iter().map(|p| p.to_vec()).collect();
    config.resumption = match options.session_cache {
        0 => Resumption::disabled(),
        n => Resumption::in_memory_sessions(n),
    };
    Ok(config)
}

/// Why a certificate was last refused. QUIC passes on no more of it than the text.
#[derive(Debug, Default)]
pub(crate) struct Noted(Mutex<Option<Error>>);

impl Noted {
    fn note(&self, error: &Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
    }

    /// The refusal with this text.
    pub(crate) fn refusal(&self, text: &str) -> Option<Error> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.as_ref().filter(|error| error.to_string() == text).cloned()
    }
}

/// A verifier that remembers why it refused.
#[derive(Debug)]
struct Noting {
    inner: Arc<WebPkiServerVerifier>,
    noted: Arc<Noted>,
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp, now);
        verified.inspect_err(|error| self.noted.note(error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Bundles of roots that are kept, read: Node's own takes some ms to read, and each pool asks for it. A guess: a service
/// trusts few sets of roots.
const KEPT_BUNDLES: usize = 4;

type Bundles = Vec<(Vec<u8>, Arc<RootCertStore>)>;

/// A bundle of roots, read once. The one that was asked for longest ago makes room.
fn roots(pem: &[u8]) -> Result<Arc<RootCertStore>, TlsConfigError> {
    static BUNDLES: Mutex<Bundles> = Mutex::new(Vec::new());
    let mut kept = BUNDLES.lock().unwrap_or_else(PoisonError::into_inner);
    let (bundle, store) = match kept.iter().position(|(bundle, _)| bundle == pem) {
        Some(at) => kept.remove(at),
        None => (pem.to_vec(), Arc::new(read_roots(pem)?)),
    };
    kept.truncate(KEPT_BUNDLES - 1);
    kept.insert(0, (bundle, store.clone()));
    Ok(store)
}

/// Node's own list holds roots that are too old for the checker; those are left out, as Node's own checks would never
/// need them. A bundle of the caller's must have at least one that can be used.
fn read_roots(pem: &[u8]) -> Result<RootCertStore, TlsConfigError> {
    let mut store = RootCertStore::empty();
    let (usable, _) = store.add_parsable_certificates(certificates("ca", pem)?);
    if usable == 0 {
        return Err(TlsConfigError { option: "ca", reason: "no usable certificate".into() });
    }
    Ok(store)
}

fn revocation_lists(pem: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsConfigError> {
    let list: Vec<_> =
        CertificateRevocationListDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|e| refused("crl", &e))?;
    if list.is_empty() {
        return Err(TlsConfigError { option: "crl", reason: "no revocation list in it".into() });
    }
    Ok(list)
}

fn certificates(option: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let list: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|e| refused(option, &e))?;
    if list.is_empty() {
        return Err(TlsConfigError { option, reason: "no certificate in it".into() });
    }
    Ok(list)
}

fn refused(option: &'static str, error: &dyn std::error::Error) -> TlsConfigError {
    TlsConfigError { option, reason: error.to_string() }
}

/// The verifier behind `dangerouslySkipVerification`: signatures are still checked, the identity is not.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_a_certificate_names_its_option() {
        assert_eq!(roots(b"nothing").map_err(|e| e.option).err(), Some("ca"));
    }
}
