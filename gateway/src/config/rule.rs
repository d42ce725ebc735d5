//! The `[rules]` table: packs that come with the program and files of the site.

use front::{Source, Table};

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
            files.source(name).map_err(|why| format!("`{name}` {why}"))
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
    let pack = rules::pack::pack(name).ok_or_else(|| rules::pack::unknown(name))?;
    Ok(pack.source())
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
