//! Neither writing nor reading a pack allocates: a microcontroller may do both with its heap full.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use telemetry::senml::{Base, Encoder, Format, Header, decode};
use telemetry::{Clock, Quality, UtcMs, Value};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[allow(
    unsafe_code,
    reason = "the trait of allocators is unsafe; this one hands everything on"
)]
// SAFETY: the system's allocator, with a count beside it that allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this allocates.
fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

fn write(buf: &mut [u8], format: Format) -> usize {
    let header = Header {
        base_name: "east/plant-1/tank/",
        base: Base::Utc(UtcMs(1_795_420_800_123)),
        boot: 3,
        seq: 17,
        clock: Clock::Holdover,
    };
    let mut pack = Encoder::new(buf, format, header);
    let values = [
        Some(Value::Number(50.5)),
        Some(Value::Number(1e-300)),
        Some(Value::Number(f64::NAN)),
        Some(Value::Bool(true)),
        None,
    ];
    // Until it is full.
    for offset in 0.. {
        for value in values {
            let pushed = pack.push(
                "lel-1",
                Some("%LEL\"\n°"),
                offset,
                value,
                Quality::COMM_ERROR,
            );
            if pushed.is_err() {
                return pack.finish();
            }
        }
    }
    unreachable!("a buffer has an end")
}

#[test]
fn a_pack_is_written_and_read_without_an_allocation() {
    assert!(allocations(|| drop(vec![0_u8; 9])) > 0, "they are counted");
    for format in [Format::Cbor, Format::Json] {
        let mut buf = [0; 4_096];
        let mut len = 0;
        assert_eq!(allocations(|| len = write(&mut buf, format)), 0);
        let mut n_records = 0;
        let read = allocations(|| {
            let pack = decode(&buf[..len], format, &mut |record| {
                assert!(record.is_ok());
                n_records += 1;
            });
            assert!(pack.is_ok());
        });
        assert_eq!(read, 0);
        assert!(n_records > 20, "{n_records}");
        // What does not parse allocates nothing either.
        for end in 0..len {
            let refused = || assert!(decode(&buf[..end], format, &mut |_| {}).is_err());
            assert_eq!(allocations(refused), 0);
        }
    }
}
