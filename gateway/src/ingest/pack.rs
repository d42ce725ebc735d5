//! One pack: decoded, dated, each of its samples judged live or late, and what is wrong in it told.

use std::collections::HashMap;

use telemetry::senml::{self, Format, Time};
use telemetry::{Quality, UtcMs, Value};

use super::Ingest;
use super::dating::{Newest, PackDating, Way};
use super::interface::{DeadLetter, Note, Out, PackIn};
use super::ledger::Change;
use super::registry::Misfit;
use crate::log::{Lane, LogOffset, LoggedSample, PackId, Record, SampleEncoder};

/// Records of one pack that go to the dead letters one by one.
const LETTERS_MAX: usize = 16;

/// A record between decoding and dating.
#[derive(Clone, Copy, Debug)]
struct Raw {
    point: u32,
    time: Time,
    value: Option<Value>,
    quality: Quality,
}

#[derive(Debug)]
struct Letter {
    cause: &'static str,
    detail: String,
    span: Option<std::ops::Range<usize>>,
}

#[derive(Debug, Default)]
pub(super) struct Scratch {
    raws: Vec<Raw>,
    letters: Vec<Letter>,
    refused: HashMap<&'static str, usize>,
    encoder: SampleEncoder,
}

impl Ingest {
    /// Takes in a pack. Work is bounded by the pack's limits.
    pub fn handle_pack(&mut self, pack: &PackIn<'_>, now: UtcMs, out: &mut impl Out) {
        let Some(index) = self.node(pack.node) else {
            let (node, count) = (pack.node, 1);
            return out.note(&Note::Refused {
                node,
                cause: "too-many-nodes",
                count,
            });
        };
        let format = match pack.content_type {
            Some(content_type) => Format::from_content_type(content_type),
            None => pack.bytes.first().and_then(|first| Format::sniff(*first)),
        };
        let Some(format) = format else {
            let told = pack.content_type.unwrap_or("neither JSON nor CBOR");
            return self.refuse_whole(index, pack, "format", told, None, out);
        };
        let mut newest = Newest::default();
        let decoded = self.decode(index, pack.bytes, format, &mut newest);
        let head = match decoded {
            Ok(head) => head,
            Err(error) => {
                let id = number(error.boot, error.seq);
                return self.refuse_whole(index, pack, "pack", &error.to_string(), id, out);
            }
        };
        let id = number(head.boot, head.seq);
        if id.is_some_and(|id| !self.is_wanted(index, id, pack, out)) {
            return;
        }
        let node = &mut self.nodes[index];
        if pack.way == Way::History
            && id.is_some()
            && newest.has_mono()
            && !node.status_seen
            && !node.dating.has_anchor(head.boot)
        {
            let (node, cause) = (pack.node, "no-status");
            return out.note(&Note::PackDeferred { node, cause });
        }
        let behind = self.clock_is_behind;
        let dating = node
            .dating
            .pack(newest, pack.way, head.clock, head.boot, behind, now);
        let (live, late) = self.judge(index, &dating, pack.way, now);
        self.update_clock(index, now, out);
        self.tell_letters(pack, out);
        if id.is_none() && self.scratch.raws.is_empty() {
            return;
        }
        let samples = self.scratch.encoder.samples();
        let node = pack.node;
        let end = out.record(&Record::Pack { node, id, samples });
        if let (Some(id), Some(end)) = (id, end) {
            self.taken(index, id, pack.bytes, end);
        }
        out.note(&Note::PackTaken {
            way: pack.way,
            live,
            late,
        });
    }

    fn decode(
        &mut self,
        index: usize,
        bytes: &[u8],
        format: Format,
        newest: &mut Newest,
    ) -> Result<senml::Pack, senml::PackError> {
        let (registry, node) = (&self.registry, &mut self.nodes[index]);
        let Scratch {
            raws,
            letters,
            refused,
            ..
        } = &mut self.scratch;
        raws.clear();
        letters.clear();
        refused.clear();
        let mut place = 0;
        senml::decode(bytes, format, &mut |record| {
            let mut letter = |cause, detail: &dyn std::fmt::Display, span| {
                *refused.entry(cause).or_default() += 1;
                if letters.len() < LETTERS_MAX {
                    let detail = detail.to_string();
                    letters.push(Letter {
                        cause,
                        detail,
                        span,
                    });
                }
            };
            let record = match record {
                Ok(record) => record,
                Err(error) => return letter("record", &error, Some(error.span.clone())),
            };
            let hint = node.layout.get(place).copied();
            let read = registry
                .find(record.name, &node.name, hint)
                .and_then(|point| {
                    let value = registry.convert(point, record.value, record.unit)?;
                    Ok((point, value))
                });
            match read {
                Ok((point, value)) => {
                    node.remember_place(place, point);
                    place += 1;
                    newest.add(record.time, registry.max_age_ms(point));
                    let (time, quality) = (record.time, record.quality);
                    raws.push(Raw {
                        point,
                        time,
                        value,
                        quality,
                    });
                }
                Err(misfit) => letter(misfit.word(), &Told(misfit, &record), None),
            }
        })
    }

