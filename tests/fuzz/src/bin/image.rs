//! Without a fuzzer: plays the files that are named, such as what a fuzzer found.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::image(bytes));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    std::env::args_os()
        .skip(1)
        .try_for_each(|file| std::fs::read(file).map(|bytes| fuzz::image(&bytes)))
}
