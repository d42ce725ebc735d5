//! What the database has of the plant, read back through Flux, and what must be true of it.

use std::collections::BTreeMap;

use support::Influxd;
use telemetry::Quality;

use super::plant::{COUNTS, Kind, PERIOD_MS, POINTS, Plant, UNDISTURBED, bus_name, value};

/// An answer is waited for 300 ms; what is older than this is the answer to an earlier question, which is more than a second old.
const FRESH_MS: i64 = 1_000;
/// Three periods, as long as a sample is live: a longer time without a row is a gap that nobody told.
const GAP_MS: i64 = 3 * PERIOD_MS;

#[derive(Clone, Copy, Debug)]
struct Row {
    at: i64,
    quality: Quality,
    value: Option<f64>,
}

impl Row {
    /// How it is not what a slave said whose counts begin at `origin`.
    fn lie(&self, origin: f64, plant: &Plant) -> Option<&'static str> {
        let Some(read) = self.value else {
            return (!self.quality.is_bad()).then_some("no value, and not bad");
        };
        if !self.quality.is_good() {
            return Some("a value that is not good");
        }
        // Before they count, slaves show 0.
        if read == 0.0 {
            let (_, counting) = plant.shown(0).expect("they have begun");
            return (self.at > counting + FRESH_MS).then_some("what it showed before it counted");
        }
        let count = read - origin;
        if !(0.0..f64::from(COUNTS)).contains(&count) {
            return Some("another point's value");
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it was just tried"
        )]
        let Some((from, to)) = plant.shown(count as u32) else {
            return Some("a count that was never shown");
        };
        let fresh = from..=to.saturating_add(FRESH_MS);
        (!fresh.contains(&self.at)).then_some("an older answer")
    }
}

/// The rows of each point, by bus and point, by time.
pub(super) struct Rows(BTreeMap<(String, String), Vec<Row>>);

impl Rows {
    pub(super) fn read(influx: &Influxd) -> Self {
        let cells = |field: &str| -> Vec<((String, String, i64), String)> {
            let table = influx.query(&format!(
                r#"from(bucket: "{}") |> range(start: 0) |> filter(fn: (r) => r._measurement == "sample" and r._field == "{field}") |> group() |> map(fn: (r) => ({{at: int(v: r._time) / 1000000, point: r.point, unit: r.unit, x: r._value}}))"#,
                influx.bucket()
            ));
            let lines = table
                .lines()
                .map(str::trim)
                .skip(1)
                .filter(|line| !line.is_empty());
            lines
                .map(|line| {
                    let cells: Vec<&str> = line.split(',').collect();
                    let place = (
                        cells[5].to_owned(),
                        cells[4].to_owned(),
                        cells[3].parse().unwrap(),
                    );
                    (place, cells[6].to_owned())
                })
                .collect()
        };
        // In this order, a row that is written meanwhile has at most a value too many, which is left out.
        let qualities = cells("q");
        let values: BTreeMap<_, f64> = cells("value")
            .into_iter()
            .map(|(place, cell)| (place, cell.parse().unwrap()))
            .collect();
        let mut rows: BTreeMap<_, Vec<Row>> = BTreeMap::new();
        for (place, cell) in qualities {
            let value = values.get(&place).copied();
            let (unit, point, at) = place;
            let quality = Quality(cell.parse().unwrap());
            rows.entry((unit, point))
                .or_default()
                .push(Row { at, quality, value });
        }
        for rows in rows.values_mut() {
            rows.sort_by_key(|row| row.at);
        }
        Self(rows)
    }

    fn of(
        &self,
        bus: &str,
        unit: u8,
        point: &str,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = &Row> {
        let rows = self.0.get(&(bus.to_owned(), format!("s{unit}.{point}")));
        let rows = rows.map(Vec::as_slice).unwrap_or_default();
        rows.iter().filter(move |row| (from..to).contains(&row.at))
    }

    pub(super) fn good(&self, bus: &str, unit: u8, point: &str, from: i64, to: i64) -> usize {
        self.of(bus, unit, point, from, to)
            .filter(|row| row.quality.is_good())
            .count()
    }

    /// The qualities of the rows that are not good.
    pub(super) fn bad(&self, bus: &str, unit: u8, point: &str, from: i64, to: i64) -> Vec<Quality> {
        self.of(bus, unit, point, from, to)
            .map(|row| row.quality)
            .filter(|quality| !quality.is_good())
            .collect()
    }

    /// Rows whose value is not of their point and their time, and rows that have a value and are not good, or the reverse.
    pub(super) fn not_what_the_slaves_said(&self, plant: &Plant) -> Vec<String> {
        let mut wrong = Vec::new();
        for (bus, number) in plant.buses() {
            for unit in 1..=3 {
                for (index, point) in POINTS.iter().enumerate() {
                    let origin = f64::from(value(number, unit, index, 0));
                    let rows = self.of(bus, unit, point, 0, i64::MAX);
                    let lies = rows.filter_map(|row| row.lie(origin, plant).map(|lie| (row, lie)));
                    wrong.extend(
                        lies.map(|(row, lie)| format!("{bus} s{unit}.{point}: {lie}: {row:?}")),
                    );
                }
            }
        }
        wrong
    }

    /// What a bus should have of each point between two times, from a bus of the same node that nothing disturbed: a
    /// computer that is busy elsewhere gives every bus fewer.
    pub(super) fn expected(&self, kind: Kind, from: i64, to: i64) -> usize {
        let bus = bus_name(kind, UNDISTURBED);
        let points = (1..=3).flat_map(|unit| POINTS.map(|point| (unit, point)));
        let expected = points
            .map(|(unit, point)| self.good(&bus, unit, point, from, to))
            .max();
        let asked = usize::try_from((to - from) / PERIOD_MS).unwrap();
        let expected = expected.unwrap_or(0);
        assert!(
            expected * 2 > asked,
            "{expected} of {asked}: this computer can't tell"
        );
        expected
    }

    /// A point that is not read has rows that say so.
    pub(super) fn tell_every_gap(
        &self,
        bus: &str,
        unit: u8,
        point: &str,
        from: i64,
        to: i64,
    ) -> Vec<String> {
        let times = self.of(bus, unit, point, from, to).map(|row| row.at);
        let times: Vec<i64> = [from].into_iter().chain(times).chain([to]).collect();
        let gaps = times.windows(2).filter(|pair| pair[1] - pair[0] > GAP_MS);
        gaps.map(|pair| {
            format!(
                "{bus} s{unit}.{point}: no row from {} to {}",
                pair[0], pair[1]
            )
        })
        .collect()
    }
}
