//! The part of the flash that holds the rules.
#![allow(unsafe_code, reason = "memory that the linker script names")]

use core::ptr::addr_of;
use core::slice;

unsafe extern "C" {
    static _rules_start: u8;
    static _rules_end: u8;
}

/// All of it; what is behind the image is of no meaning.
pub(crate) fn rules() -> &'static [u8] {
    let (start, end) = (addr_of!(_rules_start), addr_of!(_rules_end));
    // SAFETY: memory.x sets the two to the bounds of a stretch of flash, which nothing writes while the program runs.
    unsafe { slice::from_raw_parts(start, end.addr() - start.addr()) }
}
