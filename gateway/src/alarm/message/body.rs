//! An alarm's event from the engine's effect and the program's tables.

use std::borrow::Cow;

use rules::effect::{Cause, Effect, EventKind};
use rules::point::PointInfo;
use rules::program::{Program, Scope, Text};
use serde::Serialize;
use telemetry::{UtcMs, Value};

use super::cut::{BODY_LEN_MAX, cut};
use super::text::{NOTHING, Words, fill};
use super::{Site, fields, time, time_if};
use crate::alarm::event::{Draft, NUMBER_LEN_MAX};

/// The first fields of every body.
#[derive(Serialize)]
pub(super) struct Lead<'a> {
    pub(super) id: &'a str,
    pub(super) site: &'a str,
    pub(super) occurrence: u64,
}

/// The fields that only an event has.
#[derive(Serialize)]
struct Tail<'a> {
    event: &'a str,
    cause: CauseBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

/// `{sample|timer|command|config|node: …}`.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CauseBody<'a> {
    /// The point, `{unit}/{point}`.
    Sample(String),
    /// When it was due.
    #[serde(serialize_with = "time")]
    Timer(UtcMs),
    /// The verb.
    Command(&'a str),
    /// The rule's version.
    Config(&'a str),
    /// The node, or the gateway.
    Node(&'a str),
}

/// The fields that state and event share, from the letter on.
#[derive(Serialize)]
pub(super) struct Rest<'a> {
    pub(super) letter: &'a str,
    pub(super) state: &'a str,
    pub(super) active: bool,
    pub(super) acked: bool,
    pub(super) latched: bool,
    pub(super) shelved: bool,
    pub(super) suppressed: bool,
    pub(super) out_of_service: bool,
    pub(super) unknown: bool,
    pub(super) test: bool,
    #[serde(serialize_with = "time")]
    pub(super) changed_at: UtcMs,
    pub(super) rule: RuleBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) level: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) colour: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) severity: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time_if")]
    pub(super) condition_since: Option<UtcMs>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time_if")]
    pub(super) raised_at: Option<UtcMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) peak: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time_if")]
    pub(super) cleared_at: Option<UtcMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<ValueBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quality: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time_if")]
    pub(super) sample_time: Option<UtcMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) clock: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time_if")]
    pub(super) acked_at: Option<UtcMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acked_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time_if")]
    pub(super) shelved_until: Option<UtcMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shelved_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) suppressed_by: Vec<&'a str>,
    /// Only where it is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) silenced: bool,
    /// Only where it began with an earlier occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) incident: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) re_alarms: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) fleeting: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) config_changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) point: Option<PointBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<TextBody>,
    /// What people are to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advice: Option<TextBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) action: Option<ActionBody>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What came of switching an output; only where that made the event.
#[derive(Serialize)]
pub(super) struct ActionBody {
    /// The output, `{unit}/{point}`.
    name: String,
    /// What it was to be.
    on: bool,
    /// Whether it is.
    ok: bool,
}

#[derive(Serialize)]
pub(super) struct RuleBody<'a> {
    pub(super) name: &'a str,
    pub(super) pack: &'a str,
    pub(super) version: &'a str,
    pub(super) hash: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) clause: Option<String>,
}

#[derive(Default, Serialize)]
pub(super) struct PointBody<'a> {
    unit: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lon: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lat: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    datum: Option<&'a str>,
}

/// Both are written where either is there; what was cut away is an empty text.
#[derive(Serialize)]
pub(super) struct TextBody {
    #[serde(serialize_with = "text_or_empty")]
    pub(super) zh: Option<String>,
    #[serde(serialize_with = "text_or_empty")]
    pub(super) en: Option<String>,
}

impl TextBody {
    fn is_empty(&self) -> bool {
        self.zh.is_none() && self.en.is_none()
    }
}

fn text_or_empty<S: serde::Serializer>(text: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text.as_deref().unwrap_or(""))
}

