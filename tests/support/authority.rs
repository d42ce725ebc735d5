//! A certificate authority of a test's own.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// An authority that keeps what it issues as PEM files in a folder.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
    name: String,
}

/// A certificate and its key, as files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Authority {
    /// A new authority; its files go to `folder` and their names begin with its own.
    pub fn new(name: &str, folder: &Path) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("a certificate");
        let authority = Self {
            issuer: Issuer::new(params, key),
            folder: folder.to_owned(),
            name: name.to_owned(),
        };
        fs::write(authority.ca(), certificate.pem()).expect("a folder that can be written");
        authority
    }

    /// Its own certificate, which who trusts it needs.
    pub fn ca(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    /// A certificate for a server that is reached by these names and addresses.
    pub fn server(&self, reached_by: &[&str]) -> Identity {
        let mut params = named("server", reached_by);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue("server", &params)
    }

    /// A certificate for a client, with its name as common name.
    pub fn client(&self, name: &str) -> Identity {
        let mut params = named(name, &[]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(name, &params)
    }

    /// Like [`Self::client`], whose time is over.
    pub fn expired(&self, name: &str) -> Identity {
        let mut params = named(name, &[]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = date_time_ymd(2020, 1, 1);
        self.issue(&format!("{name}-expired"), &params)
    }

    fn issue(&self, file_name: &str, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let file = |ending: &str| {
            self.folder
                .join(format!("{}-{file_name}.{ending}", self.name))
        };
        let identity = Identity {
            certificate: file("pem"),
            key: file("key"),
        };
        fs::write(&identity.certificate, certificate.pem()).expect("a folder that can be written");
        fs::write(&identity.key, key.serialize_pem()).expect("a folder that can be written");
        identity
    }
}

fn named(name: &str, reached_by: &[&str]) -> CertificateParams {
    let names: Vec<String> = reached_by.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("names of servers");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
