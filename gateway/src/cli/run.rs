//! `fengsui run`: the gateway, until it is asked to stop.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use front::Problems;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use super::{Exit, print_problems};
use crate::config::{Config, load};
use crate::http::{self, Api};
use crate::run::{Gateway, StartError, start};

/// Arguments of `fengsui run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The gateway's file.
    config: PathBuf,
    /// Write the log as JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// Runs a gateway; what it has to say goes to stderr, at the level that `RUST_LOG` says, `info` without one.
pub(super) fn run(
    args: &Args,
    env: &dyn Fn(&str) -> Option<String>,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let Some(config) = load(&args.config, env, &problems, &warnings) else {
        print_problems(&problems, err)?;
        return Ok(Exit::BadInput);
    };
    listen_to_events(args.json);
    for line in warnings.to_string().lines() {
        warn!("{line}");
    }
    let config = Arc::new(config);
    let recorder = PrometheusBuilder::new()
        .install_recorder()
        .map_err(io::Error::other)?;
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        let gateway = match start(&config).await {
            Ok(gateway) => gateway,
            Err(error) => {
                writeln!(err, "{error}")?;
                return Ok(exit_of(&error));
            }
        };
        let render = recorder.clone();
        let api = Api {
            asks: gateway.asks(),
            access: config.http.access.clone(),
            metrics: Arc::new(move || render.render()),
        };
        serve(&config, gateway, api, err).await
    })
}

/// Serves the local API while the gateway works; a signal ends both.
async fn serve(
    config: &Config,
    mut gateway: Gateway,
    api: Api,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let listen = config.http.listen;
    let listener = match TcpListener::bind(listen).await {
        Ok(listener) => listener,
        Err(error) => {
            writeln!(err, "the local API on {listen}: {error}")?;
            gateway.stop().await;
            return Ok(Exit::Unreachable);
        }
    };
    let listen = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut served = Box::pin(http::serve(listener, api, async {
        // Either way it is over.
        drop(stopped.await);
    }));
    // Before it says that it runs: whoever waits for that may ask it to end at once.
    let (mut terminated, mut interrupted) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    info!(%listen, config = config.hash, "running");
    let exit = tokio::select! {
        _ = terminated.recv() => Exit::Done,
        _ = interrupted.recv() => Exit::Done,
        part = gateway.failed() => {
            writeln!(err, "{part} ended")?;
            Exit::No
        }
        ended = &mut served => {
            writeln!(err, "the local API on {listen} ended: {ended:?}")?;
            Exit::No
        }
    };
    info!("stopping");
    drop(stop);
    gateway.stop().await;
    Ok(exit)
}

fn listen_to_events(json: bool) {
    // rumqttc warns of what we say ourselves, without saying which message it was.
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,mqtt5=warn,rumqttc=error"));
    let events = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    if json {
        events.json().init();
    } else {
        events.init();
    }
}

/// Whose fault it is.
fn exit_of(error: &StartError) -> Exit {
    match error {
        StartError::Tls(_) | StartError::Database(_) => Exit::BadInput,
        StartError::Begin(_)
        | StartError::Io { .. }
        | StartError::Broker(_)
        | StartError::Node(_) => Exit::Unreachable,
    }
}
