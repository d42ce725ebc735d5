//! Hands the linker the memory that a node may have.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=memory.x");
    // Built for a machine with a system it does nothing: there is nothing to link by hand.
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let out = env::var("OUT_DIR").map_err(io::Error::other)?;
        fs::copy("memory.x", Path::new(&out).join("memory.x"))?;
        println!("cargo::rustc-link-search={out}");
        println!("cargo::rustc-link-arg-bins=-Tlink.x");
        println!("cargo::rustc-link-arg-bins=--nmagic");
    }
    Ok(())
}
