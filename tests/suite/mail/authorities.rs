//! Mail servers whose certificate comes from an authority of the operator's own.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::sink::Protection;
use super::*;

/// Makes a key and a certificate for it, as files of these names.
fn certificate(directory: &Path, name: &str, more: &[&str]) {
    let mut command = Command::new("openssl");
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]);
    command.args([
        "-subj",
        &format!("/CN={name}"),
        "-keyout",
        &format!("{name}.key"),
        "-out",
        &format!("{name}.pem"),
    ]);
    let made = command.args(more).current_dir(directory).output();
    let made = made.expect("the package openssl is installed; tests/run does that");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// An authority, and a certificate that it has signed, for 127.0.0.1 or for another server.
fn signed(directory: &Path, name: &str, host: &str) -> TlsAcceptor {
    let host = format!("subjectAltName={host}");
    let signer = ["-CA", "authority.pem", "-CAkey", "authority.key"];
    let kind = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", &host];
    certificate(directory, name, &[&signer[..], &kind[..]].concat());
    let file = |ending: &str| std::fs::read(directory.join(format!("{name}.{ending}"))).unwrap();
    let chain = CertificateDer::pem_slice_iter(&file("pem")).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(&file("key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()))
}

/// A link that an instance with these settings sends to a new user, and what staff read about the message.
async fn sent(app: &TestApp, sink: &Sink, (tls, authorities): (&str, &str), name: &str, said: &str) {
    let mut settings = settings(sink);
    settings.extend([("smtp_tls", json!(tls)), ("smtp_ca", json!(authorities))]);
    let app = app.another_instance_with(&settings).await;
    let staff = app.person(&format!("staff-{name}"), "staff").await;
    let ada = with_address(&app, name, "", "ada@example.org").await;
    app.send(&staff, Method::Post, &format!("/v1/users/{}/link", ada.id()), &json!({})).await;
    page_says(&app, &staff, ada.id(), said).await;
}

const ACCEPTED: &str = "The message to ada@example.org was accepted by the mail server";
const REFUSED: &str = "could not be sent yet and is tried again (“";

#[apply(on_both)]
async fn mail_goes_to_a_server_whose_certificate_is_of_an_authority_of_the_operators_own(app: TestApp) {
    let directory = TempDir::new().unwrap();
    certificate(directory.path(), "authority", &[]);
    certificate(directory.path(), "stranger", &[]);
    let acceptor = signed(directory.path(), "here", "IP:127.0.0.1");
    let elsewhere = signed(directory.path(), "elsewhere", "DNS:mail.example.org");
    let file = |name: &str| directory.path().join(name).display().to_string();
    let (authority, stranger) = (file("authority.pem"), file("stranger.pem"));
    let both = std::fs::read_to_string(&stranger).unwrap() + &std::fs::read_to_string(&authority).unwrap();
    std::fs::write(file("both.pem"), &both).unwrap();
    for (tls, protection, other) in [
        ("tls", Protection::Tls(acceptor.clone()), Protection::Tls(elsewhere.clone())),
        ("starttls", Protection::Starttls(acceptor), Protection::Starttls(elsewhere)),
    ] {
        let (here, elsewhere) = (Sink::protected(protection).await, Sink::protected(other).await);
        for (name, sink, authorities) in
            [("public", &here, ""), ("stranger", &here, &*stranger), ("elsewhere", &elsewhere, &*authority)]
        {
            sent(&app, sink, (tls, authorities), &format!("{tls}-{name}"), REFUSED).await;
            assert!(sink.received().is_empty(), "{tls} {name}");
            let heard = sink.commands.lock().unwrap().clone();
            assert!(heard.iter().all(|line| line.starts_with("EHLO") || line == "STARTTLS"), "{heard:?}");
        }
        for (count, (name, authorities)) in
            [("file", &authority), ("second", &file("both.pem")), ("text", &both)].into_iter().enumerate()
        {
            sent(&app, &here, (tls, authorities), &format!("{tls}-{name}"), ACCEPTED).await;
            assert_eq!(here.received().len(), count + 1, "{tls} {name}");
        }
    }
}
