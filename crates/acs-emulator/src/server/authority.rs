//! The certificate authority of HTTPS: a new one for each emulator, or one that is kept in a folder,
//! so that clients have to trust it only once.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use crate::error::Error;

/// The name of the CA certificate in the folder.
pub(crate) const CERTIFICATE: &str = "ca.pem";
/// The name of the private key in the folder.
const KEY: &str = "ca-key.pem";

type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) struct Authority {
    /// The CA certificate in PEM format, which clients must trust.
    pub(crate) certificate: String,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Result<Self, Failure> {
        let key = KeyPair::generate()?;
        Ok(Self {
            certificate: params().self_signed(&key)?.pem(),
            issuer: Issuer::new(params(), key),
        })
    }

    /// Reads the authority in `folder`, or creates it there.
    pub(crate) fn in_folder(folder: &Path) -> Result<Self, Error> {
        read_or_create(folder).map_err(|source| Error::AuthorityFolder {
            path: folder.to_owned(),
            source,
        })
    }
}

fn params() -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority
        .distinguished_name
        .push(DnType::CommonName, "acs-emulator test authority");
    authority
}

/// The key is the authority: whichever emulator creates it first wins, and a certificate that is
/// missing is made from it.
fn read_or_create(folder: &Path) -> Result<Authority, Failure> {
    fs::create_dir_all(folder)?;
    let path = folder.join(KEY);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_new(folder, &path, &KeyPair::generate()?.serialize_pem())?;
            fs::read_to_string(&path)?
        }
        text => text?,
    };
    let key = KeyPair::from_pem(&text).map_err(|error| format!("{KEY} is not a key: {error}"))?;

    let path = folder.join(CERTIFICATE);
    if !path.exists() {
        write_new(folder, &path, &params().self_signed(&key)?.pem())?;
        readable(&path)?;
    }
    let certificate = fs::read_to_string(&path)?;
    let der = CertificateDer::from_pem_slice(certificate.as_bytes())
        .map_err(|error| format!("{CERTIFICATE} is not a certificate: {error}"))?;
    let public = key.public_key_raw();
    if !der.windows(public.len()).any(|bytes| bytes == public) {
        return Err(format!("{CERTIFICATE} is not the certificate of {KEY}").into());
    }
    Ok(Authority {
        certificate,
        issuer: Issuer::new(params(), key),
    })
}

/// Writes a file, unless another emulator has written it at the same time. It appears complete, and
/// only its owner can read it.
fn write_new(folder: &Path, path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error.into()),
    }
}

/// Lets every user read the certificate, because every user may have to trust it.
fn readable(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(folder: &Path) -> String {
        Authority::in_folder(folder).unwrap().certificate
    }

    #[test]
    fn the_authority_in_a_folder_is_made_once() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b");
        let first = certificate(&folder);
        assert_eq!(certificate(&folder), first);
        assert_ne!(certificate(root.path()), first);
        let names: Vec<_> = fs::read_dir(&folder).unwrap().collect();
        assert_eq!(names.len(), 2, "{names:?}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |name| {
                fs::metadata(folder.join(name))
                    .unwrap()
                    .permissions()
                    .mode()
                    & 0o777
            };
            assert_eq!((mode(KEY), mode(CERTIFICATE)), (0o600, 0o644));
        }
    }

    #[test]
    fn emulators_that_start_together_agree() {
        let folder = tempfile::tempdir().unwrap();
        let found: Vec<_> = std::thread::scope(|scope| {
            let one = || scope.spawn(|| certificate(folder.path()));
            let threads: Vec<_> = std::iter::repeat_with(one).take(8).collect();
            threads.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(found.iter().all(|one| *one == found[0]));
    }

    #[test]
    fn unusable_files_are_reported_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let of_other = certificate(other.path());
        certificate(folder.path());
        let path = folder.path().join(CERTIFICATE);
        for (text, expected) in [("x", "not a certificate"), (&of_other, "of ca-key.pem")] {
            fs::write(&path, text).unwrap();
            let error = read_or_create(folder.path()).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::write(folder.path().join(KEY), "x").unwrap();
        let error = Authority::in_folder(folder.path()).err().unwrap();
        let text = error.to_string();
        assert!(
            text.contains("--ca-dir") && text.contains("delete"),
            "{text}"
        );
    }
}
