//! The nodes and their buses, and the list of all points.

use std::cell::RefCell;
use std::collections::BTreeMap;

use devices::Bus;
use front::{Item, Problems, Table};
use rules::compile::{BusInfo, NodeInfo, System};
use rules::point::{GeoPlace, PointInfo};
use telemetry::check_segment;

use super::files::Files;
use super::{Node, Point};

/// Reads nodes while it looks for what may be there only once.
pub(super) struct Reading<'a> {
    pub(super) files: &'a Files<'a>,
    pub(super) problems: &'a Problems,
    pub(super) gateway: Option<String>,
    nodes: Vec<Node>,
    /// Whose each point is: (unit, point) → (node, bus).
    owners: BTreeMap<(String, String), (String, String)>,
    /// Bus files by their path: nobody polls one twice.
    taken: RefCell<BTreeMap<String, String>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        files: &'a Files<'a>,
        problems: &'a Problems,
        gateway: Option<String>,
    ) -> Self {
        Self {
            files,
            problems,
            gateway,
            nodes: Vec::new(),
            owners: BTreeMap::new(),
            taken: RefCell::default(),
        }
    }

    /// The buses that this process polls itself: `[[bus]]`.
    pub(super) fn local(&mut self, name: &str, entries: &[Table<'_>]) {
        let mut node = Node {
            name: name.to_owned(),
            local: true,
            buses: Vec::new(),
        };
        for entry in entries {
            if let Some(item) = entry.req("file") {
                self.add_bus(&mut node, &item);
            }
            entry.finish();
        }
        if !entries.is_empty() {
            self.nodes.push(node);
        }
    }

    /// Nodes elsewhere: `[[node]]`.
    pub(super) fn remote(&mut self, entry: &Table<'_>) {
        let name = entry.req("name").and_then(|item| {
            let name = segment(&item)?;
            if self.gateway.as_ref() == Some(&name) {
                item.problem(format!("`{name}` is the gateway, expected another name"));
            }
            if self.nodes.iter().any(|node| node.name == name) {
                item.problem(format!("a second node `{name}`, expected each name once"));
            }
            Some(name)
        });
        let mut node = Node {
            name: name.clone().unwrap_or_default(),
            local: false,
            buses: Vec::new(),
        };
        for item in entry
            .req("buses")
            .map_or_else(Vec::new, |item| item.items())
        {
            self.add_bus(&mut node, &item);
        }
        entry.finish();
        self.nodes.push(node);
    }

    fn add_bus(&mut self, node: &mut Node, item: &Item<'_>) {
        let Some(file) = item.str() else { return };
        let earlier = self
            .taken
            .borrow_mut()
            .insert(file.to_owned(), node.name.clone());
        if let Some(earlier) = earlier {
            item.problem(format!(
                "`{file}` is polled by `{earlier}` already, expected each bus once"
            ));
            return;
        }
        let source = match self.files.source(file) {
            Ok(source) => source,
            Err(why) => {
                item.problem(format!("`{file}` {why}"));
                return;
            }
        };
        let bus = devices::read_bus(&source, &|name| self.profile(file, name), self.problems);
        let has_name = !bus.name.is_empty();
        if has_name && node.buses.iter().any(|known| known.name == bus.name) {
            item.problem(format!(
                "a second bus `{}` on node `{}`, expected each name once on a node",
                bus.name, node.name
            ));
        }
        // What is wrong with it was told; its points are looked at all the same.
        self.check_points(node, &bus, item);
        node.buses.push(bus);
    }

    /// A profile by the name that a bus file uses.
    fn profile(&self, bus_file: &str, name: &str) -> Result<front::Source, String> {
        if name.ends_with(".toml") {
            let beside = match bus_file.rsplit_once('/') {
                Some((folder, _)) => format!("{folder}/{name}"),
                None => name.to_owned(),
            };
            let source = self.files.source(&beside);
            return source.map_err(|why| format!("`{name}` {why}"));
        }
        let shipped = devices::find_profile(bus_file.as_ref(), name)?;
        Ok(self.files.shipped(&format!("device:{name}"), shipped))
    }

    /// Every point once in the whole site.
    fn check_points(&mut self, node: &Node, bus: &Bus, item: &Item<'_>) {
        for point in &bus.points {
            let id = (point.unit.clone(), point.point.clone());
            let owner = (node.name.clone(), bus.name.clone());
            if let Some((node, bus)) = self.owners.insert(id, owner) {
                item.problem(format!(
                    "the point `{}/{}` is on bus `{bus}` of node `{node}` too, expected each point once",
                    point.unit, point.point
                ));
            }
        }
    }

    /// The nodes, and all their points sorted by (unit, point). After problems, those that none of them is about, each once.
    pub(super) fn finish(self) -> (Vec<Node>, Vec<Point>) {
        let mut points = Vec::new();
        for (node_idx, node) in self.nodes.iter().enumerate() {
            for (bus_idx, bus) in node.buses.iter().enumerate() {
                points.extend(bus.points.iter().enumerate().map(|(on_bus, point)| Point {
                    info: info(node, bus, point),
                    node: node_idx,
                    bus: bus_idx,
                    on_bus,
                }));
            }
        }
        points.sort_by(|a, b| (&a.info.unit, &a.info.point).cmp(&(&b.info.unit, &b.info.point)));
        points.dedup_by(|a, b| (&a.info.unit, &a.info.point) == (&b.info.unit, &b.info.point));
        (self.nodes, points)
    }
}

/// The gateway and its nodes, for the system's own alarms.
pub(super) fn system(gateway: &str, nodes: &[Node]) -> System {
    System {
        gateway: gateway.to_owned(),
        nodes: nodes
            .iter()
            .map(|node| NodeInfo {
                name: node.name.clone(),
                buses: node
                    .buses
                    .iter()
                    .map(|bus| BusInfo {
                        name: bus.name.clone(),
                        slaves: bus.slaves.iter().map(|slave| slave.name.clone()).collect(),
                    })
                    .collect(),
            })
            .collect(),
    }
}

fn info(node: &Node, bus: &Bus, point: &devices::Point) -> PointInfo {
    PointInfo {
        unit: point.unit.clone(),
        point: point.point.clone(),
        name: point.name.clone(),
        kind: point.kind.clone(),
        eu: point.eu.clone(),
        tag: point.tag.clone(),
        description: point.description.clone(),
        attributes: point.attributes.clone(),
        place: point.position.as_ref().map(|position| GeoPlace {
            lon: position.lon,
            lat: position.lat,
            datum: position.datum.clone(),
        }),
        range: point.range.map(|range| (range.low, range.high)),
        digital: point.digital,
        output: point.fail_safe.is_some(),
        period_ms: point.period_ms,
        fastest_ms: point.fastest_ms,
        max_age_ms: point.max_age_ms,
        declared: Some(point.declared.clone()),
        node: Some(node.name.clone()),
        slave: bus
            .slaves
            .get(point.slave)
            .map(|slave| format!("{}/{}", bus.name, slave.name)),
    }
}

/// A name in the alphabet of names.
pub(super) fn segment(item: &Item<'_>) -> Option<String> {
    let text = item.str()?;
    match check_segment(text) {
        Ok(()) => Some(text.to_owned()),
        Err(error) => {
            item.problem(error.to_string());
            None
        }
    }
}
