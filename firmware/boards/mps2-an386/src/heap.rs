//! The heap, what it held at most, and how deep the stack went.
#![allow(
    unsafe_code,
    reason = "an allocator, and the memory that the linker script names"
)]

use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;
use core::ptr::addr_of;
use core::sync::atomic::{AtomicUsize, Ordering};

use embedded_alloc::LlffHeap;

/// For the rules; what a node needs beside them has to fit into the rest of the RAM.
const SIZE: usize = 48 * 1024;

#[global_allocator]
static HEAP: Counted = Counted {
    heap: LlffHeap::empty(),
    most: AtomicUsize::new(0),
};

/// An allocator that knows what it gave out at most.
struct Counted {
    heap: LlffHeap,
    most: AtomicUsize,
}

// SAFETY: all of it is the inner allocator's doing.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is handed on.
        let given = unsafe { self.heap.alloc(layout) };
        self.most.fetch_max(self.heap.used(), Ordering::Relaxed);
        given
    }

    unsafe fn dealloc(&self, given: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { self.heap.dealloc(given, layout) }
    }
}

/// Opens the heap, once, before anything is allocated.
pub(crate) fn open() {
    static mut MEMORY: [MaybeUninit<u8>; SIZE] = [MaybeUninit::uninit(); SIZE];
    // SAFETY: nobody else names this memory, and the program calls this once.
    unsafe { HEAP.heap.init(&raw mut MEMORY as usize, SIZE) }
}

/// Bytes given out now.
pub(crate) fn used() -> usize {
    HEAP.heap.used()
}

/// Bytes given out at most.
pub(crate) fn most() -> usize {
    HEAP.most.load(Ordering::Relaxed)
}

/// Bytes of RAM that have their place before the program runs, without the heap's.
pub(crate) fn fixed() -> usize {
    addr_of!(__sheap).addr() - RAM - SIZE
}

/// Bytes of stack that were ever used: cortex-m-rt paints it before `main`.
pub(crate) fn stack() -> usize {
    const PAINT: u32 = 0xCCCC_CCCC;
    let (mut at, end) = (
        addr_of!(__sheap).cast::<u32>(),
        addr_of!(_stack_start).cast(),
    );
    // SAFETY: between the two is the RAM that the stack grows down into, and both are aligned to a word.
    while at < end && unsafe { at.read_volatile() } == PAINT {
        at = at.wrapping_add(1);
    }
    end.addr() - at.addr()
}

const RAM: usize = 0x2000_0000;

unsafe extern "C" {
    static __sheap: u8;
    static _stack_start: u8;
}
