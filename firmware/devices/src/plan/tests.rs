use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{DataType, Forbidden, Link, Order, Signal, Status};

fn profile(registers: &[(Function, u16, DataType)]) -> Profile {
    Profile {
        name: "p".to_owned(),
        title: String::new(),
        source: String::new(),
        registers_max: 125,
        bits_max: 2_000,
        gap_max: 0,
        forbidden: Vec::new(),
        registers: registers
            .iter()
            .enumerate()
            .map(|(idx, (function, address, data_type))| Register {
                name: format!("r{idx}"),
                function: *function,
                address: *address,
                data_type: *data_type,
                order: Order::Abcd,
                bits: None,
            })
            .collect(),
        signals: Vec::new(),
    }
}

fn point(slave: usize, register: usize, period_ms: u64) -> Point {
    let signal = Signal {
        name: format!("s{register}"),
        register,
        scale: Scale::By(1.0),
        offset: 0.0,
        unit_from: None,
        sentinels: Vec::new(),
        status: Vec::new(),
        range: None,
        above: Quality::OUT_OF_RANGE,
        inverted: false,
        digital: false,
        kind: "k".to_owned(),
        eu: None,
        description: None,
        optional: false,
    };
    Point {
        unit: "u".to_owned(),
        point: format!("p{slave}-{register}"),
        kind: "k".to_owned(),
        eu: None,
        name: None,
        tag: None,
        description: None,
        attributes: Vec::new(),
        range: None,
        position: None,
        period_ms,
        fastest_ms: None,
        max_age_ms: 3 * period_ms,
        digital: false,
        fail_safe: None,
        slave,
        declared: String::new(),
        signal,
    }
}

/// A bus with one slave that has a point for each of some registers.
fn bus(profile: Profile, registers: impl IntoIterator<Item = usize>) -> Bus {
    Bus {
        name: "b".to_owned(),
        link: Link::Tcp {
            host: "h".to_owned(),
            port: 502,
        },
        timeout_ms: 500,
        turnaround_ms: 10,
        lateness_ms: 0,
        slaves: vec![Slave {
            name: "s".to_owned(),
            unit_id: 7,
            profile,
        }],
        points: registers
            .into_iter()
            .map(|register| point(0, register, 1_000))
            .collect(),
    }
}

fn asked(plan: &Plan) -> Vec<(Function, u16, u16)> {
    plan.requests
        .iter()
        .map(|request| (request.function, request.address, request.count))
        .collect()
}

const HOLDING: Function = Function::HoldingRegisters;
const INPUT: Function = Function::InputRegisters;

#[test]
fn neighbours_of_one_table_are_one_request() {
    let map = [
        (HOLDING, 0, DataType::I16),
        (HOLDING, 1, DataType::F32),
        (INPUT, 3, DataType::U16),
        (HOLDING, 3, DataType::U16),
    ];
    let plan = Plan::new(&bus(profile(&map), 0..4));
    assert_eq!(asked(&plan), [(HOLDING, 0, 4), (INPUT, 3, 1)]);
}

#[test]
fn an_address_that_nobody_lists_is_read_along_only_within_the_gap() {
    let map = [(HOLDING, 0, DataType::U16), (HOLDING, 3, DataType::U16)];
    let mut tight = profile(&map);
    tight.gap_max = 1;
    assert_eq!(
        asked(&Plan::new(&bus(tight.clone(), 0..2))),
        [(HOLDING, 0, 1), (HOLDING, 3, 1)]
    );
    tight.gap_max = 2;
    assert_eq!(asked(&Plan::new(&bus(tight, 0..2))), [(HOLDING, 0, 4)]);
}

#[test]
fn a_listed_register_that_no_point_needs_is_no_gap() {
    let map = [
        (HOLDING, 0, DataType::U16),
        (HOLDING, 1, DataType::U32),
        (HOLDING, 3, DataType::U16),
    ];
    assert_eq!(
        asked(&Plan::new(&bus(profile(&map), [0, 2]))),
        [(HOLDING, 0, 4)]
    );
}

#[test]
fn a_forbidden_address_splits_a_request() {
    let map = [(HOLDING, 0, DataType::U16), (HOLDING, 2, DataType::U16)];
    let mut profile = profile(&map);
    profile.gap_max = 10;
    profile.forbidden = vec![Forbidden {
        function: HOLDING,
        first: 1,
        last: 1,
    }];
    assert_eq!(
        asked(&Plan::new(&bus(profile, 0..2))),
        [(HOLDING, 0, 1), (HOLDING, 2, 1)]
    );
}

