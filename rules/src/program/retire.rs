//! Alarms whose rule is gone: they are a part of the program until people are done with them, and never active.

use alloc::vec::Vec;

use super::{
    AlarmCode, AlarmInfo, AlarmRest, Entry, LevelCode, LevelInfo, LevelTest, Program, RuleIdx,
    RuleInfo, Scope, Source, Unit, u32_of,
};
use crate::effect::AlarmIdx;

impl Program {
    /// Adds an alarm whose rule is gone. The alarms have to be sorted afterwards.
    pub(crate) fn add_retired(&mut self, scope: Scope, rule: RuleInfo, levels: Vec<LevelInfo>) {
        let levels_from = u32_of(self.levels.len());
        let unit = u32_of(self.tables.units.len());
        let point = match scope {
            Scope::Point(point) => Some(point),
            Scope::Unit(_) | Scope::Site | Scope::Node(_) | Scope::Gone { .. } => None,
        };
        self.tables
            .units
            .push(Unit::Alarm(u32_of(self.alarms.len())));
        self.tables.readers_of_unit.push(&[]);
        self.tables.alarm_code.push(AlarmCode {
            source: Source::None,
            gate: None,
            levels_from,
            states_from: self.tables.n_level_states,
            n_levels: u8::try_from(levels.len()).expect("a snapshot has at most LEVELS_MAX levels"),
            n_high: u8::try_from(levels.len()).expect("a snapshot has at most LEVELS_MAX levels"),
            unit,
        });
        let nothing = Entry { from: 0, to: 0 };
        self.tables.alarm_rest.push(AlarmRest {
            limits_only: false,
            test: rule.test,
            doubts: false,
            external: false,
            retired: true,
            // It is about no point any more: a test of one is no test of it.
            scope: None,
            unknown_hold_ms: 0,
            band: (f64::INFINITY, f64::NEG_INFINITY),
            points: nothing,
            others: nothing,
            kept: nothing,
            suppress: nothing,
            re_alarm_ms: 0,
            shelve_max_ms: 0,
            watched: None,
        });
        self.tables.n_level_states += u32_of(levels.len());
        for level in &levels {
            self.tables.level_code.push(LevelCode {
                test: LevelTest::External,
                on_delay_ms: 0,
                off_delay_ms: 0,
                severity: level.severity,
                latch: false,
            });
        }
        self.levels.extend(levels);
        self.rules.push(rule);
        self.alarms.push(AlarmInfo {
            scope,
            rule: RuleIdx(u32_of(self.rules.len() - 1)),
            point,
            eu: None,
            external: false,
            retired: true,
            set_by_site: 0,
            levels_from,
            levels_to: u32_of(self.levels.len()),
        });
    }

    /// Sorts the alarms for finding.
    pub(crate) fn sort_alarms(&mut self) {
        let mut alarms_by_id: Vec<u32> = (0..u32_of(self.alarms.len())).collect();
        alarms_by_id.sort_by(|a, b| self.id_of(AlarmIdx(*a)).cmp(&self.id_of(AlarmIdx(*b))));
        self.alarms_by_id = alarms_by_id;
    }
}
