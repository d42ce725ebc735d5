//! Wrong files, and the text that people get.

use std::string::{String, ToString};
use std::vec::Vec;

use super::*;

/// A profile that is right.
const PROFILE: &str = r#"name = "p"
title = "t"
source = "s"
[[register]]
name = "unit"
table = "holding"
address = 1
type = "u16"
[[point]]
name = "gas"
kind = "combustible-gas"
table = "holding"
address = 0
type = "i16"
unit_from = { register = "unit", codes = { 0 = "%LEL", 1 = "ppm" } }
eu = "%LEL"
range = [0, 100]
[[point]]
name = "fan"
kind = "fan-running"
table = "coil"
address = 0
"#;

/// A bus that is right.
const BUS: &str = r#"name = "b"
[rtu]
path = "/dev/ttyUSB0"
baud = 9600
[[slave]]
name = "s1"
unit_id = 1
profile = "p"
unit = "u"
period = "1s"
"#;

#[track_caller]
fn profile(text: &str, expected: &[&str]) {
    let problems = Problems::default();
    let source = Source::new("p.toml", text);
    let loaded = load_profile(&source, &problems);
    assert_eq!(loaded.is_none(), !expected.is_empty());
    assert_eq!(problems.to_string(), expected.join("\n"));
}

/// A right text with some of its lines replaced, counted from 1.
fn with(text: &str, changes: &[(usize, &str)]) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for (line, change) in changes {
        lines[line - 1] = change;
    }
    lines.join("\n")
}

#[track_caller]
fn bus(text: &str, expected: &[&str]) {
    bus_with(text, PROFILE, expected);
}

#[track_caller]
fn bus_with(text: &str, profile: &str, expected: &[&str]) {
    let problems = Problems::default();
    let source = Source::new("b.toml", text);
    let find = |name: &str| match name {
        "p" => Ok(Source::new("p.toml", profile)),
        name => find_profile(Path::new("b.toml"), name),
    };
    let loaded = load_bus(&source, &find, &problems);
    assert_eq!(loaded.is_none(), !expected.is_empty());
    assert_eq!(problems.to_string(), expected.join("\n"));
}

#[test]
fn the_files_that_the_others_are_made_of_are_right() {
    profile(PROFILE, &[]);
    bus(BUS, &[]);
}

#[test]
fn an_empty_bus_file_is_told_all_that_it_lacks() {
    bus(
        "",
        &[
            "b.toml:1:1: neither [rtu] nor [tcp], expected the wire as one of them",
            "b.toml:1:1: name: missing, expected a value",
            "b.toml:1:1: slave: missing, expected a value",
        ],
    );
}

#[test]
fn all_problems_of_a_bus_come_at_once() {
    bus(
        &with(
            BUS,
            &[
                (1, "name = \"B 1\""),
                (4, "baud = \"9600\"\nstopbits = 1"),
                (7, "unit_id = 300"),
                (9, "unti = \"u\""),
                (10, "period = \"1m\""),
            ],
        ),
        &[
            "b.toml:1:8: name: `B` in a name, expected a-z or 0-9, then a-z 0-9 . _ -",
            "b.toml:4:8: rtu.baud: a string, expected a whole number from 1200 to 1000000",
            "b.toml:5:1: rtu.stopbits: unknown key, did you mean `stop_bits`?",
            "b.toml:8:11: slave[0].unit_id: 300, expected a whole number from 1 to 247",
            "b.toml:10:1: slave[0].unti: unknown key, did you mean `unit`?",
            "b.toml:11:10: slave[0].period: `1m` is no duration, expected a whole number and a unit, as `250ms`, `5s`, `10min` or `24h`",
        ],
    );
}

