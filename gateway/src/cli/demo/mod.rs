//! `fengsui demo`: the whole chain in one process, told as a story.
//!
//! Sensors, node, broker and gateway are those of a plant, on loopback; `story` says what is to happen, and `witness` sees, as a subscriber, whether it did.

mod cable;
mod chain;
mod expected;
mod papers;
mod plant;
#[cfg(test)]
mod rehearsal;
mod screen;
mod stage;
mod story;
mod summary;
mod witness;

use std::io::{self, Write};
use std::net::SocketAddr;

use chain::{Center, Chain, Hub};
use screen::Screen;
use stage::Stage;
use story::PARK;
use summary::Summary;
use tokio::runtime::Runtime;

use super::Exit;
use super::table::terminal_size;

/// What the demo can be told.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Args {
    /// End after the story, with a summary and an exit code.
    #[arg(long)]
    once: bool,
    /// Where the broker listens [default: 127.0.0.1:1883, or a free port when that is taken].
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Print the summary as one JSON object; the story goes to stderr.
    #[arg(long)]
    json: bool,
}

/// Plays the story; the answer is no when it did not come true.
///
/// # Errors
/// A port, a terminal or a folder could not be had, or nobody reads what is printed.
pub(super) fn run(
    args: &Args,
    is_terminal: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let runtime = Runtime::new()?;
    let size: fn() -> _ = terminal_size;
    let played = if args.json {
        runtime.block_on(play(args, Screen::new(err, None)))
    } else {
        let screen = Screen::new(&mut *out, is_terminal.then_some(size));
        runtime.block_on(play(args, screen))
    };
    let summary = played.map_err(|error| match error.downcast::<io::Error>() {
        Ok(error) => error,
        Err(error) => io::Error::other(format!("{error:#}")),
    })?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &summary)?;
        writeln!(out)?;
    } else {
        summary.print(out)?;
    }
    Ok(if summary.ok { Exit::Done } else { Exit::No })
}

async fn play<W: Write>(args: &Args, mut screen: Screen<W>) -> anyhow::Result<Summary> {
    let hub = Hub::start(args.listen).await?;
    introduce(&hub, &mut screen)?;
    let mut stage = Stage::new(hub.address, screen);
    stage.take_seat().await?;
    let center = Center::start(&hub).await?;
    stage.wait_for_gateway().await?;
    let chain = Chain::start(&hub).await?;
    stage.play(&chain, &center, args.once).await?;
    let n_read = chain.shutdown().await?;
    stage.settle(&center, n_read).await?;
    center.shutdown().await;
    hub.shutdown().await;
    Ok(stage.conclude(n_read))
}

/// Says how to look at it from outside, by commands that can be copied as they are.
fn introduce<W: Write>(hub: &Hub, screen: &mut Screen<W>) -> io::Result<()> {
    let address = hub.address;
    let (host, port) = (address.ip(), address.port());
    // As it was called: under `cargo run` it is not on the PATH.
    let program = std::env::args().next();
    let program = program.as_deref().unwrap_or("fengsui");
    for text in [
        "A chemical park in one process: pretend sensors on real Modbus, an edge node, a broker, a gateway with rules for gas, dust, tailings and welding.".to_owned(),
        format!("broker at mqtt://{address}, MQTT 5 and 3.1.1; try from another terminal:"),
        format!(
            "  mosquitto_sub -V 5 -q 1 -h {host} -p {port} -v -t 'fengsui/v1/{PARK}/+/alarm/#' -t 'fengsui/v1/{PARK}/+/gateway/status'"
        ),
        format!("  {program} watch mqtt://{address} --park {PARK} --check"),
        String::new(),
    ] {
        screen.say(&text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_comes_true_in_virtual_time() {
        let seen = rehearsal::play();
        for event in &seen {
            println!(
                "{} {} {} {:?} {}",
                event.at_ms, event.id, event.event, event.level, event.letter
            );
        }
        let differences = expected::check(&expected::EXPECTED, &seen);
        assert_eq!(differences, []);
    }
}
