//! Why a return on investment cannot be computed.

use crate::domain::currency::Currency;
use crate::domain::ratio::Overflow;
use crate::fault::Code;

/// Why there is no report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoiError {
    /// An amount is too large.
    #[error(transparent)]
    Overflow(#[from] Overflow),
    /// The list was read for another ledger.
    #[error("the list of benefits is in {list}, expected the report's currency {report}")]
    OtherCurrency {
        /// The list's currency.
        list: Currency,
        /// The report's currency.
        report: Currency,
    },
}

impl RoiError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Overflow(error) => error.code(),
            Self::OtherCurrency { .. } => Code::CurrencyDiffers,
        }
    }
}
