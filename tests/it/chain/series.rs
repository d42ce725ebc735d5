//! What InfluxDB says, read back through Flux.

use std::collections::BTreeMap;

use support::Influxd;

use super::registers::{Point, Reading};

/// A row that is just being written may have no quality yet; no reading is like it.
const NO_QUALITY: i64 = -1;

/// A row of an answer, by column.
pub(super) type Row = BTreeMap<String, String>;

/// A sample that came back.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) at: i64,
    pub(super) reading: Reading,
}

/// A measurement since a time, a row for each time of each series.
pub(super) fn rows(influx: &Influxd, measurement: &str, since: i64) -> Vec<Row> {
    let bucket = influx.bucket();
    parse(&influx.query(&format!(
        r#"from(bucket: "{bucket}")
|> range(start: time(v: {since}000000))
|> filter(fn: (r) => r._measurement == "{measurement}")
|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
|> map(fn: (r) => ({{ r with at: int(v: r._time) / 1000000 }}))"#
    )))
}

/// Tables of CSV, each with a head of its own, apart by empty lines. Nothing here has commas or quotes in it.
fn parse(csv: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut head: Vec<&str> = Vec::new();
    for line in csv.lines().map(|line| line.trim_end_matches('\r')) {
        let cells: Vec<&str> = line.split(',').collect();
        if line.is_empty() {
            head.clear();
        } else if head.is_empty() {
            head = cells;
        } else {
            assert_eq!(head.len(), cells.len(), "{line}");
            let cells = head.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
            rows.push(
                cells
                    .map(|(name, cell)| ((*name).to_owned(), cell.to_owned()))
                    .collect(),
            );
        }
    }
    rows
}

/// The samples of each point since a time, in the order of their times; a panic when their tags are not the point's.
pub(super) fn samples(influx: &Influxd, points: &[Point], since: i64) -> Vec<Vec<Sample>> {
    let mut samples = vec![Vec::new(); points.len()];
    for row in rows(influx, "sample", since) {
        let text = |name: &str| row.get(name).map(String::as_str);
        let number = |name: &str| text(name).map(|text| text.parse::<i64>().unwrap());
        let index = points.iter().position(|point| {
            text("unit") == Some(point.unit) && text("point") == Some(point.point)
        });
        let index = index.unwrap_or_else(|| panic!("nobody's sample: {row:?}"));
        let point = &points[index];
        assert_eq!(text("park"), Some("east-park"), "{row:?}");
        assert_eq!(text("enterprise"), Some("acme-chem"), "{row:?}");
        assert_eq!(text("kind"), Some(point.kind), "{row:?}");
        assert_eq!(text("u"), point.u, "{row:?}");
        // The time is the source's own.
        assert_eq!(text("clock"), None, "{row:?}");
        samples[index].push(Sample {
            at: number("at").unwrap(),
            reading: Reading {
                value: text("value").map(|text| text.parse().unwrap()),
                quality: number("q").unwrap_or(NO_QUALITY),
            },
        });
    }
    for samples in &mut samples {
        samples.sort_by_key(|sample| sample.at);
    }
    samples
}