#[test]
fn an_address_that_nobody_may_have_is_refused_the_broadcast_first() {
    for unit_id in ["0", "248", "255", "-1"] {
        bus(
            &with(BUS, &[(7, &format!("unit_id = {unit_id}"))]),
            &[&format!(
                "b.toml:7:11: slave[0].unit_id: {unit_id}, expected a whole number from 1 to 247"
            )],
        );
    }
    let tcp = with(BUS, &[(2, "[tcp]"), (3, "host = \"h\""), (4, "port = 502")]);
    for unit_id in ["0", "255"] {
        bus(&with(&tcp, &[(7, &format!("unit_id = {unit_id}"))]), &[]);
    }
    bus(
        &with(&tcp, &[(7, "unit_id = 256")]),
        &["b.toml:7:11: slave[0].unit_id: 256, expected a whole number from 0 to 255"],
    );
}

#[test]
fn two_wires_are_one_too_many() {
    bus(
        &with(BUS, &[(5, "[tcp]\nhost = \"h\"\n[[slave]]")]),
        &["b.toml:5:1: tcp: both [rtu] and [tcp], expected one wire"],
    );
}

#[test]
fn an_unknown_profile_is_told_with_the_nearest_one() {
    bus(
        &with(BUS, &[(8, "profile = \"gas-combustable\"")]),
        &[
            "b.toml:8:11: slave[0].profile: no profile `gas-combustable` comes with the program, did you mean `gas-combustible`?",
        ],
    );
    bus(
        &with(BUS, &[(8, "profile = \"./ours.toml\"")]),
        &[
            "b.toml:8:11: slave[0].profile: `./ours.toml` cannot be read: No such file or directory (os error 2)",
        ],
    );
    bus(
        &with(BUS, &[(8, "profile = \"x\"")]),
        &[
            "b.toml:8:11: slave[0].profile: no profile `x` comes with the program, expected one of `analog-8`, `dust-collector`, `gas-combustible`, `gas-oxygen`, `gas-toxic`, `pond-level`, `piezometer-8`, `rain-gauge`, `relay-8`, `welding-meter` or a path that ends in `.toml`",
        ],
    );
}

#[test]
fn a_name_or_an_address_twice_on_a_bus_is_refused() {
    let second =
        "[[slave]]\nname = \"s1\"\nunit_id = 1\nprofile = \"p\"\nunit = \"u\"\nperiod = \"1s\"\n";
    bus(
        &format!("{BUS}{second}"),
        &[
            "b.toml:11:1: slave[1]: a second point `u/s1.fan`, expected each point once",
            "b.toml:11:1: slave[1]: a second point `u/s1.gas`, expected each point once",
            "b.toml:12:8: slave[1].name: a second slave `s1`, expected each name once on a bus",
            "b.toml:13:11: slave[1].unit_id: 1 is the address of `s1` too, expected each address once on a bus",
        ],
    );
}

#[test]
fn a_point_that_the_profile_does_not_have_is_told_with_the_nearest_one() {
    bus(
        &format!("{BUS}points = {{ gsa = \"a\", fan = {{ eu = \"A\", piont = \"x\" }} }}\n"),
        &[
            "b.toml:11:18: slave[0].points.gsa: no point of the profile is called `gsa`, did you mean `gas`?",
            "b.toml:11:36: slave[0].points.fan.eu: a digital point has no `eu`: its value is true or false",
            "b.toml:11:41: slave[0].points.fan.piont: unknown key, did you mean `point`?",
        ],
    );
}

#[test]
fn a_unit_that_the_device_can_not_give_is_refused() {
    bus(
        &format!("{BUS}points = {{ gas = {{ eu = \"mg/m3\" }} }}\n"),
        &[
            "b.toml:11:25: slave[0].points.gas.eu: expected a `range` in `mg/m3` too",
            "b.toml:11:25: slave[0].points.gas.eu: none of the device's units (`%LEL`, `ppm`) converts exactly into `mg/m3`",
        ],
    );
}

#[test]
fn a_period_that_a_slave_can_not_keep_is_refused_with_the_numbers() {
    bus(
        &with(BUS, &[(10, "period = \"50ms\"")]),
        &[
            "b.toml:5:1: slave[0]: every 50ms can't be kept: its 2 requests take 81 ms at 9600 baud with 20ms turnaround",
        ],
    );
}

