//! The local API: health, readiness, metrics, status, alarms, and the operator's verbs.
//!
//! It asks the core and waits for its answer; it holds no state of its own. Loopback unless the configuration says otherwise; verbs need a bearer token.

mod ask;

use std::future::Future;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::config::Secret;
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
    /// Who may act; none: nobody.
    pub token: Option<Secret>,
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
    axum::serve(listener, router(api))
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
    by: String,
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
    Path((unit, point, rule, verb)): Path<(String, String, String, String)>,
    headers: HeaderMap,
    Json(words): Json<Words>,
) -> Result<Response, Dead> {
    if !may_act(&api, &headers) {
        let body =
            json!({ "error": "expected the bearer token of the configuration's [http] table" });
        return Ok((StatusCode::UNAUTHORIZED, Json(body)).into_response());
    }
    let act = Act {
        verb,
        alarm: format!("{unit}/{point}/{rule}"),
        occurrence: words.occurrence,
        by: words.by,
        comment: words.comment,
        lasts_ms: words.lasts_ms,
        second: words.second,
        ticket: words.ticket,
    };
    let answer = ask(&api, |reply| Ask::Act(act, reply)).await?;
    Ok(match answer {
        Ok(()) => (StatusCode::OK, Json(json!({ "ok": true }))).into_response(),
        Err(why) => (StatusCode::CONFLICT, Json(json!({ "error": why }))).into_response(),
    })
}

/// Compares hashes, so that the time it takes says nothing about the token.
fn may_act(api: &Api, headers: &HeaderMap) -> bool {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match (&api.token, given) {
        (Some(token), Some(given)) => {
            Sha256::digest(token.reveal().as_bytes()) == Sha256::digest(given.as_bytes())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// An API whose core has one alarm and refuses every reset.
    async fn start() -> (String, impl Drop) {
        let (asks, mut questions) = mpsc::channel(8);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let api = Api {
            asks,
            token: Some(Secret::new("let me in")),
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

    async fn post_ack(address: &str, verb: &str, token: &str) -> u16 {
        let url = format!("{address}/api/v1/alarms/u/p/r/{verb}");
        let request = reqwest011::Client::new()
            .post(url)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(r#"{"by":"li.wei"}"#);
        request.send().await.unwrap().status().as_u16()
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
}
