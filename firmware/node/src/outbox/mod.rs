//! What the gateway has not acknowledged yet.

mod store;

pub use store::{MemoryStore, Store, StoreError, Stored};
