//! Good rule files and what they compile to.

use std::collections::BTreeMap;
use std::sync::Arc;

use telemetry::{Clock, Quality, Sample, UtcMs, Value};

use super::super::{BusInfo, NodeInfo};
use super::*;
use crate::effect::{Effect, EventKind, Input};
use crate::engine::Engine;
use crate::point::PointIdx;
use crate::value::Tri;

pub(super) const SITE: &str = "
[[limits]]
molar-volume = \"24.45 L/mol\"
[[limits]]
kind = \"filter-dp\"
baseline = \"0.8 kPa\"
[[limits]]
unit = \"pond\"
kind = \"phreatic-depth\"
red = \"6 m\"
yellow = \"7.2 m\"
blue = \"8 m\"
[[limits]]
point = \"pond/p2\"
blue = \"850 cm\"
";

/// Each alarm with its levels and limits.
pub(super) fn alarms(program: &Program) -> Vec<String> {
    program
        .alarm_idxs()
        .map(|alarm| {
            let levels = program.levels_of(alarm).iter().map(|level| {
                let limit = level
                    .limit
                    .map_or_else(String::new, |limit| std::format!(" {limit}"));
                std::format!("{}{limit}", level.name)
            });
            let levels: Vec<String> = levels.collect();
            std::format!("{} [{}]", program.id_of(alarm), levels.join(", "))
        })
        .filter(|line| !line.contains("/sys."))
        .collect()
}

pub(super) fn packs(site: &str) -> Vec<Source> {
    crate::pack::PACKS
        .iter()
        .map(crate::pack::Pack::source)
        .chain([Source::new("site.toml", site)])
        .collect()
}

#[test]
fn the_packs_compile_for_a_site_that_gives_their_limits() {
    let (program, problems, warnings) = compile_for(&site(), &packs(SITE));
    assert_eq!(problems, "");
    assert!(!warnings.contains("site.toml"), "{warnings}");
    assert_eq!(
        alarms(&program.expect("no problem")),
        [
            // Who makes readings uncertain comes first.
            "tank/gt-01/flat-line [stuck 0]",
            "tank/gt-02/flat-line [stuck 0]",
            "tank/co-01/flat-line [stuck 0]",
            "pond/p1/flat-line-week [stuck 0]",
            "pond/p2/flat-line-week [stuck 0]",
            "dust/dp/dp-flat-line [stuck]",
            "tank/gt-01/replayed [replayed]",
            "tank/gt-02/replayed [replayed]",
            "tank/co-01/replayed [replayed]",
            "dust/hopper/replayed [replayed]",
            "dust/dp/replayed [replayed]",
            "pond/p1/replayed [replayed]",
            "pond/p2/replayed [replayed]",
            "tank/-/identical [identical]",
            "tank/gt-01/covered [covered]",
            "tank/gt-02/covered [covered]",
            "tank/co-01/covered-toxic [covered]",
            "tank/gt-01/combustible-gas [L1 25, L2 50]",
            "tank/gt-02/combustible-gas [L1 25, L2 50]",
            "tank/co-01/toxic-gas [L1 17.4580506962, L2 34.9161013924]",
            "dust/hopper/hopper-temperature [warn 60, alarm 70]",
            "dust/dp/filter-dp [blocked 1200, torn 400]",
            "dust/hopper/hopper-rise [fast]",
            "pond/p1/phreatic-depth [blue 8, yellow 7.2, orange 6.6, red 6]",
            "pond/p2/phreatic-depth [blue 8.5, yellow 7.2, orange 6.6, red 6]",
            "pond/p1/instrument-fault [sensor, silent]",
            "pond/p2/instrument-fault [sensor, silent]",
            "pond/-/data-fault [several]",
            "pond/-/phreatic-item [blue, one-yellow, one-orange, one-red, red]",
            "shop/wm-1.current/weld-without-session [bypass 10]",
            "shop/wm-2.current/weld-without-session [bypass 10]",
            "shop/wm-1.session/weld-idle [idle]",
            "shop/wm-2.session/weld-idle [idle]",
            "shop/wm-1.session/special-period-work [special]",
            "shop/wm-2.session/special-period-work [special]",
            "tank/gt-01/capped [capped]",
            "tank/gt-02/capped [capped]",
            "tank/co-01/capped-toxic [capped]",
            "tank/gt-01/unregistered-test [unregistered]",
            "tank/gt-02/unregistered-test [unregistered]",
            "tank/co-01/unregistered-test-toxic [unregistered]",
            "tank/-/gas-major [major]",
        ]
    );
}

