//! The local API: health, readiness, metrics, status, alarms, and the operator's verbs.
//!
//! It asks the core and waits for its answer; it holds no state of its own. Loopback unless the configuration says otherwise; verbs need a bearer token.

mod ask;
mod who;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::config::Access;
use crate::event::Event;
pub use ask::{Act, Ask, Counter, DatabaseView, NodeView, OutputView, Status};

/// How long the core may take to answer before it counts as dead.
const CORE_LIMIT: Duration = Duration::from_secs(2);

/// Writes the metrics in Prometheus' text format.
pub type Metrics = std::sync::Arc<dyn Fn() -> String + Send + Sync>;

/// What the API works with.
#[derive(Clone)]
pub struct Api {
    /// The core.
    pub asks: mpsc::Sender<Ask>,
    /// Who may act.
    pub access: Access,
    /// The metrics.
    pub metrics: Metrics,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

/// Serves until `stop` is done.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    listener: TcpListener,
    api: Api,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = router(api).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(stop)
        .await
}

fn router(api: Api) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/alarms", get(alarms))
        .route("/api/v1/alarms/{unit}/{point}/{rule}/{verb}", post(act))
        .with_state(api)
}

/// Why the core did not answer.
struct Dead;

impl IntoResponse for Dead {
    fn into_response(self) -> Response {
        let body = json!({ "error": "the core does not answer" });
        (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
    }
}

async fn ask<T>(api: &Api, question: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Dead> {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        api.asks.send(question(reply)).await.ok()?;
        answer.await.ok()
    };
    timeout(CORE_LIMIT, asked).await.ok().flatten().ok_or(Dead)
}

/// 200 while the core answers.
async fn healthz(State(api): State<Api>) -> Result<&'static str, Dead> {
    ask(&api, Ask::Status).await.map(|_| "ok\n")
}

/// 200 while the gateway does all that others count on: the broker holds every alarm, and what nodes send gets to the disk and is acknowledged. Else 503 and the reason.
///
/// Not ready is no reason to restart it: alarms go on without a disk and without a database. That is what `/healthz` is for.
async fn readyz(State(api): State<Api>) -> Result<(StatusCode, String), Dead> {
    let status = ask(&api, Ask::Status).await?;
    Ok(match status.not_ready() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {why}\n"),
        ),
    })
}

async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, (api.metrics)())
}

async fn status(State(api): State<Api>) -> Result<Json<Status>, Dead> {
    ask(&api, Ask::Status).await.map(Json)
}

/// The states of all alarms that are not normal, as the contract's bodies.
async fn alarms(State(api): State<Api>) -> Result<Response, Dead> {
    let states = ask(&api, Ask::Alarms).await?;
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, format!("[{}]\n", states.join(","))).into_response())
}

/// What a verb's body says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    /// Not needed where the token says it.
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    occurrence: Option<u64>,
    /// For how long, as `2h`.
    #[serde(default, rename = "for", deserialize_with = "duration")]
    lasts_ms: Option<u64>,
    #[serde(default)]
    second: String,
    #[serde(default)]
    ticket: String,
}

fn duration<'d, D: Deserializer<'d>>(from: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(from)?;
    front::parse_duration_ms(&text)
        .map(Some)
        .map_err(|error| D::Error::custom(format!("`{text}` {error}")))
}

