//! What was learned, as people and as programs read it. Whatever a gateway sends, a line stays one line.

use serde_json::{Map, Value, json};
use telemetry::UtcMs;

use crate::cli::table::tame;
use crate::watch::{Action, AlarmView, Counts, News, Problem, Site, Standing, Told, Watch};

/// What people call an alarm's message: its English text, else the Chinese one.
pub(super) fn text(view: &AlarmView) -> &str {
    let [zh, en] = &view.text;
    let some = |text: &'_ Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    match (some(en), some(zh)) {
        (true, _) => en.as_deref().unwrap_or_default(),
        (_, true) => zh.as_deref().unwrap_or_default(),
        _ => view.reason.as_deref().unwrap_or_default(),
    }
}

/// Its state in the contract's word, and what that word does not say.
pub(super) fn state(view: &AlarmView) -> String {
    let mut state = view.state.clone();
    if view.unknown {
        state.push_str(", unknown");
    }
    if view.test {
        state.push_str(", on trial");
    }
    if let Some(by) = &view.acked_by {
        state.push_str(&format!(", {by}"));
    }
    state
}

/// What to think of a gateway's alarms.
pub(super) fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Known => "known",
        Standing::Unheard => "not heard yet: its alarms are not known",
        Standing::Offline => "offline: its alarms are not known",
        Standing::Unknown => "says unknown: its alarms are not known",
        Standing::Silent => "silent for 60 s: its alarms are not known",
    }
}

fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Known => "known",
        Standing::Unheard => "unheard",
        Standing::Offline => "offline",
        Standing::Unknown => "unknown",
        Standing::Silent => "silent",
    }
}

/// `B orange L2 tank-farm/gt-101/combustible-gas active-unacked  GT-101: …`
fn alarm(id: &str, view: &AlarmView) -> String {
    if view.level.is_none() && view.occurrence == 0 {
        // No alarm, or one that never was.
        return format!("{id} {}", text(view));
    }
    let or_none = |word: &Option<String>| word.clone().unwrap_or_else(|| "-".to_owned());
    let (colour, level) = (or_none(&view.colour), or_none(&view.level));
    let line = format!(
        "{} {colour:<6} {level:<4} {id} {}  {}",
        view.letter,
        state(view),
        text(view)
    );
    line.trim_end().to_owned()
}

/// ` (yard/siren on)`, ` (yard/siren FAILED to be on)`
fn action(action: &Action) -> String {
    let word = match action.on {
        Some(true) => "on",
        Some(false) => "off",
        None => "as told",
    };
    let failed = if action.ok { "" } else { "FAILED to be " };
    format!(" ({} {failed}{word})", action.name)
}

/// One line, without its time.
pub(super) fn line(news: &News) -> String {
    let line = match news {
        News::Problem(problem) => format!("{} ! {}", problem.site, problem.kind),
        News::Site { site, what } => match what {
            Told::Event {
                seq,
                id,
                event,
                by,
                comment,
                view,
                replayed,
                ..
            } => {
                let by = by
                    .as_ref()
                    .map_or_else(String::new, |by| format!(" by {by}"));
                let comment = comment
                    .as_ref()
                    .map_or_else(String::new, |comment| format!(" ({comment})"));
                let action = view.action.as_ref().map_or_else(String::new, action);
                let late = if *replayed { " (by replay)" } else { "" };
                format!(
                    "{site} event {seq} {event}{action}{by}{comment}{late}: {}",
                    alarm(id, view)
                )
            }
            Told::State { seq, id, view } => {
                format!("{site} state of event {seq}: {}", alarm(id, view))
            }
            Told::Gone { id } => format!("{site} gone: {id}"),
            Told::Standing {
                gateway,
                standing: now,
            } => {
                let gateway = gateway.as_deref().unwrap_or("-");
                format!("{site} gateway {gateway}: {}", standing(*now))
            }
        },
    };
    tame(&line)
}

/// The colour of what a line is about.
pub(super) fn colour(news: &News) -> &str {
    match news {
        News::Problem(_) => "red",
        News::Site {
            what: Told::Event { view, .. } | Told::State { view, .. },
            ..
        } => view.colour.as_deref().unwrap_or_default(),
        News::Site { .. } => "",
    }
}

/// One object, with its time.
pub(super) fn object(at: UtcMs, news: &News) -> Value {
    let mut object = match news {
        News::Problem(problem) => problem_object(problem),
        News::Site { site, what } => {
            let mut object = told(what);
            object.insert("site".to_owned(), json!(site));
            object
        }
    };
    object.insert("at".to_owned(), json!(at.to_string()));
    Value::Object(object)
}

