//! The story while it is told: what is due is said and done, what the witness sees is shown.
//!
//! It drives the witness's session; what a message means is the witness's, how it looks the screen's.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use host::mqtt::{Event, Options, Session};
use telemetry::topic::{Filter, SiteFilter};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::chain::{Center, Chain, Committed};
use super::expected::{EXPECTED, check};
use super::screen::{self, Screen};
use super::story::{Act, BEATS, END_MS, ENTERPRISE, PARK, Seen};
use super::summary::Summary;
use super::witness::{self, News, Witness};

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
    /// What was seen when the story was over; none while it is told, or when it was broken off.
    told: Option<Vec<Seen>>,
    committed: Committed,
}

impl<W: Write> Stage<W> {
    /// A stage whose witness is not connected yet.
    pub(super) fn new(broker: SocketAddr, screen: Screen<W>) -> Self {
        let host = broker.ip().to_string();
        let mut options = Options::new(host, broker.port(), "demo-witness");
        options.receive_maximum = 1_000;
        Self {
            screen,
            session: Session::new(options),
            witness: Witness::default(),
            told: None,
            committed: Committed::default(),
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

    /// Waits until the gateway says that what is retained is what is true.
    pub(super) async fn wait_for_gateway(&mut self) -> anyhow::Result<()> {
        let known = async {
            while !self.witness.is_known {
                let event = self.session.next().await;
                self.handle(event, 0)?;
            }
            Ok(())
        };
        timeout(SETTLE, known)
            .await
            .context("the gateway does not come up")?
    }

    /// Tells and does what is due until the story ends; without `once` it goes on until it is interrupted.
    pub(super) async fn play(
        &mut self,
        chain: &Chain,
        center: &Center,
        once: bool,
    ) -> io::Result<()> {
        let mut beats = BEATS.iter().peekable();
        let mut next_readings = READINGS_MS;
        // A terminal that is closed hangs up.
        let (mut interrupted, mut terminated, mut hung_up) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        );
        let mut tick = tokio::time::interval(TICK);
        loop {
            let at_ms = chain.plant.elapsed_ms();
            while let Some(beat) = beats.next_if(|beat| beat.at_ms <= at_ms) {
                self.screen.narrate(at_ms, beat.text)?;
                if let Some(act) = beat.act {
                    self.act(act, chain, center).await?;
                }
            }
            if at_ms >= END_MS && self.told.is_none() {
                self.told = Some(self.witness.seen.clone());
                if once {
                    return Ok(());
                }
                self.screen
                    .say("The story is over; the plant goes on until Ctrl-C, which also tells the count.")?;
            }
            let told = screen::readings(&self.witness.readings, &SHOWN);
            if at_ms >= next_readings {
                next_readings += READINGS_MS;
                self.screen.remark(at_ms, &told)?;
            }
            self.screen.list(self.witness.standing.values(), &told)?;
            tokio::select! {
                event = self.session.next() => self.handle(event, at_ms)?,
                _ = interrupted.recv() => return Ok(()),
                _ = terminated.recv() => return Ok(()),
                _ = hung_up.recv() => return Ok(()),
                _ = tick.tick() => {}
            }
        }
    }

    async fn act(&mut self, act: Act, chain: &Chain, center: &Center) -> io::Result<()> {
        let done = match act {
            Act::Ack(alarm) => center.act("ack", alarm).await,
            Act::Reset(alarm) => center.act("reset", alarm).await,
            Act::Pull => {
                chain.plug.pull();
                Ok(())
            }
            Act::PutBack => {
                chain.plug.put_back();
                Ok(())
            }
        };
        match done {
            Ok(()) => Ok(()),
            Err(refusal) => self.screen.complain(&refusal),
        }
    }

    /// Waits until everything that the node has read is in the gateway's log and was seen, or until it can't come any more.
    pub(super) async fn settle(&mut self, center: &Center, n_read: u64) -> io::Result<()> {
        self.screen.finish()?;
        let mut patience = pin!(tokio::time::sleep(SETTLE));
        let mut tick = tokio::time::interval(TICK);
        loop {
            match center.committed().await {
                Ok(committed) => self.committed = committed,
                Err(silent) => self.screen.complain(&silent)?,
            }
            if self.committed.all() >= n_read && self.witness.n_samples >= n_read {
                return Ok(());
            }
            tokio::select! {
                event = self.session.next() => {
                    if let Event::Message(message) = event {
                        self.witness.handle_message(&message.topic, &message.payload, END_MS);
                    }
                }
                _ = tick.tick() => {}
                () = &mut patience => return Ok(()),
            }
        }
    }

    /// How it went.
    pub(super) fn conclude(self, n_read: u64) -> Summary {
        let Committed { live, late } = self.committed;
        let lost = n_read.saturating_sub(self.committed.all());
        let seen = self.told.as_ref().unwrap_or(&self.witness.seen);
        let count = |event: &str| seen.iter().filter(|seen| seen.event == event).count();
        let differences: Vec<String> = self.told.as_ref().map_or_else(Vec::new, |told| {
            let differences = check(&EXPECTED, told);
            differences.iter().map(ToString::to_string).collect()
        });
        Summary {
            ok: self.told.is_some() && differences.is_empty() && lost == 0,
            broken_off: self.told.is_none(),
            read: n_read,
            published: self.witness.n_samples,
            history: self.witness.n_history,
            committed: self.committed.all(),
            live,
            late,
            raised: count("raised"),
            returned: count("returned"),
            lost,
            differences,
        }
    }

    fn handle(&mut self, event: Event, at_ms: u64) -> io::Result<()> {
        match event {
            Event::Connected { .. } => {
                let filters = [
                    Filter::Telemetry,
                    Filter::History,
                    Filter::Alarm,
                    Filter::GatewayStatus,
                ]
                .map(|filter| {
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
                    Some(News::Event(event)) if is_told(&event) => {
                        self.screen.event(at_ms, &event)?;
                    }
                    Some(News::Event(_)) | None => {}
                    Some(News::Broken(what)) => self.screen.complain(&what)?,
                }
            }
            Event::Lost(loss) => self.screen.complain(&loss.to_string())?,
            Event::Subscribed { .. } | Event::Acked { .. } => {}
        }
        Ok(())
    }
}

/// True for what a person wants to hear of: not the beginning of an epoch, and not that a normal alarm is unknown or known.
fn is_told(event: &witness::Event) -> bool {
    let is_normal = event.letter == "A";
    event.event != "epoch" && !(is_normal && matches!(&*event.event, "unknown" | "known"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::expected::Expected;

    /// What is seen when everything comes in the middle of its time.
    fn whole_story() -> Vec<Seen> {
        let seen = |wanted: &Expected| Seen {
            at_ms: u64::midpoint(wanted.from_ms, wanted.to_ms),
            id: wanted.id.to_owned(),
            event: wanted.event.to_owned(),
            level: wanted.level.map(str::to_owned),
            letter: wanted.letter.to_owned(),
        };
        EXPECTED.iter().map(seen).collect()
    }

    /// How a story ends that was told so, when 10 samples were read.
    fn end(told: Option<Vec<Seen>>, n_committed: u64) -> (bool, String) {
        let mut out = Vec::new();
        let screen = Screen::new(Vec::new(), None);
        let mut stage = Stage::new(([127, 0, 0, 1], 1).into(), screen);
        stage.told = told;
        stage.committed.live = n_committed;
        let summary = stage.conclude(10);
        summary.print(&mut out).expect("a vector takes all");
        (summary.ok, String::from_utf8(out).expect("text"))
    }

    #[test]
    fn a_story_that_came_true_with_nothing_lost_is_done() {
        let (ok, said) = end(Some(whole_story()), 10);
        assert!(ok, "{said}");
        assert!(said.ends_with("lost: 0\nthe story came true\n"), "{said}");
    }

    #[test]
    fn the_answer_is_no_whichever_event_is_missing() {
        for (index, wanted) in EXPECTED.iter().enumerate() {
            let mut told = whole_story();
            told.remove(index);
            let (ok, said) = end(Some(told), 10);
            assert!(!ok, "{said}");
            assert!(said.contains(wanted.id), "{said}");
            assert!(said.ends_with("\nthe story did not come true\n"), "{said}");
        }
    }

    #[test]
    fn the_answer_is_no_when_a_sample_is_lost_or_the_story_was_broken_off() {
        let (ok, said) = end(Some(whole_story()), 9);
        assert!(!ok);
        assert!(said.contains("\nlost: 1\n"), "{said}");
        assert!(said.ends_with("\nthe story did not come true\n"), "{said}");
        let (ok, said) = end(None, 10);
        assert!(!ok);
        assert!(said.ends_with("\nthe story was broken off\n"), "{said}");
    }
}
