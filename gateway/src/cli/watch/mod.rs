//! `fengsui watch`: a regulator's subscriber, which holds every gateway of a park against the contract while it shows their alarms.
//!
//! What is right and wrong is [`crate::watch`]'s to say; here are the arguments, the session and the end. How it looks is `show`'s.

mod show;
mod words;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use front::parse_duration_ms;
use host::config::Place;
use host::mqtt::{Event, Login, Loss, Options, Publish, Session, Tls};
use telemetry::{UtcMs, check_segment};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use super::Exit;
use super::api::{Failure, secret};
use crate::clock::SystemClock;
use crate::watch::{self, News, Problem, Watch};
use show::Show;

/// Where the password may be when no file is named.
const PASSWORD_VARIABLE: &str = "FENGSUI_PASSWORD";
/// How long the first connection may take, in milliseconds; later ones may take any time.
const FIRST_MS: u64 = 15_000;
/// How long a check waits at its end for what is on its way, in milliseconds: a status that does not come in this time is a silence.
const REST_MS: u64 = 65_000;
/// Who was held up for so long itself can't say who else was late, in milliseconds.
const HELD_UP_MS: u64 = 10_000;
/// The longest time between two looks at the clock, in milliseconds.
const LOOK_MS: u64 = 1_000;
/// How many problems are told again at the end.
const PROBLEMS_MAX: usize = 1_000;

/// Arguments of `fengsui watch`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The broker: mqtt://HOST[:PORT], or mqtts://HOST[:PORT] with TLS.
    #[arg(value_name = "URL")]
    url: String,
    /// The park whose gateways are watched.
    #[arg(long, value_name = "PARK")]
    park: String,
    /// Exit with 1 when the contract was broken, or nobody was there to keep it. At its end it waits for each gateway's next status, at most 65 s, so that nothing can be left out unseen; a second interruption ends it at once, and so does the first while there is no connection.
    #[arg(long)]
    check: bool,
    /// Watch for so long after the first connection, as `250ms`, `5s`, `10min` or `24h` [default: until it is interrupted].
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration_ms)]
    for_ms: Option<u64>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// The user's name at the broker.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The file that holds the user's password; without it, the variable FENGSUI_PASSWORD does.
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// With mqtts://: the authority to trust, PEM; no system store is asked.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Our own certificate where the broker asks for one, PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
}

/// Watches until the time is over or it is interrupted.
pub(super) fn run(
    args: &Args,
    env: &dyn Fn(&str) -> Option<String>,
    is_terminal: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let options = match options(args, env) {
        Ok(options) => options,
        Err(failure) => return failure.tell(err),
    };
    let show = if args.json {
        Show::json(out)
    } else if is_terminal {
        Show::screen(out, format!("{}  park {}", args.url, args.park))?
    } else {
        Show::lines(out)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut subscriber = Subscriber::new(args, options, show, err)?;
        match subscriber.watch(args.for_ms).await {
            // Nobody reads the answer any more, but it is known.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && subscriber.is_broken() => {
                Ok(Exit::No)
            }
            ended => ended,
        }
    })
}

/// How the broker is reached, and as whom.
fn options(args: &Args, env: &dyn Fn(&str) -> Option<String>) -> Result<Options, Failure> {
    let bad = |what: String| Failure::new(Exit::BadInput, what);
    check_segment(&args.park).map_err(|why| bad(format!("--park `{}`: {why}", args.park)))?;
    let place: Place = args
        .url
        .parse()
        .map_err(|why| bad(format!("`{}`: {why}", without_login(&args.url))))?;
    let tls = match (&args.ca, place.encrypted) {
        (Some(ca), true) => Some(Tls {
            ca: ca.clone(),
            identity: args.certificate.clone().zip(args.key.clone()),
        }),
        (None, true) => {
            let what = "mqtts:// without --ca, expected the PEM file with the authority to trust: no system store is asked";
            return Err(bad(what.to_owned()));
        }
        (None, false) if args.certificate.is_none() => None,
        (_, false) => {
            let what = "--ca, --certificate and --key without TLS, expected a URL mqtts://…";
            return Err(bad(what.to_owned()));
        }
    };
    let tls = tls
        .map(|tls| tls.load().map_err(|error| bad(error.to_string())))
        .transpose()?;
    let login = args
        .user
        .as_ref()
        .map(|user| login(user, args.password_file.as_deref(), env))
        .transpose()?;
    Ok(Options {
        login,
        tls,
        receive_maximum: 1_000,
        ..Options::new(place.host, place.port, client_id())
    })
}

