//! Where effects go, one at a time: a node has no room for those of all its alarms at once.

use alloc::sync::Arc;
use core::fmt;

use crate::effect::Effect;

/// Who hears of effects, and whose deed they are.
pub(super) struct Effects<'a> {
    hear: &'a mut dyn FnMut(Effect),
    deed: Option<Deed>,
}

/// What a person does, while it is done.
#[derive(Debug)]
struct Deed {
    alarm: u32,
    by: Arc<str>,
    comment: Option<Arc<str>>,
    /// The alarm has said something about it.
    is_told: bool,
}

impl<'a> Effects<'a> {
    pub(super) fn new(hear: &'a mut dyn FnMut(Effect)) -> Self {
        Self { hear, deed: None }
    }

    pub(super) fn tell(&mut self, mut effect: Effect) {
        if let Some(deed) = &mut self.deed {
            deed.is_told |= effect.alarm.0 == deed.alarm;
            effect.by = Some(deed.by.clone());
            effect.comment = deed.comment.clone();
        }
        (self.hear)(effect);
    }

    /// What is told from now on is a person's deed to an alarm.
    pub(super) fn begin_deed(&mut self, alarm: u32, by: Arc<str>, comment: Option<Arc<str>>) {
        self.deed = Some(Deed {
            alarm,
            by,
            comment,
            is_told: false,
        });
    }

    /// True when the alarm of the deed has said something about it.
    pub(super) fn is_deed_told(&self) -> bool {
        self.deed.as_ref().is_some_and(|deed| deed.is_told)
    }

    /// What is told from now on is nobody's deed.
    pub(super) fn end_deed(&mut self) {
        self.deed = None;
    }
}

impl fmt::Debug for Effects<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effects")
            .field("deed", &self.deed)
            .finish_non_exhaustive()
    }
}
