//! What crosses rooms, in one binary: it links once.

#![allow(clippy::unwrap_used, reason = "a test panics with what went wrong")]

mod aside;
mod board;
mod chain;
mod check;
mod cli;
mod configs;
mod contract;
mod crowd;
mod demo;
mod epoch;
mod faults;
mod flood;
mod influx;
mod kill;
mod mqtt;
mod node;
mod oracle;
mod output;
mod past;
mod peers;
mod people;
mod plant;
mod second;
mod walls;
mod watch;
