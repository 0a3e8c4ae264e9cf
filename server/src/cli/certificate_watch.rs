//! Keeps the certificate of the server current while it runs.

use crate::app::AppState;
use crate::tls::{self, CertificateSource, LoadedCertificate, TlsError};
use axum_server::tls_rustls::RustlsConfig;
use cloister_audit::{Event, EventKind};
use cloister_domain::Timestamp;
use serde_json::json;
use std::time::Duration;

/// The interval of looking at the files.
const INTERVAL: Duration = Duration::from_secs(20);
/// The interval of warnings about a certificate that expires soon or cannot be loaded.
const WARNING_INTERVAL: Duration = Duration::from_hours(12);

/// The certificate that is served, and where the next one comes from.
pub struct CertificateWatch {
    source: CertificateSource,
    serving: RustlsConfig,
    loaded: LoadedCertificate,
    last_warning: Option<Timestamp>,
}

impl CertificateWatch {
    /// Serves the certificate of `source`.
    pub fn start(source: CertificateSource, now: Timestamp) -> Result<Self, TlsError> {
        let loaded = tls::load(&source.ensure(now)?)?;
        Ok(Self {
            source,
            serving: RustlsConfig::from_config(loaded.config.clone()),
            loaded,
            last_warning: None,
        })
    }

    /// The configuration of the listener. It always serves the current certificate.
    pub fn serving(&self) -> RustlsConfig {
        self.serving.clone()
    }

    /// Renews and loads the certificate when that is due, for as long as the appliance runs.
    pub async fn run(mut self, app: AppState) {
        loop {
            let now = app.clock.now();
            match self.refresh(now) {
                Ok(true) => self.report_new(&app).await,
                Ok(false) => {}
                Err(cause) => self.warn(now, &format!("the previous one is used on: {cause}")),
            }
            app.set_certificate_expiry(self.loaded.expires_at);
            if tls::expires_soon(self.loaded.expires_at, now) {
                let state = tls::describe_expiry(self.loaded.expires_at, now);
                self.warn(now, &state);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Loads the certificate again if it changed, and returns whether it did.
    fn refresh(&mut self, now: Timestamp) -> Result<bool, TlsError> {
        let loaded = tls::load(&self.source.ensure(now)?)?;
        if loaded.sha256 == self.loaded.sha256 {
            return Ok(false);
        }
        self.serving.reload_from_config(loaded.config.clone());
        self.loaded = loaded;
        Ok(true)
    }

    async fn report_new(&self, app: &AppState) {
        let expires_at = self.loaded.expires_at.to_string();
        tracing::info!("a new certificate is served, valid until {expires_at}");
        let detail = json!({ "sha256": self.loaded.sha256, "expires_at": expires_at });
        let event = Event::by_appliance(EventKind::CertificateLoaded, detail);
        if let Err(cause) = app.audit.append(event).await {
            tracing::error!(%cause, "the new certificate could not be logged: {cause}");
        }
    }

    fn warn(&mut self, now: Timestamp, what: &str) {
        let is_due = self
            .last_warning
            .is_none_or(|last| now.since(last) >= WARNING_INTERVAL);
        if is_due {
            self.last_warning = Some(now);
            tracing::warn!("the certificate of the server: {what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::CertificateFiles;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn own(folder: std::path::PathBuf) -> CertificateSource {
        CertificateSource::Own {
            folder,
            names: vec!["localhost".to_owned()],
        }
    }

    #[test]
    fn a_certificate_is_replaced_without_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let first = own(folder.path().join("a")).ensure(NOW).unwrap();
        let second = own(folder.path().join("b")).ensure(NOW).unwrap();
        let site = CertificateFiles {
            chain: folder.path().join("site.pem"),
            key: folder.path().join("site.key"),
            ca: None,
        };
        let install = |files: &CertificateFiles| {
            std::fs::copy(&files.chain, &site.chain).unwrap();
            std::fs::copy(&files.key, &site.key).unwrap();
        };
        install(&first);
        let mut watch =
            CertificateWatch::start(CertificateSource::Site(site.clone()), NOW).unwrap();
        let served = watch.serving();
        let before = served.get_inner();
        assert!(!watch.refresh(NOW).unwrap(), "nothing changed");
        std::fs::copy(&second.chain, &site.chain).unwrap();
        assert!(watch.refresh(NOW).is_err(), "the key is still the old one");
        assert!(std::sync::Arc::ptr_eq(&before, &served.get_inner()));
        install(&second);
        assert!(watch.refresh(NOW).unwrap());
        assert!(!std::sync::Arc::ptr_eq(&before, &served.get_inner()));
    }

    #[test]
    fn the_own_certificate_is_renewed_while_running() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = CertificateWatch::start(own(folder.path().to_owned()), NOW).unwrap();
        let expiry = watch.loaded.expires_at;
        let later = NOW.plus(Duration::from_hours(24 * 301));
        assert!(watch.refresh(later).unwrap());
        assert!(watch.loaded.expires_at > expiry);
    }
}
