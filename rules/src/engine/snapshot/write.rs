//! Writes a snapshot.
//!
//! Alarms that nothing ever happened to are left out: a fresh one, evaluated, is the same.

use alloc::sync::Arc;
use alloc::vec::Vec;

use telemetry::Clock;

use super::{Engine, MAGIC, VERSION, reads_of};
use crate::alarm::{Aside, Phase, Slot};
use crate::bytes::Writer;
use crate::effect::{AlarmIdx, Flags, Letter};
use crate::engine::kept::KeptSlot;
use crate::engine::repeat::RepeatSlot;
use crate::engine::state::PointSlot;
use crate::engine::window::WindowSlot;
use crate::program::{LevelInfo, RuleInfo, Side, at, u32_of};
use crate::timer::NEVER;
use crate::value::{Number, Trust, Truth};

pub(super) fn snapshot(engine: &Engine) -> Vec<u8> {
    let program = &engine.program;
    let mut out = Writer::new(MAGIC, VERSION);
    out.time(engine.machine.now);
    out.bool(engine.machine.started);
    out.u32(u32_of(engine.machine.state.points.len()));
    for (index, slot) in engine.machine.state.points.iter().enumerate() {
        let info = &program.points()[index];
        out.text(&info.unit);
        out.text(&info.point);
        out.u64(info.max_age_ms);
        out.point(slot);
    }
    let told: Vec<u32> = (0..engine.machine.n_alarms())
        .filter(|&alarm| !is_pristine(engine, alarm))
        .collect();
    out.u32(u32_of(told.len()));
    for alarm in told {
        out.alarm(engine, alarm);
    }
    out.0
}

/// True when a fresh slot, evaluated, would be the same.
fn is_pristine(engine: &Engine, alarm: u32) -> bool {
    let slot = &engine.machine.state.alarms[at(alarm)];
    let code = &engine.program.tables.alarm_code[at(alarm)];
    let kept = engine.program.tables.alarm_rest[at(alarm)].kept;
    let from = at(code.states_from);
    slot.occurrence == 0
        && slot.fleeting == 0
        && slot.changed_at == NEVER
        && slot.unknown_due == NEVER
        && slot.external == Truth::FALSE
        && slot.rare.is_none()
        && kept.from == kept.to
        && engine.machine.state.phases[from..from + usize::from(code.n_levels)]
            .iter()
            .all(|phase| *phase == Phase::Off)
}

impl Writer {
    fn truth(&mut self, truth: Truth) {
        self.u8(u8::try_from(truth.rank()).expect("a chain of five"));
    }

    fn point(&mut self, slot: &PointSlot) {
        self.option(slot.is_read().then_some(slot), |out, slot| {
            out.u16(slot.quality.0);
            out.u8(match slot.clock {
                Clock::Synced => 0,
                Clock::Holdover => 1,
                Clock::Unsynced => 2,
                Clock::Arrival => 3,
            });
            out.time(slot.at);
            out.trust(slot.trust);
            out.f64(slot.value);
        });
        out_ends(self, slot);
    }

    fn phase(&mut self, phase: Phase) {
        self.u8(match phase {
            Phase::Off => 0,
            Phase::Pending => 1,
            Phase::Paused => 2,
            Phase::On => 3,
            Phase::Leaving => 4,
        });
    }

    fn trust(&mut self, trust: Trust) {
        self.u8(match trust {
            Trust::Good => 0,
            Trust::Uncertain => 1,
            Trust::Bad => 2,
            Trust::AtLeast => 3,
        });
    }

    fn number(&mut self, number: Number) {
        self.trust(number.trust);
        self.f64(number.value);
    }

    fn kept(&mut self, slot: &KeptSlot) {
        match slot {
            KeptSlot::Held(slot) => {
                self.u8(0);
                self.phase(slot.phase);
                self.time(slot.due);
                self.truth(slot.condition);
                self.truth(slot.answer);
            }
            KeptSlot::Since(slot) => {
                self.u8(1);
                self.time(slot.began);
                self.time(slot.last);
                self.time(slot.at);
                self.truth(slot.condition);
                self.number(slot.answer);
            }
            KeptSlot::Window(slot) => {
                self.u8(2);
                self.window(slot);
            }
            KeptSlot::Repeats(slot) => {
                self.u8(4);
                self.repeats(slot);
            }
            KeptSlot::During(slot) => {
                self.u8(3);
                self.time(slot.next_look);
                self.truth(slot.answer);
            }
        }
    }

    fn repeats(&mut self, slot: &RepeatSlot) {
        self.u32(slot.n());
        self.bool(slot.is_full);
        self.u32(slot.next);
        slot.row().for_each(|reading| self.f64(reading));
        self.u32(slot.next_stretch);
        let stretches = &slot.stretches[..at(slot.n_stretches)];
        self.u32(slot.n_stretches);
        stretches.iter().for_each(|sum| self.u64(*sum));
        self.u32(slot.ago);
        self.time(slot.taken);
        self.truth(slot.answer);
    }