#[test]
fn a_named_override_lets_a_site_go_below_a_clause() {
    let site_file = std::format!(
        "{SITE}\n[[override]]\nrule = \"combustible-gas\"\npoint = \"tank/gt-02\"\nlevel = \"L1\"\nat = \"30 %LEL\"\nlaxer_than = \"GB/T 50493-2019 5.5.2\"\nreason = \"steam vent beside it, permit 17, Li Wei\"\n"
    );
    let (program, problems, _) = compile_for(&site(), &packs(&site_file));
    assert_eq!(problems, "");
    let alarms = alarms(&program.expect("no problem"));
    let gas = alarms.iter().filter(|it| it.contains("/combustible-gas "));
    assert!(gas.eq(&[
        "tank/gt-01/combustible-gas [L1 25, L2 50]",
        "tank/gt-02/combustible-gas [L1 30, L2 50]",
    ]));
}

#[test]
fn an_override_without_the_clause_does_not() {
    let site_file = std::format!(
        "{SITE}\n[[override]]\nrule = \"combustible-gas\"\npoint = \"tank/gt-02\"\nlevel = \"L1\"\nat = \"30 %LEL\"\nreason = \"test\"\n"
    );
    let (program, problems, _) = compile_for(&site(), &packs(&site_file));
    assert_eq!(
        problems,
        "site.toml:21:6: override[0].at: `L1` of tank/gt-02 at 30 %LEL is laxer than GB/T 50493-2019 5.5.2, expected at most 25 %LEL, or an override of the site with `laxer_than = \"GB/T 50493-2019 5.5.2\"`"
    );
    assert!(program.is_none());
}

/// What every alarm of some rules is made of: its rule's text, and what the site sets for it.
fn made_of(site_file: &str, rules: &[&str]) -> BTreeMap<String, (String, u64)> {
    let (program, problems, _) = compile_for(&site(), &packs(site_file));
    assert_eq!(problems, "");
    let program = program.expect("no problem");
    let alarms = program.alarm_idxs().zip(program.alarms());
    let alarms = alarms.filter(|(alarm, _)| rules.contains(&&*program.rule_of(*alarm).name));
    let made = alarms.map(|(alarm, info)| {
        let hash = program.rule_of(alarm).hash.clone();
        (program.id_of(alarm).to_string(), (hash, info.set_by_site))
    });
    made.collect()
}

#[test]
fn an_alarm_is_the_same_wherever_it_is_written_and_another_with_its_limits() {
    let gas = |site_file: &str| made_of(site_file, &["combustible-gas"]);
    let dust = |site_file: &str| made_of(site_file, &["filter-dp"]);
    let other = SITE.replace("0.8 kPa", "0.9 kPa");
    let moved = std::format!("# a comment\n{SITE}");
    assert_eq!((gas(SITE).len(), dust(SITE).len()), (2, 1));
    assert_eq!((gas(SITE), dust(SITE)), (gas(&moved), dust(&moved)));
    assert_eq!(gas(SITE), gas(&other));
    assert_ne!(dust(SITE), dust(&other));
}

#[test]
fn what_the_site_sets_for_one_detector_leaves_the_other_alarms_of_the_rule_as_they_were() {
    let stricter = |keys: &str| {
        let file = std::format!(
            "{SITE}\n[[override]]\nrule = \"combustible-gas\"\n{keys}\nlevel = \"L1\"\nat = \"10 %LEL\"\nreason = \"test\"\n"
        );
        made_of(&file, &["combustible-gas"])
    };
    let before = made_of(SITE, &["combustible-gas"]);
    let changed = |after: BTreeMap<String, (String, u64)>| -> Vec<String> {
        let ids = before.keys().filter(|id| before[*id] != after[*id]);
        ids.cloned().collect()
    };
    assert_eq!(
        changed(stricter("point = \"tank/gt-01\"")),
        ["tank/gt-01/combustible-gas"]
    );
    assert_eq!(changed(stricter("kind = \"combustible-gas\"")).len(), 2);
}