/// A problem with its word, its numbers and a text for people.
pub(super) fn problem_object(problem: &Problem) -> Map<String, Value> {
    let mut object = fields(json!(problem.kind));
    object.insert("what".to_owned(), json!("problem"));
    object.insert("site".to_owned(), json!(problem.site));
    object.insert("text".to_owned(), json!(problem.kind.to_string()));
    object
}

fn told(what: &Told) -> Map<String, Value> {
    let with_view = |head: Value, view: &AlarmView| {
        let mut object = fields(head);
        object.extend(view_object(view));
        object
    };
    match what {
        Told::Event {
            seq,
            id,
            event,
            by,
            comment,
            changed_at: _,
            view,
            replayed,
        } => {
            let head = json!({
                "what": "event", "seq": seq, "id": id, "event": event, "by": by, "comment": comment,
                "replayed": replayed,
            });
            with_view(head, view)
        }
        Told::State { seq, id, view } => {
            with_view(json!({"what": "state", "seq": seq, "id": id}), view)
        }
        Told::Gone { id } => fields(json!({"what": "gone", "id": id})),
        Told::Standing { gateway, standing } => fields(json!({
            "what": "gateway", "gateway": gateway, "standing": standing_word(*standing),
        })),
    }
}

/// What is known of an alarm, under the contract's names.
fn view_object(view: &AlarmView) -> Map<String, Value> {
    let [zh, en] = &view.text;
    let text = fields(json!({"zh": zh, "en": en}));
    let mut object = fields(json!({
        "letter": view.letter, "state": view.state, "occurrence": view.occurrence,
        "active": view.active, "latched": view.latched, "unknown": view.unknown, "test": view.test,
        "level": view.level, "colour": view.colour, "severity": view.severity,
        "changed_at": view.changed_at.to_string(),
        "raised_at": view.raised_at.map(|at| at.to_string()),
        "value": view.value, "unit": view.unit, "tag": view.tag,
        "acked_by": view.acked_by, "reason": view.reason, "action": view.action,
        "shelved_until": view.shelved_until.map(|at| at.to_string()),
    }));
    if !view.suppressed_by.is_empty() {
        object.insert("suppressed_by".to_owned(), json!(view.suppressed_by));
    }
    if !text.is_empty() {
        object.insert("text".to_owned(), Value::Object(text));
    }
    object
}

/// The fields that have a value.
fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => {
            let some = fields.into_iter().filter(|(_, value)| !value.is_null());
            some.collect()
        }
        _ => Map::new(),
    }
}

/// `events 120 (3 by replay, 0 again), …`
pub(super) fn counts(counts: &Counts, missing: u64) -> String {
    format!(
        "events {} ({} by replay, {} again), states {}, snapshots {}, statuses {}, connections {}, silences {}, missing {missing}, problems {}",
        counts.events,
        counts.replayed,
        counts.repeats,
        counts.states,
        counts.snapshots,
        counts.statuses,
        counts.connections,
        counts.silences,
        counts.problems
    )
}

/// How many events all sites miss.
pub(super) fn missing(watch: &Watch) -> u64 {
    watch.sites().map(Site::missing).sum()
}

/// `east/plant-1: gw-1, known, event 120 of epoch 01…, 3 alarms`
pub(super) fn site(site: &Site) -> String {
    let gateway = site.gateway().unwrap_or("no gateway");
    let head = site.head().map_or_else(
        || "no event".to_owned(),
        |(epoch, seq)| format!("event {seq} of epoch {epoch}"),
    );
    let n_alarms = site.alarms().count();
    let alarms = if n_alarms == 1 { "alarm" } else { "alarms" };
    format!(
        "{}  {gateway}, {}  {head}  {n_alarms} {alarms}",
        site.name(),
        standing(site.standing())
    )
}

/// The summary as an object.
pub(super) fn summary(at: UtcMs, watch: &Watch, problems: &[Problem]) -> Value {
    let counts = watch.counts();
    let sites: Vec<Value> = watch.sites().map(site_object).collect();
    let problems = problems.iter().map(problem_object);
    json!({
        "at": at.to_string(), "what": "summary", "sites": sites,
        "counts": {
            "events": counts.events, "replayed": counts.replayed, "repeats": counts.repeats,
            "states": counts.states, "snapshots": counts.snapshots, "statuses": counts.statuses,
            "connections": counts.connections, "silences": counts.silences,
            "missing": missing(watch), "problems": counts.problems,
        },
        "problems": problems.map(Value::Object).collect::<Vec<_>>(),
    })
}

fn site_object(site: &Site) -> Value {
    let (epoch, seq) = site.head().unzip();
    let head = json!({
        "site": site.name(), "gateway": site.gateway(), "standing": standing_word(site.standing()),
        "epoch": epoch, "seq": seq, "missing": site.missing(), "alarms": site.alarms().count(),
    });
    Value::Object(fields(head))
}
