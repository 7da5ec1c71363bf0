//! How a call ended, if its source reports that. No price depends on it; a report of calls does.

use std::fmt;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The model answered.
    Completed,
    /// The call ended with an error.
    Failed,
    /// The caller stopped the call.
    Cancelled,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Completed, Self::Failed, Self::Cancelled];

    /// The frozen code in the ledger and in digests. An unreported outcome has the code 0.
    pub const fn code(outcome: Option<Self>) -> u8 {
        match outcome {
            None => 0,
            Some(Self::Completed) => 1,
            Some(Self::Failed) => 2,
            Some(Self::Cancelled) => 3,
        }
    }

    /// The outcome of a code; `None` for an unknown code.
    pub fn from_code(code: u8) -> Option<Option<Self>> {
        let outcomes = [None].into_iter().chain(Self::ALL.map(Some));
        outcomes.into_iter().find(|outcome| Self::code(*outcome) == code)
    }

    /// The name in the field `outcome` of tokenbook's own formats.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The outcome with a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_lead_back_to_their_outcome() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_code(Outcome::code(Some(outcome))), Some(Some(outcome)));
            assert_eq!(Outcome::named(outcome.name()), Some(outcome));
        }
        assert_eq!(Outcome::from_code(0), Some(None));
        assert_eq!((Outcome::from_code(4), Outcome::named("ok")), (None, None));
    }
}
