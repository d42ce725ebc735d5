//! The gateway's files as an engineer would write them, put into a folder and read like any other.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use front::Problems;

use super::plant::{FIELD_BUS, WORKS_BUS};
use crate::config::{Broker, Config, Remote, load};

/// The files by their names.
const FILES: [(&str, &str); 4] = [
    ("gateway.toml", include_str!("gateway.toml")),
    ("field.bus.toml", FIELD_BUS),
    ("works.bus.toml", WORKS_BUS),
    ("site.rules.toml", include_str!("site.rules.toml")),
];

/// Writes the files into a folder, which is made, and reads them; the broker is at `broker`.
///
/// # Errors
/// The folder can't be written.
pub(super) fn config(folder: &Path, broker: SocketAddr) -> anyhow::Result<Config> {
    fs::create_dir_all(folder).context("a folder for the gateway")?;
    for (name, text) in FILES {
        fs::write(folder.join(name), text).context("a file for the gateway")?;
    }
    let (problems, warnings) = (Problems::default(), Problems::default());
    let config = load(
        &folder.join("gateway.toml"),
        &|_| None,
        &problems,
        &warnings,
    );
    // The files come with the program, so that an error is a fault of the program.
    let mut config = config.with_context(|| problems.to_string())?;
    config.broker = Broker::Remote(Remote {
        host: broker.ip().to_string(),
        port: broker.port(),
        tls: None,
        login: None,
    });
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::story::{ENTERPRISE, GATEWAY, NODE, PARK};

    #[test]
    fn the_files_are_read_without_a_problem_and_name_what_the_story_names() {
        let folder = tempfile::tempdir().unwrap();
        let broker = SocketAddr::from(([127, 0, 0, 1], 4_321));
        let config = config(folder.path(), broker).unwrap();
        let site = &config.site;
        assert_eq!(
            [
                &site.park,
                &site.enterprise,
                &site.gateway,
                &config.nodes[0].name
            ],
            [PARK, ENTERPRISE, GATEWAY, NODE]
        );
        assert_eq!(config.points.len(), 22);
        assert!(matches!(
            config.broker,
            Broker::Remote(Remote { port: 4_321, .. })
        ));
    }
}