/// A URL that can be shown.
fn without_login(url: &str) -> &str {
    url.rsplit('@').next().unwrap_or_default()
}

fn login(
    user: &str,
    file: Option<&Path>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Login, Failure> {
    let password = secret("password", file, PASSWORD_VARIABLE, env)?;
    Ok(Login {
        user: user.to_owned(),
        password: password.reveal().to_owned(),
    })
}

/// A client id that no other run has: replays come under it. MQTT lets every broker take 23 letters and digits.
fn client_id() -> String {
    let chance = RandomState::new().build_hasher().finish();
    format!("watch{chance:016x}")
}

/// What is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Goal {
    /// The first connection.
    Connection,
    /// Only the end of the time, or an interruption.
    Time,
    /// That nothing is owed, and each gateway has spoken since.
    Rest(UtcMs),
}

/// How waiting ended.
#[derive(Debug)]
enum End {
    Reached,
    TimeOver,
    Interrupted,
    /// The broker doesn't want us.
    Refused(String),
}

/// The subscriber: the session, what it makes of the messages, and who is shown it.
struct Subscriber<'a> {
    park: String,
    is_check: bool,
    watch: Watch,
    session: Session,
    show: Show<'a>,
    err: &'a mut dyn Write,
    clock: SystemClock,
    /// The wall clock at the start. Time goes on from here at monotonic pace: a clock that is set makes nobody late.
    start: UtcMs,
    looked_at: UtcMs,
    problems: Vec<Problem>,
    requests: u64,
    /// Why the last try to connect failed.
    loss: Option<Loss>,
    signals: [Signal; 2],
}

impl<'a> Subscriber<'a> {
    fn new(
        args: &Args,
        options: Options,
        show: Show<'a>,
        err: &'a mut dyn Write,
    ) -> io::Result<Self> {
        let clock = SystemClock::start();
        let start = clock.read().wall;
        let client = &options.client_id;
        Ok(Self {
            park: args.park.clone(),
            is_check: args.check,
            watch: Watch::new(&args.park, client, watch::Options::default()),
            session: Session::new(options),
            show,
            err,
            clock,
            start,
            looked_at: start,
            problems: Vec::new(),
            requests: 0,
            loss: None,
            signals: [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            ],
        })
    }

    fn now(&self) -> UtcMs {
        self.start.plus_ms(self.clock.read().mono)
    }

    async fn watch(&mut self, for_ms: Option<u64>) -> io::Result<Exit> {
        let first = self.now().plus_ms(FIRST_MS);
        let mut end = self.go_on(Goal::Connection, Some(first)).await?;
        if let End::Reached = end {
            let until = for_ms.map(|ms| self.now().plus_ms(ms));
            end = self.go_on(Goal::Time, until).await?;
            // Who interrupts it while there is no connection has nothing to wait for.
            let may_rest = self.watch.is_connected() || matches!(end, End::TimeOver);
            if self.is_check && may_rest && !matches!(end, End::Refused(_)) {
                self.remark("waiting for what is on its way; an interruption ends it at once")?;
                let until = self.now().plus_ms(REST_MS);
                let rest = Goal::Rest(self.now());
                end = self.go_on(rest, Some(until)).await?;
            }
        } else if let End::TimeOver = end {
            let why = self
                .loss
                .as_ref()
                .map_or_else(|| "no answer".to_owned(), Loss::to_string);
            end = End::Refused(why);
        }
        if let End::Refused(why) = end {
            let Options { host, port, .. } = self.session.options();
            let what = format!("the broker {host}:{port}: {why}");
            return self.fail(&what);
        }
        if self.watch.counts().connections > 0 {
            return self.conclude();
        }
        if self.is_check {
            return self.fail("interrupted before there was a connection");
        }
        Ok(Exit::Done)
    }