/// A value in the form that it was measured in.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
pub(super) enum ValueBody {
    Number(f64),
    Bool(bool),
}

/// The event that an effect of this program is.
///
/// The same effect and program give the same bytes: that is how a restart knows what it has sent.
///
/// # Panics
/// When the effect is of another program.
pub fn draft(site: &Site, program: &Program, effect: &Effect) -> Draft {
    let info = program.alarm(effect.alarm);
    let rule = program.rule_of(effect.alarm);
    let state = &effect.state;
    let levels = program.levels_of(effect.alarm);
    let level = state.level.and_then(|level| levels.get(usize::from(level)));
    let finite = |number: Option<f64>| number.filter(|number| number.is_finite());
    // What it is about, also where it compares nothing or something reckoned.
    let point = match info.scope {
        Scope::Point(point) => Some(point),
        _ => info.point,
    };
    let point = point.map(|point| program.point(point));
    let id = program.id_of(effect.alarm).to_string();
    let value = finite(state.value.map(Value::as_f64));
    let own = |word: &std::sync::Arc<str>| word.to_string();

    let words = Words {
        tag: tag(&info.scope, program, point),
        unit: unit(&info.scope, point),
        point: point.map_or("", |point| &point.point),
        eu: info.eu.as_deref().unwrap_or(""),
        level: level.map_or("", |level| &level.name),
        value,
        limit: finite(state.limit),
        reason: state.reason.as_deref().unwrap_or(NOTHING),
    };
    let text = |template: &str| (!template.is_empty()).then(|| fill(template, &words));
    // Without a level it was never raised: its text would say what never was.
    let text = |template: &Text| {
        let text = TextBody {
            zh: text(&template.zh),
            en: text(&template.en),
        };
        (level.is_some() && !text.is_empty()).then_some(text)
    };
    let letter = state.letter();
    let flags = state.flags;
    let mut rest = Rest {
        letter: letter.as_str(),
        state: letter.word(),
        active: flags.active,
        acked: flags.acked,
        latched: flags.latched,
        shelved: flags.shelved,
        suppressed: flags.suppressed,
        out_of_service: flags.out_of_service,
        unknown: flags.unknown,
        test: flags.test,
        changed_at: state.changed_at,
        rule: RuleBody {
            name: &rule.name,
            pack: &rule.pack,
            version: &rule.version,
            hash: Cow::Borrowed(&rule.hash),
            clause: rule.clause.clone().filter(|clause| !clause.is_empty()),
        },
        level: level.map(|level| level.name.as_str()),
        colour: level.map(|level| level.colour.word()),
        severity: level.map(|level| level.severity),
        condition_since: state.condition_since,
        raised_at: state.raised_at,
        limit: finite(state.limit),
        peak: finite(state.peak),
        cleared_at: state.cleared_at,
        value: state.value.and_then(|value| match value {
            Value::Number(number) => finite(Some(number)).map(ValueBody::Number),
            Value::Bool(on) => Some(ValueBody::Bool(on)),
        }),
        unit: info.eu.as_deref(),
        quality: state.quality.map(|quality| quality.0),
        sample_time: state.sample_time,
        clock: state.clock.and_then(telemetry::Clock::word),
        acked_at: state.acked_at,
        acked_by: state.acked_by.as_deref(),
        shelved_until: state.shelved.as_ref().map(|(until, _)| *until),
        shelved_by: state.shelved.as_ref().map(|(_, by)| &**by),
        suppressed_by: (0..)
            .zip(&rule.suppress)
            .filter(|(index, _)| state.suppressed_by >> index & 1 == 1)
            .map(|(_, reason): (u32, &String)| reason.as_str())
            .collect(),
        silenced: state.silenced,
        incident: (state.incident < state.occurrence).then_some(state.incident),
        re_alarms: state.re_alarms,
        fleeting: state.fleeting,
        config_changed: state.config_changed,
        point: point_body(&info.scope, point),
        reason: state.reason.as_ref().map(own),
        text: text(&rule.text),
        advice: text(&rule.advice),
        action: effect.switched.map(|switched| {
            let output = program.point(switched.output);
            ActionBody {
                name: format!("{}/{}", output.unit, output.point),
                on: switched.on,
                ok: switched.ok,
            }
        }),
    };
    let cause = match effect.cause {
        Cause::Sample(point) => {
            let point = program.point(point);
            CauseBody::Sample(format!("{}/{}", point.unit, point.point))
        }
        Cause::Timer => CauseBody::Timer(effect.at),
        Cause::Command(verb) => CauseBody::Command(verb.word()),
        Cause::Config => CauseBody::Config(&rule.version),
        Cause::Node => {
            let output = effect
                .switched
                .map(|switched| program.point(switched.output));
            CauseBody::Node(match (&info.scope, output.or(point)) {
                (Scope::Node(node), _) => node,
                (_, Some(point)) => point.node.as_deref().unwrap_or(&site.gateway),
                _ => &site.gateway,
            })
        }
    };
    let mut tail = Tail {
        event: effect.kind.word(),
        cause,
        by: effect.by.as_deref(),
        comment: effect.comment.as_ref().map(own),
    };
    let lead = fields(&Lead {
        id: &id,
        site: &site.name(),
        occurrence: state.occurrence,
    });
    let mut tail_text = fields(&tail);
    let mut rest_text = fields(&rest);
    let len = NUMBER_LEN_MAX + lead.len() + tail_text.len() + rest_text.len();
    if len > BODY_LEN_MAX {
        let nothing = || TextBody { zh: None, en: None };
        let text = rest.text.get_or_insert_with(nothing);
        let advice = rest.advice.get_or_insert_with(nothing);
        let point = rest.point.get_or_insert_default();
        cut(
            &mut [
                &mut advice.en,
                &mut advice.zh,
                &mut point.description,
                &mut rest.reason,
                &mut text.en,
                &mut text.zh,
                &mut tail.comment,
                &mut rest.rule.clause,
                &mut point.tag,
            ],
            len - BODY_LEN_MAX,
        );
        rest.text = rest.text.filter(|text| !text.is_empty());
        rest.advice = rest.advice.filter(|advice| !advice.is_empty());
        rest.point = rest.point.filter(|point| !point.unit.is_empty());
        tail_text = fields(&tail);
        rest_text = fields(&rest);
    }
    Draft {
        lead,
        tail: tail_text,
        rest: rest_text,
        stateful: effect.kind != EventKind::Historical,
    }
}

