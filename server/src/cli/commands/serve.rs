//! `cloister serve`.

use crate::app::directory::SiteDirectory;
use crate::app::{App, AppState, Caller};
use crate::cli::certificate_watch::CertificateWatch;
use crate::cli::{console, control_socket};
use crate::http::{self, ConnectionLimits, GuardedAcceptor};
use crate::private_files::prepare_data_folder;
use crate::sandbox::{self, ConfinedProcess};
use crate::tls::CertificateSource;
use axum_server::tls_rustls::RustlsAcceptor;
use cloister_audit::{Event, EventKind};
use cloister_config::{Config, SystemClock, components};
use cloister_directory::{DirectorySettings, StartedConnector};
use cloister_domain::Clock;
use cloister_policies::egress::EgressPolicy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustix::process::{Resource, Rlimit};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long open requests may take when the appliance stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an HTTP/1 connection may take to send the headers of its next request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// The interval of pings on HTTP/2 connections, and how long an answer may take.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests that one HTTP/2 connection may have in progress.
const MAX_STREAMS: u32 = 64;
/// The headers of an HTTP/2 request.
const MAX_HEADER_BYTES: u32 = 32 * 1024;

/// What is opened before the process is confined.
struct Listeners {
    https: TcpListener,
    /// For programs on this machine that monitor the appliance.
    monitoring: Option<TcpListener>,
    control: UnixListener,
    certificate: CertificateWatch,
    /// The certificate of the own authority, if there is one.
    ca: Option<PathBuf>,
}

/// Serves until a signal stops the process.
pub fn run(config: Config) -> anyhow::Result<ExitCode> {
    init_logging();
    raise_file_limit();
    let listeners = open_listeners(&config)?;
    let egress = components::load_egress(&config)?;
    let connector = start_connector(&config)?;
    let ConfinedProcess { status, runtime } = sandbox::confine(&config)?;
    runtime.block_on(async move {
        let directory = connect_directory(&config, connector).await?;
        let app = App::open_with(config, status, directory).await?;
        app.check_restoration().await?;
        print_addresses(&app, listeners.ca.as_deref()).await?;
        log_start(&app, &egress).await?;
        serve(&app, listeners).await?;
        let stopped = Event::by_appliance(EventKind::ServiceStopped, json!({}));
        app.audit.append(stopped).await?;
        app.store.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// The connector to the directory, and the settings that it gets.
type Connector = (StartedConnector, DirectorySettings);

/// Starts the connector to the directory, if the site allows it. It must start before this process
/// gives up the network, because its children have no more rights than itself.
fn start_connector(config: &Config) -> anyhow::Result<Option<Connector>> {
    let Some(settings) = components::directory_settings(config)? else {
        return Ok(None);
    };
    let started = StartedConnector::start(&components::connector_program()?)?;
    Ok(Some((started, settings)))
}

async fn connect_directory(
    config: &Config,
    connector: Option<Connector>,
) -> anyhow::Result<Option<SiteDirectory>> {
    let Some((started, settings)) = connector else {
        return Ok(None);
    };
    let client = started.connect(&settings).await?;
    let groups = components::directory_groups(config)?;
    let directory = SiteDirectory::new(client, groups, config.directory_cache());
    Ok(Some(directory))
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
    let https = bind(config.server.address, "server.address")?;
    prepare_data_folder(&config.paths.data)?;
    let source = CertificateSource::from_config(config)?;
    let now = SystemClock.now();
    Ok(Listeners {
        https,
        monitoring: bind_monitoring(config)?,
        control: control_socket::listen(config)?,
        ca: source.ensure(now)?.ca,
        certificate: CertificateWatch::start(source, now)?,
    })
}

/// Allows as many open files as the system does. Each connection needs one, and the audit log must
/// never lack one.
fn raise_file_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(cause) = rustix::process::setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%cause, "the limit of open files could not be raised: {cause}");
    }
}

/// How many files this process may open.
fn file_limit() -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile).current;
    limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX)
}

fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).map_err(|cause| {
        if cause.kind() == std::io::ErrorKind::AddrInUse {
            return anyhow::anyhow!(
                "another program uses port {}. Stop it, or set another port with `{setting}` in the \
                 settings or {}",
                address.port(),
                format!("CLOISTER_{setting}").replace('.', "_").to_uppercase()
            );
        }
        anyhow::anyhow!("could not listen on `{address}`: {cause}")
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Listens on the loopback interface only: what monitors the appliance needs no session.
fn bind_monitoring(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let port = config.server.monitoring_port;
    if port == 0 {
        return Ok(None);
    }
    bind(
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        "server.monitoring_port",
    )
    .map(Some)
}

/// Prints where to go next.
async fn print_addresses(app: &AppState, ca: Option<&Path>) -> anyhow::Result<()> {
    console::note(&format!(
        "Cloister serves https://{}",
        app.config.server.address
    ));
    if let Some(link) = app.new_setup_link(&Caller::appliance()).await? {
        console::note(&format!(
            "Create the first administrator within 24 hours:\n  {link}"
        ));
    }
    console::note(&format!(
        "Drop files in a folder of\n  {}",
        app.inbox.display()
    ));
    match ca {
        Some(ca) => console::note(&format!(
            "Browsers trust the certificate after you install this authority:\n  {}",
            std::path::absolute(ca)?.display()
        )),
        None => console::note(&format!(
            "Browsers trust the certificate if they trust its authority:\n  {}",
            app.config.server.certificate.display()
        )),
    }
    Ok(())
}

async fn log_start(app: &AppState, egress: &EgressPolicy) -> anyhow::Result<()> {
    let egress: Vec<String> = egress.enabled().map(ToString::to_string).collect();
    let detail = json!({
        "egress": egress,
        "connector": app.directory_status(),
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
    tokio::spawn(AppState::clone(app).log_refusals_periodically());
    tokio::spawn(AppState::clone(app).remember_audit_log_periodically());
    tokio::spawn(AppState::clone(app).anchor_audit_log_periodically());
    tokio::spawn(AppState::clone(app).verify_audit_periodically());
    tokio::spawn(AppState::clone(app).watch_clock());
    tokio::spawn(AppState::clone(app).back_up_periodically());
    let ingestion = tokio::spawn(AppState::clone(app).watch_inbox());
    if let Some(listener) = listeners.monitoring {
        tokio::spawn(serve_monitoring(AppState::clone(app), listener));
    }
    let settings = &app.config.server;
    let limits = ConnectionLimits {
        total: settings.max_connections.min(file_limit() / 2),
        per_address: settings.max_connections_per_address,
    };
    let guarded = GuardedAcceptor::new(limits, settings.proxy_protocol);
    let acceptor = RustlsAcceptor::new(listeners.certificate.serving()).acceptor(guarded);
    tokio::spawn(listeners.certificate.run(AppState::clone(app)));
    let mut server = axum_server::from_tcp(listeners.https)?.acceptor(acceptor);
    limit_times(server.http_builder());
    let service = http::router(AppState::clone(app)).into_make_service();
    server.handle(handle).serve(service).await?;
    app.log_refusals().await;
    app.remember_audit_log().await;
    ingestion.abort();
    Ok(())
}

/// Serves the routes for monitoring. If that fails, questions are still answered.
async fn serve_monitoring(app: AppState, listener: TcpListener) {
    let serve = async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        axum::serve(listener, http::monitoring_router(app)).await
    };
    if let Err(cause) = serve.await {
        tracing::error!(%cause, "monitoring has ended: {cause}");
    }
}

/// Closes connections that send nothing.
fn limit_times(builder: &mut Builder<TokioExecutor>) {
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES);
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
