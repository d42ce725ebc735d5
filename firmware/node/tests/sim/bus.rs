//! A bus for the tests: slaves with one register and one point each.

use devices::{
    Bus, DataType, Function, Link, Order, Point, Profile, Range, Register, Scale, Signal, Slave,
};
use telemetry::Quality;

fn signal() -> Signal {
    Signal {
        name: "level".into(),
        register: 0,
        scale: Scale::By(1.0),
        offset: 0.0,
        unit_from: None,
        sentinels: Vec::new(),
        status: Vec::new(),
        range: Some(Range {
            low: 0.0,
            high: 65_535.0,
        }),
        above: Quality::OUT_OF_RANGE,
        inverted: false,
        digital: false,
        kind: "level".into(),
        eu: Some("mm".into()),
        description: None,
        optional: false,
    }
}

fn profile() -> Profile {
    Profile {
        name: "gauge".into(),
        title: "A gauge".into(),
        source: "made up".into(),
        registers_max: 125,
        bits_max: 2_000,
        gap_max: 0,
        forbidden: Vec::new(),
        registers: vec![Register {
            name: "level".into(),
            function: Function::HoldingRegisters,
            address: 0,
            data_type: DataType::U16,
            order: Order::Abcd,
            bits: None,
        }],
        signals: vec![signal()],
    }
}

/// `n` slaves from address 1 on, each with a point `tank/p1` … polled every `period_ms`.
pub(crate) fn bus(n: u8, period_ms: u64) -> Bus {
    let slave = |unit_id: u8| Slave {
        name: format!("gauge-{unit_id}"),
        unit_id,
        profile: profile(),
    };
    let point = |unit_id: u8| Point {
        unit: "tank".into(),
        point: format!("p{unit_id}"),
        kind: "level".into(),
        eu: Some("mm".into()),
        name: None,
        tag: None,
        description: None,
        attributes: Vec::new(),
        range: signal().range,
        position: None,
        period_ms,
        fastest_ms: None,
        max_age_ms: 3 * period_ms,
        digital: false,
        fail_safe: None,
        slave: usize::from(unit_id) - 1,
        declared: String::new(),
        signal: signal(),
    };
    Bus {
        name: "b1".into(),
        link: Link::Tcp {
            host: "127.0.0.1".into(),
            port: 502,
        },
        timeout_ms: 100,
        turnaround_ms: 5,
        lateness_ms: 50,
        slaves: (1..=n).map(slave).collect(),
        points: (1..=n).map(point).collect(),
    }
}
