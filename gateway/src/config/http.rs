//! The `[http]` table: where the local API listens, and who may act by it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use front::{Item, Table};
use host::config::{Beside as _, secret};

use super::files::Files;
use super::load::own_token;
use super::{Access, Http, Person, broker};

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9460),
            access: Access::Nobody,
        }
    }
}

pub(super) fn read(table: &Table<'_>, files: &Files<'_>) -> Option<Http> {
    let listen = match table.opt("listen") {
        Some(item) => broker::address(&item, "127.0.0.1:9460"),
        None => Some(Http::default().listen),
    };
    let told = table.opt("token_file").or_else(|| table.opt("token_env"));
    let token = secret(table, "token", files).map(|(_, token)| token);
    let people = table.opt("person").map(|item| people(&item, files));
    table.finish();
    if let (Some(item), Some(_)) = (told, &people) {
        // Who has it could still be anybody.
        item.problem("one token for all beside people with their own, expected one of them");
    }
    let access = match (people, token) {
        (Some(people), _) => Access::People(people),
        (None, Some(token)) => Access::Anybody(token),
        (None, None) => Access::Nobody,
    };
    Some(Http {
        listen: listen?,
        access,
    })
}

/// Those who are right; each name and each token once, or one person could be two.
fn people(item: &Item<'_>, files: &Files<'_>) -> Vec<Person> {
    let mut people: Vec<Person> = Vec::new();
    let entries = item.tables();
    for entry in &entries {
        let name = entry.req("name").and_then(|item| name(&item, &people));
        let token = own_token(entry, files);
        entry.finish();
        let (Some(name), Some(token)) = (name, token) else {
            continue;
        };
        let same = people.iter().find(|known| known.token == token);
        let told = entry.opt("token_file").or_else(|| entry.opt("token_env"));
        if let (Some(known), Some(item), true) = (same, told, files.is_live()) {
            item.problem(format!(
                "the token of `{}` too, expected one of their own",
                known.name
            ));
        }
        people.push(Person { name, token });
    }
    if entries.len() == 1 {
        files.warn(
            item,
            "one person alone: nobody can agree to take an alarm out of service".to_owned(),
        );
    }
    people
}

/// A name that nobody before has; capitals and the space around it make no other one, as for the rules.
fn name(item: &Item<'_>, people: &[Person]) -> Option<String> {
    let name = item.str()?.trim();
    if name.is_empty() {
        item.problem("empty, expected a name");
        return None;
    }
    let lower = name.to_lowercase();
    if people
        .iter()
        .any(|known| known.name.to_lowercase() == lower)
    {
        item.problem(format!("a second `{name}`, expected each name once"));
    }
    Some(name.to_owned())
}