#[test]
fn no_request_exceeds_125_registers_or_2000_bits() {
    let words: Vec<_> = (0..130).map(|at| (HOLDING, at, DataType::U16)).collect();
    let plan = Plan::new(&bus(profile(&words), 0..130));
    assert_eq!(asked(&plan), [(HOLDING, 0, 125), (HOLDING, 125, 5)]);
    let bits: Vec<_> = (0..2_001)
        .map(|at| (Function::Coils, at, DataType::Bit))
        .collect();
    let plan = Plan::new(&bus(profile(&bits), 0..2_001));
    assert_eq!(
        asked(&plan),
        [(Function::Coils, 0, 2_000), (Function::Coils, 2_000, 1)]
    );
}

#[test]
fn the_last_address_of_a_table_can_be_read() {
    let map = [
        (HOLDING, 65_535, DataType::U16),
        (HOLDING, 65_534, DataType::U16),
    ];
    assert_eq!(
        asked(&Plan::new(&bus(profile(&map), 0..2))),
        [(HOLDING, 65_534, 2)]
    );
}

#[test]
fn each_period_is_a_group_of_its_own() {
    let map = [(HOLDING, 0, DataType::U16), (HOLDING, 1, DataType::U16)];
    let mut bus = bus(profile(&map), 0..2);
    bus.points[0].period_ms = 5_000;
    let plan = Plan::new(&bus);
    let groups: Vec<_> = plan
        .groups
        .iter()
        .map(|group| (group.period_ms, group.requests.clone(), group.points))
        .collect();
    assert_eq!(groups, [(1_000, 0..1, 1), (5_000, 1..2, 1)]);
    assert_eq!(asked(&plan), [(HOLDING, 1, 1), (HOLDING, 0, 1)]);
}

/// A point whose status is in another table than its value, so that it needs two requests.
fn two_requests() -> Bus {
    let map = [(HOLDING, 0, DataType::U16), (INPUT, 9, DataType::U16)];
    let mut bus = bus(profile(&map), [0]);
    bus.points[0].signal.status = vec![Status {
        register: 1,
        codes: vec![crate::CodeQuality {
            code: 0,
            quality: Quality::GOOD,
            reads: None,
        }],
        other: Quality::BAD,
    }];
    bus
}

fn told(
    plan: &Plan,
    bus: &Bus,
    image: &mut Image,
    request: usize,
    reply: Reply<'_>,
) -> Vec<(usize, Option<Value>, Quality)> {
    let mut told = Vec::new();
    plan.decode(bus, image, request, reply, &mut |point, value, quality| {
        told.push((point, value, quality));
    });
    told
}

#[test]
fn a_point_is_told_with_the_last_request_that_it_needs() {
    let bus = two_requests();
    let plan = Plan::new(&bus);
    let mut image = plan.image();
    assert_eq!(told(&plan, &bus, &mut image, 0, Reply::Words(&[42])), []);
    assert_eq!(
        told(&plan, &bus, &mut image, 1, Reply::Words(&[0])),
        [(0, Some(Value::Number(42.0)), Quality::GOOD)]
    );
    let raw: Vec<_> = plan.raw(&image, 0).collect();
    assert_eq!(raw, [(0, Ok(42)), (1, Ok(0))]);
}

#[test]
fn nothing_of_the_last_pass_explains_this_one() {
    let bus = two_requests();
    let plan = Plan::new(&bus);
    let mut image = plan.image();
    told(&plan, &bus, &mut image, 0, Reply::Words(&[42]));
    told(&plan, &bus, &mut image, 1, Reply::Words(&[0]));
    told(
        &plan,
        &bus,
        &mut image,
        0,
        Reply::Failed(Quality::COMM_ERROR),
    );
    assert_eq!(
        told(&plan, &bus, &mut image, 1, Reply::Words(&[0])),
        [(0, None, Quality::COMM_ERROR)]
    );
}

#[test]
fn a_reply_of_another_length_or_kind_is_a_comm_error() {
    let map = [(HOLDING, 0, DataType::U16), (HOLDING, 1, DataType::U16)];
    let bus = bus(profile(&map), 0..2);
    let plan = Plan::new(&bus);
    let mut image = plan.image();
    let error = |point| (point, None, Quality::COMM_ERROR);
    for reply in [
        Reply::Words(&[1]),
        Reply::Words(&[1, 2, 3]),
        Reply::Bits(&[true, true]),
    ] {
        assert_eq!(
            told(&plan, &bus, &mut image, 0, reply),
            [error(0), error(1)]
        );
    }
}

#[test]
fn bits_are_read_from_their_place_in_the_reply() {
    let map = [
        (Function::DiscreteInputs, 4, DataType::Bit),
        (Function::DiscreteInputs, 5, DataType::Bit),
    ];
    let mut bus = bus(profile(&map), 0..2);
    for point in &mut bus.points {
        point.signal.digital = true;
    }
    let plan = Plan::new(&bus);
    let mut image = plan.image();
    assert_eq!(
        told(&plan, &bus, &mut image, 0, Reply::Bits(&[false, true])),
        [
            (0, Some(Value::Bool(false)), Quality::GOOD),
            (1, Some(Value::Bool(true)), Quality::GOOD)
        ]
    );
}

