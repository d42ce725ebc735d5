//! `fengsui rules …`: rules without a gateway.

pub(super) mod explain;
pub(super) mod image;
pub(super) mod list;
pub(super) mod replay;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ::rules::case::{self, Report};
use ::rules::compile::{Unread, check_against, compile, unwatched};
use ::rules::pack::{self, PACKS};
use ::rules::program::Program;
use front::{Place, Problem, Problems, Source};
use serde::Serialize;

use super::{Exit, counted, print_problems, print_warnings};
use crate::config::{Config, Known, load, load_known};

/// Arguments of `fengsui rules check`.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Rule files, or names of packs that come with the program.
    #[arg(required = true)]
    rules: Vec<String>,
    /// A gateway's file: hold the rules, instead of its own, against its points. Units and what rules find are then known, and what is wrong with the site is told with them.
    #[arg(long, value_name = "CONFIG")]
    site: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Arguments of `fengsui rules test`.
#[derive(Debug, clap::Args)]
pub(super) struct TestArgs {
    /// Rule test files, or names of packs that come with the program; all of those when none is given.
    tests: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Checked<'a> {
    ok: bool,
    problems: Vec<Line<'a>>,
    /// What is odd and harmless; known with a site.
    warnings: Vec<Line<'a>>,
    rules: usize,
}

#[derive(Debug, Serialize)]
struct Tested<'a> {
    ok: bool,
    problems: Vec<Line<'a>>,
    cases: Vec<Case<'a>>,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    file: &'a str,
    line: usize,
    col: usize,
    key: &'a str,
    what: &'a str,
}

#[derive(Debug, Serialize)]
struct Case<'a> {
    file: &'a str,
    line: usize,
    name: &'a str,
    ok: bool,
    failures: &'a [String],
}

/// Checks rule files: their form, and with a site how they fit its points. 2 when anything is wrong, with the rules or with the site.
pub(super) fn check(args: &CheckArgs, out: &mut dyn Write) -> io::Result<Exit> {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let sources: Vec<Source> = args
        .rules
        .iter()
        .filter_map(|name| {
            source(name, &problems, || {
                pack::pack(name).map(|pack| pack.source())
            })
        })
        .collect();
    let alone = Problems::default();
    let n_rules = ::rules::compile::check(&sources, &alone);
    let alone = alone.into_sorted();
    let fitting = match &args.site {
        None => Vec::new(),
        Some(path) => {
            let fitting = Problems::default();
            let site = known(path, args, &problems);
            let are_all = sources.len() == args.rules.len();
            let unread = Unread {
                points: !site.are_points_all,
                rules: !are_all,
                site: !are_all,
            };
            if unread != Unread::default() {
                check_against(&sources, &site.points, unread, &fitting);
            } else if let Some(program) =
                compile(&sources, &site.points, &site.system, &fitting, &warnings)
            {
                warn_of_unwatched(&program, &warnings);
            }
            fitting.into_sorted()
        }
    };
    let more = fitting.iter().filter(|problem| !alone.contains(problem));
    let told: Vec<&Place> = more.map(|problem| &problem.place).collect();
    // What is said of a kind and of its points is the same.
    let alone = alone
        .iter()
        .filter(|problem| !told.contains(&&problem.place));
    for problem in alone.chain(&fitting) {
        let Problem { place, key, what } = problem.clone();
        problems.add(place, key, what);
    }
    let exit = if problems.is_empty() {
        Exit::Done
    } else {
        Exit::BadInput
    };
    if args.json {
        let (problems, warnings) = (problems.into_sorted(), warnings.into_sorted());
        let checked = Checked {
            ok: exit == Exit::Done,
            problems: lines(&problems),
            warnings: lines(&warnings),
            rules: n_rules,
        };
        serde_json::to_writer_pretty(&mut *out, &checked)?;
        writeln!(out)?;
        return Ok(exit);
    }
    print_problems(&problems, out)?;
    print_warnings(&warnings, out)?;
    if exit == Exit::Done {
        let n = counted(n_rules, "rule");
        let rest = match args.site {
            Some(_) => "",
            None => "; `--site gateway.toml` tells whether they fit a site's points",
        };
        writeln!(out, "{n}: all right{rest}")?;
    }
    Ok(exit)
}

/// What no rule watches is read for the record only: a warning at the place of each such point.
pub(super) fn warn_of_unwatched(program: &Program, warnings: &Problems) {
    for point in unwatched(program) {
        let info = program.point(point);
        let declared = info.declared.as_deref().unwrap_or_default();
        let mut parts = declared.rsplitn(3, ':');
        let mut number = || parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
        let (col, line) = (number(), number());
        let file = parts.next().unwrap_or("(points)").to_owned();
        let what = format!("no rule watches {}/{}", info.unit, info.point);
        warnings.add(Place { file, line, col }, "", what);
    }
}

