//! The packs that come with the program.

use front::Source;

/// A pack: its name, and its file as it is in the repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pack {
    /// Its name.
    pub name: &'static str,
    /// The text of its file.
    pub text: &'static str,
}

macro_rules! pack {
    ($name:literal) => {
        Pack {
            name: $name,
            text: include_str!(concat!("../packs/", $name, "/", $name, ".toml")),
        }
    };
}

/// The packs that come with the program.
pub const PACKS: [Pack; 4] = [
    pack!("gas"),
    pack!("dust"),
    pack!("tailings"),
    pack!("welding"),
];

/// The pack with this name.
pub fn pack(name: &str) -> Option<&'static Pack> {
    PACKS.iter().find(|pack| pack.name == name)
}

impl Pack {
    /// Its file; messages call it `pack:<name>`.
    pub fn source(&self) -> Source {
        Source::new(std::format!("pack:{}", self.name), self.text)
    }
}
