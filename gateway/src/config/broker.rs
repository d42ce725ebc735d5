//! The `[broker]` table: a broker elsewhere by its URL, or one in this process.

use std::net::SocketAddr;

use front::{Item, Table};
use host::mqtt::{Login, Tls};

use super::files::Files;
use super::secret::secret;
use super::{Broker, Remote};

/// Keys that belong to a broker elsewhere.
const REMOTE_KEYS: [&str; 5] = ["ca", "certificate", "key", "user", "password_file"];

pub(super) fn read(table: &Table<'_>, files: &Files<'_>) -> Option<Broker> {
    match (table.opt("url"), table.opt("embedded")) {
        (Some(url), None) => remote(table, &url, files).map(Broker::Remote),
        (None, Some(item)) => {
            for key in REMOTE_KEYS.into_iter().chain(["password_env"]) {
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
            for key in REMOTE_KEYS.into_iter().chain(["password_env"]) {
                table.opt(key);
            }
            table.problem("neither `url` nor `embedded`, expected one of them");
            None
        }
        (Some(_), Some(item)) => {
            for key in REMOTE_KEYS.into_iter().chain(["password_env"]) {
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

fn remote(table: &Table<'_>, url: &Item<'_>, files: &Files<'_>) -> Option<Remote> {
    let place = place(url);
    let encrypted = place.as_ref().map(|place| place.encrypted);
    let tls = tls(table, encrypted, files);
    let login = login(table, files);
    let place = place?;
    Some(Remote {
        host: place.host,
        port: place.port,
        tls: tls?,
        login: login?,
    })
}

struct Place {
    encrypted: bool,
    host: String,
    port: u16,
}

/// `mqtt://host[:port]` or `mqtts://host[:port]`.
fn place(item: &Item<'_>) -> Option<Place> {
    let text = item.str()?;
    let wrong = |what: &str| {
        item.problem(format!(
            "{what}, expected `mqtts://host:8883`, or `mqtt://host:1883` without TLS"
        ));
        None
    };
    let (encrypted, rest) = if let Some(rest) = text.strip_prefix("mqtts://") {
        (true, rest)
    } else if let Some(rest) = text.strip_prefix("mqtt://") {
        (false, rest)
    } else {
        return wrong("no URL of a broker");
    };
    if rest.contains('@') {
        item.problem("a login in the URL would be logged, expected `user` and `password_file`");
        return None;
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        // An IPv6 address stands in brackets.
        Some((host, port)) if !port.contains(']') => match port.parse() {
            Ok(port) if port != 0 => (host, port),
            _ => return wrong("its port is none"),
        },
        _ => (rest, if encrypted { 8883 } else { 1883 }),
    };
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if host.is_empty() || host.contains('/') {
        return wrong("its host is none");
    }
    Some(Place {
        encrypted,
        host: host.to_owned(),
        port,
    })
}

/// The outer `None` after a problem.
fn tls(table: &Table<'_>, encrypted: Option<bool>, files: &Files<'_>) -> Option<Option<Tls>> {
    let (ca, certificate, key) = (table.opt("ca"), table.opt("certificate"), table.opt("key"));
    if encrypted == Some(false) {
        let mut keys = [&ca, &certificate, &key].into_iter().flatten().peekable();
        let plain = keys.peek().is_none();
        keys.for_each(|item| item.problem("without TLS, expected a URL `mqtts://…`"));
        return plain.then_some(None);
    }
    let path = |item: &Item<'_>| item.str().map(|name| files.path(name));
    let identity = match (&certificate, &key) {
        (None, None) => Some(None),
        (Some(certificate), Some(key)) => {
            let (certificate, key) = (path(certificate), path(key));
            Some(Some((certificate?, key?)))
        }
        (Some(item), None) => {
            item.problem("without its `key`, expected both or neither");
            None
        }
        (None, Some(item)) => {
            item.problem("without its `certificate`, expected both or neither");
            None
        }
    };
    if encrypted == Some(true) && ca.is_none() {
        table.problem(
            "no `ca`, expected the PEM file with the authority to trust: no system store is asked",
        );
    }
    let ca_item = ca?;
    let tls = Tls {
        ca: path(&ca_item)?,
        identity: identity?,
    };
    if files.is_live()
        && let Err(error) = tls.load()
    {
        ca_item.problem(error.to_string());
        return None;
    }
    Some(Some(tls))
}

/// The outer `None` after a problem.
fn login(table: &Table<'_>, files: &Files<'_>) -> Option<Option<Login>> {
    let user = table.opt("user");
    let has_password = ["password", "password_file", "password_env"]
        .iter()
        .any(|key| table.opt(key).is_some());
    let password = secret(table, "password", files);
    let Some(item) = user else {
        if let Some((item, _)) = password {
            item.problem("a password without `user`");
            return None;
        }
        return Some(None);
    };
    let user = item.str()?.to_owned();
    if !has_password {
        item.problem("without a password, expected `password_file` or `password_env`");
        return None;
    }
    if !files.is_live() {
        return Some(None);
    }
    let (_, password) = password?;
    Some(Some(Login {
        user,
        password: password.reveal().to_owned(),
    }))
}