/// Plays rule tests: 0 when every case came out as expected, 1 when one did not, 2 when a file is wrong.
pub(super) fn test(args: &TestArgs, out: &mut dyn Write) -> io::Result<Exit> {
    let problems = Problems::default();
    let names: Vec<String> = if args.tests.is_empty() {
        PACKS.iter().map(|pack| pack.name.to_owned()).collect()
    } else {
        args.tests.clone()
    };
    let mut reports: Vec<Report> = Vec::new();
    for name in &names {
        let folder = Path::new(name).parent().unwrap_or_else(|| Path::new(""));
        let beside =
            |file: &str| Source::open(&folder.join(file)).map_err(|why| format!("`{file}` {why}"));
        let sources = match pack::pack(name) {
            Some(pack) => pack.test_sources().collect(),
            None => Vec::from_iter(source(name, &problems, || None)),
        };
        for source in sources {
            reports.extend(case::run(&source, &beside, &problems));
        }
    }
    let exit = match (problems.is_empty(), reports.iter().all(Report::passed)) {
        (false, _) => Exit::BadInput,
        (true, false) => Exit::No,
        (true, true) => Exit::Done,
    };
    if args.json {
        let problems = problems.into_sorted();
        let tested = Tested {
            ok: exit == Exit::Done,
            problems: lines(&problems),
            cases: cases(&reports),
        };
        serde_json::to_writer_pretty(&mut *out, &tested)?;
        writeln!(out)?;
        return Ok(exit);
    }
    print_problems(&problems, out)?;
    let failed = reports.iter().flat_map(|report| &report.cases);
    for case in failed.filter(|case| !case.failures.is_empty()) {
        writeln!(out, "{case}")?;
    }
    let n_cases: usize = reports.iter().map(|report| report.cases.len()).sum();
    let n_failed: usize = reports.iter().map(Report::n_failed).sum();
    writeln!(out, "{}, {n_failed} failed", counted(n_cases, "case"))?;
    Ok(exit)
}

/// Nothing is connected to: no secret of the gateway's environment is needed. No two are the same.
fn no_secret(name: &str) -> Option<String> {
    Some(name.to_owned())
}

/// What could be read of a gateway's configuration; a rule file that it names, too, is called as it is here.
fn known(path: &Path, args: &CheckArgs, problems: &Problems) -> Known {
    let (of_site, warnings) = (Problems::default(), Problems::default());
    let known = load_known(path, &no_secret, &of_site, &warnings);
    let same = |one: &str, other: &str| {
        let one = fs::canonicalize(one).ok();
        one.is_some() && one == fs::canonicalize(other).ok()
    };
    for Problem {
        mut place,
        key,
        what,
    } in of_site.into_sorted()
    {
        if let Some(here) = args.rules.iter().find(|rules| same(rules, &place.file)) {
            place.file.clone_from(here);
        }
        problems.add(place, key, what);
    }
    known
}

/// A gateway's configuration for who only reads its data folder.
fn config(path: &Path, err: &mut dyn Write) -> io::Result<Option<Config>> {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let config = load(path, &no_secret, &problems, &warnings);
    if config.is_none() {
        print_problems(&problems, err)?;
    }
    Ok(config)
}

/// The text behind a name: what comes with the program under it, or a file.
fn source(
    name: &str,
    problems: &Problems,
    shipped: impl FnOnce() -> Option<Source>,
) -> Option<Source> {
    if let Some(shipped) = shipped() {
        return Some(shipped);
    }
    match Source::open(Path::new(name)) {
        Ok(source) => Some(source),
        Err(why) => {
            let place = Place {
                file: name.to_owned(),
                line: 1,
                col: 1,
            };
            let is_path = name.contains(['/', '.']);
            problems.add(place, "", if is_path { why } else { pack::unknown(name) });
            None
        }
    }
}

fn lines(problems: &[Problem]) -> Vec<Line<'_>> {
    problems
        .iter()
        .map(|problem| Line {
            file: &problem.place.file,
            line: problem.place.line,
            col: problem.place.col,
            key: &problem.key,
            what: &problem.what,
        })
        .collect()
}

