//! Certificates for tests, good and bad, made when a server starts.
//!
//! ```text
//!   root (trusted by the tests) --> good, expired, wrong-host, ... leaves, and the client's certificate
//!     |--> intermediate --> intermediate-2 --> leaf of `intermediate`, `missing-intermediate`, `reversed-chain`
//!     |--> not a CA (CA:FALSE) --> leaf of `ca-false-issuer`
//!     '--> constrained to permitted.test --> leaf of `name-constraint`
//!   stranger (trusted by nobody) --> leaf of `unknown-root`
//! ```
//!
//! Promise: each identity has one fault and no other, so that a test sees the error of that fault. Keys are P-256 and new in each process.
//! Used by `tls`. Not here: TLS settings that are not in the certificate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints,
    RevocationReason, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Names in the leaf of `many-sans`. Source: row T06 of the hostile upstreams, which it passes in count and in bytes (over 64 KiB).
const MANY_SANS: u32 = 10_000;

/// Serial number of the leaf that the revocation list names.
const REVOKED_SERIAL: u64 = 0x0bad;

/// What a server shows in its handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Identity {
    /// For localhost, upstream.test, 127.0.0.1 and `::1`; issued by the root.
    Good,
    /// As `Good`, issued through two intermediates, all sent in order.
    Intermediate,
    /// As `Intermediate`, the intermediates sent in reversed order after the leaf.
    ReversedChain,
    /// As `Intermediate`, only the leaf sent.
    MissingIntermediate,
    /// Ended in 2020.
    Expired,
    /// Begins in 2100.
    NotYetValid,
    /// For other.test only.
    WrongHost,
    /// No subject alternative name; the common name is localhost.
    CnOnly,
    /// For `*.a.test` only.
    Wildcard,
    /// For `good.test`, NUL, `.evil.test` in one name.
    NulName,
    /// Signed by itself.
    SelfSigned,
    /// Issued by a root that nobody trusts.
    UnknownRoot,
    /// Extended key usage says clientAuth only.
    ClientAuthOnly,
    /// Issued by a certificate that is no CA.
    CaFalseIssuer,
    /// Issued by a CA that may issue for permitted.test only.
    NameConstraint,
    /// 10,000 names, localhost among them; the Certificate message is over 64 KiB.
    ManySans,
    /// As `Good`, with the serial number that the revocation list names.
    Revoked,
}

impl Identity {
    /// All of them, with the names that the command line and scripts use.
    pub const ALL: [(&'static str, Self); 17] = [
        ("good", Self::Good),
        ("intermediate", Self::Intermediate),
        ("reversed-chain", Self::ReversedChain),
        ("missing-intermediate", Self::MissingIntermediate),
        ("expired", Self::Expired),
        ("not-yet-valid", Self::NotYetValid),
        ("wrong-host", Self::WrongHost),
        ("cn-only", Self::CnOnly),
        ("wildcard", Self::Wildcard),
        ("nul-name", Self::NulName),
        ("self-signed", Self::SelfSigned),
        ("unknown-root", Self::UnknownRoot),
        ("client-auth-only", Self::ClientAuthOnly),
        ("ca-false-issuer", Self::CaFalseIssuer),
        ("name-constraint", Self::NameConstraint),
        ("many-sans", Self::ManySans),
        ("revoked", Self::Revoked),
    ];

    /// The identity of this name.
    ///
    /// # Errors
    /// Lists the names there are.
    pub fn from_name(name: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|&(_, identity)| identity)
            .ok_or_else(|| format!("no identity `{name}`; there are {}", Self::ALL.map(|(known, _)| known).join(", ")))
    }
}

/// A certificate chain, leaf first, and the leaf's key.
#[derive(Debug)]
pub struct Chain {
    /// The certificates, as they are sent.
    pub certificates: Vec<CertificateDer<'static>>,
    /// PKCS #8.
    pub key: PrivateKeyDer<'static>,
    /// The leaf as PEM.
    pub certificate_pem: String,
    /// The key as PEM.
    pub key_pem: String,
}

