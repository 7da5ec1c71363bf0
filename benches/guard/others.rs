//! What tokenbook is compared with, inside one process.

use crate::{Gate, Outcome, USERS};
use governor::clock::DefaultClock;
use governor::state::InMemoryState;
use governor::state::direct::NotKeyed;
use governor::{Quota, RateLimiter};
use rustc_hash::FxHashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};

/// Five counters for each user in one table behind one lock.
pub struct Table(Mutex<FxHashMap<(usize, usize), i64>>);

impl Table {
    pub fn new() -> Self {
        let keys = (0..USERS).flat_map(|user| (0..5).map(move |limit| (user, limit)));
        Self(Mutex::new(keys.map(|key| (key, 1_i64 << 50)).collect()))
    }
}

impl Gate for Table {
    fn pass(&self, user: usize) -> bool {
        {
            let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if (0..5).any(|limit| left.get(&(user, limit)).is_none_or(|left| *left < 100)) {
                return false;
            }
            for limit in 0..5 {
                if let Some(left) = left.get_mut(&(user, limit)) {
                    *left -= 100;
                }
            }
        }
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for limit in 0..5 {
            if let Some(left) = left.get_mut(&(user, limit)) {
                *left += 20;
            }
        }
        true
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock>;

/// Five rates for each user.
pub struct Rates(Vec<[Limiter; 5]>);

impl Rates {
    pub fn new() -> Outcome<Self> {
        let most = NonZeroU32::new(u32::MAX).ok_or("zero")?;
        let limiter = || RateLimiter::direct(Quota::per_second(most));
        Ok(Self((0..USERS).map(|_| std::array::from_fn(|_| limiter())).collect()))
    }
}

impl Gate for Rates {
    fn pass(&self, user: usize) -> bool {
        self.0.get(user).is_some_and(|limiters| limiters.iter().all(|limiter| limiter.check().is_ok()))
    }
}

/// How many of 200 requests at once pass a limit of 100 if what they used is added after their answer.
pub fn at_once() -> usize {
    let (used, start) = (AtomicI64::new(0), Barrier::new(200));
    std::thread::scope(|scope| {
        let one = || {
            start.wait();
            let may = used.load(Ordering::SeqCst) < 100;
            // The model answers.
            std::thread::sleep(std::time::Duration::from_millis(20));
            if may {
                used.fetch_add(1, Ordering::SeqCst);
            }
            may
        };
        let all: Vec<_> = (0..200).map(|_| scope.spawn(one)).collect();
        all.into_iter().filter_map(|thread| thread.join().ok()).filter(|may| *may).count()
    })
}
