//! The publisher under virtual time against a model broker and a model subscriber.
//!
//! Whatever breaks, and when: a subscriber ends with the true table, and with every event of the log in one unbroken chain.

mod broker;
mod cases;
mod chaos;
mod subscriber;
mod twins;
mod world;