/// The fewest requests, by trying every way to cut the sorted registers into runs.
fn fewest(profile: &Profile, registers: &[usize]) -> usize {
    let mut sorted = registers.to_vec();
    sorted.sort_by_key(|idx| profile.registers[*idx].address);
    let cuts = sorted.len().saturating_sub(1);
    (0..1_u32 << cuts)
        .filter_map(|mask| {
            let mut runs: Vec<Vec<usize>> = vec![vec![]];
            for (position, idx) in sorted.iter().enumerate() {
                if position > 0 && mask >> (position - 1) & 1 == 1 {
                    runs.push(vec![]);
                }
                runs.last_mut()?.push(*idx);
            }
            let allowed = runs.iter().all(|run| allowed(profile, run));
            allowed.then_some(runs.len())
        })
        .min()
        .unwrap_or(0)
}

/// True when one request may read all of a run: told from the addresses themselves, not as the planner does.
fn allowed(profile: &Profile, run: &[usize]) -> bool {
    let mut covered = BTreeSet::new();
    for idx in run {
        let register = &profile.registers[*idx];
        covered.extend((0..register.count()).map(|n| register.address + n));
    }
    let (Some(first), Some(last)) = (covered.first(), covered.last()) else {
        return false;
    };
    let listed: BTreeSet<u16> = profile
        .registers
        .iter()
        .flat_map(|register| (0..register.count()).map(|n| register.address + n))
        .collect();
    let mut gap = 0;
    for address in *first..=*last {
        if profile
            .forbidden
            .iter()
            .any(|span| (span.first..=span.last).contains(&address))
        {
            return false;
        }
        if covered.contains(&address) {
            gap = 0;
        } else if !listed.contains(&address) {
            gap += 1;
            if gap > profile.gap_max {
                return false;
            }
        }
    }
    last - first < profile.registers_max
}

fn any_profile() -> impl Strategy<Value = (Profile, Vec<usize>)> {
    let register = (0..40_u16, 0..3_usize);
    (
        prop::collection::vec(register, 1..9),
        0..4_u16,
        4..20_u16,
        prop::collection::vec(0..44_u16, 0..3),
        prop::collection::vec(any::<bool>(), 9),
    )
        .prop_map(|(registers, gap_max, registers_max, forbidden, wanted)| {
            let types = [DataType::U16, DataType::F32, DataType::U64];
            let mut map: Vec<_> = registers
                .iter()
                .map(|(address, kind)| (HOLDING, *address, types[*kind]))
                .filter(|(_, address, kind)| {
                    !forbidden
                        .iter()
                        .any(|at| (*address..address + kind.count()).contains(at))
                })
                .collect();
            map.dedup();
            let mut profile = profile(&map);
            profile.gap_max = gap_max;
            profile.registers_max = registers_max;
            profile.forbidden = forbidden
                .iter()
                .map(|at| Forbidden {
                    function: HOLDING,
                    first: *at,
                    last: *at,
                })
                .collect();
            let wanted = (0..map.len()).filter(|idx| wanted[*idx]).collect();
            (profile, wanted)
        })
}

proptest! {
    #[test]
    fn every_register_is_covered_by_the_fewest_allowed_requests((profile, wanted) in any_profile()) {
        let plan = Plan::new(&bus(profile.clone(), wanted.clone()));
        let mut covered = BTreeSet::new();
        for request in &plan.requests {
            prop_assert!(request.count >= 1 && request.count <= profile.registers_max);
            let end = request.address + request.count;
            for span in &profile.forbidden {
                prop_assert!(span.last < request.address || span.first >= end);
            }
            for idx in &wanted {
                let register = &profile.registers[*idx];
                if register.address >= request.address && register.address + register.count() <= end {
                    covered.insert(*idx);
                }
            }
        }
        prop_assert_eq!(covered.len(), wanted.len());
        prop_assert_eq!(plan.requests.len(), fewest(&profile, &wanted));
    }

    #[test]
    fn every_point_is_told_once_with_the_words_at_its_address((profile, wanted) in any_profile()) {
        let bus = bus(profile.clone(), wanted.clone());
        let plan = Plan::new(&bus);
        let mut image = plan.image();
        let mut seen = Vec::new();
        for (idx, request) in plan.requests.iter().enumerate() {
            // Each register holds its own address.
            let words: Vec<u16> = (0..request.count).map(|n| request.address + n).collect();
            plan.decode(&bus, &mut image, idx, Reply::Words(&words), &mut |point, _, _| seen.push(point));
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..wanted.len()).collect::<Vec<_>>());
        for (point, register) in wanted.iter().enumerate() {
            let register = &profile.registers[*register];
            let expected = (0..register.count()).fold(0, |raw, n| raw << 16 | u64::from(register.address + n));
            for (_, raw) in plan.raw(&image, point) {
                prop_assert_eq!(raw, Ok(expected));
            }
        }
    }
}
