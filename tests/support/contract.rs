//! The contract's schemas, and which one holds for a topic. Knows no broker: it is given topics and bytes.

use std::collections::BTreeMap;
use std::path::Path;

use jsonschema::{Registry, Validator};
use serde_json::Value;
use telemetry::senml::Format;
use telemetry::topic::{SiteTopic, Topic};

/// Where the schemas are, below the root of the repository.
const FOLDER: &str = "configs/contract";

/// What the name of a schema's file ends in.
const ENDING: &str = ".schema.json";

/// An alarm message has at most this many bytes.
const ALARM_BYTES_MAX: usize = 4 * 1024;

/// A snapshot part and a message of a replay have at most this many bytes.
const BULK_BYTES_MAX: usize = 256 * 1024;

/// All schemas of `configs/contract`, by the name of their file without `.schema.json`.
#[derive(Debug)]
pub struct Schemas {
    schemas: BTreeMap<String, (Value, Validator)>,
}

impl Schemas {
    /// Reads and builds all schemas.
    ///
    /// # Panics
    /// When one is no valid JSON Schema 2020-12, or refers to what isn't there.
    pub fn load() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("tests is a room of the workspace")
            .join(FOLDER);
        let mut documents = BTreeMap::new();
        for entry in std::fs::read_dir(folder).expect("the folder of schemas") {
            let path = entry.expect("a readable folder").path();
            let file = path.file_name().and_then(|name| name.to_str());
            let file = file.expect("a name in UTF-8");
            let name = file.strip_suffix(ENDING).expect("only schemas are here");
            let text = std::fs::read(&path).expect("a readable schema");
            let schema: Value = serde_json::from_slice(&text).expect("a schema is JSON");
            jsonschema::meta::validate(&schema)
                .unwrap_or_else(|error| panic!("{file} is no JSON Schema: {error}"));
            documents.insert(name.to_owned(), schema);
        }
        let uri = |name: &str| format!("file:///{name}{ENDING}");
        let mut registry = Registry::new();
        for (name, schema) in &documents {
            registry = registry.add(uri(name), schema).expect("a URI");
        }
        let registry = registry.prepare().expect("references that lead somewhere");
        let schemas = documents
            .iter()
            .map(|(name, schema)| {
                let validator = jsonschema::options()
                    .with_base_uri(uri(name))
                    .with_registry(&registry)
                    .build(schema)
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                (name.clone(), (schema.clone(), validator))
            })
            .collect();
        Self { schemas }
    }

    /// The names of all schemas.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.schemas.keys().map(String::as_str)
    }

    /// The examples that a schema gives of itself.
    ///
    /// # Panics
    /// When there is no such schema, or it has none.
    pub fn examples(&self, name: &str) -> &[Value] {
        let examples = self.schemas[name].0["examples"].as_array();
        examples.unwrap_or_else(|| panic!("{name} has no examples"))
    }

    /// What is wrong with a message of a kind, as `pointer: what`; empty when nothing is.
    ///
    /// # Panics
    /// When there is no such schema.
    pub fn problems(&self, name: &str, message: &Value) -> Vec<String> {
        let errors = self.schemas[name].1.iter_errors(message);
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }

    /// Checks one message on one topic of the contract, its size too. SenML in CBOR is only decoded, a replay is checked line by line.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn check(&self, topic: &str, payload: &[u8]) -> Result<(), String> {
        let site = SiteTopic::parse(topic).map_err(|error| format!("{topic}: {error}"))?;
        let (name, most) = match site.topic {
            Topic::Telemetry { .. } | Topic::History { .. } => {
                let format = payload.first().and_then(|first| Format::sniff(*first));
                let format = format.ok_or_else(|| format!("{topic}: neither JSON nor CBOR"))?;
                let mut wrong = Vec::new();
                telemetry::senml::decode(payload, format, &mut |record| {
                    wrong.extend(record.err().map(|error| error.to_string()));
                })
                .map_err(|error| format!("{topic}: {error}"))?;
                if !wrong.is_empty() {
                    return Err(format!("{topic}: {}", wrong.join("; ")));
                }
                if format == Format::Cbor {
                    return Ok(());
                }
                ("senml", BULK_BYTES_MAX)
            }
            Topic::Ack { .. } => ("ack", BULK_BYTES_MAX),
            Topic::Status { .. } => ("node-status", BULK_BYTES_MAX),
            Topic::Desired { .. } => ("desired", BULK_BYTES_MAX),
            Topic::Trip { .. } => ("trip", ALARM_BYTES_MAX),
            Topic::Command { .. } | Topic::Reply { .. } => return Ok(()),
            Topic::AlarmState { .. } => ("alarm-state", ALARM_BYTES_MAX),
            Topic::AlarmEvent => ("alarm-event", ALARM_BYTES_MAX),
            Topic::AlarmSnapshot { .. } => ("alarm-snapshot", BULK_BYTES_MAX),
            Topic::ReplayRequest { .. } => ("replay-request", ALARM_BYTES_MAX),
            Topic::ReplayEvents { .. } => {
                if payload.len() > BULK_BYTES_MAX {
                    return Err(format!("{topic}: {} bytes", payload.len()));
                }
                return match payload.strip_suffix(b"\n") {
                    Some(lines) => lines
                        .split(|byte| *byte == b'\n')
                        .try_for_each(|line| self.message("alarm-event", topic, line)),
                    None if payload.is_empty() => Ok(()),
                    None => Err(format!("{topic}: no line feed at the end")),
                };
            }
            Topic::GatewayStatus => ("gateway-status", ALARM_BYTES_MAX),
        };
        if payload.len() > most {
            return Err(format!("{topic}: {} bytes, at most {most}", payload.len()));
        }
        self.message(name, topic, payload)
    }

    fn message(&self, name: &str, topic: &str, payload: &[u8]) -> Result<(), String> {
        let message =
            serde_json::from_slice(payload).map_err(|error| format!("{topic}: {error}"))?;
        let problems = self.problems(name, &message);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(format!("{topic}: {} in {message}", problems.join("; ")))
        }
    }
}