/// The root that tests trust, and all that it issues.
pub struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A new root.
    #[must_use]
    pub fn new() -> Self {
        Self { root: root("forebay test root") }
    }

    /// The root certificate, for the client's trust store.
    #[must_use]
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.root.der().clone()
    }

    /// The root certificate as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.root.pem()
    }

    /// The root's revocation list as PEM. It names the leaf of `Identity::Revoked` and covers what the root itself issued.
    ///
    /// # Panics
    /// Never: the root may sign lists.
    #[must_use]
    pub fn revocation_list_pem(&self) -> String {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(REVOKED_SERIAL),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 2),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.root).and_then(|list| list.pem()).expect("the root signs its revocation list")
    }

    /// A client certificate that servers with client authentication accept.
    #[must_use]
    pub fn client(&self) -> Chain {
        let mut params = leaf(Vec::new(), "forebay test client");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        issue(&params, &self.root, &[])
    }

    /// The chain that a server with this identity sends.
    ///
    /// # Panics
    /// Never: each identity has valid parameters.
    #[must_use]
    pub fn identity(&self, identity: Identity) -> Chain {
        let mut params = leaf(local_names(), "forebay test upstream");
        match identity {
            Identity::Good => {}
            Identity::Intermediate | Identity::ReversedChain | Identity::MissingIntermediate => {
                return self.through_intermediates(identity, &params);
            }
            Identity::Expired => {
                params.not_before = date_time_ymd(2019, 1, 1);
                params.not_after = date_time_ymd(2020, 1, 1);
            }
            Identity::NotYetValid => params.not_before = date_time_ymd(2100, 1, 1),
            Identity::WrongHost => params.subject_alt_names = vec![dns("other.test")],
            Identity::CnOnly => params = leaf(Vec::new(), "localhost"),
            Identity::Wildcard => params.subject_alt_names = vec![dns("*.a.test")],
            Identity::NulName => params.subject_alt_names = vec![dns("good.test\0.evil.test")],
            Identity::SelfSigned => {
                let key = new_key();
                let certificate = params.self_signed(&key).expect("own key");
                return chain(&key, certificate.pem(), vec![certificate.der().clone()]);
            }
            Identity::UnknownRoot => return issue(&params, &root("forebay test stranger"), &[]),
            Identity::ClientAuthOnly => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            Identity::CaFalseIssuer => {
                let mut issuer = leaf(Vec::new(), "forebay test impostor");
                issuer.is_ca = IsCa::ExplicitNoCa;
                // Without key usages, so that CA:FALSE is its one fault.
                issuer.key_usages = Vec::new();
                issuer.extended_key_usages = Vec::new();
                let issuer = CertifiedIssuer::signed_by(issuer, new_key(), &self.root).expect("parameters are valid");
                return issue(&params, &issuer, &[issuer.der()]);
            }
            Identity::NameConstraint => {
                let mut issuer = authority("forebay test constrained");
                issuer.name_constraints = Some(NameConstraints {
                    permitted_subtrees: vec![GeneralSubtree::DnsName("permitted.test".to_owned())],
                    excluded_subtrees: Vec::new(),
                });
                let issuer = CertifiedIssuer::signed_by(issuer, new_key(), &self.root).expect("parameters are valid");
                return issue(&params, &issuer, &[issuer.der()]);
            }
            Identity::ManySans => {
                params.subject_alt_names.extend((0..MANY_SANS).map(|i| dns(&format!("name-{i:05}.upstream.test"))));
            }
            Identity::Revoked => params.serial_number = Some(SerialNumber::from(REVOKED_SERIAL)),
        }
        issue(&params, &self.root, &[])
    }

    fn through_intermediates(&self, identity: Identity, params: &CertificateParams) -> Chain {
        let first = authority("forebay test intermediate");
        let first = CertifiedIssuer::signed_by(first, new_key(), &self.root).expect("parameters are valid");
        let second = authority("forebay test intermediate 2");
        let second = CertifiedIssuer::signed_by(second, new_key(), &first).expect("parameters are valid");
        match identity {
            Identity::MissingIntermediate => issue(params, &second, &[]),
            Identity::ReversedChain => issue(params, &second, &[first.der(), second.der()]),
            _ => issue(params, &second, &[second.der(), first.der()]),
        }
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

fn root(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    CertifiedIssuer::self_signed(authority(name), new_key()).expect("parameters are valid")
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params
}

fn leaf(names: Vec<SanType>, name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.subject_alt_names = names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

fn issue(params: &CertificateParams, issuer: &Issuer<'_, KeyPair>, rest: &[&CertificateDer<'static>]) -> Chain {
    let key = new_key();
    let certificate = params.signed_by(&key, issuer).expect("parameters are valid");
    let mut certificates = vec![certificate.der().clone()];
    certificates.extend(rest.iter().map(|&certificate| certificate.clone()));
    chain(&key, certificate.pem(), certificates)
}

fn chain(key: &KeyPair, certificate_pem: String, certificates: Vec<CertificateDer<'static>>) -> Chain {
    let der = PrivatePkcs8KeyDer::from(key.serialize_der());
    Chain { certificates, key: der.into(), certificate_pem, key_pem: key.serialize_pem() }
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("the system gives random bytes")
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn local_names() -> Vec<SanType> {
    vec![
        dns("localhost"),
        dns("upstream.test"),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ]
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(Ia5String::try_from(name).expect("names are ASCII"))
}
