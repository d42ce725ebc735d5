//! The `[rules]` table: packs that come with the program and files of the site, compiled for its points.

use front::{Problems, Source, Table, nearest};
use rules::compile::{System, compile};
use rules::file::RuleFile;
use rules::pack::PACKS;
use rules::point::PointInfo;
use rules::program::Program;

use super::files::{Files, hash_of};
use crate::log::FileImage;

/// Reads the names of the packs, and the packs.
pub(super) fn sources(table: &Table<'_>, files: &Files<'_>) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for item in table
        .req("packs")
        .map_or_else(Vec::new, |item| item.items())
    {
        let Some(name) = item.str() else { continue };
        let source = if name.ends_with(".toml") {
            files.source(name)
        } else {
            shipped(name).map(|source| files.shipped(&format!("pack:{name}"), source))
        };
        match source {
            Ok(source) if sources.iter().any(|known| known.file() == source.file()) => {
                item.problem(format!("`{name}` is there twice"));
            }
            Ok(source) => sources.push(source),
            Err(error) => item.problem(error),
        }
    }
    sources
}

fn shipped(name: &str) -> Result<Source, String> {
    let names = || PACKS.iter().map(|pack| pack.name);
    rules::pack::pack(name)
        .map(rules::pack::Pack::source)
        .ok_or_else(|| {
            let hint = nearest(name, names()).map_or_else(
                || {
                    let list: Vec<String> = names().map(|name| format!("`{name}`")).collect();
                    format!(
                        "expected one of {} or a path that ends in `.toml`",
                        list.join(", ")
                    )
                },
                |near| format!("did you mean `{near}`?"),
            );
            let name: String = name.chars().take(80).collect();
            format!("no pack `{name}` comes with the program, {hint}")
        })
}

/// Compiles the packs for the site's points.
pub(super) fn program(
    sources: &[Source],
    points: &[PointInfo],
    system: &System,
    problems: &Problems,
    warnings: &Problems,
) -> Option<Program> {
    compile(sources, points, system, problems, warnings)
}

/// Reads the packs only for what is wrong with them whatever the points are: for when the points are not known.
pub(super) fn read_only(sources: &[Source], problems: &Problems) {
    for source in sources {
        let document = source.parse(problems);
        RuleFile::read(&document.root());
    }
}

/// SHA-256 of the rule files, in hex.
pub(super) fn hash(sources: &[Source]) -> String {
    let files: Vec<FileImage> = sources
        .iter()
        .map(|source| FileImage {
            path: String::new(),
            bytes: source.text().as_bytes().to_vec(),
        })
        .collect();
    hash_of(&files)
}