#[test]
fn periods_that_a_line_can_not_keep_together_are_refused_with_the_numbers() {
    let mut text = with(BUS, &[(4, "baud = 1200"), (10, "period = \"500ms\"")]);
    text += "\n[[slave]]\nname = \"s2\"\nunit_id = 2\nprofile = \"p\"\nunit = \"v\"\nperiod = \"600ms\"\n";
    bus(
        &text,
        &[
            "b.toml:1:1: the periods can't be kept: they ask for 142 % of the line's time (4 requests, one sweep over everything takes 774 ms at 1200 baud with 20ms turnaround), expected at most 100 %",
        ],
    );
}

#[test]
fn durations_have_a_range_and_a_unit() {
    bus(
        &with(
            BUS,
            &[
                (1, "name = \"b\"\ntimeout = \"2min\"\nlateness = 5"),
                (10, "period = \"1ms\"\nmax_age = \"1s 5ms\""),
            ],
        ),
        &[
            "b.toml:2:11: timeout: 2min, expected from 10ms to 1min",
            "b.toml:3:12: lateness: a number, expected a string",
            "b.toml:12:10: slave[0].period: 1ms, expected from 10ms to 24h",
            "b.toml:13:11: slave[0].max_age: `1s 5ms` is no duration, expected a whole number and a unit, as `250ms`, `5s`, `10min` or `24h`",
        ],
    );
}

#[test]
fn a_slave_without_a_unit_says_where_its_points_belong() {
    bus(
        &with(BUS, &[(9, "")]),
        &["b.toml:5:1: slave[0]: no `unit`, expected the plant unit that its points belong to"],
    );
}

#[test]
fn half_a_position_is_none() {
    bus(
        &format!("{BUS}lon = 113.5\n"),
        &["b.toml:5:1: slave[0]: `lon` and `lat` belong together, expected both or neither"],
    );
    bus(
        &format!("{BUS}lon = 34.5\nlat = 113.5\n"),
        &["b.toml:12:7: slave[0].lat: 113.5, expected degrees from -90 to 90"],
    );
}

#[test]
fn a_wrong_profile_is_told_in_its_own_file() {
    bus_with(
        BUS,
        &with(PROFILE, &[(12, "tabel = \"holding\"")]),
        &[
            "p.toml:9:1: point[0].table: missing, expected a value",
            "p.toml:12:1: point[0].tabel: unknown key, did you mean `table`?",
        ],
    );
}

#[test]
fn a_data_sheets_register_numbers_are_refused_with_the_address_that_was_meant() {
    profile(
        &with(PROFILE, &[(7, "address = 40002")]),
        &[
            "p.toml:7:11: register[0].address: 40002 is a data sheet's register number, expected the address as it goes over the wire, from 0: 1; if the wire really carries 40002, write it as 0x9C42",
        ],
    );
    profile(
        &with(PROFILE, &[(7, "address = 400002")]),
        &[
            "p.toml:7:11: register[0].address: 400002 is a data sheet's register number, expected the address as it goes over the wire, from 0: 1",
        ],
    );
    profile(
        &with(PROFILE, &[(7, "address = 70000")]),
        &["p.toml:7:11: register[0].address: 70000, expected a protocol address from 0 to 65535"],
    );
    profile(&with(PROFILE, &[(7, "address = 0x9C42")]), &[]);
}

#[test]
fn an_unknown_type_table_order_or_quality_is_told_with_the_nearest_one() {
    profile(
        &with(
            PROFILE,
            &[
                (6, "table = \"holdings\""),
                (8, "type = \"uint16\""),
                (14, "type = \"i16\"\norder = \"BCDA\""),
                (17, "sentinels = [{ raw = 1, quality = \"sensor-fault\" }]"),
            ],
        ),
        &[
            "p.toml:6:9: register[0].table: `holdings` is not known, expected one of `coil`, `discrete`, `holding`, `input`, did you mean `holding`?",
            "p.toml:8:8: register[0].type: `uint16` is not known, expected one of `bit`, `u16`, `i16`, `u32`, `i32`, `u64`, `i64`, `f32`, `f64`, `bcd16`, `bcd32`",
            "p.toml:15:9: point[0].order: `BCDA` is not known, expected one of `ABCD`, `BADC`, `CDAB`, `DCBA`, `AB`, `BA`, did you mean `ABCD`?",
            "p.toml:18:35: point[0].sentinels[0].quality: `sensor-fault` is not known, expected one of `good`, `local-override`, `uncertain`, `not-accurate`, `over-range`, `calibration`, `bad`, `comm-error`, `configuration`, `not-connected`, `device-failure`, `sensor-failure`, `out-of-service`, `out-of-range`, `warming-up`, did you mean `sensor-failure`?",
        ],
    );
}

