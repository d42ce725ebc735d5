//! The core alone.