fn cases(reports: &[Report]) -> Vec<Case<'_>> {
    reports
        .iter()
        .flat_map(|report| &report.cases)
        .map(|case| Case {
            file: &case.place.file,
            line: case.place.line,
            name: &case.name,
            ok: case.failures.is_empty(),
            failures: &case.failures,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tested(tests: &[&str], json: bool) -> (Exit, String) {
        let args = TestArgs {
            tests: tests.iter().map(ToString::to_string).collect(),
            json,
        };
        let mut out = Vec::new();
        let exit = test(&args, &mut out).expect("a vector takes all");
        (exit, String::from_utf8(out).expect("UTF-8"))
    }

    fn checked(rules: &[&str], json: bool) -> (Exit, String) {
        let args = CheckArgs {
            rules: rules.iter().map(ToString::to_string).collect(),
            site: None,
            json,
        };
        let mut out = Vec::new();
        let exit = check(&args, &mut out).expect("a vector takes all");
        (exit, String::from_utf8(out).expect("UTF-8"))
    }

    const PACK: &str = "pack = \"ours\"\nversion = \"1\"\n[[rule]]\nname = \"hot\"\nunverified = \"a test\"\nfor = { kind = \"temperature\" }\nhigh = [{ level = \"warn\", at = \"60 °C\", colour = \"yellow\" }]\ntext = { zh = \"{tag} 过热\", en = \"{tag} is hot\" }\n";

    fn test_of(letter: &str) -> String {
        format!(
            "packs = [\"ours.toml\"]\n[points]\n\"u/t\" = {{ kind = \"temperature\", eu = \"°C\" }}\n[[case]]\nname = \"it warns\"\nalarm = \"u/t/hot\"\nseries = {{ \"u/t\" = \"60...\" }}\nsteps = [{{ at = \"1s\", letter = \"{letter}\" }}]\n"
        )
    }

    #[test]
    fn the_packs_that_come_with_the_program_pass_their_tests() {
        let (exit, told) = tested(&[], false);
        assert_eq!(exit, Exit::Done, "{told}");
        assert!(told.ends_with(" cases, 0 failed\n"), "{told}");
    }

    #[test]
    fn a_site_plays_tests_of_its_own_rules_beside_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ours.test.toml");
        let name = path.display().to_string();
        fs::write(folder.path().join("ours.toml"), PACK).expect("written");
        fs::write(&path, test_of("B")).expect("written");
        assert_eq!(
            tested(&[&name], false),
            (Exit::Done, "1 case, 0 failed\n".to_owned())
        );
        fs::write(&path, test_of("A")).expect("written");
        let (exit, told) = tested(&[&name], false);
        assert_eq!(exit, Exit::No);
        assert_eq!(
            told,
            format!(
                "{name}:4:1: it warns\n          0.000s  u/t reads 60\n          0.000s  u/t/hot warn: condition true\n          0.000s  u/t/hot raised B warn\n          1.000s  u/t reads 60\n  ✗       1.000s  u/t/hot: expected letter A, found B\n\n1 case, 1 failed\n"
            )
        );
        let (_, told) = tested(&[&name], true);
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(told["ok"], false);
        assert_eq!(told["cases"][0]["name"], "it warns");
    }

    #[test]
    fn a_file_that_is_not_there_is_bad_input() {
        let (exit, told) = tested(&["nowhere.toml"], false);
        assert_eq!(exit, Exit::BadInput);
        assert!(
            told.starts_with("nowhere.toml:1:1: cannot be read: "),
            "{told}"
        );
        let (exit, told) = checked(&["gsa"], true);
        assert_eq!(exit, Exit::BadInput);
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(
            told["problems"][0]["what"],
            "no pack `gsa` comes with the program, did you mean `gas`?"
        );
    }

    #[test]
    fn the_form_of_rules_is_checked_without_a_site() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ours.toml");
        let name = path.display().to_string();
        fs::write(&path, PACK).expect("written");
        assert_eq!(
            checked(&["gas", &name], false),
            (
                Exit::Done,
                "36 rules: all right; `--site gateway.toml` tells whether they fit a site's points\n"
                    .to_owned()
            )
        );
        // A level that the one before it hides.
        let graver =
            "colour = \"yellow\" }, { level = \"stop\", at = \"60 °C\", colour = \"red\" }";
        fs::write(&path, PACK.replace("colour = \"yellow\" }", graver)).expect("written");
        let (exit, told) = checked(&[&name], false);
        assert_eq!(exit, Exit::BadInput);
        assert!(
            told.contains("`stop` at 60 is not above `warn` at 60"),
            "{told}"
        );
        fs::write(&path, PACK.replace("60 °C", "60 °CC")).expect("written");
        let (exit, told) = checked(&[&name], false);
        assert_eq!(exit, Exit::BadInput);
        assert_eq!(
            told,
            format!("{name}:7:36: rule[0].high[0].at: `°CC` is no unit, did you mean `°C`?\n")
        );
    }
}
