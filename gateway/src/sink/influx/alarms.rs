//! From the journal to the database: each alarm event as a point of the contract's `alarm` series.
//!
//! The journal is the core's; it is asked for events from a place on. The place is stored when its events are written, so that an absence of the database or of this program leaves nothing out.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use telemetry::UtcMs;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::batch::Batch;
use super::client::InfluxClient;
use super::line::AlarmLine;
use super::writer::{Happened, note, write};
use crate::http::Ask;
use crate::log::{Bookmark, LogError, LogOffset};

/// How often the journal is looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// What a point needs of an event's body.
#[derive(Debug, Deserialize)]
struct Body<'a> {
    id: &'a str,
    site: &'a str,
    seq: u64,
    event: &'a str,
    #[serde(default)]
    level: &'a str,
    letter: char,
    #[serde(default)]
    value: Option<f64>,
    changed_at: &'a str,
}

/// Writes the journal's events to a bucket until the core has gone.
///
/// `folder` is where the place is stored. `tell` must not block.
///
/// # Errors
/// The stored place can't be read.
pub async fn run(
    folder: &Path,
    client: &InfluxClient,
    asks: mpsc::Sender<Ask>,
    tell: &mut (dyn FnMut(Happened) + Send),
) -> Result<(), LogError> {
    // A place in the journal, not an offset of the log, but kept as carefully.
    let bookmark = Bookmark::new(folder, "influx-alarms");
    let mut next = bookmark.load()?.0.max(1);
    let mut batch = Batch::default();
    loop {
        let (reply, answer) = oneshot::channel();
        if asks.send(Ask::Events(next, reply)).await.is_err() {
            return Ok(());
        }
        let Ok(events) = answer.await else {
            return Ok(());
        };
        let Some(last) = events.last() else {
            tokio::select! {
                () = sleep(PERIOD) => continue,
                () = asks.closed() => return Ok(()),
            }
        };
        next = last.place + 1;
        batch.clear();
        for event in &events {
            match push(batch.buffer(), event.bytes()) {
                Ok(()) => batch.line_done(),
                Err(why) => tell(Happened::DeadLetter {
                    line: event.bytes().to_vec(),
                    why,
                }),
            }
        }
        let lines = batch.len();
        write(client, &mut batch, tell).await;
        note(&bookmark, LogOffset(next), tell);
        tell(Happened::Written {
            lines,
            upto: LogOffset(last.position),
        });
    }
}

/// Appends an event's line, or says why it has none.
fn push(lines: &mut Vec<u8>, event: &[u8]) -> Result<(), String> {
    let body: Body<'_> = serde_json::from_slice(event).map_err(|error| error.to_string())?;
    let (park, enterprise) = body.site.split_once('/').ok_or("a site without a park")?;
    let mut id = body.id.splitn(3, '/');
    let mut part = || id.next().ok_or("an id of less than three parts");
    let at: UtcMs = body
        .changed_at
        .parse()
        .map_err(|_| "a time that is none".to_owned())?;
    let line = AlarmLine {
        park,
        enterprise,
        unit: part()?,
        point: part()?,
        rule: part()?,
        event: body.event,
        level: body.level,
        letter: body.letter,
        value: body.value,
        seq: body.seq,
        at_ms: at.0,
    };
    line.push(lines).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_becomes_the_contracts_point() {
        let event = br#"{"schema":"fengsui.alarm.event/1","id":"tank-farm/gt-101/combustible-gas","site":"binhe/huaxin","occurrence":1,"epoch":"01","seq":3,"event":"raised","letter":"B","changed_at":"2023-11-14T22:13:20.123Z","level":"L1","value":26.5}"#;
        let mut lines = Vec::new();
        push(&mut lines, event).unwrap();
        assert_eq!(
            String::from_utf8(lines).unwrap(),
            "alarm,park=binhe,enterprise=huaxin,unit=tank-farm,point=gt-101,rule=combustible-gas,event=raised level=\"L1\",letter=\"B\",value=26.5,seq=3i 1700000000123\n"
        );
    }

    #[test]
    fn what_is_no_event_says_why() {
        assert!(push(&mut Vec::new(), b"{}").is_err());
    }
}
