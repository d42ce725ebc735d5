//! The system's own alarms: what a node, a bus, a slave, the gateway and each sensor say of themselves.
//!
//! Conditions of nodes, buses, slaves and the gateway come from outside (`Input::Condition`); a sensor's own come from its readings.

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use crate::calendar::Calendar;
use crate::effect::AlarmIdx;
use crate::expr::{Cond, Health};
use crate::point::{PointIdx, PointInfo};
use crate::program::{
    AlarmSpec, BuildError, Colour, LevelSpec, LifeSpec, ProgramBuilder, RuleIdx, RuleInfo, Scope,
    Test, Text,
};

/// The version of the system's own alarms.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// A sensor's own fault, and a slave's silence, is raised after it has stood this long: one lost answer is no alarm, and its points say at once that they are not known.
const FAULT_ON_MS: u64 = 5_000;
/// A reading that is too old on a healthy line is raised after that: a silent slave and a lost node are found sooner, and are alarms of their own.
const STALE_ON_MS: u64 = 60_000;
const QUALITY_OFF_MS: u64 = 10_000;
/// So many overlays of a calendar are told by name.
const OVERLAYS_MAX: usize = 8;
/// A year: that a sensor was never read is what `stale` says, not something unknown beside it.
const NEVER_MS: u64 = 365 * 86_400_000;

/// Who can fall silent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct System {
    /// The gateway's name; it counts as a node.
    pub gateway: String,
    /// The edge nodes.
    pub nodes: Vec<NodeInfo>,
}

/// A node and what hangs on it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NodeInfo {
    /// Its name.
    pub name: String,
    /// Its buses.
    pub buses: Vec<BusInfo>,
}

/// A bus and its slaves.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BusInfo {
    /// Its name.
    pub name: String,
    /// Its slaves' names.
    pub slaves: Vec<String>,
}

/// The rule `sys.offline`: a node is not heard of.
pub const OFFLINE: &str = "sys.offline";
/// The rule `sys.clock`: a node's clock, or the gateway's, is wrong.
pub const CLOCK: &str = "sys.clock";
/// The rule `sys.disk`: the gateway's disk is full or failing.
pub const DISK: &str = "sys.disk";
/// The rule `sys.database`: the time series database does not take what it is sent.
pub const DATABASE: &str = "sys.database";
/// The rule `sys.broker`: the gateway has no broker.
pub const BROKER: &str = "sys.broker";
/// The rule `sys.flood`: more alarms come than people can follow.
pub const FLOOD: &str = "sys.flood";
/// The rule `sys.chatter`: an alarm comes and goes all the time.
pub const CHATTER: &str = "sys.chatter";
/// The rule `sys.change`: less is watched than before, or otherwise; it stays until people have answered it.
pub const CHANGE: &str = "sys.change";
/// The rule `sys.linkage`: an output does not do what it is told.
pub const LINKAGE: &str = "sys.linkage";
/// The rule `sys.quality`: what a sensor says of itself.
pub const QUALITY: &str = "sys.quality";

/// The rule of a silent bus: `sys.bus.{bus}`.
pub fn bus_rule(bus: &str) -> String {
    format!("sys.bus.{bus}")
}

/// The rule of a silent slave: `sys.slave.{bus}.{slave}`.
pub fn slave_rule(bus: &str, slave: &str) -> String {
    format!("sys.slave.{bus}.{slave}")
}

/// The rule of stricter limits by a calendar: `sys.overlay.{calendar}`.
pub fn overlay_rule(calendar: &str) -> String {
    format!("sys.overlay.{calendar}")
}

/// Adds the alarms of the gateway, the nodes, every point, and every output that rules may switch.
pub(super) fn add(
    builder: &mut ProgramBuilder,
    points: &[PointInfo],
    outputs: &BTreeSet<PointIdx>,
    system: &System,
    report: &mut dyn FnMut(BuildError),
) {
    let mut adding = Adding::new(builder, report);
    adding.gateway(&system.gateway);
    let offline = adding.rule(
        OFFLINE,
        "节点 {tag} 离线,其测点数据未知",
        "node {tag} is offline: nothing is known of its points",
    );
    let clock = adding.rule(
        CLOCK,
        "{tag} 的时钟不准,样本按到达时间记录",
        "the clock of {tag} is wrong: its samples are dated by arrival",
    );
    for node in &system.nodes {
        let scope = Scope::Node(node.name.clone());
        let away = offline.and_then(|rule| adding.alone(scope.clone(), rule, told(Colour::Orange)));
        clock.and_then(|rule| adding.alone(scope.clone(), rule, told(Colour::Yellow)));
        if let Some(away) = away {
            adding.explain(&node.name, None, away);
        }
        for bus in &node.buses {
            adding.bus(&scope, &node.name, bus);
        }
    }
    if let Some(clock) = clock {
        adding.alone(
            Scope::Node(system.gateway.clone()),
            clock,
            told(Colour::Yellow),
        );
    }
    let quality = adding.rule(
        QUALITY,
        "{tag} 传感器异常({level}),其报警不可依赖",
        "{tag}: the sensor is at fault ({level}), do not rely on its alarms",
    );
    if let Some(quality) = quality {
        for (index, info) in points.iter().enumerate() {
            adding.quality(PointIdx(crate::program::u32_of(index)), info, quality);
        }
    }
    if !outputs.is_empty() {
        adding.linkage(outputs);
    }
}