async fn act(
    State(api): State<Api>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path((unit, point, rule, verb)): Path<(String, String, String, String)>,
    headers: HeaderMap,
    Json(words): Json<Words>,
) -> Result<Response, Dead> {
    let alarm = format!("{unit}/{point}/{rule}");
    let refused = |status: StatusCode, by: &str, why: &str| {
        Event::ActRefused {
            by: Some(by).filter(|by| !by.is_empty()),
            said: words.by.as_deref(),
            from,
            verb: &verb,
            alarm: &alarm,
            why,
        }
        .tell();
        (status, Json(json!({ "error": why }))).into_response()
    };
    let who = match who::who(&api.access, &headers, words.by.as_deref(), &words.second) {
        Ok(who) => who,
        Err(refusal) => return Ok(refused(refusal.status, &refusal.by, &refusal.why)),
    };
    let act = Act {
        verb: verb.clone(),
        alarm: alarm.clone(),
        occurrence: words.occurrence,
        by: who.by.clone(),
        comment: words.comment,
        lasts_ms: words.lasts_ms,
        second: who.second.clone(),
        ticket: words.ticket,
    };
    Ok(match ask(&api, |reply| Ask::Act(act, reply)).await? {
        Ok(()) => {
            let mut done = json!({ "ok": true, "by": who.by });
            if !who.second.is_empty() {
                done["second"] = who.second.into();
            }
            (StatusCode::OK, Json(done)).into_response()
        }
        Err(why) => refused(StatusCode::CONFLICT, &who.by, &why),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{Person, Secret};

    /// An API that whoever has the one token may act by.
    async fn start() -> (String, impl Drop) {
        start_for(Access::Anybody(Secret::new("let me in"))).await
    }

    /// An API whose core has one alarm, refuses every reset, and tells with whom something was commented.
    async fn start_for(access: Access) -> (String, impl Drop) {
        let (asks, mut questions) = mpsc::channel(8);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let api = Api {
            asks,
            access,
            metrics: Arc::new(|| "fengsui_up 1\n".to_owned()),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let work = async move {
            let server = serve(listener, api, async move {
                drop(stopped.await);
            });
            let core = async {
                while let Some(question) = questions.recv().await {
                    match question {
                        Ask::Status(reply) => drop(reply.send(Status {
                            connected: true,
                            alarm_state: "unknown".into(),
                            ..Status::default()
                        })),
                        Ask::Alarms(reply) => drop(reply.send(vec![r#"{"id":"a"}"#.into()])),
                        Ask::Events(_, reply) => drop(reply.send(Vec::new())),
                        Ask::Act(act, reply) => drop(reply.send(match act.verb.as_str() {
                            "ack" => Ok(()),
                            "comment" => Err(format!("{} with {}", act.by, act.second)),
                            _ => Err("still active".into()),
                        })),
                    }
                }
            };
            drop(tokio::join!(server, core));
        };
        struct Server(Option<oneshot::Sender<()>>, tokio::task::JoinHandle<()>);
        impl Drop for Server {
            fn drop(&mut self) {
                self.0.take();
                self.1.abort();
            }
        }
        #[allow(clippy::disallowed_methods, reason = "a test's server")]
        let task = tokio::spawn(work);
        (address, Server(Some(stop), task))
    }

    async fn get_text(url: String) -> (u16, String) {
        let answer = reqwest011::get(url).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Asks with the tokens of one person or two; the status and the answer.
    async fn post(address: &str, verb: &str, tokens: &[&str], body: &str) -> (u16, String) {
        let url = format!("{address}/api/v1/alarms/u/p/r/{verb}");
        let mut request = reqwest011::Client::new()
            .post(url)
            .header("content-type", "application/json")
            .body(body.to_owned());
        for (name, token) in ["authorization", "second-authorization"].iter().zip(tokens) {
            request = request.header(*name, format!("Bearer {token}"));
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn post_ack(address: &str, verb: &str, token: &str) -> u16 {
        post(address, verb, &[token], r#"{"by":"li.wei"}"#).await.0
    }

    #[tokio::test]
    async fn healthy_is_a_core_that_answers() {
        let (address, _server) = start().await;
        assert_eq!(get_text(format!("{address}/healthz")).await.0, 200);
        let (code, why) = get_text(format!("{address}/readyz")).await;
        assert_eq!(code, 503);
        assert_eq!(why, "not ready: the broker does not hold every alarm yet\n");
        assert_eq!(
            get_text(format!("{address}/metrics")).await.1,
            "fengsui_up 1\n"
        );
        assert_eq!(
            get_text(format!("{address}/api/v1/alarms")).await.1,
            "[{\"id\":\"a\"}]\n"
        );
    }

    #[test]
    fn ready_is_a_broker_that_knows_and_a_disk_that_takes_what_comes() {
        let ready = Status {
            connected: true,
            alarm_state: "known".into(),
            ..Status::default()
        };
        assert_eq!(ready.not_ready(), None);
        for (status, why) in [
            (
                Status {
                    connected: false,
                    ..ready.clone()
                },
                "broker",
            ),
            (
                Status {
                    alarm_state: "unknown".into(),
                    ..ready.clone()
                },
                "alarm",
            ),
            (
                Status {
                    disk: "No space left on device".into(),
                    ..ready.clone()
                },
                "No space left on device",
            ),
        ] {
            let told = status.not_ready();
            assert!(
                told.as_ref().is_some_and(|told| told.contains(why)),
                "{told:?}"
            );
        }
    }

    #[tokio::test]
    async fn verbs_need_the_token_and_a_refusal_is_told() {
        let (address, _server) = start().await;
        assert_eq!(post_ack(&address, "ack", "let me in").await, 200);
        assert_eq!(post_ack(&address, "ack", "guess").await, 401);
        assert_eq!(post_ack(&address, "reset", "let me in").await, 409);
    }

    #[tokio::test]
    async fn the_core_hears_the_names_of_the_tokens_and_nobody_elses() {
        let person = |name: &str, token: &str| Person {
            name: name.to_owned(),
            token: Secret::new(token),
        };
        let people = vec![person("li.wei", "one"), person("zhang.min", "two")];
        let (address, _server) = start_for(Access::People(people)).await;
        for (verb, tokens, body, status, answer) in [
            (
                "ack",
                &["one"][..],
                "{}",
                200,
                r#"{"by":"li.wei","ok":true}"#,
            ),
            (
                "ack",
                &["one", "two"],
                r#"{"by":"li.wei","second":"zhang.min"}"#,
                200,
                r#"{"by":"li.wei","ok":true,"second":"zhang.min"}"#,
            ),
            (
                "comment",
                &["two", "one"],
                "{}",
                409,
                r#"{"error":"zhang.min with li.wei"}"#,
            ),
            (
                "ack",
                &["one"],
                r#"{"by":"zhang.min"}"#,
                403,
                r#"{"error":"the token is that of `li.wei`, expected that name in `by`, or none"}"#,
            ),
            (
                "ack",
                &["one", "one"],
                "{}",
                403,
                r#"{"error":"both tokens are those of `li.wei`, expected that of a second person"}"#,
            ),
            (
                "ack",
                &["three"],
                r#"{"by":"li.wei"}"#,
                401,
                r#"{"error":"expected the bearer token of a person of the configuration's [http] table"}"#,
            ),
        ] {
            let told = post(&address, verb, tokens, body).await;
            assert_eq!(told, (status, answer.to_owned()));
        }
    }
}