    fn fail(&mut self, what: &str) -> io::Result<Exit> {
        self.show.leave()?;
        Failure::new(Exit::Unreachable, what).tell(self.err)
    }

    /// True for a check that has found a problem.
    fn is_broken(&self) -> bool {
        self.is_check && self.watch.counts().problems > 0
    }

    /// Lives on until the goal is reached, the time is over or a signal comes.
    async fn go_on(&mut self, goal: Goal, until: Option<UtcMs>) -> io::Result<End> {
        loop {
            let now = self.now();
            self.look(now)?;
            match goal {
                Goal::Connection if self.watch.is_connected() => return Ok(End::Reached),
                Goal::Rest(then)
                    if self.watch.is_settled()
                        && self.watch.sites().all(|site| site.has_spoken_since(then)) =>
                {
                    return Ok(End::Reached);
                }
                Goal::Connection | Goal::Time | Goal::Rest(_) => {}
            }
            if until.is_some_and(|until| until <= now) {
                return Ok(End::TimeOver);
            }
            let due = [self.watch.poll_timeout(), until, self.show.due()];
            let due = due.into_iter().flatten().map(|due| due.since_ms(now)).min();
            let wait = due.map_or(LOOK_MS, |ms| ms.min(LOOK_MS));
            let [interrupted, terminated] = &mut self.signals;
            let event = tokio::select! {
                biased;
                _ = interrupted.recv() => return Ok(End::Interrupted),
                _ = terminated.recv() => return Ok(End::Interrupted),
                // What came is older than what is due.
                event = self.session.next() => event,
                () = sleep(Duration::from_millis(wait)) => continue,
            };
            if let Some(why) = self.handle(event, goal)? {
                return Ok(End::Refused(why));
            }
        }
    }

    /// What time does, and what is to be shown and asked for.
    fn look(&mut self, now: UtcMs) -> io::Result<()> {
        let held_up = now.since_ms(self.looked_at) > HELD_UP_MS;
        self.looked_at = now;
        if held_up && self.watch.is_connected() {
            // What waited here was not late there: begin anew.
            self.session = Session::new(self.session.options().clone());
            let why = "this program was held up";
            self.is_lost(why)?;
        }
        self.watch.tick(now);
        while let Some(request) = self.watch.poll_request() {
            let publish = Publish {
                topic: request.topic,
                payload: request.payload,
                content_type: Some("application/json"),
                ..Publish::default()
            };
            self.requests += 1;
            // Without a connection it is asked for again on the next.
            let _lost = self.session.publish(self.requests, publish);
        }
        let wall = self.clock.read().wall;
        while let Some(news) = self.watch.poll_news() {
            self.show.news(wall, &news)?;
            if let News::Problem(mut problem) = news
                && self.problems.len() < PROBLEMS_MAX
            {
                problem.at = wall;
                self.problems.push(problem);
            }
        }
        self.show.draw(now, wall, &self.watch)
    }

    /// Takes what the session says; some reason when the broker doesn't want us.
    fn handle(&mut self, event: Event, goal: Goal) -> io::Result<Option<String>> {
        let now = self.now();
        match event {
            Event::Connected { .. } => {
                self.watch.connected(now);
                // There is room for a first request.
                let _room = self.session.subscribe(0, self.watch.subscriptions());
                let wall = self.clock.read().wall;
                self.show.connection(wall, None)?;
            }
            Event::Subscribed { refused, .. } => {
                return Ok(refused.map(|why| format!("the subscription is {why}")));
            }
            Event::Message(message) => {
                let (topic, payload) = (&message.topic, &message.payload);
                self.watch.message(topic, payload, message.retained, now);
            }
            Event::Acked {
                refused: Some(why), ..
            } => self.remark(&format!("a replay request is {why}"))?,
            Event::Acked { refused: None, .. } => {}
            Event::Lost(loss) => {
                let is_no = matches!(loss, Loss::Refused(_) | Loss::Tls(_));
                if goal == Goal::Connection && is_no {
                    return Ok(Some(loss.to_string()));
                }
                if self.watch.is_connected() {
                    self.is_lost(&loss.to_string())?;
                }
                self.loss = Some(loss);
            }
        }
        Ok(None)
    }