/// What people call it: the plant tag, or the name that the system has.
fn tag<'a>(scope: &'a Scope, program: &'a Program, point: Option<&'a PointInfo>) -> &'a str {
    let named = |point: &'a PointInfo| {
        let tag = point.tag.as_deref().or(point.name.as_deref());
        tag.unwrap_or(&point.point)
    };
    match scope {
        Scope::Point(point) => named(program.point(*point)),
        Scope::Unit(unit) => unit,
        Scope::Node(node) => node,
        Scope::Site => point.map_or("", named),
        Scope::Gone { point, .. } => point,
    }
}

fn unit<'a>(scope: &'a Scope, point: Option<&'a PointInfo>) -> &'a str {
    match scope {
        Scope::Unit(unit) | Scope::Gone { unit, .. } => unit,
        _ => point.map_or("", |point| &point.unit),
    }
}

fn point_body<'a>(scope: &'a Scope, point: Option<&'a PointInfo>) -> Option<PointBody<'a>> {
    match (scope, point) {
        (Scope::Unit(unit), _) => Some(PointBody {
            unit,
            ..PointBody::default()
        }),
        (Scope::Point(_), Some(point)) => {
            let place = point.place.as_ref();
            Some(PointBody {
                unit: &point.unit,
                name: Some(point.point.clone()),
                tag: point.tag.clone(),
                description: point.description.clone().or_else(|| point.name.clone()),
                kind: Some(point.kind.as_str()).filter(|kind| !kind.is_empty()),
                lon: place.map(|place| place.lon),
                lat: place.map(|place| place.lat),
                datum: place.map(|place| place.datum.as_str()),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use front::{Problems, Source};
    use rules::compile::{System, compile};
    use rules::effect::{Command, Input, Verb};
    use rules::engine::Engine;
    use rules::point::{PointIdx, PointInfo};
    use telemetry::{Clock, Quality, Sample};

    use super::*;

    const RULES: &str = r#"
pack = "p"
version = "1"
[[rule]]
name = "gas"
unverified = "a test"
for = { kind = "gas" }
high = [{ level = "L1", at = "20 %LEL", colour = "yellow", on_delay = "5s" }]
text = { zh = "{tag}", en = "{tag}" }
"#;

    #[test]
    fn how_often_an_alarm_asked_again_and_how_often_it_nearly_came_is_told_once_it_did() {
        let point = PointInfo {
            unit: "tank".into(),
            point: "gt-1".into(),
            kind: "gas".into(),
            eu: Some("%LEL".into()),
            ..PointInfo::default()
        };
        let (problems, source) = (Problems::default(), Source::new("p.toml", RULES));
        let system = System {
            gateway: "gw".into(),
            nodes: Vec::new(),
        };
        let program = compile(
            &[source],
            &[point],
            &system,
            &problems,
            &Problems::default(),
        );
        let program = Arc::new(program.expect("rules that are right"));
        let alarm = program.find_alarm("tank/gt-1/gas").expect("it is there");
        let mut engine = Engine::new(Arc::clone(&program), UtcMs(0));
        let mut effects = Vec::new();
        let reading = |t: i64, value: f64| {
            let sample = Sample {
                at: UtcMs(t),
                value: Some(Value::Number(value)),
                quality: Quality::GOOD,
                clock: Clock::Synced,
            };
            let point = PointIdx(0);
            Input::Sample { point, sample }
        };
        let mut reads = |t: i64, value: f64| {
            let input = reading(t, value);
            engine.handle(input, UtcMs(t), &mut effects).expect("taken");
        };
        for (t, value) in [(1_000, 30.0), (2_000, 0.0), (3_000, 30.0), (8_000, 30.0)] {
            reads(t, value);
        }
        let silence = Input::Command(Command::new(Verb::Silence, alarm, "li"));
        engine
            .handle(silence, UtcMs(9_000), &mut effects)
            .expect("taken");
        engine.handle_timeout(UtcMs(609_000), &mut effects);
        for (t, value) in [(700_000, 0.0), (800_000, 30.0), (900_000, 30.0)] {
            let input = reading(t, value);
            engine.handle(input, UtcMs(t), &mut effects).expect("taken");
        }
        let site = Site {
            park: "east".into(),
            enterprise: "plant".into(),
            gateway: "gw".into(),
            version: "1".into(),
        };
        let told = |event: &str| {
            let mut effects = effects.iter().filter(|it| it.alarm == alarm);
            let effect = effects.find(|effect| effect.kind.word() == event);
            draft(&site, &program, effect.expect(event)).rest
        };
        let last = draft(&site, &program, effects.last().expect("raised again")).rest;
        assert!(last.contains(r#""incident":1"#), "{last}");
        let raised = told("raised");
        assert!(raised.contains(r#""fleeting":1"#), "{raised}");
        assert!(!raised.contains("re_alarms"), "{raised}");
        assert!(!raised.contains("incident"), "{raised}");
        let again = told("re-alarmed");
        assert!(again.contains(r#""re_alarms":1"#), "{again}");
        assert!(!again.contains("config_changed"), "{again}");
    }
}
