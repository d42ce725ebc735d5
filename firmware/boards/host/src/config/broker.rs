//! How a broker elsewhere is told in a file: its URL, TLS and login.

use std::str::FromStr;

use front::{Item, Table};
use thiserror::Error;

use super::Beside;
use super::secret::{secret, warn_if_open};
use crate::mqtt::{Login, Tls};

/// The keys beside `url`.
pub const REMOTE_KEYS: [&str; 6] = [
    "ca",
    "certificate",
    "key",
    "user",
    "password_file",
    "password_env",
];

/// How a broker elsewhere is reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remote {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// TLS, with a client certificate where the broker asks for one; none is plain TCP.
    pub tls: Option<Tls>,
    /// User name and password.
    pub login: Option<Login>,
}

/// Reads a broker elsewhere by its `url`, with `ca`, `certificate`, `key`, `user` and `password_file` or `password_env` of the same table; `None` after its problems were reported.
pub fn remote(table: &Table<'_>, url: &Item<'_>, files: &dyn Beside) -> Option<Remote> {
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

/// Where a broker is, as its URL says: `mqtt://host[:port]` or `mqtts://host[:port]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// True for `mqtts`: TLS.
    pub encrypted: bool,
    /// Host name or address; an IPv6 address without its brackets.
    pub host: String,
    /// TCP port, 1883 or 8883 where the URL says none.
    pub port: u16,
}

/// Why a text is no URL of a broker.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum PlaceError {
    /// It begins with neither `mqtt://` nor `mqtts://`.
    #[error("no URL of a broker, {EXPECTED}")]
    Scheme,
    /// It holds a user or a password.
    #[error("a login in the URL would be logged, expected `user` and `password_file`")]
    Login,
    /// Its port is no number from 1 to 65535.
    #[error("its port is none, {EXPECTED}")]
    Port,
    /// Its host is empty, or there is a path behind it.
    #[error("its host is none, {EXPECTED}")]
    Host,
}

const EXPECTED: &str = "expected `mqtts://host:8883`, or `mqtt://host:1883` without TLS";

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let (encrypted, rest) = if let Some(rest) = text.strip_prefix("mqtts://") {
            (true, rest)
        } else if let Some(rest) = text.strip_prefix("mqtt://") {
            (false, rest)
        } else {
            return Err(PlaceError::Scheme);
        };
        if rest.contains('@') {
            return Err(PlaceError::Login);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            // An IPv6 address stands in brackets.
            Some((host, port)) if !port.contains(']') => match port.parse() {
                Ok(port) if port != 0 => (host, port),
                _ => return Err(PlaceError::Port),
            },
            _ => (rest, if encrypted { 8883 } else { 1883 }),
        };
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() || host.contains('/') {
            return Err(PlaceError::Host);
        }
        Ok(Self {
            encrypted,
            host: host.to_owned(),
            port,
        })
    }
}

fn place(item: &Item<'_>) -> Option<Place> {
    match item.str()?.parse() {
        Ok(place) => Some(place),
        Err(error) => {
            item.problem(PlaceError::to_string(&error));
            None
        }
    }
}

/// The outer `None` after a problem.
fn tls(table: &Table<'_>, encrypted: Option<bool>, files: &dyn Beside) -> Option<Option<Tls>> {
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
    if files.is_live()
        && let Some(item) = &key
        && let Some(name) = item.str()
    {
        warn_if_open(item, name, files);
    }
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
fn login(table: &Table<'_>, files: &dyn Beside) -> Option<Option<Login>> {
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