/// Adds an alarm for each calendar by which limits are stricter, with those rules and the reasons: when it begins and ends is
/// on record, and wants somebody to know it.
pub(super) fn add_overlays(
    builder: &mut ProgramBuilder,
    gateway: &str,
    overlays: BTreeMap<&str, (&Calendar, BTreeSet<String>)>,
    report: &mut dyn FnMut(BuildError),
) {
    let mut adding = Adding::new(builder, report);
    for (name, (calendar, why)) in overlays {
        let named: Vec<&str> = why.iter().take(OVERLAYS_MAX).map(String::as_str).collect();
        let more = why.len() - named.len();
        let why = match more {
            0 => named.join("; "),
            more => format!("{} (+{more})", named.join("; ")),
        };
        let rule = adding.rule(
            &overlay_rule(name),
            &format!("{name} 期间从严限值生效:{why}"),
            &format!("stricter limits are in force by {name}: {why}"),
        );
        let Some(rule) = rule else { continue };
        let level = LevelSpec {
            test: Test::When(Cond::During(calendar.clone())),
            ..told(Colour::Blue)
        };
        adding.alarm(AlarmSpec {
            // Another calendar of the name is looked at anew.
            set_by_site: super::number_of(&format!("{calendar:?}")),
            ..alone(Scope::Node(gateway.into()), rule, level)
        });
    }
}

struct Adding<'b> {
    builder: &'b mut ProgramBuilder,
    report: &'b mut dyn FnMut(BuildError),
    /// What explains that points of a node, or of its `bus/slave`, are silent.
    silent: BTreeMap<(String, Option<String>), Vec<AlarmIdx>>,
    /// What explains that any point is silent.
    blind: Vec<AlarmIdx>,
}

impl<'b> Adding<'b> {
    fn new(builder: &'b mut ProgramBuilder, report: &'b mut dyn FnMut(BuildError)) -> Self {
        Self {
            builder,
            report,
            silent: BTreeMap::new(),
            blind: Vec::new(),
        }
    }

    fn gateway(&mut self, gateway: &str) {
        for (name, colour, zh, en) in [
            (
                DISK,
                Colour::Orange,
                "网关 {tag} 磁盘异常,样本暂不确认,报警照常",
                "the disk of {tag} is full or failing: samples wait at the edge, alarms go on",
            ),
            (
                DATABASE,
                Colour::Yellow,
                "网关 {tag} 无法写入时序数据库,数据留在本地",
                "{tag} can't write to the database: history waits here",
            ),
            (
                BROKER,
                Colour::Orange,
                "网关 {tag} 与消息服务器断开,各节点数据未知",
                "{tag} has no broker: nothing is heard of the nodes",
            ),
            (
                FLOOD,
                Colour::Yellow,
                "{tag} 报警泛滥:10 分钟内超过 10 条,首条为 {reason}",
                "{tag} has an alarm flood, more than 10 within 10 minutes; the first of them: {reason}",
            ),
            (
                CHATTER,
                Colour::Blue,
                "{tag} 有报警反复动作(1 分钟内 3 次),请查传感器、死区和延时:{reason}",
                "{tag} has alarms that came 3 times within a minute, look at sensor, deadband and delays: {reason}",
            ),
            (
                CHANGE,
                Colour::Orange,
                "{tag} 的监测配置已变更,请核对变更审批:{reason}",
                "{tag} does not watch as before, see who approved it: {reason}",
            ),
        ] {
            let Some(rule) = self.rule(name, zh, en) else {
                continue;
            };
            let level = LevelSpec {
                latch: name == CHANGE,
                ..told(colour)
            };
            let alarm = self.alone(Scope::Node(gateway.into()), rule, level);
            if name == BROKER {
                self.blind.extend(alarm);
            }
        }
    }

    fn bus(&mut self, scope: &Scope, node: &str, bus: &BusInfo) {
        let name = &bus.name;
        let rule = self.rule(
            &bus_rule(name),
            &format!("{{tag}} 的总线 {name} 全部无应答"),
            &format!("nobody answers on bus {name} of {{tag}}"),
        );
        let silent_bus =
            rule.and_then(|rule| self.alone(scope.clone(), rule, told_later(Colour::Orange)));
        for slave in &bus.slaves {
            let rule = self.rule(
                &slave_rule(name, slave),
                &format!("{{tag}} 总线 {name} 上的 {slave} 无应答"),
                &format!("{slave} on bus {name} of {{tag}} does not answer"),
            );
            let silent =
                rule.and_then(|rule| self.alone(scope.clone(), rule, told_later(Colour::Yellow)));
            for alarm in [silent, silent_bus].into_iter().flatten() {
                self.explain(node, Some(format!("{name}/{slave}")), alarm);
            }
        }
    }

