//! The files of the site: its buses, a profile of its own, its rules, the gateway and the node.

/// What no shipped profile uses: the other types and orders.
pub(super) const METER: &str = r#"name = "meter"
title = "Every type and order"
source = "made for this test"
[[point]]
name = "i32"
kind = "count"
table = "holding"
address = 0
type = "i32"
order = "BADC"
eu = "1"
[[point]]
name = "u32"
kind = "count"
table = "holding"
address = 2
type = "u32"
order = "CDAB"
eu = "1"
[[point]]
name = "f32"
kind = "count"
table = "holding"
address = 4
type = "f32"
order = "DCBA"
eu = "1"
[[point]]
name = "u64"
kind = "count"
table = "holding"
address = 6
type = "u64"
eu = "1"
[[point]]
name = "i64"
kind = "count"
table = "holding"
address = 10
type = "i64"
order = "DCBA"
eu = "1"
[[point]]
name = "f64"
kind = "count"
table = "holding"
address = 14
type = "f64"
order = "CDAB"
eu = "1"
[[point]]
name = "bcd16"
kind = "count"
table = "holding"
address = 18
type = "bcd16"
eu = "1"
[[point]]
name = "bcd32"
kind = "count"
table = "holding"
address = 19
type = "bcd32"
eu = "1"
[[point]]
name = "field"
kind = "count"
table = "holding"
address = 21
type = "u16"
bits = [4, 7]
eu = "1"
"#;

/// What the edge node reads, over TCP. A sample stays live for as long as a loaded machine may hold it up.
pub(super) fn field(port: u16) -> String {
    format!(
        r#"name = "field"
timeout = "5s"
[tcp]
host = "127.0.0.1"
port = {port}

[[slave]]
name = "gt-101"
unit_id = 1
profile = "gas-combustible"
unit = "tank-1"
period = "250ms"
max_age = "60s"
points = {{ gas = "gt-101", low-limit = "gt-101-low", high-limit = "gt-101-high" }}

[[slave]]
name = "gt-201"
unit_id = 2
profile = "gas-toxic"
unit = "tank-1"
period = "250ms"
max_age = "60s"
points.gas = {{ point = "gt-201", kind = "hydrogen-sulfide" }}

[[slave]]
name = "dam"
unit_id = 3
profile = "piezometer-8"
unit = "pond-1"
period = "250ms"
max_age = "60s"
points = {{ ch1 = "pz-1", ch1-temperature = "pz-1-temperature", ch3 = "pz-3" }}

[[slave]]
name = "radar"
unit_id = 4
profile = "pond-level"
unit = "pond-1"
period = "250ms"
max_age = "60s"
[slave.points]
level = {{ point = "pond-level", offset = 412.6, range = [412, 443] }}
echo = "echo"

[[slave]]
name = "wm-1"
unit_id = 5
profile = "welding-meter"
unit = "wm-1"
period = "250ms"
max_age = "60s"
points = {{ current = "current", voltage = "voltage", session = "session", case-open = "case-open", energy = "energy" }}

[[slave]]
name = "meter"
unit_id = 6
profile = "./meter.toml"
unit = "lab"
period = "250ms"
max_age = "60s"
points = {{ i32 = "i32", u32 = "u32", f32 = "f32", u64 = "u64", i64 = "i64", f64 = "f64", bcd16 = "bcd16", bcd32 = "bcd32", field = "field" }}
"#
    )
}

/// What the gateway reads itself, on a serial line.
pub(super) fn works(device: &str, baud: u32) -> String {
    format!(
        r#"name = "works"
timeout = "5s"
[rtu]
path = "{device}"
baud = {baud}

[[slave]]
name = "ot-301"
unit_id = 11
profile = "gas-oxygen"
unit = "pump-house"
period = "500ms"
max_age = "60s"

[[slave]]
name = "dc-1"
unit_id = 12
profile = "dust-collector"
unit = "collector-1"
period = "500ms"
max_age = "60s"
points = {{ dp = "filter-dp", hopper-temperature = "hopper-temperature", inlet-temperature = "inlet-temperature", fan-running = "fan-running", airlock-fault = "airlock-fault", air-speed = "air-speed" }}

[[slave]]
name = "loops"
unit_id = 13
profile = "analog-8"
unit = "pond-1"
period = "500ms"
max_age = "60s"
[slave.points]
ch1 = {{ point = "rain-rate", kind = "rain-rate", eu = "mm/h", scale = 0.0125, offset = -50.0, range = [0, 200] }}
ch2 = {{ point = "seal", unit = "pump-house", kind = "seal-pressure", eu = "MPa", scale = 0.0001, offset = -0.4, range = [0, 1.6] }}
"#
    )
}

