//! Asks a running gateway's local API: where it is, who asks, and what each refusal means for the exit code.
//!
//! It knows the API's paths; what the answers hold is the commands' business.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest011::header::{AUTHORIZATION, HeaderValue};
use reqwest011::{Client, RequestBuilder, StatusCode, Url};
use serde::Deserialize;

use super::Exit;
use crate::config::Secret;

/// How long a gateway may take; its core has two seconds of these.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Where a token may be when no file is named.
const TOKEN_VARIABLE: &str = "FENGSUI_TOKEN";

/// Where the second person's may be.
const SECOND_VARIABLE: &str = "FENGSUI_SECOND_TOKEN";

/// The header of the second person's token.
const SECOND: &str = "second-authorization";

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

    /// What a path answers to a body, from those who have the tokens.
    pub(super) fn post(&self, path: &str, who: &Who, body: String) -> Result<String, Failure> {
        let mut request = self.http.post(self.url(path));
        request = request.header(AUTHORIZATION, bearer(&who.token)?);
        if let Some(token) = &who.second {
            request = request.header(SECOND, bearer(token)?);
        }
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

/// A header that shows a token, and hides it where the header itself is shown.
fn bearer(token: &Secret) -> Result<HeaderValue, Failure> {
    let value = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
    let mut value = value.map_err(|_| {
        let what = "a token holds a character that no HTTP header can: a line's end inside it?";
        Failure::new(Exit::BadInput, what)
    })?;
    value.set_sensitive(true);
    Ok(value)
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

/// What proves who acts: tokens from files or from the environment, never from an argument.
#[derive(Debug)]
pub(super) struct Who {
    token: Secret,
    /// The second person's, for what needs two.
    second: Option<Secret>,
}

impl Who {
    /// The one who acts.
    pub(super) fn alone(
        token: &Token,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let token = secret("token", token.token_file.as_deref(), TOKEN_VARIABLE, env)?;
        let second = None;
        Ok(Self { token, second })
    }

    /// With a second person, who may be named only, where one token is everybody's.
    pub(super) fn and(
        mut self,
        second: &Second,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let file = second.second_token_file.as_deref();
        let is_shown = file.is_some() || env(SECOND_VARIABLE).is_some();
        if is_shown {
            self.second = Some(secret("second-token", file, SECOND_VARIABLE, env)?);
        } else if second.second.is_none() {
            let what = format!(
                "a second person is needed: --second-token-file FILE or {SECOND_VARIABLE}, or --second NAME where the gateway has one token for all"
            );
            return Err(Failure::new(Exit::BadInput, what));
        }
        Ok(self)
    }
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
    /// The file that holds your token, or the gateway's where it has one for all; without it, the variable FENGSUI_TOKEN does.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// The second person, who agrees.
#[derive(Debug, clap::Args)]
pub(super) struct Second {
    /// The name of the second person, who agrees; needed where the gateway has one token for all, else their token says it.
    #[arg(long, value_name = "NAME")]
    pub(super) second: Option<String>,
    /// The file that holds the second person's token; without it, the variable FENGSUI_SECOND_TOKEN does.
    #[arg(long, value_name = "FILE")]
    second_token_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(token_file: Option<&Path>) -> Token {
        let token_file = token_file.map(Path::to_owned);
        Token { token_file }
    }

    #[test]
    fn the_file_goes_before_the_environment_and_a_line_end_is_no_part_of_the_token() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        fs::write(&path, "from the file\n").expect("written");
        let env = |name: &str| (name == TOKEN_VARIABLE).then(|| "from the environment".to_owned());
        let reveal = |file| Who::alone(&at(file), &env).map(|who| who.token.reveal().to_owned());
        assert_eq!(reveal(Some(path.as_path())), Ok("from the file".to_owned()));
        assert_eq!(reveal(None), Ok("from the environment".to_owned()));
        fs::write(&path, "\n").expect("written");
        let told = reveal(Some(path.as_path())).expect_err("no token");
        assert_eq!(told.exit, Exit::BadInput);
        assert!(told.what.ends_with("token holds no token"), "{}", told.what);
        let told = Who::alone(&at(None), &|_| None).expect_err("no token");
        assert!(told.what.contains("--token-file"), "{}", told.what);
    }

    #[test]
    fn a_second_person_shows_a_token_or_has_a_name_at_least() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("zhang");
        fs::write(&path, "of zhang\n").expect("written");
        let reveal = |name: Option<&str>, file: Option<&Path>, second: Option<&str>| {
            let env = |variable: &str| match variable {
                SECOND_VARIABLE => second.map(str::to_owned),
                _ => Some("of li".to_owned()),
            };
            let told = Second {
                second: name.map(str::to_owned),
                second_token_file: file.map(Path::to_owned),
            };
            let who = Who::alone(&at(None), &env)?.and(&told, &env)?;
            Ok(who.second.map(|token| token.reveal().to_owned()))
        };
        let of = |token: &str| Ok(Some(token.to_owned()));
        let file = Some(path.as_path());
        assert_eq!(reveal(None, file, Some("of wang")), of("of zhang"));
        assert_eq!(reveal(Some("wang"), None, Some("of wang")), of("of wang"));
        assert_eq!(reveal(Some("wang"), None, None), Ok(None));
        let told: Failure = reveal(None, None, None).expect_err("nobody");
        assert_eq!(told.exit, Exit::BadInput);
        assert!(told.what.contains("--second-token-file"), "{}", told.what);
    }

    #[test]
    fn a_token_that_no_header_can_hold_is_told_and_not_shown() {
        assert!(bearer(&Secret::new("令牌")).is_ok());
        let token = Secret::new("two\nlines");
        let told = bearer(&token).expect_err("no header");
        assert_eq!(told.exit, Exit::BadInput);
        assert!(!told.what.contains("lines"), "{}", told.what);
        let shown = bearer(&Secret::new("let me in")).map(|value| format!("{value:?}"));
        assert_eq!(shown, Ok("Sensitive".to_owned()));
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
