//! The commands: each parses, calls, prints and gives an exit code.
//!
//! Results go to stdout, everything else to stderr.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use front::Problems;

mod alarms;
mod api;
mod bus;
mod check;
mod demo;
mod rules;
mod run;
mod status;
mod table;
mod watch;

/// How a command ended, as scripts see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: it ran, and the answer is no.
    No,
    /// 2: bad input or usage.
    BadInput,
    /// 3: could not reach what it needs.
    Unreachable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::No => Self::from(1),
            Exit::BadInput => Self::from(2),
            Exit::Unreachable => Self::from(3),
        }
    }
}

/// Fengsui takes readings from Modbus sensor buses to alarms that a regulator receives, and loses nothing on the way.
#[derive(Debug, Parser)]
#[command(
    name = "fengsui",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 it ran and the answer is no, 2 bad input or usage, 3 could not reach what it needs."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the whole chain in one process, told as a story: pretend sensors, an edge node, a broker; it needs nothing and leaves nothing behind.
    #[command(after_help = "Example: fengsui demo --once")]
    Demo(demo::Args),
    /// Run the gateway until it is interrupted.
    #[command(
        after_help = "Example: fengsui run configs/gateway.toml\n\nWhat it has to say goes to stderr; RUST_LOG says how much."
    )]
    Run(run::Args),
    /// Tell everything that can be known to be wrong before starting, all at once, and how long each bus's sweep takes.
    #[command(after_help = "Example: fengsui check configs/gateway.toml")]
    Check(check::Args),
    /// Look at a sensor bus.
    Bus {
        #[command(subcommand)]
        command: BusCommand,
    },
    /// Check and test rules without a gateway.
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Tell how a running gateway is: what is connected, how far behind, what was dropped and why.
    #[command(after_help = "Example: fengsui status --gateway http://127.0.0.1:9460")]
    Status(status::Args),
    /// Watch a park's alarms as a regulator does, and hold its gateways to the contract: a live table, holes, and what was left out, reordered, altered or made up.
    ///
    /// It ends with 3 when the broker refuses it, or no connection stands within 15 s of its start; later outages are lived through.
    #[command(
        after_help = "Examples: fengsui watch mqtt://127.0.0.1 --park east-park\n          FENGSUI_PASSWORD=… fengsui watch mqtts://broker:8884 --park east-park --user regulator --ca ca.crt --check --for 24h"
    )]
    Watch(watch::Args),
    /// The alarms of a running gateway, and what a person does about them; alone, it lists them.
    #[command(after_help = "Example: fengsui alarms")]
    Alarms {
        #[command(flatten)]
        list: alarms::ListArgs,
        #[command(subcommand)]
        command: Option<AlarmsCommand>,
    },
}

#[derive(Debug, Subcommand)]
enum AlarmsCommand {
    /// List the alarms that are not normal, the most severe first.
    #[command(after_help = "Example: fengsui alarms list")]
    List(alarms::ListArgs),
    /// Acknowledge an alarm: a person has seen it.
    #[command(
        after_help = "Example: fengsui alarms ack tank-farm/gt-101/combustible-gas --by li.wei --token-file /etc/fengsui/token"
    )]
    Ack(alarms::ActArgs),
    /// Reset a latched alarm whose condition is gone.
    #[command(
        after_help = "Example: fengsui alarms reset tank-farm/gt-101/combustible-gas --by li.wei --comment \"valve closed\""
    )]
    Reset(alarms::ActArgs),
    /// Say something about an alarm; it goes into its events.
    #[command(
        mut_arg("comment", |it| it.required(true)),
        after_help = "Example: fengsui alarms comment tank-farm/gt-101/combustible-gas --by li.wei --comment \"flange tightened\""
    )]
    Comment(alarms::ActArgs),
    /// Let the siren be quiet for ten minutes at most; it sounds again with the next raise or graver level. Not an acknowledgement.
    #[command(
        after_help = "Example: fengsui alarms silence tank-farm/gt-101/combustible-gas --by li.wei"
    )]
    Silence(alarms::ActArgs),
    /// Put an alarm aside until it comes back by itself. Red alarms can't be.
    #[command(
        mut_arg("comment", |it| it.required(true)),
        after_help = "Example: fengsui alarms shelve tank-farm/gt-101/combustible-gas --by li.wei --for 2h --comment \"span gas in the air\""
    )]
    Shelve(alarms::ShelveArgs),
    /// Take an alarm back from the shelf.
    #[command(
        after_help = "Example: fengsui alarms unshelve tank-farm/gt-101/combustible-gas --by li.wei"
    )]
    Unshelve(alarms::ActArgs),
    /// Take an alarm out of service while its sensor is worked on; it comes back by itself.
    #[command(
        mut_arg("comment", |it| it.required(true)),
        after_help = "Examples: fengsui alarms out-of-service tank-farm/gt-101/combustible-gas --by li.wei --second zhang.min --ticket W-17 --for 8h --comment \"new cell\"\n          fengsui alarms out-of-service tank-farm/gt-101/combustible-gas --token-file li.wei.token --second-token-file zhang.min.token --ticket W-17 --for 8h --comment \"new cell\""
    )]
    OutOfService(alarms::OutArgs),
    /// Put an alarm back into service.
    #[command(
        after_help = "Example: fengsui alarms in-service tank-farm/gt-101/combustible-gas --by li.wei"
    )]
    InService(alarms::ActArgs),
    /// Mark what all alarms about an alarm's point say as a test: a bump test, a calibration. Others do not see what it reads. Refused while the alarm stands
    #[command(
        mut_arg("comment", |it| it.required(true)),
        after_help = "Example: fengsui alarms test tank-farm/gt-101/combustible-gas --by li.wei --for 10min --comment \"bump test\""
    )]
    Test(alarms::TimedArgs),
    /// End the test of an alarm's point before its time, whichever of its alarms it began at.
    #[command(
        after_help = "Example: fengsui alarms test-end tank-farm/gt-101/combustible-gas --by li.wei"
    )]
    TestEnd(alarms::ActArgs),
}

