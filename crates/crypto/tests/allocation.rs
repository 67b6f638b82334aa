//! Sealing and opening packets allocates nothing: it is what ESP does for each packet.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use handfast_crypto::legacy_providers;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as for this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as for this function.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(mut work: impl FnMut()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn packets_are_sealed_and_opened_in_place() {
    assert!(allocations(|| drop(vec![1, 2, 3])) > 0, "nothing is counted");
    for algorithm in legacy_providers().iter().flat_map(|provider| provider.protects) {
        let key = algorithm
            .key(&vec![1; algorithm.encr_key_len()], &vec![2; algorithm.integ_key_len()])
            .unwrap();
        let mut packet = vec![0; 8 + key.iv_len() + 1408 + key.icv_len()];
        for esn in [None, Some(1)] {
            let count = allocations(|| {
                key.seal(&mut packet, 8, 1, esn).unwrap();
                assert_eq!(key.open(&mut packet, 8, esn).unwrap().len(), 1408);
                assert!(key.open(&mut packet, 8, esn).is_err());
            });
            assert_eq!(count, 0, "{} {:?}", algorithm.encr(), algorithm.integ());
        }
    }
}
