//! TLS: only a server whose authority is known is spoken to.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that unwraps fails with a place, which is what a test is for"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portcullis_search_http::{Client, ClientError, Fault, Login, Options};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A server with a certificate for `localhost`, and its authority in PEM.
async fn server() -> (u16, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap_or(0);
            assert!(request[..read].starts_with(b"POST /s/_search HTTP/1.1\r\n"));
            let body = r#"{"hits":{"hits":[]}}"#;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }));
    (port, pem)
}

fn options(port: u16, authorities: Option<PathBuf>) -> Options {
    Options {
        urls: format!("https://localhost:{port}"),
        login: Login::Basic("ada".into(), "secret".to_owned().into()),
        authorities,
        timeout: Duration::from_secs(10),
    }
}

#[tokio::test]
async fn only_a_known_authority_is_trusted() {
    let (port, pem) = server().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let question = json!({ "size": 0 });
    let known = Client::new(&options(port, Some(file.clone()))).unwrap();
    assert!(known.search("s", &question).await.is_ok());
    // the system's authorities do not know it, nor does another authority
    let system = Client::new(&options(port, None)).unwrap();
    let other = folder.path().join("other.pem");
    std::fs::write(&other, server().await.1).unwrap();
    let stranger = Client::new(&options(port, Some(other))).unwrap();
    for client in [system, stranger] {
        assert_eq!(client.search("s", &question).await, Err(Fault::Away("no connection")));
    }
    // and the name must be the server's
    let mut elsewhere = options(port, Some(file));
    elsewhere.urls = format!("https://127.0.0.1:{port}");
    let client = Client::new(&elsewhere).unwrap();
    assert_eq!(client.search("s", &question).await, Err(Fault::Away("no connection")));
}

#[tokio::test]
async fn what_cannot_be_used_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for text in ["", "no certificate"] {
        std::fs::write(&file, text).unwrap();
        let made = Client::new(&options(1, Some(file.clone())));
        assert_eq!(made.map(drop), Err(ClientError::Authorities));
    }
    for urls in ["", "localhost:9200", "ftp://a", "http://u:p@a:1", "http://a/?q", "http://a,"] {
        let options = Options { urls: urls.into(), ..options(1, None) };
        assert_eq!(Client::new(&options).map(drop), Err(ClientError::Address), "{urls}");
    }
    for urls in ["http://a:1", "https://a/prefix/", "http://a:1, http://b:2"] {
        let options = Options { urls: urls.into(), ..options(1, None) };
        assert!(Client::new(&options).is_ok(), "{urls}");
    }
}
