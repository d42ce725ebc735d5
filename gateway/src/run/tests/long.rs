//! Words that do not fit into an alarm's message.

use std::sync::Arc;

use serde_json::Value as Json;
use telemetry::Sample;

use super::*;
use crate::alarm::publish::{Output, Publisher, Settings};
use crate::alarm::{Epoch, Recovered, entry};
use crate::engine::Host;
use crate::log::{Lane, LoggedSample, Record, SampleEncoder};
use crate::run::begin::site_of;

const NOW: UtcMs = UtcMs(1_795_420_800_000);

/// The event that a high value makes where the point's description and the rule's text have so many letters.
fn raised(description: usize, text: usize) -> (usize, Json) {
    let folder = tempfile::tempdir().unwrap();
    let rules = RULES.replace("en = \"{tag}\"", &format!("en = \"{}\"", "x".repeat(text)));
    let words = format!(
        "unit = \"tank\"\ndescription = \"{}\"\n",
        "试".repeat(description)
    );
    let bus = BUS.replacen("unit = \"tank\"\n", &words, 1);
    let config = config_of(folder.path(), &bus, &rules);
    let (program, site) = (Arc::clone(&config.program), site_of(&config));
    let mut host = Host::new(program, site.clone(), NOW);
    let mut samples = SampleEncoder::default();
    samples.push(&LoggedSample {
        point: config.point("tank", "gt-1").unwrap().0,
        lane: Lane::Live,
        sample: Sample {
            at: NOW,
            value: Some(Value::Number(22.0)),
            quality: Quality::GOOD,
            clock: Clock::Synced,
        },
    });
    let record = Record::Pack {
        node: "n1",
        id: None,
        samples: samples.samples(),
    };
    let drafts = host.apply(&record, NOW).unwrap().drafts;
    let settings = Settings {
        site,
        instance: Epoch(1).to_string(),
        client_id: "gw.alarm".to_owned(),
        rules_hash: config.rules_hash.clone(),
        alarms: Vec::new(),
        chance: 1,
    };
    let mut publisher = Publisher::new(settings, Recovered::default());
    publisher.start(NOW);
    publisher.commit(10, drafts, NOW);
    publisher.durable(10, NOW);
    let outputs = std::iter::from_fn(|| publisher.poll());
    let events = outputs.filter_map(|output| match output {
        Output::Journal {
            entry: entry::Entry::Event(event),
            ..
        } => Some(event),
        _ => None,
    });
    let event = events.last().unwrap();
    (
        event.bytes().len(),
        serde_json::from_slice(event.bytes()).unwrap(),
    )
}

#[test]
fn a_message_that_is_too_long_loses_the_end_of_its_description_and_then_of_its_text() {
    let len = |json: &Json| json.as_str().map_or(0, |text| text.chars().count());
    let (_, whole) = raised(20, 20);
    assert_eq!(len(&whole["point"]["description"]), 20);

    let (bytes, event) = raised(5_000, 200);
    assert!(bytes <= 4_096, "{bytes}");
    assert!((1..5_000).contains(&len(&event["point"]["description"])));
    assert_eq!(len(&event["text"]["en"]), 200);
    assert_eq!(event["event"], "raised");

    let (bytes, event) = raised(5_000, 5_000);
    assert!(bytes <= 4_096, "{bytes}");
    assert!(event["point"].get("description").is_none());
    assert!((1..5_000).contains(&len(&event["text"]["en"])));
    assert_eq!(event["point"]["name"], "gt-1");
    assert_eq!(event["level"], "L1");
}
