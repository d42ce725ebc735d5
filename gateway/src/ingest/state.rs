//! What ingest knows as bytes, for a snapshot: ledgers and conditions by node, watermarks by point name.

use telemetry::UtcMs;

use super::ledger::{Boot, Held, Ledger};
use super::span::Spans;
use crate::log::codec::{Cursor, put_i64, put_str, put_u64};
use crate::log::{DecodeError, PackId};

const VERSION: u64 = 1;

/// A node as a snapshot has it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct NodeState {
    pub(super) name: String,
    pub(super) ledger: Ledger,
    /// Conditions by rule, with their reasons where they stand.
    pub(super) conditions: Vec<(String, Option<String>)>,
}

/// All of it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) nodes: Vec<NodeState>,
    /// By `{unit}/{point}`.
    pub(super) watermarks: Vec<(String, UtcMs)>,
}

impl State {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_u64(&mut out, VERSION);
        put_u64(&mut out, self.nodes.len() as u64);
        for node in &self.nodes {
            put_str(&mut out, &node.name);
            put_ledger(&mut out, &node.ledger);
            put_u64(&mut out, node.conditions.len() as u64);
            for (rule, reason) in &node.conditions {
                put_str(&mut out, rule);
                out.push(u8::from(reason.is_some()));
                put_str(&mut out, reason.as_deref().unwrap_or_default());
            }
        }
        put_u64(&mut out, self.watermarks.len() as u64);
        for (name, at) in &self.watermarks {
            put_str(&mut out, name);
            put_i64(&mut out, at.0);
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor(bytes);
        let mut state = Self::default();
        if cursor.u64()? != VERSION {
            return Err(DecodeError);
        }
        for _ in 0..cursor.u64()? {
            let mut node = NodeState {
                name: cursor.string()?,
                ledger: read_ledger(&mut cursor)?,
                conditions: Vec::new(),
            };
            for _ in 0..cursor.u64()? {
                let (rule, active, reason) = (cursor.string()?, cursor.u8()?, cursor.string()?);
                node.conditions
                    .push((rule, (active == 1).then_some(reason)));
            }
            state.nodes.push(node);
        }
        for _ in 0..cursor.u64()? {
            state
                .watermarks
                .push((cursor.string()?, UtcMs(cursor.i64()?)));
        }
        Ok(state)
    }
}

fn put_ledger(out: &mut Vec<u8>, ledger: &Ledger) {
    put_id(out, ledger.base);
    out.push(u8::from(ledger.held.is_some()));
    if let Some(held) = ledger.held {
        put_u64(out, held.boot);
        put_id(out, held.oldest);
    }
    put_u64(out, ledger.boots.len() as u64);
    for (boot, known) in &ledger.boots {
        put_u64(out, *boot);
        for spans in [&known.taken, &known.gone] {
            put_u64(out, spans.len() as u64);
            for (from, to) in spans.iter() {
                put_u64(out, from);
                put_u64(out, to);
            }
        }
    }
}

fn read_ledger(cursor: &mut Cursor<'_>) -> Result<Ledger, DecodeError> {
    let mut ledger = Ledger {
        base: read_id(cursor)?,
        ..Ledger::default()
    };
    if cursor.u8()? == 1 {
        ledger.held = Some(Held {
            boot: cursor.u64()?,
            oldest: read_id(cursor)?,
        });
    }
    for _ in 0..cursor.u64()? {
        let boot = cursor.u64()?;
        let mut spans = || -> Result<Spans, DecodeError> {
            (0..cursor.u64()?)
                .map(|_| Ok((cursor.u64()?, cursor.u64()?)))
                .collect()
        };
        let known = Boot {
            taken: spans()?,
            gone: spans()?,
        };
        ledger.boots.insert(boot, known);
    }
    Ok(ledger)
}

fn put_id(out: &mut Vec<u8>, id: Option<PackId>) {
    out.push(u8::from(id.is_some()));
    if let Some(id) = id {
        put_u64(out, id.boot);
        put_u64(out, id.seq);
    }
}

fn read_id(cursor: &mut Cursor<'_>) -> Result<Option<PackId>, DecodeError> {
    Ok(match cursor.u8()? {
        1 => Some(PackId {
            boot: cursor.u64()?,
            seq: cursor.u64()?,
        }),
        _ => None,
    })
}
