//! Secrets: from a file or the environment, never in a configuration, never shown.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use front::{Item, Table};

use super::Beside;

/// A token or a password; `Debug` hides it.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Reads `{name}_file` or `{name}_env`; refuses `{name}` itself. The item is where the secret is told, for problems with it.
pub fn secret<'a>(table: &Table<'a>, name: &str, files: &dyn Beside) -> Option<(Item<'a>, Secret)> {
    if let Some(item) = table.opt(name) {
        item.problem(format!(
            "a secret in a file that is copied and logged, expected `{name}_file` with the file that holds it, or `{name}_env` with the name of an environment variable"
        ));
    }
    let (by_file, by_env) = (
        table.opt(&format!("{name}_file")),
        table.opt(&format!("{name}_env")),
    );
    let (item, text) = match (by_file, by_env) {
        (Some(item), None) => {
            let text = out_of_file(&item, files)?;
            (item, text)
        }
        (None, Some(item)) => {
            let text = out_of_env(&item, files)?;
            (item, text)
        }
        (None, None) => return None,
        (Some(_), Some(item)) => {
            item.problem(format!("`{name}_file` is there too, expected one of them"));
            return None;
        }
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        item.problem("the secret is empty");
        return None;
    }
    Some((item, Secret::new(text)))
}

/// A secret out of the file that an item names.
fn out_of_file(item: &Item<'_>, files: &dyn Beside) -> Option<String> {
    let name = item.str()?;
    if !files.is_live() {
        return None;
    }
    match fs::read_to_string(files.path(name)) {
        Ok(text) => {
            warn_if_open(item, name, files);
            Some(text)
        }
        Err(error) => {
            item.problem(format!("`{name}` cannot be read: {error}"));
            None
        }
    }
}

/// Warns of a file with a secret that everybody on this computer may read or change.
pub(super) fn warn_if_open(item: &Item<'_>, name: &str, files: &dyn Beside) {
    let Ok(metadata) = fs::metadata(files.path(name)) else {
        return;
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        files.warn(item, format!(
            "everybody on this computer can use the secret in `{name}` (mode {mode:04o}), expected 0600, or 0640 with a group of its own"
        ));
    }
}

/// A secret out of the environment variable that an item names.
fn out_of_env(item: &Item<'_>, files: &dyn Beside) -> Option<String> {
    let name = item.str()?;
    if !files.is_live() {
        return None;
    }
    let text = files.env(name);
    if text.is_none() {
        let is_name = |letter: char| matches!(letter, 'A'..='Z' | '0'..='9' | '_');
        item.problem(if name.chars().all(is_name) {
            format!("the environment has no `{name}`")
        } else {
            // It may be the secret itself.
            "the environment has no such variable, expected its name, as `FENGSUI_PASSWORD`"
                .to_owned()
        });
    }
    text
}
