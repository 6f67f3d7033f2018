//! Float storage on cache-line boundaries, and a pool that hands freed storage out again:
//! fresh pages cost a fault each, which for large activations costs more than the kernel that fills them.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

const ALIGN: usize = 64;

/// A fixed array of floats that begins on a cache line.
#[derive(Debug)]
pub struct Buffer {
    ptr: NonNull<f32>,
    len: usize,
    capacity: usize,
}

// SAFETY: the buffer owns its memory alone, as a `Vec<f32>` does.
unsafe impl Send for Buffer {}
// SAFETY: shared access only reads plain floats.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let capacity = len.max(1).next_multiple_of(ALIGN / size_of::<f32>());
        let layout = Self::layout(capacity);
        // SAFETY: the layout has a size above zero.
        let raw = unsafe { alloc_zeroed(layout) }.cast::<f32>();
        let ptr = NonNull::new(raw).unwrap_or_else(|| handle_alloc_error(layout));
        Buffer { ptr, len, capacity }
    }

    fn layout(capacity: usize) -> Layout {
        Layout::array::<f32>(capacity)
            .and_then(|layout| layout.align_to(ALIGN))
            .unwrap_or_else(|_| handle_alloc_error(Layout::new::<f32>()))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeros` with this layout and not freed before.
        unsafe { dealloc(self.ptr.as_ptr().cast(), Self::layout(self.capacity)) }
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `len <= capacity` initialised floats, owned by self.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`, and self is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}

/// Freed buffers by capacity.
#[derive(Debug, Default)]
pub struct Pool {
    free: BTreeMap<usize, Vec<Buffer>>,
}

impl Pool {
    /// A buffer of `len` values whose contents are arbitrary.
    pub fn take(&mut self, len: usize) -> Buffer {
        let slack = len + len / 4 + 1024;
        let found = self
            .free
            .range_mut(len..=slack)
            .find_map(|(_, list)| list.pop());
        match found {
            Some(mut buffer) => {
                buffer.len = len;
                buffer
            }
            None => Buffer::zeros(len),
        }
    }

    /// A buffer of `len` zeros.
    pub fn take_zeroed(&mut self, len: usize) -> Buffer {
        let mut buffer = self.take(len);
        buffer.fill(0.0);
        buffer
    }

    /// Takes a buffer back.
    pub fn give(&mut self, buffer: Buffer) {
        self.free.entry(buffer.capacity).or_default().push(buffer);
    }

    /// Frees all that is not in use.
    pub fn clear(&mut self) {
        self.free.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_zero() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let buffer = Buffer::zeros(len);
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.as_ptr() as usize % ALIGN, 0);
            assert!(buffer.iter().all(|&v| v == 0.0));
        }
    }

    #[test]
    fn pool_hands_storage_out_again() {
        let mut pool = Pool::default();
        let mut first = pool.take(5000);
        first.fill(1.0);
        let place = first.as_ptr();
        pool.give(first);
        let second = pool.take(4800);
        assert_eq!((second.as_ptr(), second.len()), (place, 4800));
        assert!(pool.take_zeroed(4800).iter().all(|&v| v == 0.0));
    }
}
