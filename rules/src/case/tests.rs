//! What a test file that fails shows, and what a wrong one gets told.

use std::string::{String, ToString};

use front::{Problems, Source};

use super::*;

fn play(text: &str) -> (Option<Report>, String) {
    let problems = Problems::default();
    let source = Source::new("t.toml", text);
    let beside = |name: &str| match name {
        "ours.toml" => Ok(Source::new("ours.toml", "pack = \"ours\"\n")),
        _ => Err(std::format!("`{name}` can't be read: no such file")),
    };
    let report = run(&source, &beside, &problems);
    (report, problems.to_string())
}

const HEAD: &str =
    "packs = [\"gas\"]\n[points]\n\"t/g\" = { kind = \"combustible-gas\", eu = \"%LEL\" }\n";

#[test]
fn a_case_that_fails_shows_what_happened_when() {
    let (report, problems) = play(&std::format!(
        "{HEAD}[[case]]\nname = \"a leak\"\nalarm = \"t/g/combustible-gas\"\nseries = {{ \"t/g\" = \"10*3 30*10 !bad...\" }}\nsteps = [{{ at = \"7s\", letter = \"B\", event = \"raised\" }}, {{ at = \"9s\", do = \"ack\" }}, {{ at = \"20s\", letter = \"A\", unknown = true, level = \"L2\" }}]\n"
    ));
    assert_eq!(problems, "");
    let report = report.expect("no problem");
    assert!(!report.passed());
    assert_eq!(
        report.to_string(),
        "t.toml:4:1: a leak
          0.000s  t/g reads 10
          0.000s  t/g/combustible-gas L1: condition false
          0.000s  t/g/combustible-gas L2: condition false
          1.000s  t/g reads 10 → 30 until 3.000s
          3.000s  t/g/combustible-gas L1: condition true, on in 5.000s
          4.000s  t/g reads 30 until 7.000s
  ✗       7.000s  t/g/combustible-gas: expected letter B, found A
  ✗       7.000s  t/g/combustible-gas: expected event raised, it never came
          8.000s  t/g/combustible-gas raised B L1
          8.000s  t/g reads 30 until 9.000s
          9.000s  t/g/combustible-gas acked C L1
         10.000s  t/g reads 30 → !bad until 13.000s
         13.000s  t/g/combustible-gas L1: condition unknown
         13.000s  t/g/combustible-gas L2: condition unknown
         14.000s  t/g reads !bad until 17.000s
         18.000s  t/g/sys.quality raised B fault
         18.000s  t/g/combustible-gas unknown C L1
         18.000s  t/g reads !bad until 20.000s
  ✗      20.000s  t/g/combustible-gas: expected letter A, found C
  ✗      20.000s  t/g/combustible-gas: expected level L2, found L1

1 case, 1 failed"
    );
}

#[test]
fn a_case_that_fails_shows_that_nothing_came_and_what_came_due_meanwhile_before_it() {
    let (report, problems) = play(&std::format!(
        "{HEAD}[[case]]\nname = \"a gap\"\nalarm = \"t/g/combustible-gas\"\nseries = {{ \"t/g\" = \"30*4 _*3 30\" }}\nsteps = [{{ at = \"6s\", letter = \"A\" }}]\n"
    ));
    assert_eq!(problems, "");
    assert_eq!(
        report.expect("no problem").to_string(),
        "t.toml:4:1: a gap
          0.000s  t/g reads 30
          0.000s  t/g/combustible-gas L1: condition true, on in 5.000s
          0.000s  t/g/combustible-gas L2: condition false
          1.000s  t/g reads 30 → nothing until 4.000s
          5.000s  t/g/combustible-gas raised B L1
          5.000s  t/g reads nothing until 6.000s
  ✗       6.000s  t/g/combustible-gas: expected letter A, found B

1 case, 1 failed"
    );
}

#[test]
fn a_wrong_test_file_is_told_everything_at_once() {
    let (report, problems) = play(
        "packs = [\"gsa\", \"ours.toml\", \"theirs.toml\"]\n[points]\n\"tg\" = { kind = \"combustible-gas\" }\n\"t/g\" = { kind = \"combustible-gas\", eu = \"%LEL\" }\n[[case]]\nname = \"x\"\nseries = { \"t/h\" = \"1\", \"t/g\" = \"1 2x\" }\nsteps = [{ at = \"5s\", letter = \"J\" }, { at = \"1s\", alarm = \"t/g/x\", do = \"akc\" }, { at = \"2s\", alarm = \"t/g/x\" }]\n",
    );
    assert!(report.is_none());
    assert_eq!(
        problems,
        "ours.toml:1:1: no [[rule]], no [[limits]] and no [[override]], expected at least one\n\
         ours.toml:1:1: version: missing, expected a value\n\
         t.toml:1:10: packs[0]: no pack `gsa` comes with the program, did you mean `gas`?\n\
         t.toml:1:30: packs[2]: `theirs.toml` can't be read: no such file\n\
         t.toml:3:8: points.tg: `tg` is no point, expected `unit/point`\n\
         t.toml:7:20: case[0].series.t/h: `t/h` is not in `[points]`, did you mean `t/g`?\n\
         t.toml:7:36: case[0].series.t/g: `2x` is no reading, expected a number\n\
         t.toml:8:10: case[0].steps[0]: no alarm, expected `alarm = \"unit/point/rule\"` here or for the case\n\
         t.toml:8:32: case[0].steps[0].letter: `J` is not known, expected one of `A`, `B`, `C`, `D`, `E`, `F`, `G`, `H`, `I`\n\
         t.toml:8:74: case[0].steps[1].do: `akc` is not known, expected one of `ack`, `reset`, `comment`, `silence`, `shelve`, `shelve-once`, `unshelve`, `out-of-service`, `in-service`, `test`, `test-end`, `on`, `off`, `unknown`, did you mean `ack`?\n\
         t.toml:8:83: case[0].steps[2]: nothing to do and nothing expected: `do`, `letter`, `level`, `severity`, `unknown`, `test`, `event`, `on` or `read_every`"
    );
}

#[test]
fn a_case_that_expects_nothing_is_wrong() {
    let told = |steps: &str| {
        play(&std::format!(
            "{HEAD}[[case]]\nname = \"x\"\nalarm = \"t/g/combustible-gas\"\nseries = {{}}\nsteps = [{steps}]\n"
        ))
        .1
    };
    let nothing = "t.toml:4:1: case[0]: expects nothing, so that nothing can fail: expected a step that says how the alarm is, as `letter`, or `refused = true`";
    assert_eq!(told(""), nothing);
    assert_eq!(
        told("{ at = \"1s\", do = \"comment\" }, { at = \"2s\", do = \"test\", for = \"1h\" }"),
        nothing
    );
    assert_eq!(told("{ at = \"1s\", letter = \"A\" }"), "");
    assert_eq!(told("{ at = \"1s\", do = \"ack\", refused = true }"), "");
}

#[test]
fn an_alarm_that_no_rule_makes_is_told_with_the_nearest() {
    let (report, problems) = play(&std::format!(
        "{HEAD}[[case]]\nname = \"x\"\nalarm = \"t/g/combustible-gsa\"\nseries = {{}}\nsteps = [{{ at = \"5s\", letter = \"A\" }}]\n"
    ));
    assert!(report.is_none());
    assert_eq!(
        problems,
        "t.toml:6:9: case[0].alarm: no alarm `t/g/combustible-gsa` here, did you mean `t/g/combustible-gas`?"
    );
}
