//! Asks a running gateway's local API: where it is, who asks, and what each refusal means for the exit code.
//!
//! It knows the API's paths; what the answers hold is the commands' business.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest011::{Client, RequestBuilder, StatusCode, Url};
use serde::Deserialize;

use super::Exit;
use crate::config::Secret;

/// How long a gateway may take; its core has two seconds of these.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Where a token may be when no file is named.
const TOKEN_VARIABLE: &str = "FENGSUI_TOKEN";

/// Where the gateway is.
#[derive(Debug, clap::Args)]
pub(super) struct Gateway {
    /// The gateway's local API, http://HOST:PORT.
    // Before a verb or after it.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:9460"
    )]
    gateway: String,
}

/// Why there is no answer to go on with.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Failure {
    /// How the command ends.
    pub(super) exit: Exit,
    /// For people.
    pub(super) what: String,
}

impl Failure {
    pub(super) fn new(exit: Exit, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { exit, what }
    }

    /// Tells it, and gives the exit code.
    pub(super) fn tell(&self, err: &mut dyn Write) -> io::Result<Exit> {
        writeln!(err, "{}", self.what)?;
        Ok(self.exit)
    }
}

/// The error that the API answers with.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// A gateway that can be asked; nothing is sent before a question.
pub(super) struct Api {
    http: Client,
    base: Url,
    runtime: tokio::runtime::Runtime,
}

impl Api {
    pub(super) fn new(gateway: &Gateway) -> Result<Self, Failure> {
        // What stands before an @ is a login, which is nobody's business.
        let shown = gateway.gateway.rsplit('@').next().unwrap_or_default();
        let bad = |why: &str| {
            let what = format!("--gateway {shown}: {why}, expected http://HOST:PORT");
            Failure::new(Exit::BadInput, what)
        };
        let base = Url::parse(&gateway.gateway).map_err(|error| bad(&error.to_string()))?;
        if base.scheme() != "http" {
            return Err(bad("the local API speaks http"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(bad("the local API knows no logins, but a token"));
        }
        if base.path() != "/" || base.query().is_some() || base.fragment().is_some() {
            return Err(bad("more than an address"));
        }
        let start = |error: String| Failure::new(Exit::Unreachable, error);
        let http = Client::builder()
            .timeout(ANSWER_LIMIT)
            // A proxy from the environment would see the token.
            .no_proxy()
            .build()
            .map_err(|error| start(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| start(error.to_string()))?;
        Ok(Self {
            http,
            base,
            runtime,
        })
    }

    /// What a path answers.
    pub(super) fn get(&self, path: &str) -> Result<String, Failure> {
        self.ask(self.http.get(self.url(path)))
    }

    /// What a path answers to a body, from someone who has the token.
    pub(super) fn post(&self, path: &str, token: &Secret, body: String) -> Result<String, Failure> {
        let request = self.http.post(self.url(path)).bearer_auth(token.reveal());
        self.ask(
            request
                .header("content-type", "application/json")
                .body(body),
        )
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }

    fn ask(&self, request: RequestBuilder) -> Result<String, Failure> {
        let answer = async {
            let answer = request.send().await?;
            let status = answer.status();
            Ok((status, answer.text().await?))
        };
        let answer: Result<_, reqwest011::Error> = self.runtime.block_on(answer);
        match answer {
            Ok((status, text)) if status.is_success() => Ok(text),
            Ok((status, text)) => Err(refused(status, &text)),
            Err(error) => Err(Failure::new(
                Exit::Unreachable,
                format!("no gateway answers at {}: {}", self.base, cause(&error)),
            )),
        }
    }
}

fn refused(status: StatusCode, text: &str) -> Failure {
    let why = match serde_json::from_str(text) {
        Ok(Refusal { error }) => error,
        Err(_) => text.trim().to_owned(),
    };
    let exit = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::CONFLICT => Exit::No,
        status if status.is_client_error() => Exit::BadInput,
        _ => Exit::Unreachable,
    };
    Failure::new(exit, format!("the gateway answers {status}: {why}"))
}

/// The innermost reason: the outer ones only repeat the address.
fn cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Who acts: the token from a file or from the environment, never from an argument.
pub(super) fn token(
    file: Option<&Path>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Secret, Failure> {
    secret("token", file, TOKEN_VARIABLE, env)
}

/// A secret from the file of the option `--{what}-file`, or from the environment.
pub(super) fn secret(
    what: &str,
    file: Option<&Path>,
    variable: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Secret, Failure> {
    let bad = |what: String| Failure::new(Exit::BadInput, what);
    let (from, text) = match file {
        Some(path) => {
            let text = fs::read_to_string(path)
                .map_err(|error| bad(format!("{}: {error}", path.display())))?;
            (path.display().to_string(), text)
        }
        None => {
            let missing = || {
                bad(format!(
                    "a {what} is needed: --{what}-file FILE or {variable}"
                ))
            };
            (variable.to_owned(), env(variable).ok_or_else(missing)?)
        }
    };
    // As the gateway reads its own: a line's end is no part of it, a blank may be.
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(bad(format!("{from} holds no {what}"))),
        secret => Ok(Secret::new(secret)),
    }
}

/// Where the token is.
#[derive(Debug, clap::Args)]
pub(super) struct Token {
    /// The file that holds the gateway's token; without it, the variable FENGSUI_TOKEN does.
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_goes_before_the_environment_and_a_line_end_is_no_part_of_the_token() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        fs::write(&path, "from the file\n").expect("written");
        let env = |name: &str| (name == TOKEN_VARIABLE).then(|| "from the environment".to_owned());
        let reveal = |file| token(file, &env).map(|token| token.reveal().to_owned());
        assert_eq!(reveal(Some(path.as_path())), Ok("from the file".to_owned()));
        assert_eq!(reveal(None), Ok("from the environment".to_owned()));
        fs::write(&path, "\n").expect("written");
        let told = reveal(Some(path.as_path())).expect_err("no token");
        assert_eq!(told.exit, Exit::BadInput);
        assert!(told.what.ends_with("token holds no token"), "{}", told.what);
        let told = token(None, &|_| None).expect_err("no token");
        assert!(told.what.contains("--token-file"), "{}", told.what);
    }

    #[test]
    fn an_address_that_is_no_http_is_told_before_anything_is_sent() {
        for (given, why) in [
            ("127.0.0.1:9460", "relative URL without a base"),
            ("https://gw:9460", "the local API speaks http"),
            ("gw:9460", "the local API speaks http"),
            ("http://gw:9460/api/v1", "more than an address"),
            ("http://li:hunter2@gw:9460", "knows no logins"),
        ] {
            let gateway = Gateway {
                gateway: given.to_owned(),
            };
            let told = Api::new(&gateway).err().expect("refused");
            assert_eq!(told.exit, Exit::BadInput);
            assert!(told.what.contains(why), "{}", told.what);
            assert!(!told.what.contains("hunter2"), "{}", told.what);
        }
    }
}
