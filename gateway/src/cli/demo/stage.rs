//! The story while it is told: what is due is said and done, what the witness sees is shown.
//!
//! It drives the witness's session; what a message means is the witness's, how it looks the screen's.

use std::io::{self, Write};
use std::pin::pin;
use std::time::Duration;

use host::mqtt::{Event, Options, Session};
use telemetry::topic::{Filter, SiteFilter};

use super::chain::{Chain, Hub};
use super::screen::{self, Screen};
use super::story::{Act, BEATS, END_MS, ENTERPRISE, PARK};
use super::witness::{News, Witness};
use crate::cli::Exit;

/// The points whose readings are shown, and what they are called there.
const SHOWN: [(&str, &str); 6] = [
    ("tank-farm/gt-101", "GT-101"),
    ("tank-farm/gt-102", "GT-102"),
    ("tank-farm/gt-201", "GT-201"),
    ("polishing-1/hopper-temperature", "TT-1101"),
    ("pond-1/pz-1", "P1-1"),
    ("wm-1/current", "WM-1"),
];
/// How often the list is looked at.
const TICK: Duration = Duration::from_millis(200);
/// How often readings are told without a terminal, in milliseconds.
const READINGS_MS: u64 = 10_000;
/// How long the last samples may take.
const SETTLE: Duration = Duration::from_secs(10);

/// Where the story is told.
#[derive(Debug)]
pub(super) struct Stage<W> {
    screen: Screen<W>,
    session: Session,
    witness: Witness,
}

impl<W: Write> Stage<W> {
    /// A stage whose witness is not connected yet.
    pub(super) fn new(hub: &Hub, screen: Screen<W>) -> Self {
        let host = hub.address.ip().to_string();
        let mut options = Options::new(host, hub.address.port(), "demo-witness");
        options.receive_maximum = 1_000;
        Self {
            screen,
            session: Session::new(options),
            witness: Witness::default(),
        }
    }

    /// Waits until the witness has subscribed: what is published from now on is seen.
    pub(super) async fn take_seat(&mut self) -> anyhow::Result<()> {
        loop {
            let event = self.session.next().await;
            match event {
                Event::Subscribed { refused: None, .. } => return Ok(()),
                Event::Subscribed {
                    refused: Some(refusal),
                    ..
                } => anyhow::bail!("the broker refuses a subscription: {refusal}"),
                event => self.handle(event, 0)?,
            }
        }
    }

    /// Tells and does what is due until the story ends; without `once` it goes on until it is interrupted.
    pub(super) async fn play(&mut self, chain: &Chain, once: bool) -> io::Result<()> {
        let mut beats = BEATS.iter().peekable();
        let mut next_readings = READINGS_MS;
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        let mut tick = tokio::time::interval(TICK);
        loop {
            let at_ms = chain.plant.elapsed_ms();
            while let Some(beat) = beats.next_if(|beat| beat.at_ms <= at_ms) {
                self.screen.narrate(at_ms, beat.text)?;
                if let Some(act) = beat.act {
                    do_act(chain, act);
                }
            }
            if once && at_ms >= END_MS {
                return Ok(());
            }
            let told = screen::readings(&self.witness.readings, &SHOWN);
            if at_ms >= next_readings {
                next_readings += READINGS_MS;
                self.screen.remark(at_ms, &told)?;
            }
            self.screen.list(self.witness.standing.values(), &told)?;
            tokio::select! {
                event = self.session.next() => self.handle(event, at_ms)?,
                _ = &mut interrupted => return Ok(()),
                _ = tick.tick() => {}
            }
        }
    }

    /// Waits until everything that the node has read was seen, or until it can't come any more.
    pub(super) async fn settle(&mut self, n_read: u64) -> io::Result<()> {
        let mut patience = pin!(tokio::time::sleep(SETTLE));
        while self.witness.n_samples < n_read {
            tokio::select! {
                event = self.session.next() => self.handle(event, END_MS)?,
                () = &mut patience => break,
            }
        }
        Ok(())
    }

    /// Says how it went.
    pub(super) fn conclude(mut self, n_read: u64) -> io::Result<Exit> {
        self.screen.finish()?;
        let n_lost = n_read.saturating_sub(self.witness.n_samples);
        let summary = format!(
            "samples read {n_read}, published {} ({} of them later, as history); lost: {n_lost}",
            self.witness.n_samples, self.witness.n_history
        );
        self.screen.say(&summary)?;
        Ok(if n_lost == 0 { Exit::Done } else { Exit::No })
    }

    fn handle(&mut self, event: Event, at_ms: u64) -> io::Result<()> {
        match event {
            Event::Connected { .. } => {
                let filters = [Filter::Telemetry, Filter::History, Filter::Alarm].map(|filter| {
                    let site = SiteFilter {
                        park: PARK,
                        enterprise: Some(ENTERPRISE),
                        filter,
                    };
                    site.to_string()
                });
                if let Err(error) = self.session.subscribe(0, filters) {
                    self.screen.complain(&error.to_string())?;
                }
            }
            Event::Message(message) => {
                let news = self
                    .witness
                    .handle_message(&message.topic, &message.payload, at_ms);
                match news {
                    Some(News::Event(event)) => self.screen.event(at_ms, &event)?,
                    Some(News::Broken(what)) => self.screen.complain(&what)?,
                    None => {}
                }
            }
            Event::Lost(loss) => self.screen.complain(&loss.to_string())?,
            Event::Subscribed { .. } | Event::Acked { .. } => {}
        }
        Ok(())
    }
}

fn do_act(chain: &Chain, act: Act) {
    match act {
        Act::Pull => chain.plug.pull(),
        Act::PutBack => chain.plug.put_back(),
        Act::Ack(_) | Act::Reset(_) => {}
    }
}
