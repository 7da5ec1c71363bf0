//! The quantities of a row, packed for batches.

use crate::domain::meter::{FREQUENT, Meter};
use crate::domain::quantities::Frequent;

/// The frequent meters of one record in half the memory. A quantity beyond 32 bits is stored elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed {
    quantities: [u32; FREQUENT],
    reported: u8,
}

impl Packed {
    /// Packs what fits and passes the rest to `wide`.
    pub(super) fn of(frequent: &Frequent, mut wide: impl FnMut(Meter, i64)) -> Self {
        let mut packed = Self { quantities: [0; FREQUENT], reported: 0 };
        for ((place, meter), quantity) in Meter::ALL.into_iter().take(FREQUENT).enumerate().zip(frequent.iter()) {
            let Some(quantity) = quantity else { continue };
            match (u32::try_from(quantity), packed.quantities.get_mut(place)) {
                (Ok(quantity), Some(slot)) => {
                    *slot = quantity;
                    packed.reported |= 1 << place;
                }
                _ => wide(meter, quantity),
            }
        }
        packed
    }

    /// The quantities that fit.
    pub(super) fn unpacked(&self) -> Frequent {
        Frequent::of(self.quantities.map(i64::from), self.reported)
    }
}