impl AlarmsCommand {
    /// What a person asks for; none for the list.
    fn asks(&self) -> Option<alarms::Asked<'_>> {
        Some(match self {
            Self::List(_) => return None,
            Self::Ack(args) => args.asks("ack"),
            Self::Reset(args) => args.asks("reset"),
            Self::Comment(args) => args.asks("comment"),
            Self::Silence(args) => args.asks("silence"),
            Self::Shelve(args) => args.asks(),
            Self::Unshelve(args) => args.asks("unshelve"),
            Self::OutOfService(args) => args.asks(),
            Self::InService(args) => args.asks("in-service"),
            Self::Test(args) => args.asks("test"),
            Self::TestEnd(args) => args.asks("test-end"),
        })
    }
}

#[derive(Debug, Subcommand)]
enum BusCommand {
    /// Read every point of a bus once, now; needs no broker and no gateway.
    #[command(after_help = "Example: fengsui bus read configs/buses/tank-farm.toml --raw")]
    Read(bus::Args),
}

#[derive(Debug, Subcommand)]
enum RulesCommand {
    /// Tell everything that is wrong with rule files, all at once; with a site also whether they fit its points, and what is odd. `fengsui check` does the same with a site's own rules.
    #[command(
        after_help = "Examples: fengsui rules check gas configs/rules/acme-chem.toml\n          fengsui rules check gas tailings configs/rules/acme-chem.toml --site configs/gateway.toml"
    )]
    Check(rules::CheckArgs),
    /// Play rule test files: readings over time in, alarms at times out.
    #[command(
        after_help = "Examples: fengsui rules test\n          fengsui rules test rules/packs/gas/gas.test.toml"
    )]
    Test(rules::TestArgs),
    /// List what watches what at a site: every alarm that its rules make, with limits, clause and points; and the points that no rule reads.
    #[command(after_help = "Example: fengsui rules list configs/gateway.toml")]
    List(rules::list::Args),
    /// Tell why an alarm is or is not active, now or at a time: each part of its rule with its answer, its readings, since when, and what is left of its delays. Reads the log of the gateway's data folder, also while it runs.
    #[command(
        after_help = "Examples: fengsui rules explain configs/gateway.toml tank-farm/gt-101/combustible-gas\n          fengsui rules explain configs/gateway.toml tank-farm/gt-101 --at 2026-11-23T08:00:00Z"
    )]
    Explain(rules::explain::Args),
    /// Tell what would have been different with other rules: the log of the gateway's data folder, lived through with those of then and with these.
    #[command(
        after_help = "Example: fengsui rules replay configs/gateway.toml --rules gas --rules configs/rules/acme-chem.toml --from 2026-11-01T00:00:00Z"
    )]
    Replay(rules::replay::Args),
    /// Write the rules of a node as bytes for its flash: the alarms of a site that need nothing but that node's own points, whole or not at all. It runs them as the gateway does.
    #[command(
        after_help = "Example: fengsui rules image configs/gateway.toml pond.rules --node edge-pond"
    )]
    Image(rules::image::Args),
}

