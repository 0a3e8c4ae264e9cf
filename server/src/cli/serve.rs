//! `cloister serve`.

use super::act::new_setup_link;
use super::console;
use super::control;
use super::reach::{self, Confined};
use crate::api;
use crate::app::{App, AppState};
use crate::config::Config;
use crate::machine::SystemClock;
use crate::tls;
use anyhow::Context;
use axum_server::tls_rustls::RustlsConfig;
use cloister_audit::{Event, EventKind};
use cloister_domain::Clock;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

/// How long open requests may take to end when the appliance stops.
const PATIENCE: Duration = Duration::from_secs(5);

pub fn run(config: Config) -> anyhow::Result<ExitCode> {
    start_logging();
    let listener = bind(config.server.address)?;
    std::fs::create_dir_all(&config.paths.data)
        .with_context(|| format!("the data folder `{}`", config.paths.data.display()))?;
    let control = control::listen(&config)?;
    let identity = tls::ensure(
        &config.paths.data.join("tls"),
        &config.server.names,
        SystemClock.now(),
    )?;
    let Confined { isolation, runtime } = reach::confine(&config)?;
    runtime.block_on(async move {
        let app = App::open(config, isolation).await?;
        let tls = server_config(&identity)?;
        announce(&app, &identity).await?;
        let started = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "policy_version": app.policies.version(),
            "landlock": app.isolation.landlock,
            "seccomp": app.isolation.seccomp,
        });
        app.audit
            .append(Event::by_appliance(EventKind::ServiceStarted, started))
            .await?;
        let handle = axum_server::Handle::new();
        tokio::spawn(stop_on_signal(handle.clone()));
        tokio::spawn(control::serve(control, AppState::clone(&app)));
        tokio::spawn(test_reranking(AppState::clone(&app)));
        tokio::spawn(forget_old_questions(AppState::clone(&app)));
        let ingestion = tokio::spawn(super::ingest::watch(AppState::clone(&app)));
        let service =
            api::router(AppState::clone(&app)).into_make_service_with_connect_info::<SocketAddr>();
        axum_server::from_tcp_rustls(listener, tls)?
            .handle(handle)
            .serve(service)
            .await?;
        ingestion.abort();
        let stopped = Event::by_appliance(EventKind::ServiceStopped, serde_json::json!({}));
        app.audit.append(stopped).await?;
        app.store.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// The appliance's own log goes to standard error; it never holds a question or a passage.
fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CLOISTER_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,tantivy=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).map_err(|cause| {
        if cause.kind() == std::io::ErrorKind::AddrInUse {
            return anyhow::anyhow!(
                "port {} is in use by another program. Stop it, or set server.address in the \
                 settings or CLOISTER_SERVER_ADDRESS to another port",
                address.port()
            );
        }
        anyhow::anyhow!("`{address}` cannot be served: {cause}")
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn server_config(identity: &tls::Identity) -> anyhow::Result<RustlsConfig> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = CertificateDer::pem_file_iter(&identity.chain)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&identity.key)?;
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(std::sync::Arc::new(config)))
}

/// Tells whoever started it where to go next.
async fn announce(app: &AppState, identity: &tls::Identity) -> anyhow::Result<()> {
    console::note(&format!(
        "Cloister serves https://{}",
        app.config.server.address
    ));
    if let Some(link) = new_setup_link(app).await? {
        console::note(&format!(
            "Make the first administrator here, within 24 hours:\n  {link}"
        ));
    }
    console::note(&format!(
        "Drop files in a folder of\n  {}",
        app.inbox.display()
    ));
    let authority = std::path::absolute(&identity.authority)?;
    console::note(&format!(
        "Browsers trust the certificate once this authority is installed in them:\n  {}",
        authority.display()
    ));
    Ok(())
}

/// Tests the second look as soon as there are passages to test it on.
async fn test_reranking(app: AppState) {
    loop {
        match app.test_reranking().await {
            Ok(true) => return,
            Ok(false) => tokio::time::sleep(Duration::from_mins(10)).await,
            Err(cause) => {
                tracing::warn!("the second look could not be tested, and keeps away: {cause:#}");
                return;
            }
        }
    }
}

/// Deletes, every hour, what is older than the history is kept.
async fn forget_old_questions(app: AppState) {
    loop {
        let oldest = app.clock.now().minus(app.config.history_kept());
        if let Err(cause) = app.store.delete_turns_before(oldest).await {
            tracing::warn!("old questions could not be deleted: {cause}");
        }
        tokio::time::sleep(Duration::from_hours(1)).await;
    }
}

async fn stop_on_signal(handle: axum_server::Handle<SocketAddr>) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    handle.graceful_shutdown(Some(PATIENCE));
}
