//! Reads profiles and bus files from TOML: everything that is wrong, at once, each with its place.
//!
//! The formats are told in `configs/devices/` and `configs/buses/`: every file there is read by a test.

use std::borrow::ToOwned;
use std::format;
use std::path::Path;
use std::string::{String, ToString};

use ::front::{Place, Problems, Source, nearest};

use crate::{Bus, Profile};

mod bus;
mod profile;
mod register;
mod signal;
mod word;

/// The profiles that come with the program: name and text.
const SHIPPED: &[(&str, &str)] = &[
    (
        "analog-8",
        include_str!("../../../configs/devices/analog-8.toml"),
    ),
    (
        "dust-collector",
        include_str!("../../../configs/devices/dust-collector.toml"),
    ),
    (
        "gas-combustible",
        include_str!("../../../configs/devices/gas-combustible.toml"),
    ),
    (
        "gas-oxygen",
        include_str!("../../../configs/devices/gas-oxygen.toml"),
    ),
    (
        "gas-toxic",
        include_str!("../../../configs/devices/gas-toxic.toml"),
    ),
    (
        "pond-level",
        include_str!("../../../configs/devices/pond-level.toml"),
    ),
    (
        "piezometer-8",
        include_str!("../../../configs/devices/piezometer-8.toml"),
    ),
    (
        "rain-gauge",
        include_str!("../../../configs/devices/rain-gauge.toml"),
    ),
    (
        "relay-8",
        include_str!("../../../configs/devices/relay-8.toml"),
    ),
    (
        "welding-meter",
        include_str!("../../../configs/devices/welding-meter.toml"),
    ),
];

/// The text of a profile that comes with the program.
pub fn shipped(name: &str) -> Option<Source> {
    SHIPPED
        .iter()
        .find(|(shipped, _)| *shipped == name)
        .map(|(name, text)| Source::new(format!("{name}.toml (shipped)"), *text))
}

/// The names of the profiles that come with the program.
pub fn shipped_names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// Reads a profile; `None` after its problems were reported.
pub fn load_profile(source: &Source, problems: &Problems) -> Option<Profile> {
    profile::load(source, problems)
}

/// Reads a bus; `None` after its problems and those of its profiles were reported.
///
/// `find_profile` gives the text of a profile by the name that the bus file uses, or says why there is none.
/// A bus whose periods can't be kept on its line is refused.
pub fn load_bus(
    source: &Source,
    find_profile: &dyn Fn(&str) -> Result<Source, String>,
    problems: &Problems,
) -> Option<Bus> {
    let before = problems.len();
    let bus = read_bus(source, find_profile, problems);
    (problems.len() == before).then_some(bus)
}

/// Reads what can be read of a bus: when problems were reported, it holds the points that none of them is about, for other files to be checked against.
pub fn read_bus(
    source: &Source,
    find_profile: &dyn Fn(&str) -> Result<Source, String>,
    problems: &Problems,
) -> Bus {
    bus::read(source, find_profile, problems)
}

/// Reads a bus file with the profiles that it names: those that come with the program by name, others by their path beside the bus file, as `./our-panel.toml`.
pub fn load_bus_file(path: &Path, problems: &Problems) -> Option<Bus> {
    let source = read_file(path, problems)?;
    load_bus(&source, &|name| find_profile(path, name), problems)
}

/// Reads a file; a file that can't be read is a problem of it.
pub fn read_file(path: &Path, problems: &Problems) -> Option<Source> {
    match Source::open(path) {
        Ok(source) => Some(source),
        Err(why) => {
            let place = Place {
                file: path.display().to_string(),
                line: 1,
                col: 1,
            };
            problems.add(place, "", why);
            None
        }
    }
}

/// Finds a profile for a bus file: by its path when the name ends in `.toml`, else among those that come with the program.
///
/// # Errors
/// A text for people when there is none, or it can't be read.
pub fn find_profile(bus_file: &Path, name: &str) -> Result<Source, String> {
    if name.ends_with(".toml") {
        let path = bus_file
            .parent()
            .unwrap_or_else(|| Path::new(""))
            .join(name);
        return Source::open(&path).map_err(|why| format!("`{name}` {why}"));
    }
    shipped(name).ok_or_else(|| {
        let hint = nearest(name, shipped_names()).map_or_else(
            || {
                format!(
                    "one of {}",
                    shipped_names()
                        .map(|name| format!("`{name}`"))
                        .collect::<std::vec::Vec<_>>()
                        .join(", ")
                )
            },
            |near| format!("did you mean `{near}`?"),
        );
        let expected = if hint.starts_with("one") {
            format!("expected {hint} or a path that ends in `.toml`")
        } else {
            hint
        };
        let name = name.chars().take(80).collect::<String>().to_owned();
        format!("no profile `{name}` comes with the program, {expected}")
    })
}

#[cfg(test)]
mod tests;
