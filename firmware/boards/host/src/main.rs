//! `fengsui-node`: the edge node on Linux.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use front::Problems;
use host::config::NodeConfig;
use host::mqtt::{Options, Session};
use host::{Clock, FileStore, next_boot, start, uplink};
use node::{BackOffConfig, Config, Node, PackConfig, UplinkConfig};
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

/// Reads the sensors of its buses over Modbus and publishes what they say, keeping it until the gateway has it.
///
/// It runs until it is interrupted; what it has to say goes to stderr, and RUST_LOG says how much.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example: fengsui-node configs/node.toml\n\nExit codes: 0 interrupted, 1 it ended by itself, 2 bad input or usage, 3 could not reach what it needs."
)]
struct Arguments {
    /// The node's file; `configs/node.toml` tells every key.
    config: PathBuf,
    /// Write the log as JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// It ended by itself, as the contract's exit codes have it.
const ENDED: u8 = 1;
/// Bad input.
const BAD_INPUT: u8 = 2;
/// What it needs can't be reached.
const OUT_OF_REACH: u8 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    listen_to_events(arguments.json);
    let (problems, warnings) = (Problems::default(), Problems::default());
    let env = |name: &str| std::env::var(name).ok();
    let Some(config) = host::config::load(&arguments.config, &env, &problems, &warnings) else {
        say(&problems);
        return ExitCode::from(BAD_INPUT);
    };
    for line in warnings.to_string().lines() {
        warn!("{line}");
    }
    match run(config) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(ENDED),
        Err(error) => {
            error!("{error:#}");
            ExitCode::from(OUT_OF_REACH)
        }
    }
}

fn listen_to_events(json: bool) {
    // rumqttc warns of what we say ourselves, without saying which message it was.
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,rumqttc=error"));
    let events = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    if json {
        events.json().init();
    } else {
        events.init();
    }
}

#[allow(clippy::print_stderr, reason = "what a person has to mend")]
fn say(problems: &Problems) {
    eprintln!("{problems}");
}

/// Runs until SIGINT or SIGTERM; false when it ended by itself.
fn run(config: NodeConfig) -> anyhow::Result<bool> {
    let clock = Clock::start();
    let now = clock.now();
    let boot = next_boot(&config.folder, now.wall.utc())?;
    let store = FileStore::open(&config.folder.join("outbox"), config.outbox_bytes)?;
    let mut options = Options::new(
        config.broker.host,
        config.broker.port,
        format!("{}-{}-{}", config.park, config.enterprise, config.node),
    );
    options.login = config.broker.login;
    options.tls = config.broker.tls.map(|tls| tls.load()).transpose()?;
    let node = Node::new(
        Config {
            park: config.park,
            enterprise: config.enterprise,
            node: config.node,
            firmware: concat!("fengsui-node ", env!("CARGO_PKG_VERSION")).to_owned(),
            config_hash: None,
            rules_hash: None,
            reset_cause: None,
            buses: config.buses,
            pack: PackConfig::default(),
            uplink: UplinkConfig::default(),
            back_off: BackOffConfig::default(),
        },
        boot,
        boot,
        store,
        now,
    )?;
    info!(boot, buses = node.n_buses(), "the node starts");
    let session = Session::new(uplink::with_will(options, &node.will()));
    let (near, far) = host::uplink_channel(256);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut serving = std::pin::pin!(uplink::serve(session, far));
        let running = start(node, clock, near)?;
        tokio::select! {
            () = &mut serving => {
                error!("the node ended by itself");
                return Ok(false);
            }
            signal = stop_signal() => signal?,
        }
        info!("the node stops");
        // Its last words are taken while it ends on its own thread.
        let ending = tokio::task::spawn_blocking(move || running.stop());
        serving.await;
        ending.await?;
        Ok(true)
    })
}

async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_example_in_the_help_is_one() {
        let command = Arguments::command();
        let help = command.get_after_help().expect("an example").to_string();
        let example = help
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("Example: "));
        let words = example.expect("an example").split_whitespace();
        Arguments::try_parse_from(words).expect("it is one");
    }
}
