//! TLS to the engine: rustls with ring, and the authorities of a file or of the system.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::ClientError;

/// Trusts the authorities in `file` alone, in PEM; without one, the system's.
pub(crate) fn config(file: Option<&Path>) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            let read = CertificateDer::pem_file_iter(file).map_err(|_| ClientError::Authorities)?;
            for certificate in read {
                let certificate = certificate.map_err(|_| ClientError::Authorities)?;
                roots.add(certificate).map_err(|_| ClientError::Authorities)?;
            }
            if roots.is_empty() {
                return Err(ClientError::Authorities);
            }
        }
        None => {
            // Some of a system's may not be readable; one that is missing fails the connection, and says so.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| ClientError::Authorities)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
