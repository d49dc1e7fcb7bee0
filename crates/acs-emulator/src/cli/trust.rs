//! Files by which a command trusts the emulator beside the authorities of the system.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use super::pkcs12;

/// The files, in a folder that is deleted when this is dropped.
#[derive(Debug)]
pub(super) struct TrustFiles {
    /// The emulator's CA, for settings that add to the system's.
    pub(super) ca: PathBuf,
    /// The authorities of the system and the emulator's CA, for settings that replace the system's.
    pub(super) bundle: PathBuf,
    /// The same as a trust store for Java.
    pub(super) java: PathBuf,
    _folder: TempDir,
}

impl TrustFiles {
    /// Writes the files. `more` is a file of certificates that the command is already told to trust in
    /// addition to those of the system.
    pub(super) fn write(ca: &str, more: Option<&Path>) -> io::Result<Self> {
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::debug!(%error, "cannot read certificates of the system");
        }
        if system.certs.is_empty() {
            tracing::warn!(
                "the system has no certificates, so the command trusts the emulator only"
            );
        }
        Self::with_system(&system.certs, ca, more)
    }

    fn with_system(
        system: &[CertificateDer<'_>],
        ca: &str,
        more: Option<&Path>,
    ) -> io::Result<Self> {
        let own = CertificateDer::from_pem_slice(ca.as_bytes()).map_err(io::Error::other)?;
        let folder = tempfile::Builder::new().prefix("acs-emulator-").tempdir()?;
        let file = |name: &str| folder.path().join(name);

        // What cannot be read is not trusted by the command today either.
        let more = more.and_then(|path| fs::read_to_string(path).ok());
        let files = Self {
            ca: file("ca.pem"),
            bundle: file("ca-bundle.pem"),
            java: file("truststore.p12"),
            _folder: folder,
        };
        fs::write(&files.ca, more.unwrap_or_default() + ca)?;
        let all = || std::iter::once(&own).chain(system);
        fs::write(&files.bundle, all().map(|one| pem(one)).collect::<String>())?;
        fs::write(&files.java, pkcs12::trust_store(all().map(|one| &**one)))?;
        Ok(files)
    }
}

fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::authority::Authority;

    #[test]
    fn the_bundle_contains_the_system_and_the_emulator() {
        let ca = Authority::new().unwrap().certificate;
        let system = Authority::new().unwrap().certificate;
        let system_der = CertificateDer::from_pem_slice(system.as_bytes()).unwrap();
        let other = tempfile::NamedTempFile::new().unwrap();
        fs::write(other.path(), "# other\n").unwrap();
        let files =
            TrustFiles::with_system(std::slice::from_ref(&system_der), &ca, Some(other.path()))
                .unwrap();

        let bundle: Vec<_> = CertificateDer::pem_file_iter(&files.bundle)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let own = CertificateDer::from_pem_slice(ca.as_bytes()).unwrap();
        assert_eq!(bundle, [own, system_der]);
        assert_eq!(
            fs::read_to_string(&files.ca).unwrap(),
            format!("# other\n{ca}")
        );
        let folder = files.ca.parent().unwrap().to_owned();
        drop(files);
        assert!(!folder.exists());
    }
}
