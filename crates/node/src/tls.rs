//! TLS with certificates and keys from PEM files.

use crate::error::{NodeError, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use serde::{Deserialize, Serialize};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Certificates and keys of a side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Own certificate chain (PEM).
    pub cert: Option<PathBuf>,
    /// Own key (PEM).
    pub key: Option<PathBuf>,
    /// Authorities that the other side's certificate must come from (PEM). A listener that has them asks for a
    /// certificate.
    pub ca: Option<PathBuf>,
}

fn fail(what: &Path, error: impl std::fmt::Display) -> NodeError {
    NodeError::Tls(format!("{}: {error}", what.display()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|e| fail(path, e))?
        .collect();
    let found = found.map_err(|e| fail(path, e))?;
    if found.is_empty() {
        return Err(fail(path, "no certificate in it"));
    }
    Ok(found)
}

fn roots(path: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|e| fail(path, e))?;
    }
    Ok(roots)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(config: &TlsConfig) -> Result<Option<Identity>> {
    match (&config.cert, &config.key) {
        (Some(cert), Some(key)) => {
            let private = PrivateKeyDer::from_pem_file(key).map_err(|e| fail(key, e))?;
            Ok(Some((certificates(cert)?, private)))
        }
        (None, None) => Ok(None),
        _ => Err(NodeError::Tls("cert and key belong together".to_owned())),
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The listening side.
///
/// # Errors
/// [`NodeError::Tls`].
pub fn server(config: &TlsConfig) -> Result<Arc<ServerConfig>> {
    let error = |e: rustls::Error| NodeError::Tls(e.to_string());
    let (cert, key) = identity(config)?
        .ok_or_else(|| NodeError::Tls("a listener needs cert and key".to_owned()))?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(error)?;
    let builder = match &config.ca {
        Some(ca) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider())
                    .build()
                    .map_err(|e| fail(ca, e))?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(
        builder.with_single_cert(cert, key).map_err(error)?,
    ))
}

/// The connecting side.
///
/// # Errors
/// [`NodeError::Tls`].
pub fn client(config: &TlsConfig) -> Result<Arc<ClientConfig>> {
    let error = |e: rustls::Error| NodeError::Tls(e.to_string());
    let ca = config
        .ca
        .as_ref()
        .ok_or_else(|| NodeError::Tls("a connection needs ca".to_owned()))?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(error)?
        .with_root_certificates(roots(ca)?);
    Ok(Arc::new(match identity(config)? {
        Some((cert, key)) => builder.with_client_auth_cert(cert, key).map_err(error)?,
        None => builder.with_no_client_auth(),
    }))
}

/// Begins TLS on an accepted connection; the handshake happens with the first bytes.
///
/// # Errors
/// [`NodeError::Tls`].
pub fn accept(
    config: &Arc<ServerConfig>,
    tcp: TcpStream,
) -> Result<StreamOwned<ServerConnection, TcpStream>> {
    let connection =
        ServerConnection::new(Arc::clone(config)).map_err(|e| NodeError::Tls(e.to_string()))?;
    Ok(StreamOwned::new(connection, tcp))
}

/// Begins TLS on a connection to `host`.
///
/// # Errors
/// [`NodeError::Tls`].
pub fn connect(
    config: &Arc<ClientConfig>,
    host: &str,
    tcp: TcpStream,
) -> Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(|e| NodeError::Tls(e.to_string()))?;
    let connection = ClientConnection::new(Arc::clone(config), name)
        .map_err(|e| NodeError::Tls(e.to_string()))?;
    Ok(StreamOwned::new(connection, tcp))
}
