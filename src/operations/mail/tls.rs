//! How the connection to the mail server is protected, and who signs its certificate.

use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};

use crate::config::{ConfigError, Settings, SmtpTls};

/// What begins a certificate in PEM (RFC 7468).
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// As configured.
///
/// # Errors
/// [`ConfigError`] with the setting that is wrong.
pub(super) fn as_configured(settings: &Settings) -> Result<Tls, ConfigError> {
    let refuse = |name: &str, reason: String| ConfigError::Value { name: name.to_owned(), reason };
    let authorities = authorities(&settings.smtp_ca).map_err(|reason| refuse("smtp_ca", reason))?;
    let is_own = authorities.is_some();
    let mut parameters = TlsParameters::builder(settings.smtp_host.clone());
    if let Some(authorities) = authorities {
        if settings.smtp_tls == SmtpTls::None {
            return Err(refuse("smtp_ca", "is of no use without TLS: smtp_tls is none".to_owned()));
        }
        // Instead of the public ones, as `sslrootcert` of PostgreSQL does.
        parameters = parameters.certificate_store(CertificateStore::None).add_root_certificate(authorities);
    }
    let parameters = parameters.build().map_err(|error| {
        if is_own {
            refuse("smtp_ca", format!("{}: {error}", place(&settings.smtp_ca)))
        } else {
            refuse("smtp_host", error.to_string())
        }
    })?;
    Ok(match settings.smtp_tls {
        SmtpTls::None => Tls::None,
        SmtpTls::Starttls => Tls::Required(parameters),
        SmtpTls::Tls => Tls::Wrapper(parameters),
    })
}

/// What messages call where the certificates are.
fn place(setting: &str) -> &str {
    if setting.contains("-----BEGIN") { "the text" } else { setting }
}

/// The certificates in a file, or in the text itself; `None` without any text. Otherwise what is wrong with it.
fn authorities(setting: &str) -> Result<Option<Certificate>, String> {
    if setting.is_empty() {
        return Ok(None);
    }
    let place = place(setting);
    let pem = if place == setting {
        std::fs::read_to_string(setting).map_err(|error| format!("{setting}: {error}"))?
    } else {
        setting.to_owned()
    };
    // A file with a key only has no certificates either, and would be read as none.
    if !pem.contains(BEGIN) {
        return Err(format!("{place}: has no certificate in PEM, which begins with {BEGIN}"));
    }
    Certificate::from_pem(pem.as_bytes())
        .map(Some)
        .map_err(|_| format!("{place}: has a certificate that cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(smtp_ca: &str, smtp_tls: SmtpTls) -> String {
        let smtp_host = "mail.example.org".to_owned();
        let settings = Settings { smtp_host, smtp_ca: smtp_ca.to_owned(), smtp_tls, ..Settings::default() };
        as_configured(&settings).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn authorities_that_cannot_be_read_are_refused_by_the_setting_and_the_file() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let missing = folder.path().join("missing.pem").display().to_string();
        let key = file("key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
        let cut_short = file("cut.pem", &format!("{BEGIN}\nMIIB"));
        let nonsense = file("nonsense.pem", &format!("{BEGIN}\nAAAA\n-----END CERTIFICATE-----\n"));
        for tls in [SmtpTls::Starttls, SmtpTls::Tls] {
            for (path, reason) in [
                (&missing, "No such file or directory"),
                (&key, "has no certificate in PEM"),
                (&cut_short, "has a certificate that cannot be read"),
            ] {
                let said = refusal(path, tls);
                assert!(said.starts_with(&format!("usher.smtp_ca: {path}: {reason}")), "{said}");
            }
            let said = refusal(&nonsense, tls);
            assert!(said.starts_with(&format!("usher.smtp_ca: {nonsense}: ")), "{said}");
        }
        let said = refusal("-----BEGIN PRIVATE KEY-----\nhidden", SmtpTls::Tls);
        assert!(said.starts_with("usher.smtp_ca: the text: ") && !said.contains("hidden"), "{said}");
        assert_eq!(refusal("", SmtpTls::None), "");
    }
}
