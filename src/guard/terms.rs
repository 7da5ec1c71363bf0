//! What a guard needs of a state of the ledger: the limits in force, prices, rules and departments.

use crate::attribute::Rules;
use crate::control::enforced::Enforced;
use crate::control::limit::Admission;
use crate::control::span::Seconds;
use crate::domain::calendar::Calendar;
use crate::domain::currency::Currency;
use crate::domain::department::Registry;
use crate::domain::timestamp::Timestamp;
use crate::guard::file::posted::Seen;
use crate::price::Book;
use std::path::PathBuf;

/// The limits of a ledger, with what is needed to apply them to a request.
#[derive(Debug)]
pub struct Terms {
    /// The ledger.
    pub(crate) ledger: PathBuf,
    /// The hash of its first entry.
    pub(crate) genesis: [u8; 32],
    /// Its last entry, and the entry of the policy.
    pub(crate) seen: Seen,
    /// The limits that refuse.
    pub(crate) limits: Vec<Enforced>,
    /// How requests are judged that nobody can judge exactly; `None` if nothing refuses.
    pub(crate) admission: Option<Admission>,
    /// The contract prices.
    pub(crate) book: Book,
    /// The rules that decide who pays.
    pub(crate) rules: Rules,
    /// The departments.
    pub(crate) registry: Registry,
    /// The calendar of the ledger.
    pub(crate) calendar: Calendar,
    /// The currency of the ledger.
    pub(crate) currency: Currency,
    /// When another policy begins; `None` if none is known.
    pub(crate) until: Option<Timestamp>,
}

impl Terms {
    /// The currency of amounts.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// How long a day also counts what was granted.
    pub(crate) fn settled_for(&self) -> Seconds {
        self.admission.as_ref().map_or(Seconds::new(0), |admission| admission.settled_for)
    }

    /// Whether any limit refuses requests, or counts what it would refuse.
    pub fn has_limits(&self) -> bool {
        !self.limits.is_empty()
    }
}