#[test]
fn registers_that_lie_over_each_other_are_refused() {
    profile(
        &with(PROFILE, &[(8, "type = \"f32\""), (13, "address = 2")]),
        &[
            "p.toml:9:1: point[0]: overlaps `unit` (`holding` 1 to 2), expected each address in one register",
            "p.toml:15:26: point[0].unit_from.register: `unit` holds a number with a fraction, expected a register with a code",
        ],
    );
    profile(
        &with(PROFILE, &[(14, "type = \"i32\"")]),
        &[
            "p.toml:9:1: point[0]: overlaps `unit` (`holding` 1 to 1), expected each address in one register",
        ],
    );
}

#[test]
fn a_register_that_is_forbidden_or_too_wide_is_refused() {
    profile(
        &with(
            PROFILE,
            &[
                (
                    3,
                    "source = \"s\"\nregisters_max = 1\nforbidden = [{ table = \"coil\", first = 0, last = 9 }]",
                ),
                (13, "address = 10"),
                (14, "type = \"f64\""),
            ],
        ),
        &[
            "p.toml:11:1: point[0]: takes 4 addresses, expected at most `registers_max` = 1",
            "p.toml:20:1: point[1]: address 0 is forbidden (`coil` 0 to 9)",
        ],
    );
}

#[test]
fn bits_belong_to_whole_numbers_and_stay_inside() {
    profile(
        &with(PROFILE, &[(8, "type = \"u16\"\nbit = 16")]),
        &["p.toml:9:7: register[0].bit: 16, expected a whole number from 0 to 15"],
    );
    profile(
        &with(
            PROFILE,
            &[(8, "type = \"f32\"\nbit = 1"), (13, "address = 9")],
        ),
        &["p.toml:9:7: register[0].bit: bits of `f32`, expected a whole-number type as `u16`"],
    );
    profile(
        &with(PROFILE, &[(8, "type = \"u16\"\nbits = [7, 4]")]),
        &["p.toml:9:8: register[0].bits: from 7 to 4, expected the lowest bit first"],
    );
    profile(
        &with(PROFILE, &[(21, "table = \"coil\"\ntype = \"u16\"")]),
        &["p.toml:22:8: point[1].type: `u16` in the table `coil`, which has only bits"],
    );
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    profile(
        &with(
            PROFILE,
            &[
                (15, ""),
                (
                    17,
                    "range = [100, 0]\nscale = 0\nsentinels = [{ raw = 1, quality = \"over-range\" }, { raw = [5, -5], quality = \"bad\", reads = 3 }, { value = 1.5, quality = \"good\" }]\nstatus = [{ register = \"unti\", codes = { x = \"good\", 3 = { quality = \"bad\", reads = 1 } } }]",
                ),
                (21, "table = \"coil\"\neu = \"A\""),
            ],
        ),
        &[
            "p.toml:17:9: point[0].range: from 100 to 0, expected the lower end first and the higher end above it",
            "p.toml:18:9: point[0].scale: 0, expected a factor that is not 0",
            "p.toml:19:14: point[0].sentinels[0]: `over-range` without a value, expected `reads` with the value that stands for it, or a bad quality",
            "p.toml:19:59: point[0].sentinels[1].raw: from 5 to -5, expected the lower end first and both of one sign",
            "p.toml:19:93: point[0].sentinels[1].reads: `bad` has no value, expected an uncertain quality as `over-range`",
            "p.toml:19:108: point[0].sentinels[2].value: `value` is for registers with a fraction, expected `raw`",
            "p.toml:19:123: point[0].sentinels[2].quality: `good`, expected what is wrong with the reading",
            "p.toml:20:24: point[0].status[0].register: no register is called `unti`, did you mean `unit`?",
            "p.toml:20:46: point[0].status[0].codes.x: the key is no code, expected a whole number, as `3` or `0x10`",
            "p.toml:20:85: point[0].status[0].codes.3.reads: `bad` has no value, expected an uncertain quality as `over-range`",
            "p.toml:25:6: point[1].eu: a digital point has no `eu`: its value is true or false",
        ],
    );
}

