//! The `[broker]` table: a broker elsewhere by its URL, or one in this process.

use std::net::SocketAddr;

use front::{Item, Table};
use host::config::{REMOTE_KEYS, remote};

use super::Broker;
use super::files::Files;

pub(super) fn read(table: &Table<'_>, files: &Files<'_>) -> Option<Broker> {
    match (table.opt("url"), table.opt("embedded")) {
        (Some(url), None) => remote(table, &url, files).map(Broker::Remote),
        (None, Some(item)) => {
            for key in REMOTE_KEYS {
                if let Some(item) = table.opt(key) {
                    item.problem(format!(
                        "the embedded broker has no `{key}`: it is for trials, without TLS and accounts"
                    ));
                }
            }
            let listen: SocketAddr = address(&item, "127.0.0.1:1883")?;
            Some(Broker::Embedded { listen })
        }
        (None, None) => {
            for key in REMOTE_KEYS {
                table.opt(key);
            }
            table.lacks("neither `url` nor `embedded`, expected one of them");
            None
        }
        (Some(_), Some(item)) => {
            for key in REMOTE_KEYS {
                table.opt(key);
            }
            item.problem("`url` is there too, expected one of them");
            None
        }
    }
}

/// An address with a port, as the example.
pub(super) fn address(item: &Item<'_>, example: &str) -> Option<SocketAddr> {
    let text = item.str()?;
    let address = text.parse();
    if address.is_err() {
        item.problem(format!(
            "`{}` is no address with a port, expected one as `{example}`",
            text.chars().take(80).collect::<String>()
        ));
    }
    address.ok()
}