    /// False when a pack has come before, or can't be remembered.
    fn is_wanted(&self, index: usize, id: PackId, pack: &PackIn<'_>, out: &mut impl Out) -> bool {
        let (known, node) = (&self.nodes[index], pack.node);
        if known.taken.has(id) {
            if known.contradicts(id, pack.bytes) {
                out.note(&Note::PackContradicted { node, id });
            } else {
                out.note(&Note::PackRepeated { node });
            }
            return false;
        }
        if !known.taken.has_room(id) {
            let cause = "too-many-holes";
            out.note(&Note::PackDeferred { node, cause });
            return false;
        }
        true
    }

    /// Dates the samples, and finds for each whether it is live; counts the live and the other ones.
    fn judge(&mut self, index: usize, dating: &PackDating, way: Way, now: UtcMs) -> (usize, usize) {
        let Scratch { raws, encoder, .. } = &mut self.scratch;
        encoder.clear();
        let (mut n_live, mut n_late) = (0, 0);
        for raw in raws.iter() {
            let dated = dating.date(raw.time);
            if dated.was_ahead {
                self.nodes[index].dating.note_ahead(now);
            }
            let watermark = &mut self.watermarks[raw.point as usize];
            let max_age_ms = self.registry.max_age_ms(raw.point);
            let is_young = max_age_ms == 0 || now.since_ms(dated.at) <= max_age_ms;
            // What lay in a store and is dated by arrival says nothing of now.
            let is_guess = way == Way::History && dated.clock == telemetry::Clock::Arrival;
            let lane = if dated.at == *watermark {
                Lane::Again
            } else if dated.at > *watermark && is_young && !is_guess {
                *watermark = dated.at.min(now);
                Lane::Live
            } else {
                Lane::Late
            };
            match lane {
                Lane::Live => n_live += 1,
                Lane::Late | Lane::Again => n_late += 1,
            }
            encoder.push(&LoggedSample {
                point: raw.point,
                lane,
                sample: telemetry::Sample {
                    at: dated.at,
                    value: raw.value,
                    quality: raw.quality,
                    clock: dated.clock,
                },
            });
        }
        (n_live, n_late)
    }

    fn tell_letters(&self, pack: &PackIn<'_>, out: &mut impl Out) {
        let node = pack.node;
        for letter in &self.scratch.letters {
            let span = letter.span.clone();
            out.dead_letter(&DeadLetter {
                node,
                topic: pack.way.word(),
                cause: letter.cause,
                detail: &letter.detail,
                bytes: span
                    .and_then(|span| pack.bytes.get(span))
                    .unwrap_or_default(),
            });
        }
        for (cause, count) in &self.scratch.refused {
            let (cause, count) = (*cause, *count);
            out.note(&Note::Refused { node, cause, count });
        }
    }

    /// A message that does not parse: to the dead letters whole, and where its number can be read it counts as taken.
    fn refuse_whole(
        &mut self,
        index: usize,
        pack: &PackIn<'_>,
        cause: &'static str,
        detail: &str,
        id: Option<PackId>,
        out: &mut impl Out,
    ) {
        let node = pack.node;
        if id.is_some_and(|id| !self.is_wanted(index, id, pack, out)) {
            return;
        }
        out.dead_letter(&DeadLetter {
            node,
            topic: pack.way.word(),
            cause,
            detail,
            bytes: pack.bytes,
        });
        out.note(&Note::Refused {
            node,
            cause,
            count: 1,
        });
        if let Some(id) = id {
            self.scratch.encoder.clear();
            let samples = self.scratch.encoder.samples();
            let id_logged = Some(id);
            if let Some(end) = out.record(&Record::Pack {
                node,
                id: id_logged,
                samples,
            }) {
                self.taken(index, id, pack.bytes, end);
            }
        }
    }

    fn taken(&mut self, index: usize, id: PackId, bytes: &[u8], end: LogOffset) {
        self.nodes[index].remember_bytes(id, bytes);
        self.changed(index, Change::Taken(id), end);
    }
}

fn number(boot: Option<u64>, seq: Option<u64>) -> Option<PackId> {
    let (boot, seq) = (boot?, seq?);
    Some(PackId { boot, seq })
}

/// A record that fits no point, for people.
struct Told<'a>(Misfit, &'a senml::Record<'a>);

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(misfit, record) = self;
        write!(f, "{}: {}", misfit.word(), record.name)?;
        if let Some(value) = record.value {
            write!(f, " = {}", value.as_f64())?;
        }
        match record.unit {
            Some(unit) => write!(f, " {unit}"),
            None => Ok(()),
        }
    }
}
