//! What the files of node and gateway have in common, how a broker is reached and where secrets are, and the node's own file.

mod broker;
mod node;
mod secret;

use std::path::PathBuf;

use front::Item;

pub use broker::{Place, PlaceError, REMOTE_KEYS, Remote, remote};
pub use node::{NodeConfig, load};
pub use secret::{Secret, secret};

/// What stands beside a file that is being read: other files by their paths, and the environment.
pub trait Beside {
    /// True when what is only needed to run is there to be checked: secrets and certificates.
    fn is_live(&self) -> bool;
    /// A path as the file says it, seen from here.
    fn path(&self, name: &str) -> PathBuf;
    /// Takes a warning of what is odd with a value and stops nobody.
    fn warn(&self, item: &Item<'_>, what: String);
    /// An environment variable.
    fn env(&self, name: &str) -> Option<String>;
}