/// Parses the arguments of this process, runs the command, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // The gateway's threads write to stderr too.
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    let env = |name: &str| std::env::var(name).ok();
    let ran = match cli.command {
        Command::Run(args) => run::run(&args, &env, &mut err),
        Command::Demo(args) => demo::run(&args, io::stdout().is_terminal(), &mut out, &mut err),
        Command::Check(args) => check::run(&args, &env, &mut out),
        Command::Bus {
            command: BusCommand::Read(args),
        } => bus::read(&args, &mut out, &mut err),
        Command::Rules {
            command: RulesCommand::Check(args),
        } => rules::check(&args, &mut out),
        Command::Rules {
            command: RulesCommand::Test(args),
        } => rules::test(&args, &mut out),
        Command::Rules {
            command: RulesCommand::List(args),
        } => rules::list::run(&args, &mut out, &mut err),
        Command::Rules {
            command: RulesCommand::Explain(args),
        } => rules::explain::run(&args, &mut out, &mut err),
        Command::Rules {
            command: RulesCommand::Replay(args),
        } => rules::replay::run(&args, &mut out, &mut err),
        Command::Rules {
            command: RulesCommand::Image(args),
        } => rules::image::run(&args, &mut out, &mut err),
        Command::Watch(args) => {
            watch::run(&args, &env, io::stdout().is_terminal(), &mut out, &mut err)
        }
        Command::Status(args) => status::run(&args, &mut out, &mut err),
        Command::Alarms { list, command } => {
            let asked = command.as_ref().and_then(AlarmsCommand::asks);
            match (&asked, &command) {
                (Some(asked), _) => alarms::act(asked, &env, &mut out, &mut err),
                (None, Some(AlarmsCommand::List(list))) => {
                    alarms::list(list, out.is_terminal(), &mut out, &mut err)
                }
                (None, _) => alarms::list(&list, out.is_terminal(), &mut out, &mut err),
            }
        }
    };
    match ran.and_then(|exit| out.flush().map(|()| exit)) {
        Ok(exit) => exit.into(),
        // Who reads us has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to when stderr is gone too.
            drop(writeln!(err, "{error}"));
            Exit::Unreachable.into()
        }
    }
}

/// Prints problems, one line each.
fn print_problems(problems: &Problems, out: &mut dyn Write) -> io::Result<()> {
    if !problems.is_empty() {
        writeln!(out, "{problems}")?;
    }
    Ok(())
}

/// Prints warnings, one line each.
fn print_warnings(warnings: &Problems, out: &mut dyn Write) -> io::Result<()> {
    for line in warnings.to_string().lines() {
        writeln!(out, "warning: {line}")?;
    }
    Ok(())
}

/// `1 point`, `2 points`: a number with what is counted.
fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    /// All commands that do something, with the words that call them.
    fn leaves(command: &clap::Command, path: &str) -> Vec<(String, String)> {
        let path = format!("{path} {}", command.get_name());
        let help = command.get_after_help().map(ToString::to_string);
        let mut leaves: Vec<_> = command
            .get_subcommands()
            .flat_map(|command| leaves(command, &path))
            .collect();
        if leaves.is_empty() || help.is_some() {
            leaves.push((path.trim().to_owned(), help.unwrap_or_default()));
        }
        leaves
    }

    #[test]
    fn every_command_has_an_example_that_is_one() {
        let commands: Vec<_> = Cli::command()
            .get_subcommands()
            .flat_map(|command| leaves(command, "fengsui"))
            .collect();
        assert!(commands.len() >= 11, "{commands:?}");
        for (command, help) in commands {
            let examples: Vec<&str> = help
                .lines()
                .filter_map(|line| line.split_once("fengsui ").map(|(_, rest)| rest))
                .collect();
            assert!(help.starts_with("Example"), "{command}: {help}");
            for example in examples {
                // Quotes as a shell has them, as far as examples need them.
                let words: Vec<String> = example
                    .split('"')
                    .enumerate()
                    .flat_map(|(n, part)| match n % 2 {
                        0 => part.split_whitespace().map(str::to_owned).collect(),
                        _ => vec![part.to_owned()],
                    })
                    .collect();
                let example = format!("fengsui {}", words.join(" "));
                assert!(example.starts_with(&command), "{command}: {example}");
                let words = ["fengsui".to_owned()].into_iter().chain(words);
                if let Err(error) = Cli::try_parse_from(words) {
                    panic!("{example}: {error}");
                }
            }
        }
    }
}
