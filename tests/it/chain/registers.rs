//! What is written into the registers of each slave, step by step, and what must come of it.
//!
//! The expected numbers are worked out from the profiles by hand; nothing here asks the program.

/// What a point must read: its value, if it has one, and its quality as OPC UA numbers it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) value: Option<f64>,
    pub(super) quality: i64,
}

const fn good(value: f64) -> Reading {
    uncertain(value, 0)
}

const fn uncertain(value: f64, quality: i64) -> Reading {
    Reading {
        value: Some(value),
        quality,
    }
}

const fn bad(quality: i64) -> Reading {
    Reading {
        value: None,
        quality,
    }
}

// OPC 10000-4 §7.39, the upper 16 bits.
const NOT_ACCURATE: i64 = 0x4093;
const CALIBRATION: i64 = 0x420A;
const OVER_RANGE: i64 = 0x4094;
const BAD: i64 = 0x8000;
const WARMING_UP: i64 = 0x8032;
const OUT_OF_RANGE: i64 = 0x803C;
const CONFIGURATION: i64 = 0x8089;
const NOT_CONNECTED: i64 = 0x808A;
const DEVICE_FAILURE: i64 = 0x808B;
const SENSOR_FAILURE: i64 = 0x808C;

/// A point, with the tags of its series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) unit: &'static str,
    pub(super) point: &'static str,
    pub(super) kind: &'static str,
    /// None for a switch.
    pub(super) u: Option<&'static str>,
}

const fn point(
    unit: &'static str,
    point: &'static str,
    kind: &'static str,
    u: &'static str,
) -> Point {
    let u = Some(u);
    Point {
        unit,
        point,
        kind,
        u,
    }
}

const fn switch(unit: &'static str, name: &'static str, kind: &'static str) -> Point {
    Point {
        u: None,
        ..point(unit, name, kind, "")
    }
}

/// What a slave is given in one step, and what its points must read then.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) words: Vec<u16>,
    pub(super) bits: Vec<u16>,
    pub(super) readings: Vec<Reading>,
}

/// A slave: its registers from 0 on, through all steps.
#[derive(Clone, Debug)]
pub(super) struct Slave {
    pub(super) line: Line,
    pub(super) unit_id: u8,
    pub(super) points: Vec<Point>,
    pub(super) rows: Vec<Row>,
}

/// Which of the two lines a slave is on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Line {
    /// TCP, read by the edge node.
    Field,
    /// RTU on a serial pair, read by the gateway itself.
    Works,
}

/// How many steps there are.
pub(super) const STEPS: usize = 9;

fn row<const N: usize>(words: &[u16], readings: [Reading; N]) -> Row {
    Row {
        words: words.to_vec(),
        bits: Vec::new(),
        readings: readings.into(),
    }
}