    fn is_lost(&mut self, why: &str) -> io::Result<()> {
        self.watch.disconnected();
        let wall = self.clock.read().wall;
        self.show.connection(wall, Some(why))
    }

    /// Says something that is no result.
    fn remark(&mut self, what: &str) -> io::Result<()> {
        if self.show.is_screen() {
            self.show.remark(what);
            return Ok(());
        }
        writeln!(self.err, "{what}")
    }

    /// The end, and what it comes to.
    fn conclude(&mut self) -> io::Result<Exit> {
        let now = self.now();
        if self.is_check {
            self.watch.finish(now);
            self.look(now)?;
        }
        let n_gateways = self
            .watch
            .sites()
            .filter(|site| site.gateway().is_some())
            .count();
        let wall = self.clock.read().wall;
        self.show
            .conclude(wall, &self.park, &self.watch, &self.problems, self.is_check)?;
        let is_kept = n_gateways > 0 && self.watch.counts().problems == 0;
        Ok(if self.is_check && !is_kept {
            Exit::No
        } else {
            Exit::Done
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(url: &str, park: &str) -> Args {
        Args {
            url: url.to_owned(),
            park: park.to_owned(),
            check: false,
            for_ms: None,
            json: false,
            user: None,
            password_file: None,
            ca: None,
            certificate: None,
            key: None,
        }
    }

    fn refused(args: &Args) -> String {
        let failure = options(args, &|_| None).expect_err("it is bad");
        assert_eq!(failure.exit, Exit::BadInput);
        failure.what
    }

    #[test]
    fn what_is_wrong_with_the_arguments_is_told_before_anything_is_sent() {
        let told = refused(&args("mqtt://broker", "East Park"));
        assert!(told.starts_with("--park `East Park`: "), "{told}");
        let told = refused(&args("broker:1883", "east"));
        assert!(
            told.starts_with("`broker:1883`: no URL of a broker"),
            "{told}"
        );
        let told = refused(&args("mqtt://li:hunter2@broker", "east"));
        assert!(
            told.contains("login") && !told.contains("hunter2"),
            "{told}"
        );
        let told = refused(&args("mqtts://broker", "east"));
        assert!(told.contains("--ca"), "{told}");
        let mut plain = args("mqtt://broker", "east");
        plain.ca = Some("ca.pem".into());
        assert!(refused(&plain).contains("mqtts://"));
        let mut user = args("mqtt://broker", "east");
        user.user = Some("regulator".to_owned());
        let told = refused(&user);
        assert!(
            told.contains("--password-file FILE or FENGSUI_PASSWORD"),
            "{told}"
        );
    }

    #[test]
    fn the_password_comes_from_the_environment_or_a_file_and_the_client_id_is_new_each_time() {
        let mut user = args("mqtt://broker:1884", "east");
        user.user = Some("regulator".to_owned());
        let env = |name: &str| (name == "FENGSUI_PASSWORD").then(|| "s3 ".to_owned());
        let one = options(&user, &env).expect("it is good");
        let login = one.login.expect("a login");
        assert_eq!(
            (login.user.as_str(), login.password.as_str()),
            ("regulator", "s3 ")
        );
        assert_eq!((one.host.as_str(), one.port), ("broker", 1884));
        let other = options(&user, &env).expect("it is good");
        assert_ne!(one.client_id, other.client_id);
        assert!(one.client_id.len() <= 23);
        assert!(
            one.client_id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric())
        );
    }
}
