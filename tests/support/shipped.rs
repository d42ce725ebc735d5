//! Mosquitto as it is shipped: from `configs/broker`, with TLS, accounts and the access list.

use std::cell::Cell;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::authority::{Authority, Identity};
use crate::mosquitto::Mosquitto;
use crate::process::free_port;

/// The users of the shipped access list that have accounts here.
const USERS: [&str; 3] = ["gw-1", "edge-pond", "regulator"];

/// A running broker, as a site has it; it ends with the value.
#[derive(Debug)]
pub struct Shipped {
    /// The broker itself. Its port is the one for users with passwords.
    pub broker: Mosquitto,
    /// Who issues the certificates that it trusts.
    pub authority: Authority,
    mutual_port: u16,
    folder: tempfile::TempDir,
}

impl Shipped {
    /// Starts a broker from the shipped files: only paths, ports and addresses are other ones.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path();
        let (certs, data) = (path.join("certs"), path.join("data"));
        let issued = path.join("issued");
        // Mosquitto gives up being root before it reads these.
        for open in [path, &certs, &data, &issued] {
            fs::create_dir_all(open).expect("a temporary folder can be written");
            fs::set_permissions(open, Permissions::from_mode(0o777)).expect("permissions");
        }
        let authority = Authority::new("ca", &issued);
        let server = authority.server(&["localhost", "127.0.0.1"]);
        for (made, wanted) in [
            (authority.ca(), "ca.pem"),
            (server.certificate, "server.pem"),
            (server.key, "server.key"),
        ] {
            fs::copy(made, certs.join(wanted)).expect("copied");
        }
        fs::copy(shipped("acl"), path.join("acl")).expect("the shipped access list");
        accounts(&path.join("passwords"));
        let conf = fs::read_to_string(shipped("mosquitto.conf")).expect("the shipped file");
        let mutual_port = Cell::new(0);
        let broker = Mosquitto::with(|port| {
            mutual_port.set(free_port());
            settings(&conf, path, mutual_port.get(), port)
        });
        Self {
            broker,
            authority,
            mutual_port: mutual_port.get(),
            folder,
        }
    }

    /// Where gateways and nodes come in: mutual TLS.
    pub fn mutual_url(&self) -> String {
        format!("mqtts://localhost:{}", self.mutual_port)
    }

    /// The port of [`Self::mutual_url`].
    pub fn mutual_port(&self) -> u16 {
        self.mutual_port
    }

    /// Where regulators come in: TLS, a user and a password.
    pub fn url(&self) -> String {
        format!("mqtts://localhost:{}", self.broker.port())
    }

    /// The password of a user.
    pub fn password(user: &str) -> String {
        format!("the-word-of-{user}")
    }

    /// The keys of a `[broker]` table: mutual TLS with this certificate.
    pub fn mutual_table(&self, identity: &Identity) -> String {
        format!(
            "url = \"{}\"\nca = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
            self.mutual_url(),
            self.authority.ca().display(),
            identity.certificate.display(),
            identity.key.display(),
        )
    }

    /// The keys of a `[broker]` table: TLS, and a user; `password` is the key that says where the password is.
    pub fn login_table(&self, user: &str, password: &str) -> String {
        format!(
            "url = \"{}\"\nca = \"{}\"\nuser = \"{user}\"\n{password}\n",
            self.url(),
            self.authority.ca().display(),
        )
    }

    /// What one of the Python clients adds to its arguments to come in with a user and a password.
    pub fn access(&self, user: &str) -> Vec<String> {
        let ca = self.authority.ca().display().to_string();
        let password = Self::password(user);
        ["--ca", &ca, "--user", user, "--password", &password]
            .map(str::to_owned)
            .into()
    }

    /// What one of the Python clients adds to its arguments to come in with a certificate, at [`Self::mutual_port`].
    pub fn mutual_access(&self, name: &str) -> Vec<String> {
        let ca = self.authority.ca().display().to_string();
        let Identity { certificate, key } = self.authority.client(name);
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        ["--ca", &ca, "--cert", &certificate, "--key", &key]
            .map(str::to_owned)
            .into()
    }

    /// A folder for the test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../configs/broker")
        .join(name)
}

/// The shipped settings on this machine. Each thing that is to be another one must be there, and nothing else becomes another one.
fn settings(shipped: &str, folder: &Path, mutual_port: u16, port: u16) -> String {
    let folder = folder.display();
    let mut settings = shipped.to_owned();
    for (from, to) in [
        (
            "listener 8883\n",
            format!("listener {mutual_port} 127.0.0.1\n"),
        ),
        ("listener 8884\n", format!("listener {port} 127.0.0.1\n")),
        (" /etc/mosquitto/", format!(" {folder}/")),
        (" /var/lib/mosquitto/", format!(" {folder}/data/")),
    ] {
        assert!(settings.contains(from), "the shipped file has no `{from}`");
        settings = settings.replace(from, &to);
    }
    settings
}

fn accounts(file: &Path) {
    fs::write(file, "").expect("a temporary folder can be written");
    for user in USERS {
        let made = Command::new("mosquitto_passwd")
            .arg("-b")
            .arg(file)
            .args([user, &Shipped::password(user)])
            .status()
            .expect("mosquitto_passwd is there; tests/all installs it");
        assert!(made.success());
    }
    fs::set_permissions(file, Permissions::from_mode(0o644)).expect("permissions");
}