#[test]
fn what_is_odd_and_harmless_is_a_warning() {
    let site_file = std::format!(
        "{SITE}\n[[limits]]\nkind = \"filter-dp\"\nunit = \"dust\"\nbase-line = \"1 Pa\"\n[[override]]\nrule = \"oxygen\"\nunit = \"dust\"\noff = true\nreason = \"test\"\n"
    );
    let (program, problems, warnings) = compile_for(&site(), &packs(&site_file));
    assert_eq!(problems, "");
    assert!(program.is_some());
    let of_site: Vec<&str> = warnings
        .lines()
        .filter(|line| line.starts_with("site.toml"))
        .collect();
    assert_eq!(
        of_site,
        [
            "site.toml:20:13: limits[4].base-line: no rule asks for this limit, did you mean `baseline`?",
            "site.toml:22:8: override[0].rule: meets no point and no unit that this rule is for",
        ]
    );
}

#[test]
fn an_override_that_other_rules_do_not_hear_of_is_a_warning() {
    let with = |keys: &str| {
        let site_file = std::format!(
            "{SITE}\n[[override]]\nrule = \"combustible-gas\"\npoint = \"tank/gt-01\"\n{keys}\nreason = \"test\"\n"
        );
        let (program, problems, warnings) = compile_for(&site(), &packs(&site_file));
        assert!(program.is_some(), "{problems}");
        let of_site = warnings
            .lines()
            .filter(|line| line.starts_with("site.toml"));
        of_site.map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(
        with("level = \"L1\"\nat = \"10 %LEL\""),
        [
            "site.toml:21:6: override[0].at: `covered`, `capped` look at `limit.l1` as it was, expected `l1` in a [[limits]] table, which is for all rules"
        ]
    );
    let none: [&str; 0] = [];
    // Nothing else looks at the second level, and what is knowingly laxer has no other way.
    assert_eq!(with("level = \"L2\"\nat = \"40 %LEL\""), none);
    assert_eq!(
        with("level = \"L1\"\nat = \"26 %LEL\"\nlaxer_than = \"GB/T 50493-2019 5.5.2\""),
        none
    );
    assert_eq!(with("level = \"L1\"\non_delay = \"2s\""), none);
}

#[test]
fn an_override_of_what_is_not_there_is_warned_of_with_the_nearest() {
    for (selector, near) in [
        ("point = \"tank/gt-1\"", "tank/gt-01"),
        ("unit = \"tnak\"", "unit tank"),
        ("kind = \"combustable-gas\"", "kind combustible-gas"),
    ] {
        let site = std::format!(
            "{SITE}\n[[override]]\nrule = \"combustible-gas\"\n{selector}\nlevel = \"L1\"\nat = \"20 %LEL\"\nreason = \"test\"\n"
        );
        let (program, problems, warnings) = compile_for(&super::site(), &packs(&site));
        assert!(program.is_some(), "{problems}");
        let hint =
            std::format!("meets no point and no unit that this rule is for, did you mean {near}?");
        assert!(warnings.contains(&hint), "{selector}: {warnings}");
    }
}

#[test]
fn the_packs_are_in_order_without_a_site() {
    let problems = Problems::default();
    let files: Vec<Source> = crate::pack::PACKS
        .iter()
        .map(crate::pack::Pack::source)
        .collect();
    assert_eq!(super::super::check(&files, &problems), 141);
    assert_eq!(problems.to_string(), "");
}

/// A gateway and a node with one bus of two slaves.
fn system() -> System {
    System {
        gateway: "gw".into(),
        nodes: Vec::from([NodeInfo {
            name: "n1".into(),
            buses: Vec::from([BusInfo {
                name: "line".into(),
                slaves: Vec::from(["d1".to_string(), "d2".to_string()]),
            }]),
        }]),
    }
}

#[test]
fn every_part_of_the_system_has_its_alarms() {
    let mut points = points(&["tank/gt-01 combustible-gas %LEL line/d1"]);
    points[0].node = Some("n1".into());
    let problems = Problems::default();
    let program = compile(&[], &points, &system(), &problems, &Problems::default());
    assert_eq!(problems.to_string(), "");
    let program = program.expect("no problem");
    let mut ids: Vec<String> = program
        .alarm_idxs()
        .map(|alarm| program.id_of(alarm).to_string())
        .collect();
    ids.sort();
    assert_eq!(
        ids,
        [
            "-/gw/sys.broker",
            "-/gw/sys.change",
            "-/gw/sys.chatter",
            "-/gw/sys.clock",
            "-/gw/sys.database",
            "-/gw/sys.disk",
            "-/gw/sys.flood",
            "-/n1/sys.bus.line",
            "-/n1/sys.clock",
            "-/n1/sys.offline",
            "-/n1/sys.slave.line.d1",
            "-/n1/sys.slave.line.d2",
            "tank/gt-01/sys.quality",
        ]
    );
    for rule in program.rules() {
        assert!(!rule.text.zh.is_empty() && !rule.text.en.is_empty());
    }
}

/// Plays a point's silence with and without an alarm that explains it.
#[track_caller]
fn check_silence(explained_by: Option<&str>, raised: bool) {
    let mut points = points(&["tank/gt-01 combustible-gas %LEL line/d1"]);
    points[0].node = Some("n1".into());
    let (problems, warnings) = (Problems::default(), Problems::default());
    let program = compile(&[], &points, &system(), &problems, &warnings);
    let mut engine = Engine::new(Arc::new(program.expect("no problem")), UtcMs(0));
    let mut effects = Vec::new();
    let sample = Sample {
        at: UtcMs(0),
        value: Some(Value::Number(1.0)),
        quality: Quality::GOOD,
        clock: Clock::Synced,
    };
    let point = PointIdx(0);
    let input = Input::Sample { point, sample };
    engine.handle(input, UtcMs(0), &mut effects).expect("taken");
    if let Some(id) = explained_by {
        let alarm = engine.program().find_alarm(id).expect("a system alarm");
        let input = Input::Condition {
            alarm,
            active: Tri::True,
            reason: "",
        };
        engine.handle(input, UtcMs(9), &mut effects).expect("taken");
    }
    engine.handle_timeout(UtcMs(600_000), &mut effects);
    let quality = engine.program().find_alarm("tank/gt-01/sys.quality");
    let of_point = effects
        .iter()
        .any(|effect| Some(effect.alarm) == quality && effect.kind == EventKind::Raised);
    assert_eq!(of_point, raised, "{explained_by:?}");
}

#[test]
fn a_silent_point_is_an_alarm_of_its_own_only_where_nothing_else_explains_it() {
    check_silence(None, true);
    check_silence(Some("-/n1/sys.slave.line.d2"), true);
    check_silence(Some("-/n1/sys.slave.line.d1"), false);
    check_silence(Some("-/n1/sys.bus.line"), false);
    check_silence(Some("-/n1/sys.offline"), false);
    check_silence(Some("-/gw/sys.broker"), false);
}

#[test]
fn when_limits_become_stricter_and_are_so_no_longer_is_on_record_with_the_reason() {
    // 1970-01-01T00:00Z is eight hours into the first day at +08:00.
    let overlay = |rule: &str, level: &str, at: &str| {
        std::format!(
            "[[overlay]]\nrule = \"{rule}\"\nduring = \"congress\"\nlevel = \"{level}\"\nat = \"{at}\"\nreason = \"order 12\"\n"
        )
    };
    let program = |dates: &str| {
        let site_file = std::format!(
            "{SITE}\n[[calendar]]\nname = \"congress\"\ndates = [\"{dates}\"]\nzone = \"+08:00\"\n{}{}{}",
            overlay("combustible-gas", "L1", "10 %LEL"),
            overlay("combustible-gas", "L2", "20 %LEL"),
            overlay("hopper-temperature", "alarm", "65 °C"),
        );
        let (program, problems, _) = compile_for(&site(), &packs(&site_file));
        assert_eq!(problems, "");
        Arc::new(program.expect("no problem"))
    };
    let mut engine = Engine::new(program("1970-01-02 .. 1970-01-03"), UtcMs(0));
    let alarm = engine.program().find_alarm("-/gw/sys.overlay.congress");
    let alarm = alarm.expect("an alarm of the calendar");
    let told = |effects: &mut Vec<Effect>| -> Vec<_> {
        let of_it = effects.drain(..).filter(|effect| effect.alarm == alarm);
        let of_it = of_it.map(|told| (told.at.0 / 3_600_000, told.kind));
        of_it.collect()
    };
    let mut effects = Vec::new();
    engine.handle_timeout(UtcMs(20 * 3_600_000), &mut effects);
    let snapshot = engine.snapshot();
    assert_eq!(told(&mut effects), [(16, EventKind::Raised)]);
    engine.handle_timeout(UtcMs(5 * 86_400_000), &mut effects);
    assert_eq!(told(&mut effects), [(64, EventKind::Returned)]);
    // Another calendar of the name counts at once.
    let other = program("1970-02-02 .. 1970-02-03");
    Engine::restore(other, &snapshot, &mut effects).expect("its own bytes");
    assert_eq!(
        told(&mut effects),
        [(20, EventKind::ConfigChanged), (20, EventKind::Returned)]
    );
    assert_eq!(
        engine.program().rule_of(alarm).text.en,
        "stricter limits are in force by congress: combustible-gas (order 12); hopper-temperature (order 12)"
    );
}

#[test]
fn one_lost_answer_is_no_alarm_and_a_silence_of_five_seconds_is() {
    let problems = Problems::default();
    let program = compile(&[], &[], &system(), &problems, &Problems::default());
    let mut engine = Engine::new(Arc::new(program.expect("no problem")), UtcMs(0));
    for id in ["-/n1/sys.slave.line.d1", "-/n1/sys.bus.line"] {
        let alarm = engine.program().find_alarm(id).expect("a system alarm");
        let from = engine.now().0;
        let mut effects = Vec::new();
        for (at, active) in [(0, Tri::True), (4_999, Tri::False), (9_000, Tri::True)] {
            let input = Input::Condition {
                alarm,
                active,
                reason: "",
            };
            let now = UtcMs(from + at);
            engine.handle(input, now, &mut effects).expect("taken");
        }
        engine.handle_timeout(UtcMs(from + 20_000), &mut effects);
        let told: Vec<_> = effects.iter().map(|told| (told.at.0, told.kind)).collect();
        assert_eq!(told, [(from + 14_000, EventKind::Raised)], "{id}");
    }
}

#[test]
fn what_is_compared_with_a_limit_that_the_site_does_not_give_need_not_make_sense_there() {
    let points = points(&["hall/in-1 flow-in L/s", "hall/in-2 flow-in L/s"]);
    let text = |keys: &str| {
        rule(&std::format!(
            "name = \"balance\"\nfor = {{ unit_with = [\"flow-in\"] }}\nvalue = \"unit.flow-in\"\nhigh = [{{ level = \"L1\", at = \"limit.most\", colour = \"yellow\"{keys} }}]"
        ))
    };
    let (program, problems, warnings) = compile_for(&points, &[text(", optional = true")]);
    assert_eq!(problems, "");
    assert!(
        warnings.contains("`balance` is left out for unit hall: no limit `most`"),
        "{warnings}"
    );
    let program = program.expect("no problem");
    let is_there = program.find_alarm("hall/-/balance").is_some();
    assert!(!is_there);
    let (_, problems, _) = compile_for(&points, &[text("")]);
    assert!(
        problems.contains("`unit.flow-in` is not one point"),
        "{problems}"
    );
}

#[test]
fn a_condition_is_left_out_where_the_site_gives_no_limit_for_it_and_the_rule_lets_it() {
    let points = points(&["hall/in-1 flow-in L/s"]);
    let text = |keys: &str| {
        rule(&std::format!(
            "name = \"flow\"\nfor = {{ kind = \"flow-in\" }}\nlevels = [{{ level = \"L1\", when = \"self > 5 L/s\", colour = \"yellow\" }}, {{ level = \"L2\", when = \"self > 5 L/s and self > limit.most\", colour = \"orange\"{keys} }}]"
        ))
    };
    let (program, problems, warnings) = compile_for(&points, &[text(", optional = true")]);
    assert_eq!(problems, "");
    assert!(
        warnings.contains("`L2` is left out for hall/in-1: no limit `most`"),
        "{warnings}"
    );
    let program = program.expect("no problem");
    let alarm = program
        .find_alarm("hall/in-1/flow")
        .expect("it has a level");
    assert_eq!(program.levels_of(alarm).len(), 1);
    let (_, problems, _) = compile_for(&points, &[text("")]);
    assert!(problems.contains("no limit `most`"), "{problems}");
}

#[test]
fn a_rule_is_for_the_points_whose_loop_and_peers_are_as_it_asks() {
    let mut points = points(&[
        "hall/gt-1 gas %LEL",
        "hall/gt-2 gas %LEL",
        "hall/gt-3 gas %LEL",
        "hall/panel panel on/off",
        "yard/gt-1 gas %LEL",
        "yard/gt-2 gas %LEL",
        "yard/panel panel on/off",
    ]);
    // A loop is one in its unit: nothing is at the panel of the yard.
    for (point, word) in [(0, "1"), (1, "2"), (3, "1"), (4, "2"), (6, "1")] {
        points[point].attributes.push(("loop".into(), word.into()));
    }
    let ids = |with: &str| {
        let text = std::format!(
            "name = \"x\"\nfor = {{ kind = [\"gas\", \"panel\"], {with} }}\nwhen = \"bad(self)\"\nlevel = \"x\"\ncolour = \"blue\""
        );
        let (program, problems, _) = compile_for(&points, &[rule(&text)]);
        assert_eq!(problems, "");
        alarms(&program.expect("no problem")).join(", ")
    };
    assert_eq!(
        ids("loop_with = [\"panel\", \"gas\"]"),
        "hall/gt-1/x [x], hall/panel/x [x]"
    );
    assert_eq!(
        ids("peers = 1"),
        "hall/gt-1/x [x], hall/gt-2/x [x], hall/gt-3/x [x], yard/gt-1/x [x], yard/gt-2/x [x]"
    );
    assert_eq!(
        ids("peers = 2, unit = \"hall\""),
        "hall/gt-1/x [x], hall/gt-2/x [x], hall/gt-3/x [x]"
    );
    assert_eq!(ids("peers = 2, with = { loop = \"2\" }"), "hall/gt-2/x [x]");
}

#[test]
fn what_a_rule_reads_of_its_loop_and_of_its_peers() {
    let mut points = points(&[
        "hall/gt-1 gas %LEL",
        "hall/panel panel %LEL",
        "hall/gt-2 gas %LEL",
        "hall/gt-3 gas %LEL",
    ]);
    for point in &mut points[..2] {
        point.attributes.push(("loop".into(), "1".into()));
    }
    let reads = |when: &str| {
        let text = std::format!(
            "name = \"x\"\nfor = {{ kind = \"gas\", with = {{ loop = \"1\" }} }}\nwhen = \"{when}\"\nlevel = \"x\"\ncolour = \"blue\"\ndegrade = \"hold\""
        );
        let (program, problems, _) = compile_for(&points, &[rule(&text)]);
        assert_eq!(problems, "");
        let program = program.expect("no problem");
        let alarm = program.find_alarm("hall/gt-1/x").expect("an alarm");
        program.points_read_by(alarm).map(|point| point.0).collect()
    };
    for (when, read) in [
        ("loop.panel > 3 %LEL", Vec::from([1])),
        ("max(each(peers)) > 3 %LEL", Vec::from([2, 3])),
        ("any(each(peers) > 3 %LEL)", Vec::from([2, 3])),
        ("same(2, self, each(peers))", Vec::from([0, 2, 3])),
        (
            "min(each(unit.gas) - loop.panel) > 3 %LEL",
            Vec::from([0, 1, 2, 3]),
        ),
        (
            "any(bad(each(peers)), max(each(unit.panel)) > 3 %LEL)",
            Vec::from([1, 2, 3]),
        ),
    ] {
        let mut found: Vec<u32> = reads(when);
        found.sort_unstable();
        assert_eq!(found, read, "{when}");
    }
}

#[test]
fn any_goes_without_what_a_unit_has_not_and_need_not_have() {
    let points = points(&[
        "hall/co-1 co ppm",
        "hall/co-2 co ppm",
        "hall/h2s-1 h2s ppm",
        "yard/h2s-1 h2s ppm",
        "yard/fan fan on/off",
        "mast/wind wind m/s",
    ]);
    let other = "name = \"high\"\nfor = { kind = \"co\" }\nwhen = \"self > 9 ppm\"\nlevel = \"x\"\ncolour = \"blue\"\nunverified = \"a test\"\ntext = { zh = \"z\", en = \"e\" }\n[[rule]]";
    let reads = |when: &str| {
        let text = std::format!(
            "{other}\nname = \"x\"\nfor = {{ unit_with_any = [\"co\", \"h2s\"] }}\nwhen = \"{when}\"\nlevel = \"x\"\ncolour = \"blue\"\ndegrade = \"hold\""
        );
        let (program, problems, _) = compile_for(&points, &[rule(&text)]);
        let Some(program) = program else {
            return problems;
        };
        let of_unit = |unit: &str| {
            let alarm = program.find_alarm(&std::format!("{unit}/-/x"));
            let read = program.points_read_by(alarm.expect("an alarm"));
            let names = read.map(|point| program.point(point).point.clone());
            names.collect::<Vec<_>>().join(" ")
        };
        assert!(program.find_alarm("mast/-/x").is_none());
        std::format!("hall: {}, yard: {}", of_unit("hall"), of_unit("yard"))
    };
    for (when, read) in [
        (
            "any(same(2, each(unit.co)), same(2, each(unit.h2s)))",
            "hall: co-1 co-2 h2s-1, yard: h2s-1",
        ),
        (
            "any(each(unit.co) > 9 ppm, each(unit.h2s) > 9 ppm)",
            "hall: co-1 co-2 h2s-1, yard: h2s-1",
        ),
        (
            "any(max(each(unit.co)) > 9 ppm, unit.h2s > 9 ppm)",
            "hall: co-1 co-2 h2s-1, yard: h2s-1",
        ),
        (
            "any(any(each(unit.co) > 9 ppm), unit.h2s > 9 ppm)",
            "hall: co-1 co-2 h2s-1, yard: h2s-1",
        ),
        (
            "any(alarm.high, unit.h2s > 9 ppm)",
            "hall: h2s-1, yard: h2s-1",
        ),
        // What nothing is called, and what is no `any`, is as wrong as ever.
        (
            "any(each(unit.oc) > 9 ppm, unit.h2s > 9 ppm)",
            "r.toml:14:13: rule[1].when: unit hall has no point of kind oc, did you mean `co`?\n\
             r.toml:14:13: rule[1].when: unit yard has no point of kind oc",
        ),
        (
            "any(same(2, each(unit.oc)), unit.h2s > 9 ppm)",
            "r.toml:14:13: rule[1].when: `same` of no points, expected some",
        ),
        (
            "any(alarm.hihg, unit.h2s > 9 ppm)",
            "r.toml:14:13: rule[1].when: no rule `hihg` has an alarm in unit hall, did you mean `high`?\n\
             r.toml:14:13: rule[1].when: no rule `hihg` has an alarm in unit yard, did you mean `high`?",
        ),
        (
            "any(unit.fan, unit.h2s > 9 ppm)",
            "r.toml:14:13: rule[1].when: unit hall has no point of kind fan",
        ),
        (
            "any(each(unit.co) > 9 ppm)",
            "r.toml:14:13: rule[1].when: unit yard has no point of kind co",
        ),
        (
            "alarm.high",
            "r.toml:14:9: rule[1].when: no rule `high` has an alarm in unit yard",
        ),
        (
            "all(each(unit.co) > 9 ppm, unit.h2s > 9 ppm)",
            "r.toml:14:13: rule[1].when: unit yard has no point of kind co",
        ),
    ] {
        assert_eq!(reads(when), read, "{when}");
    }
}
