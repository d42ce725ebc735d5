//! The site's points, found by what expressions call them.

use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

use crate::point::{PointIdx, PointInfo};
use crate::program::u32_of;

/// All points with their indices by unit and kind, by kind, and by name.
#[derive(Debug)]
pub(super) struct Points<'p> {
    infos: &'p [PointInfo],
    /// False when others could not be read: one that is not here may be among them.
    pub are_all: bool,
    by_kind: BTreeMap<&'p str, Vec<PointIdx>>,
    by_unit: BTreeMap<&'p str, BTreeMap<&'p str, Vec<PointIdx>>>,
    by_device: BTreeMap<Device<'p>, Vec<PointIdx>>,
    by_loop: BTreeMap<Loop<'p>, Vec<PointIdx>>,
    by_name: BTreeMap<(&'p str, &'p str), PointIdx>,
}

/// A node and its slave.
type Device<'p> = (Option<&'p str>, &'p str);
/// A unit and the word of the attribute `loop`.
type Loop<'p> = (&'p str, &'p str);
/// What puts a point into an instrument loop.
pub(super) const LOOP: &str = "loop";

impl<'p> Points<'p> {
    pub(super) fn new(infos: &'p [PointInfo], are_all: bool) -> Self {
        let mut points = Self {
            infos,
            are_all,
            by_kind: BTreeMap::new(),
            by_unit: BTreeMap::new(),
            by_device: BTreeMap::new(),
            by_loop: BTreeMap::new(),
            by_name: BTreeMap::new(),
        };
        for (index, info) in infos.iter().enumerate() {
            let point = PointIdx(u32_of(index));
            let kind = info.kind.as_str();
            points.by_kind.entry(kind).or_default().push(point);
            points
                .by_unit
                .entry(&info.unit)
                .or_default()
                .entry(kind)
                .or_default()
                .push(point);
            if let Some(device) = device_of(info) {
                points.by_device.entry(device).or_default().push(point);
            }
            if let Some(of) = loop_of(info) {
                points.by_loop.entry(of).or_default().push(point);
            }
            points.by_name.insert((&info.unit, &info.point), point);
        }
        points
    }

    pub(super) fn info(&self, point: PointIdx) -> &'p PointInfo {
        &self.infos[crate::program::at(point.0)]
    }

    /// `unit/point`.
    pub(super) fn name(&self, point: PointIdx) -> String {
        let info = self.info(point);
        std::format!("{}/{}", info.unit, info.point)
    }

    /// Its name, and where it is declared.
    pub(super) fn declared(&self, point: PointIdx) -> String {
        let name = self.name(point);
        let place = &self.info(point).declared;
        match place {
            Some(place) => std::format!("{name} ({place})"),
            None => name,
        }
    }

    pub(super) fn of_kind(&self, kind: &str) -> &[PointIdx] {
        self.by_kind.get(kind).map_or(&[], Vec::as_slice)
    }

    pub(super) fn of_kind_in(&self, unit: &str, kind: &str) -> &[PointIdx] {
        self.by_unit
            .get(unit)
            .and_then(|kinds| kinds.get(kind))
            .map_or(&[], Vec::as_slice)
    }

    /// The points of a kind on the same device as this one, and the device's name; none where no device is known.
    pub(super) fn of_kind_beside(
        &self,
        point: PointIdx,
        kind: &str,
    ) -> Option<(&'p str, Vec<PointIdx>)> {
        let device = device_of(self.info(point))?;
        Some((device.1, self.only(kind, self.by_device.get(&device)?)))
    }

    /// The points of a kind in the same loop as this one, and the loop; none where the point is in no loop.
    pub(super) fn of_kind_in_loop(
        &self,
        point: PointIdx,
        kind: &str,
    ) -> Option<(Loop<'p>, Vec<PointIdx>)> {
        let of = loop_of(self.info(point))?;
        Some((of, self.only(kind, self.by_loop.get(&of)?)))
    }

    fn only(&self, kind: &str, points: &[PointIdx]) -> Vec<PointIdx> {
        let is_of_kind = |point: &PointIdx| self.info(*point).kind == kind;
        points.iter().copied().filter(is_of_kind).collect()
    }

    /// The other points of its kind in its unit.
    pub(super) fn peers(&self, point: PointIdx) -> Vec<PointIdx> {
        let info = self.info(point);
        let alike = self.of_kind_in(&info.unit, &info.kind).iter().copied();
        alike.filter(|other| *other != point).collect()
    }

    pub(super) fn find(&self, unit: &str, point: &str) -> Option<PointIdx> {
        self.by_name.get(&(unit, point)).copied()
    }

    pub(super) fn has_unit(&self, unit: &str) -> bool {
        self.by_unit.contains_key(unit)
    }

    pub(super) fn units(&self) -> impl Iterator<Item = &'p str> {
        self.by_unit.keys().copied()
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = &'p str> {
        self.by_kind.keys().copied()
    }

    pub(super) fn kinds_in(&self, unit: &str) -> impl Iterator<Item = &'p str> {
        self.by_unit
            .get(unit)
            .into_iter()
            .flat_map(|kinds| kinds.keys().copied())
    }

    /// Every attribute of every point.
    pub(super) fn attributes(&self) -> impl Iterator<Item = &'p (String, String)> {
        self.infos.iter().flat_map(|info| &info.attributes)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.by_name
            .keys()
            .map(|(unit, point)| std::format!("{unit}/{point}"))
            .collect()
    }
}

fn device_of(info: &PointInfo) -> Option<Device<'_>> {
    Some((info.node.as_deref(), info.slave.as_deref()?))
}

fn loop_of(info: &PointInfo) -> Option<Loop<'_>> {
    let (_, word) = info.attributes.iter().find(|(key, _)| key == LOOP)?;
    Some((&info.unit, word))
}