/// The two words of a 32-bit number, most significant first.
fn words32(bits: u32) -> [u16; 2] {
    let [a, b, c, d] = bits.to_be_bytes();
    [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
}

/// The four words of a 64-bit number, most significant first.
fn words64(bits: u64) -> [u16; 4] {
    let [a, b, c, d, e, f, g, h] = bits.to_be_bytes();
    [[a, b], [c, d], [e, f], [g, h]].map(u16::from_be_bytes)
}

fn low_first<const N: usize>(mut words: [u16; N]) -> [u16; N] {
    words.reverse();
    words
}

fn bytes_swapped<const N: usize>(words: [u16; N]) -> [u16; N] {
    words.map(u16::swap_bytes)
}

/// A negative number as a register holds it.
fn i(number: i16) -> u16 {
    u16::from_be_bytes(number.to_be_bytes())
}

/// Every slave.
pub(super) fn slaves() -> Vec<Slave> {
    let slaves = vec![
        combustible(),
        toxic(),
        piezometers(),
        pond(),
        welder(),
        every_type(),
        oxygen(),
        collector(),
        loops(),
    ];
    for slave in &slaves {
        assert_eq!(slave.rows.len(), STEPS, "slave {}", slave.unit_id);
        let n_points = slave.points.len();
        assert!(slave.rows.iter().all(|row| row.readings.len() == n_points));
    }
    slaves
}

/// Every point, and what each must read step by step.
pub(super) fn points(slaves: &[Slave]) -> (Vec<Point>, Vec<Vec<Reading>>) {
    let of = |slave: &Slave| {
        let rows = slave.rows.clone();
        let points = slave.points.clone().into_iter().enumerate();
        points.map(move |(index, point)| (point, rows.iter().map(|row| row.readings[index]).collect()))
    };
    slaves.iter().flat_map(|slave| of(slave).collect::<Vec<_>>()).unzip()
}

/// Value, unit code, precision code, low and high limit, status.
fn combustible() -> Slave {
    Slave {
        line: Line::Field,
        unit_id: 1,
        points: vec![
            point("tank-1", "gt-101", "combustible-gas", "%LEL"),
            point("tank-1", "gt-101-low", "detector-limit", "%LEL"),
            point("tank-1", "gt-101-high", "detector-limit", "%LEL"),
        ],
        rows: vec![
            row(&[12, 0, 0, 25, 50, 0], [good(12.0), good(25.0), good(50.0)]),
            row(&[305, 0, 1, 200, 405, 1], [good(30.5), good(20.0), good(40.5)]),
            row(&[6_025, 0, 2, 2_500, 4_999, 2], [good(60.25), good(25.0), good(49.99)]),
            row(&[0x7FFF, 0, 0, 24, 49, 0], [bad(SENSOR_FAILURE), good(24.0), good(49.0)]),
            // Flooded: it says "over-range" and its number has folded back.
            row(&[7, 0, 0, 25, 50, 6], [uncertain(100.0, OVER_RANGE), good(25.0), good(50.0)]),
            // ppm can't become %LEL.
            row(&[700, 1, 0, 26, 51, 0], [bad(CONFIGURATION), good(26.0), good(51.0)]),
            row(&[455, 0, 1, 250, 500, 0], [good(45.5), good(25.0), good(50.0)]),
            row(&[12_345, 0, 3, 25_000, 32_000, 0], [good(12.345), good(25.0), good(32.0)]),
            row(&[150, 0, 0, 25, 50, 0], [uncertain(150.0, OVER_RANGE), good(25.0), good(50.0)]),
        ],
    }
}

fn toxic() -> Slave {
    Slave {
        line: Line::Field,
        unit_id: 2,
        points: vec![point("tank-1", "gt-201", "hydrogen-sulfide", "ppm")],
        rows: vec![
            row(&[3, 1, 0, 0, 0, 0], [good(3.0)]),
            // 0.001 %VOL
            row(&[1, 2, 3, 0, 0, 0], [good(10.0)]),
            row(&[155, 1, 1, 0, 0, 0], [good(15.5)]),
            row(&[155, 1, 1, 0, 0, 3], [bad(SENSOR_FAILURE)]),
            row(&[155, 1, 1, 0, 0, 4], [bad(WARMING_UP)]),
            row(&[40, 1, 0, 0, 0, 5], [uncertain(40.0, CALIBRATION)]),
            // A status code that the data sheet does not know.
            row(&[40, 1, 0, 0, 0, 9], [bad(BAD)]),
            row(&[25, 1, 1, 0, 0, 0], [good(2.5)]),
            row(&[45, 1, 0, 0, 0, 2], [good(45.0)]),
        ],
    }
}

/// Channels 1 and 3: depth and temperature with the low word first, status.
fn piezometers() -> Slave {
    let row = |depth: f32, temperature: f32, status: u16, third: f32, readings| {
        let mut words = Vec::new();
        words.extend(low_first(words32(depth.to_bits())));
        words.extend(low_first(words32(temperature.to_bits())));
        words.extend([status, 0, 0, 0, 0, 0, 0, 0]);
        words.extend(low_first(words32(third.to_bits())));
        words.extend([0, 0, 0]);
        row::<3>(&words, readings)
    };
    // What a 32-bit float makes of 12.3.
    let nearly = f64::from(12.3_f32);
    Slave {
        line: Line::Field,
        unit_id: 3,
        points: vec![
            point("pond-1", "pz-1", "phreatic-depth", "m"),
            point("pond-1", "pz-1-temperature", "probe-temperature", "Cel"),
            point("pond-1", "pz-3", "phreatic-depth", "m"),
        ],
        rows: vec![
            row(12.3, 8.5, 0, 20.0, [good(nearly), good(8.5), good(20.0)]),
            row(7.5, -2.25, 0, 21.0, [good(7.5), good(-2.25), good(21.0)]),
            row(5.25, 9.0, 0, 20.5, [good(5.25), good(9.0), good(20.5)]),
            row(5.25, 9.0, 2, 20.0, [bad(SENSOR_FAILURE), bad(SENSOR_FAILURE), good(20.0)]),
            row(-9999.0, 9.5, 0, 20.5, [bad(NOT_CONNECTED), good(9.5), good(20.5)]),
            row(9.5, 9.75, 3, 20.0, [uncertain(9.5, NOT_ACCURATE), uncertain(9.75, NOT_ACCURATE), good(20.0)]),
            row(9.5, 9.75, 0, 20.5, [good(9.5), good(9.75), good(20.5)]),
            row(f32::NAN, f32::INFINITY, 0, 20.0, [bad(SENSOR_FAILURE), bad(SENSOR_FAILURE), good(20.0)]),
            row(5.5, 10.0, 0, 20.5, [good(5.5), good(10.0), good(20.5)]),
        ],
    }
}

/// Level above the radar's zero at 412.6 m, echo, status.
fn pond() -> Slave {
    let row = |level: f32, echo: u16, status: u16, readings| {
        let [high, low] = words32(level.to_bits());
        row::<2>(&[high, low, echo, 0, status], readings)
    };
    Slave {
        line: Line::Field,
        unit_id: 4,
        points: vec![
            point("pond-1", "pond-level", "pond-level", "m"),
            point("pond-1", "echo", "echo-quality", "%"),
        ],
        rows: vec![
            row(20.5, 80, 0, [good(433.1), good(80.0)]),
            row(27.5, 81, 0, [good(440.1), good(81.0)]),
            row(31.5, 120, 0, [bad(OUT_OF_RANGE), bad(OUT_OF_RANGE)]),
            row(f32::NAN, 82, 0, [bad(SENSOR_FAILURE), good(82.0)]),
            row(20.5, 83, 1, [uncertain(433.1, NOT_ACCURATE), good(83.0)]),
            row(-9999.0, 0, 0, [bad(SENSOR_FAILURE), good(0.0)]),
            row(20.5, 84, 7, [bad(BAD), good(84.0)]),
            row(20.75, 100, 0, [good(433.35), good(100.0)]),
            row(28.5, 99, 0, [good(441.1), good(99.0)]),
        ],
    }
}

/// Current, voltage, energy in two words, two that nobody reads, state bits.
fn welder() -> Slave {
    let row = |current, voltage, energy: u32, bits, readings| {
        let [high, low] = words32(energy);
        row::<5>(&[current, voltage, high, low, 0xDEAD, 0xBEEF, bits], readings)
    };
    Slave {
        line: Line::Field,
        unit_id: 5,
        points: vec![
            point("wm-1", "current", "welding-current", "A"),
            point("wm-1", "voltage", "welding-voltage", "V"),
            switch("wm-1", "session", "welding-session"),
            switch("wm-1", "case-open", "case-open"),
            point("wm-1", "energy", "energy", "kW.h"),
        ],
        rows: vec![
            row(0, 2_301, 1, 0b001, [good(0.0), good(230.1), good(1.0), good(0.0), good(0.01)]),
            row(125, 2_295, 65_536, 0b001, [good(12.5), good(229.5), good(1.0), good(0.0), good(655.36)]),
            row(3_505, 2_200, 99_999, 0b011, [good(350.5), good(220.0), good(1.0), good(1.0), good(999.99)]),
            row(3_505, 0, 100_000, 0b101, [bad(SENSOR_FAILURE), good(0.0), good(1.0), good(0.0), good(1_000.0)]),
            row(6_500, 2_300, 4_294_967_295, 0b001, [uncertain(650.0, OVER_RANGE), good(230.0), good(1.0), good(0.0), good(42_949_672.95)]),
            row(99, 6_000, 7, 0b001, [good(9.9), bad(OUT_OF_RANGE), good(1.0), good(0.0), good(0.07)]),
            row(100, 2_310, 70, 0b001, [good(10.0), good(231.0), good(1.0), good(0.0), good(0.7)]),
            row(0, 2_300, 700, 0b010, [good(0.0), good(230.0), good(0.0), good(1.0), good(7.0)]),
            row(3_100, 2_290, 7_000, 0b000, [good(310.0), good(229.0), good(0.0), good(0.0), good(70.0)]),
        ],
    }
}

/// What no shipped profile uses: the other types and orders. See `meter.toml` in `files`.
fn every_type() -> Slave {
    #[allow(clippy::too_many_arguments, reason = "one for each register")]
    fn row(
        i32_badc: i32,
        u32_cdab: u32,
        f32_dcba: f32,
        u64_abcd: u64,
        i64_dcba: i64,
        f64_cdab: f64,
        bcd: [u16; 3],
        flags: u16,
        readings: [Reading; 9],
    ) -> Row {
        let mut words = Vec::new();
        words.extend(bytes_swapped(words32(u32::from_be_bytes(i32_badc.to_be_bytes()))));
        words.extend(low_first(words32(u32_cdab)));
        words.extend(low_first(bytes_swapped(words32(f32_dcba.to_bits()))));
        words.extend(words64(u64_abcd));
        words.extend(low_first(bytes_swapped(words64(u64::from_be_bytes(i64_dcba.to_be_bytes())))));
        words.extend(low_first(words64(f64_cdab.to_bits())));
        words.extend(bcd);
        words.push(flags);
        self::row(&words, readings)
    }
    let names = ["i32", "u32", "f32", "u64", "i64", "f64", "bcd16", "bcd32"];
    let mut points: Vec<Point> = names.map(|name| point("lab", name, "count", "1")).into();
    points.push(point("lab", "field", "count", "1"));
    const EXACT: u64 = 1 << 53;
    let exact = 9_007_199_254_740_992.0;
    Slave {
        line: Line::Field,
        unit_id: 6,
        points,
        rows: vec![
            row(0, 0, 0.5, 0, 0, 0.1, [0, 0, 0], 0xFF0F, [0.0, 0.0, 0.5, 0.0, 0.0, 0.1, 0.0, 0.0, 0.0].map(good)),
            row(-1, 1, -0.5, 1, -1, -0.1, [0x1234, 0x0000, 0x0001], 0x0010, [-1.0, 1.0, -0.5, 1.0, -1.0, -0.1, 1_234.0, 1.0, 1.0].map(good)),
            row(i32::MIN, u32::MAX, f32::MAX, EXACT, -9_007_199_254_740_992, 1e300, [0x9999, 0x9999, 0x9999], 0x00F0, [-2_147_483_648.0, 4_294_967_295.0, f64::from(f32::MAX), exact, -exact, 1e300, 9_999.0, 99_999_999.0, 15.0].map(good)),
            row(i32::MAX, 0x0001_0000, f32::MIN_POSITIVE, 0x0001_0000_0000, 0x0001_0000, -1e-300, [0x0009, 0x1000, 0x0000], 0x00A0, [2_147_483_647.0, 65_536.0, f64::from(f32::MIN_POSITIVE), 4_294_967_296.0, 65_536.0, -1e-300, 9.0, 10_000_000.0, 10.0].map(good)),
            row(65_536, 5, f32::NAN, 5, 5, f64::NAN, [0x00A0, 0x0000, 0xF000], 0x0050, [good(65_536.0), good(5.0), bad(SENSOR_FAILURE), good(5.0), good(5.0), bad(SENSOR_FAILURE), bad(DEVICE_FAILURE), bad(DEVICE_FAILURE), good(5.0)]),
            row(6, 6, 6.0, 6, 6, f64::INFINITY, [0x0006, 0, 0x0006], 0x0060, [good(6.0), good(6.0), good(6.0), good(6.0), good(6.0), bad(SENSOR_FAILURE), good(6.0), good(6.0), good(6.0)]),
            row(7, 7, 7.0, 7, 7, 7.0, [0x0007, 0, 0x0007], 0x0070, [good(7.0); 9]),
            row(8, 8, 8.0, 8, 8, 8.0, [0x0008, 0, 0x0008], 0x0080, [good(8.0); 9]),
            row(9, 9, 9.0, 9, 9, 9.0, [0x0009, 0, 0x0009], 0x0090, [good(9.0); 9]),
        ],
    }
}

/// Tenths of %VOL, status.
fn oxygen() -> Slave {
    Slave {
        line: Line::Works,
        unit_id: 11,
        points: vec![point("pump-house", "ot-301", "oxygen", "%VOL")],
        rows: vec![
            row(&[209, 0], [good(20.9)]),
            row(&[195, 1], [good(19.5)]),
            row(&[240, 2], [good(24.0)]),
            // A dead cell reads exactly 0.
            row(&[0, 0], [bad(SENSOR_FAILURE)]),
            row(&[310, 0], [bad(OUT_OF_RANGE)]),
            row(&[208, 0], [good(20.8)]),
            row(&[0xFFFF, 0], [bad(NOT_CONNECTED)]),
            row(&[150, 0], [good(15.0)]),
            row(&[160, 0], [good(16.0)]),
        ],
    }
}

/// Pressure drop with the low word first, two temperatures, air speed, the sensors' faults; the fan and the airlock are bits.
fn collector() -> Slave {
    let row = |dp: f32, hopper, inlet, speed, faults, bits: [u16; 2], readings| {
        let [low, high] = low_first(words32(dp.to_bits()));
        let words = [low, high, hopper, inlet, speed, 0, 0, 0, 0, 0, 0, 0, faults];
        Row {
            bits: bits.into(),
            ..row::<6>(&words, readings)
        }
    };
    let (on, off) = (good(1.0), good(0.0));
    Slave {
        line: Line::Works,
        unit_id: 12,
        points: vec![
            point("collector-1", "filter-dp", "filter-dp", "Pa"),
            point("collector-1", "hopper-temperature", "hopper-temperature", "Cel"),
            point("collector-1", "inlet-temperature", "duct-temperature", "Cel"),
            switch("collector-1", "fan-running", "fan-running"),
            switch("collector-1", "airlock-fault", "airlock-fault"),
            point("collector-1", "air-speed", "duct-air-speed", "m/s"),
        ],
        rows: vec![
            row(800.5, i(-55), 200, 1_850, 0, [1, 0], [good(800.5), good(-5.5), good(20.0), on, off, good(18.5)]),
            row(810.25, 600, 205, 1_855, 0, [1, 1], [good(810.25), good(60.0), good(20.5), on, on, good(18.55)]),
            row(820.0, 755, 210, 1_860, 0, [0, 1], [good(820.0), good(75.5), good(21.0), off, on, good(18.6)]),
            row(1.0, 755, 215, 1_865, 0b011, [0, 0], [bad(SENSOR_FAILURE), bad(SENSOR_FAILURE), good(21.5), off, off, good(18.65)]),
            row(3_100.0, 8_500, 220, 1, 0b100, [1, 0], [uncertain(3_100.0, OVER_RANGE), bad(NOT_CONNECTED), bad(SENSOR_FAILURE), on, off, good(0.01)]),
            row(-100.0, 650, 32_767, 6_100, 0, [1, 0], [bad(OUT_OF_RANGE), good(65.0), bad(NOT_CONNECTED), on, off, bad(OUT_OF_RANGE)]),
            // One hundredth of the range beyond it is tolerated.
            row(3_030.0, 2_015, 230, 6_060, 0, [1, 0], [good(3_030.0), good(201.5), good(23.0), on, off, good(60.6)]),
            row(805.0, 200, 235, 1_900, 0, [1, 0], [good(805.0), good(20.0), good(23.5), on, off, good(19.0)]),
            row(806.0, 720, 240, 1_910, 0, [1, 1], [good(806.0), good(72.0), good(24.0), on, on, good(19.1)]),
        ],
    }
}

/// Two current loops in microamperes: rain from 0 to 200 mm/h, pressure from 0 to 1.6 MPa.
fn loops() -> Slave {
    Slave {
        line: Line::Works,
        unit_id: 13,
        points: vec![
            point("pond-1", "rain-rate", "rain-rate", "mm/h"),
            point("pump-house", "seal", "seal-pressure", "MPa"),
        ],
        rows: vec![
            row(&[4_000, 4_000], [good(0.0), good(0.0)]),
            row(&[12_000, 12_000], [good(100.0), good(0.8)]),
            row(&[20_000, 20_000], [good(200.0), good(1.6)]),
            row(&[3_599, 21_001], [bad(NOT_CONNECTED), bad(SENSOR_FAILURE)]),
            row(&[65_535, 0], [bad(SENSOR_FAILURE), bad(NOT_CONNECTED)]),
            row(&[3_600, 20_500], [bad(OUT_OF_RANGE), bad(OUT_OF_RANGE)]),
            row(&[3_900, 8_000], [good(-1.25), good(0.4)]),
            row(&[4_080, 5_000], [good(1.0), good(0.1)]),
            row(&[4_800, 4_500], [good(10.0), good(0.05)]),
        ],
    }
}

impl Reading {
    /// True when both are the same, but for the last digits of a sum.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same = match (self.value, other.value) {
            (None, None) => true,
            (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
            _ => false,
        };
        same && self.quality == other.quality
    }
}