    fn explain(&mut self, node: &str, slave: Option<String>, alarm: AlarmIdx) {
        let key = (node.to_string(), slave);
        self.silent.entry(key).or_default().push(alarm);
    }

    fn quality(&mut self, point: PointIdx, info: &PointInfo, rule: RuleIdx) {
        let node = info.node.clone();
        let keys = node.map(|node| [(node.clone(), None), (node, info.slave.clone())]);
        let keys = keys.into_iter().flatten();
        let explained: BTreeSet<AlarmIdx> = keys
            .filter_map(|key| self.silent.get(&key))
            .flatten()
            .chain(&self.blind)
            .copied()
            .collect();
        let mut levels = Vec::new();
        if info.max_age_ms > 0 {
            let mut parts = Vec::from([Cond::Health(Health::Stale, point)]);
            parts.extend(
                explained.into_iter().map(|alarm| {
                    Cond::Not(std::boxed::Box::new(Cond::Alarm { alarm, severity: 0 }))
                }),
            );
            levels.push(LevelSpec {
                name: "stale".into(),
                colour: Colour::Blue,
                severity: 300,
                test: Test::When(Cond::All(parts)),
                on_delay_ms: STALE_ON_MS,
                off_delay_ms: QUALITY_OFF_MS,
                latch: false,
                overlays: Vec::new(),
            });
        }
        levels.push(LevelSpec {
            name: "calibration".into(),
            colour: Colour::Yellow,
            severity: 420,
            test: Test::When(Cond::Health(Health::Overdue, point)),
            on_delay_ms: 0,
            off_delay_ms: QUALITY_OFF_MS,
            latch: false,
            overlays: Vec::new(),
        });
        levels.push(LevelSpec {
            name: "fault".into(),
            colour: Colour::Yellow,
            severity: 450,
            test: Test::When(Cond::Health(Health::Faulty, point)),
            on_delay_ms: FAULT_ON_MS,
            off_delay_ms: QUALITY_OFF_MS,
            latch: false,
            overlays: Vec::new(),
        });
        self.alarm(AlarmSpec {
            scope: Scope::Point(point),
            rule,
            value: None,
            eu: None,
            only_while: None,
            levels,
            unknown_hold_ms: NEVER_MS,
            life: LifeSpec::default(),
            set_by_site: 0,
        });
    }

    fn linkage(&mut self, outputs: &BTreeSet<PointIdx>) {
        let rule = self.rule(
            LINKAGE,
            "联动失败:{tag} 未按指令动作({reason})",
            "linkage failed: {tag} does not do what it is told, {reason}",
        );
        let Some(rule) = rule else { return };
        for point in outputs {
            self.alone(Scope::Point(*point), rule, told(Colour::Orange));
        }
    }

    fn rule(&mut self, name: &str, zh: &str, en: &str) -> Option<RuleIdx> {
        let added = self.builder.rule(RuleInfo {
            name: name.into(),
            pack: "sys".into(),
            version: VERSION.into(),
            hash: super::hash(&[name, VERSION]),
            clause: None,
            advice: Text::default(),
            text: Text {
                zh: zh.into(),
                en: en.into(),
            },
            test: false,
            makes_uncertain: false,
            suppress: Vec::new(),
        });
        added.map_err(|error| (self.report)(error)).ok()
    }

    fn alone(&mut self, scope: Scope, rule: RuleIdx, level: LevelSpec) -> Option<AlarmIdx> {
        self.alarm(alone(scope, rule, level))
    }

    fn alarm(&mut self, spec: AlarmSpec) -> Option<AlarmIdx> {
        let added = self.builder.alarm(spec);
        added.map_err(|error| (self.report)(error)).ok()
    }
}

/// An alarm of one level.
fn alone(scope: Scope, rule: RuleIdx, level: LevelSpec) -> AlarmSpec {
    AlarmSpec {
        scope,
        rule,
        value: None,
        eu: None,
        only_while: None,
        levels: Vec::from([level]),
        unknown_hold_ms: 0,
        life: LifeSpec::default(),
        set_by_site: 0,
    }
}

/// The level of what the system is told of.
fn told(colour: Colour) -> LevelSpec {
    LevelSpec {
        name: "on".into(),
        colour,
        severity: match colour {
            Colour::Blue => 300,
            Colour::Yellow => 450,
            Colour::Orange => 650,
            Colour::Red => 850,
        },
        test: Test::External,
        on_delay_ms: 0,
        off_delay_ms: 0,
        latch: false,
        overlays: Vec::new(),
    }
}

/// The same where one lost answer is no alarm.
fn told_later(colour: Colour) -> LevelSpec {
    LevelSpec {
        on_delay_ms: FAULT_ON_MS,
        ..told(colour)
    }
}