    fn window(&mut self, slot: &WindowSlot) {
        self.time(slot.at);
        self.time(slot.began);
        self.trust(slot.now.trust);
        self.f64(slot.now.value);
        self.f64(slot.last);
        self.time(slot.summed);
        self.number(slot.answer);
        for slice in slot.slices.iter() {
            self.u32(slice.known_ms);
            self.bool(slice.weak);
            self.f64(slice.a);
            self.f64(slice.b);
        }
    }

    fn flags(&mut self, flags: Flags) {
        let bits = [
            flags.active,
            flags.acked,
            flags.latched,
            flags.shelved,
            flags.suppressed,
            flags.out_of_service,
            flags.unknown,
            flags.test,
        ];
        self.u8(bits
            .into_iter()
            .rev()
            .fold(0, |byte, bit| byte << 1 | u8::from(bit)));
    }

    fn alarm(&mut self, engine: &Engine, alarm: u32) {
        let program = &engine.program;
        let code = &program.tables.alarm_code[at(alarm)];
        let info = &program.alarms()[at(alarm)];
        let rule = program.rule_of(AlarmIdx(alarm));
        let slot = &engine.machine.state.alarms[at(alarm)];
        let id = alloc::format!("{}", program.id_of(AlarmIdx(alarm)));
        self.text(&id);
        self.text(&rule.hash);
        self.u64(info.set_by_site);
        self.u64(reads_of(program, alarm));
        self.bool(info.retired);
        self.slot(slot);
        let levels = program.levels_of(AlarmIdx(alarm));
        let unfinished = slot.flags.letter() != Letter::A;
        self.u8(code.n_levels);
        for (index, level) in levels.iter().enumerate() {
            let place = at(code.states_from) + index;
            self.text(&level.name);
            self.phase(engine.machine.state.phases[place]);
            self.time(engine.machine.state.times[place].due);
            self.time(engine.machine.state.times[place].since);
            self.option(unfinished.then_some(level), Self::level_info);
        }
        let kept = program.tables.alarm_rest[at(alarm)].kept;
        let kept = &engine.machine.state.kept[at(kept.from)..at(kept.to)];
        self.u32(u32_of(kept.len()));
        for kept in kept {
            self.kept(kept);
        }
        self.option(unfinished.then_some(rule), Self::rule_info);
    }

    fn slot(&mut self, slot: &Slot) {
        self.flags(slot.flags);
        self.bool(slot.unknown_now);
        self.u8(slot.level);
        self.u16(slot.severity);
        self.truth(slot.external);
        self.u32(slot.occurrence);
        self.u16(slot.raised_again);
        self.u32(slot.fleeting);
        for time in [
            slot.unknown_due,
            slot.changed_at,
            slot.condition_since,
            slot.raised_at,
            slot.cleared_at,
        ] {
            self.time(time);
        }
        self.f64(slot.peak);
        self.option(slot.rare.as_deref(), |out, rare| {
            out.option(rare.acked.as_ref(), |out, (at, by)| {
                out.time(*at);
                out.text(by);
            });
            out.option(rare.reason.as_ref(), |out, reason: &Arc<str>| {
                out.text(reason);
            });
            out.option(rare.late.is_on.then_some(&rare.late), |out, late| {
                out.time(late.last);
                out.option(late.told, Self::u8);
                out.u32(u32_of(late.since.len()));
                for since in &late.since {
                    out.time(*since);
                }
            });
            out.aside(&rare.aside);
        });
    }

    fn aside(&mut self, aside: &Aside) {
        self.option(aside.shelf.as_ref(), |out, shelf| {
            out.time(shelf.until);
            out.bool(shelf.once);
            out.text(&shelf.by);
        });
        for until in [aside.out_until, aside.test_until, aside.re_alarm_at] {
            self.option(until, Self::time);
        }
        self.u32(aside.re_alarms);
        self.bool(aside.config_changed);
        self.bool(aside.silenced);
        self.u32(u32_of(aside.reasons.len()));
        for reason in &aside.reasons {
            self.bool(reason.on);
            self.option(reason.due, Self::time);
        }
    }

    fn level_info(&mut self, level: &LevelInfo) {
        self.u8(match level.colour {
            crate::program::Colour::Blue => 0,
            crate::program::Colour::Yellow => 1,
            crate::program::Colour::Orange => 2,
            crate::program::Colour::Red => 3,
        });
        self.u16(level.severity);
        self.bool(level.side == Side::Low);
        self.u8(level.rank);
        self.option(level.limit, Self::f64);
        self.bool(level.latch);
    }

    fn rule_info(&mut self, rule: &RuleInfo) {
        for text in [
            &rule.name,
            &rule.pack,
            &rule.version,
            &rule.hash,
            &rule.text.zh,
            &rule.text.en,
        ] {
            self.text(text);
        }
        self.option(rule.clause.as_deref(), Self::text);
        self.bool(rule.test);
    }
}

fn out_ends(out: &mut Writer, slot: &PointSlot) {
    out.time(slot.stale_at);
    out.bool(slot.stale);
    out.time(slot.test_end);
    out.bool(slot.doubted);
}
