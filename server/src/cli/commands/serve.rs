//! `cloister serve`.

use crate::app::{App, AppState};
use crate::cli::{console, control_socket};
use crate::http;
use crate::sandbox::{self, ConfinedProcess};
use crate::tls;
use anyhow::Context;
use axum_server::tls_rustls::RustlsConfig;
use cloister_audit::{Event, EventKind};
use cloister_config::{Config, SystemClock};
use cloister_domain::Clock;
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How long open requests may take when the appliance stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// What is opened before the process is confined.
struct Listeners {
    https: TcpListener,
    control: UnixListener,
    identity: tls::CertificateFiles,
}

/// Serves until a signal stops the process.
pub fn run(config: Config) -> anyhow::Result<ExitCode> {
    init_logging();
    let listeners = open_listeners(&config)?;
    let ConfinedProcess { status, runtime } = sandbox::confine(&config)?;
    runtime.block_on(async move {
        let app = App::open(config, status).await?;
        print_addresses(&app, &listeners.identity).await?;
        log_start(&app).await?;
        serve(&app, listeners).await?;
        let stopped = Event::by_appliance(EventKind::ServiceStopped, json!({}));
        app.audit.append(stopped).await?;
        app.store.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Sends the log of the program to standard error. It never contains a question or a passage.
fn init_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CLOISTER_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,tantivy=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

fn open_listeners(config: &Config) -> anyhow::Result<Listeners> {
    let https = bind(config.server.address)?;
    let data = &config.paths.data;
    std::fs::create_dir_all(data)
        .with_context(|| format!("could not create the data folder `{}`", data.display()))?;
    Ok(Listeners {
        https,
        control: control_socket::listen(config)?,
        identity: tls::ensure(&data.join("tls"), &config.server.names, SystemClock.now())?,
    })
}

fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).map_err(|cause| {
        if cause.kind() == std::io::ErrorKind::AddrInUse {
            return anyhow::anyhow!(
                "another program uses port {}. Stop it, or set another port with `server.address` \
                 in the settings or CLOISTER_SERVER_ADDRESS",
                address.port()
            );
        }
        anyhow::anyhow!("could not listen on `{address}`: {cause}")
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn tls_config(identity: &tls::CertificateFiles) -> anyhow::Result<RustlsConfig> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = CertificateDer::pem_file_iter(&identity.chain)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&identity.key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(config)))
}

/// Prints where to go next.
async fn print_addresses(app: &AppState, identity: &tls::CertificateFiles) -> anyhow::Result<()> {
    console::note(&format!(
        "Cloister serves https://{}",
        app.config.server.address
    ));
    if let Some(link) = app.new_setup_link().await? {
        console::note(&format!(
            "Create the first administrator within 24 hours:\n  {link}"
        ));
    }
    console::note(&format!(
        "Drop files in a folder of\n  {}",
        app.inbox.display()
    ));
    let authority = std::path::absolute(&identity.ca)?;
    console::note(&format!(
        "Browsers trust the certificate after you install this authority:\n  {}",
        authority.display()
    ));
    Ok(())
}

async fn log_start(app: &AppState) -> anyhow::Result<()> {
    let detail = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "policy_version": app.policies.version(),
        "landlock": app.sandbox.landlock,
        "seccomp": app.sandbox.seccomp,
    });
    app.audit
        .append(Event::by_appliance(EventKind::ServiceStarted, detail))
        .await?;
    Ok(())
}

/// Serves HTTPS and the control socket, and runs the background tasks.
async fn serve(app: &AppState, listeners: Listeners) -> anyhow::Result<()> {
    let handle = axum_server::Handle::new();
    tokio::spawn(stop_on_signal(handle.clone()));
    tokio::spawn(control_socket::serve(
        listeners.control,
        AppState::clone(app),
    ));
    tokio::spawn(AppState::clone(app).test_reranker_when_possible());
    tokio::spawn(AppState::clone(app).delete_expired_periodically());
    let ingestion = tokio::spawn(AppState::clone(app).watch_inbox());
    let service =
        http::router(AppState::clone(app)).into_make_service_with_connect_info::<SocketAddr>();
    axum_server::from_tcp_rustls(listeners.https, tls_config(&listeners.identity)?)?
        .handle(handle)
        .serve(service)
        .await?;
    ingestion.abort();
    Ok(())
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
    handle.graceful_shutdown(Some(SHUTDOWN_TIMEOUT));
}