#[test]
fn a_name_with_n_needs_to_be_repeated() {
    profile(
        &with(PROFILE, &[(10, "name = \"gas-{n}\"")]),
        &[
            "p.toml:10:8: point[0].name: `{n}` without `repeat`, expected `repeat = { count = 8, stride = 4 }` in the profile",
        ],
    );
    profile(
        &with(
            PROFILE,
            &[
                (3, "source = \"s\"\nrepeat = { count = 3, stride = 1 }"),
                (10, "name = \"gas-{n}\""),
            ],
        ),
        &[
            "p.toml:10:1: point[0]: overlaps `unit` (`holding` 1 to 1), expected each address in one register",
        ],
    );
}

#[test]
fn a_point_whose_kind_nobody_says_is_refused() {
    bus_with(
        BUS,
        &with(PROFILE, &[(11, "")]),
        &[
            "b.toml:5:1: slave[0]: nothing says what `gas` measures, expected its kind: `points.gas = { kind = \"hydrogen-sulfide\" }`",
        ],
    );
}

#[test]
fn only_what_can_be_written_is_an_output() {
    let gas = "points = { gas = { fail_safe = \"off\" } }";
    bus(
        &with(BUS, &[(10, &format!("period = \"1s\"\n{gas}"))]),
        &[
            "b.toml:11:32: slave[0].points.gas.fail_safe: the profile does not say `digital = true` of it, expected an output that is a coil, or a whole holding register that is on or off",
        ],
    );
    let fan = "points = { fan = { fail_safe = \"maybe\" } }";
    bus(
        &with(BUS, &[(10, &format!("period = \"1s\"\n{fan}"))]),
        &[
            "b.toml:11:32: slave[0].points.fan.fail_safe: `maybe` is not known, expected one of `on`, `off`, `hold`",
        ],
    );
    let fan = "points = { fan = { fail_safe = \"off\" } }";
    let switch = |table: &str, rest: &str| {
        with(PROFILE, &[(21, table), (22, &format!("address = 0{rest}"))])
    };
    for (table, rest, wrong) in [
        (
            "table = \"discrete\"",
            "",
            "the table `discrete` can't be written",
        ),
        (
            "table = \"input\"",
            "\ntype = \"u16\"\ndigital = true",
            "the table `input` can't be written",
        ),
    ] {
        bus_with(
            &with(BUS, &[(10, &format!("period = \"1s\"\n{fan}"))]),
            &switch(table, rest),
            &[&format!(
                "b.toml:11:32: slave[0].points.fan.fail_safe: {wrong}, expected an output that is a coil, or a whole holding register that is on or off"
            )],
        );
    }
}

#[test]
fn two_outputs_in_one_register_would_switch_each_other() {
    let profile = format!(
        "{PROFILE}{}",
        "[[point]]\nname = \"again\"\nkind = \"siren\"\nregister = \"fan\"\n"
    );
    let points = "points = { fan = { fail_safe = \"off\" }, again = { fail_safe = \"off\" } }";
    bus_with(
        &with(BUS, &[(10, &format!("period = \"1s\"\n{points}"))]),
        &profile,
        &[
            "b.toml:5:1: slave[0]: the outputs `s1.fan` and `s1.again` are one register, expected one output for each",
        ],
    );
}
