//! The gateway as a whole: with a broker and sessions, and its core alone under every stop.

mod change;
mod long;
mod steps;
mod whole;

use std::fs;
use std::path::Path as FilePath;

use front::Problems;
use telemetry::senml::{Base, Encoder, Format, Header};
use telemetry::{Clock, Quality, UtcMs, Value};

use crate::config::{Config, load};

const GATEWAY: &str = r#"[site]
park = "east"
enterprise = "plant"
gateway = "gw"
[broker]
embedded = "127.0.0.1:0"
[data]
folder = "data"
[rules]
packs = ["rules.toml"]
[[node]]
name = "n1"
buses = ["bus.toml"]
"#;

const BUS: &str = r#"name = "b1"
[tcp]
host = "127.0.0.1"
[[slave]]
name = "gt-1"
unit_id = 1
profile = "gas-combustible"
unit = "tank"
period = "1s"
[[slave]]
name = "gt-2"
unit_id = 2
profile = "gas-combustible"
unit = "tank"
period = "1s"
"#;

/// A pack whose first level comes at once, and whose second after a delay.
pub(crate) const RULES: &str = r#"pack = "site"
version = "1.0.0"
title = { zh = "试", en = "trial" }
[[rule]]
name = "high"
unverified = "a trial"
for = { kind = "combustible-gas" }
high = [
  { level = "L1", at = "20 %LEL", colour = "yellow", deadband = "3 %LEL", off_delay = "2s" },
  { level = "L2", at = "25 %LEL", colour = "orange", on_delay = "2s", latch = true },
]
text = { zh = "{tag}", en = "{tag}" }
"#;

/// A configuration whose files are in `folder`.
pub(crate) fn config(folder: &FilePath, rules: &str) -> Config {
    config_of(folder, BUS, rules)
}

fn config_of(folder: &FilePath, bus: &str, rules: &str) -> Config {
    config_named(folder, "gw", bus, rules)
}

fn config_named(folder: &FilePath, gateway: &str, bus: &str, rules: &str) -> Config {
    let gateway = GATEWAY.replace("\"gw\"", &format!("\"{gateway}\""));
    for (name, text) in [
        ("gateway.toml", gateway.as_str()),
        ("bus.toml", bus),
        ("rules.toml", rules),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    let (problems, warnings) = (Problems::default(), Problems::default());
    let config = load(
        &folder.join("gateway.toml"),
        &|_| None,
        &problems,
        &warnings,
    );
    assert_eq!(problems.to_string(), "");
    config.unwrap()
}

/// A pack of readings of one point: when, and how much.
fn pack(boot: u64, seq: u64, point: &str, readings: &[(UtcMs, f64)]) -> Vec<u8> {
    let mut buffer = vec![0; 8 << 10];
    let base = readings[0].0;
    let header = Header {
        base_name: "east/plant/tank/",
        base: Base::Utc(base),
        boot,
        seq,
        clock: Clock::Synced,
    };
    let mut encoder = Encoder::new(&mut buffer, Format::Cbor, header);
    for (at, value) in readings {
        let value = Some(Value::Number(*value));
        encoder
            .push(point, Some("%LEL"), at.0 - base.0, value, Quality::GOOD)
            .unwrap();
    }
    let len = encoder.finish();
    buffer.truncate(len);
    buffer
}