/// Limits in the shipped packs' shapes, with delays that a test can wait for.
pub(super) const RULES: &str = r#"pack = "site"
version = "1"

[[rule]]
name = "combustible"
unverified = "a test"
for = { kind = "combustible-gas" }
high = [
  { level = "L1", at = "25 %LEL", colour = "yellow", deadband = "3 %LEL" },
  { level = "L2", at = "50 %LEL", colour = "orange", deadband = "3 %LEL" },
]
text = { zh = "{tag} {value} {eu}", en = "{tag} {value} {eu}" }

[[rule]]
name = "toxic"
unverified = "a test"
for = { kind = "hydrogen-sulfide" }
high = [
  { level = "L1", at = "10 ppm", colour = "yellow" },
  { level = "L2", at = "30 ppm", colour = "orange" },
]
text = { zh = "{tag} {value} {eu}", en = "{tag} {value} {eu}" }

[[rule]]
name = "oxygen"
unverified = "a test"
for = { kind = "oxygen" }
high = [{ level = "rich", at = "23.5 %VOL", colour = "yellow", deadband = "0.3 %VOL" }]
low = [
  { level = "lean", at = "19.5 %VOL", colour = "yellow", deadband = "0.3 %VOL" },
  { level = "thin", at = "15.5 %VOL", colour = "orange", deadband = "0.3 %VOL" },
]
text = { zh = "{tag} {value} {eu}", en = "{tag} {value} {eu}" }

[[rule]]
name = "hopper"
unverified = "a test"
for = { kind = "hopper-temperature" }
high = [
  { level = "warn", at = "60 °C", colour = "yellow", deadband = "2 °C" },
  { level = "alarm", at = "70 °C", colour = "orange", deadband = "2 °C" },
]
text = { zh = "{tag} {value} {eu}", en = "{tag} {value} {eu}" }

[[rule]]
name = "airlock"
unverified = "a test"
for = { kind = "airlock-fault" }
when = "self"
level = "fault"
colour = "orange"
on_delay = "1s"
off_delay = "1s"
text = { zh = "{tag}", en = "{tag}" }

[[rule]]
name = "phreatic"
unverified = "a test"
for = { kind = "phreatic-depth" }
low = [
  { level = "blue", at = "8 m", colour = "blue" },
  { level = "yellow", at = "7.2 m", colour = "yellow" },
  { level = "red", at = "6 m", colour = "red" },
]
text = { zh = "{tag} {value} {eu}", en = "{tag} {value} {eu}" }

[[rule]]
name = "level"
unverified = "a test"
for = { kind = "pond-level" }
high = [
  { level = "yellow", at = "438 m", colour = "yellow" },
  { level = "orange", at = "439 m", colour = "orange" },
  { level = "red", at = "440.5 m", colour = "red" },
]
text = { zh = "{tag} {value} {eu}", en = "{tag} {value} {eu}" }

[[rule]]
name = "no-session"
unverified = "a test"
for = { kind = "welding-current" }
when = "self >= 20 A and not unit.welding-session"
level = "alone"
colour = "orange"
text = { zh = "{tag}", en = "{tag}" }
"#;

/// The gateway's; `broker` and `influx` are the keys of these tables.
pub(super) fn gateway(broker: &str, influx: &str) -> String {
    format!(
        r#"[site]
park = "east-park"
enterprise = "acme-chem"
gateway = "gw-1"
[broker]
{broker}
[data]
folder = "data"
[[bus]]
file = "works.toml"
[[node]]
name = "edge-pond"
buses = ["field.toml"]
[rules]
packs = ["rules.toml"]
[influx]
{influx}
[http]
listen = "127.0.0.1:0"
"#
    )
}

/// The node's; `broker` is the keys of this table.
pub(super) fn node(broker: &str) -> String {
    format!(
        r#"park = "east-park"
enterprise = "acme-chem"
node = "edge-pond"
buses = ["field.toml"]
folder = "node"
[broker]
{broker}
"#
    )
}
