//! Counters of things that are met one by one.
//!
//! A counter stops at the largest number of its type. No program lives long enough to count there in steps of one, so no wrong
//! count can reach a bill. What is read from a file or a record is added with checks instead.

/// A counter.
pub trait Count: Sized {
    /// Counts one thing.
    fn one_more(&mut self) {
        self.more(Self::ONE);
    }

    /// Counts things that were counted elsewhere.
    fn more(&mut self, things: Self);

    /// One thing.
    const ONE: Self;
}

macro_rules! counters {
    ($($number:ty),+) => {$(
        impl Count for $number {
            const ONE: Self = 1;

            fn more(&mut self, things: Self) {
                *self = self.saturating_add(things);
            }
        }
    )+};
}

counters!(u32, u64, usize, i64);
