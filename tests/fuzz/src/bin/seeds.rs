//! Writes what a fuzzer begins with: a folder for each target, below the folder that is named.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let below = env::args_os().nth(1).map(PathBuf::from);
    let below = below.ok_or_else(|| io::Error::other("which folder?"))?;
    for (target, seeds) in fuzz::seeds() {
        let folder = below.join(target);
        fs::create_dir_all(&folder)?;
        for (index, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{index}")), seed)?;
        }
    }
    Ok(())
}
