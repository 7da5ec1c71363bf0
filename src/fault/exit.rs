//! How a command ends. The exit codes are part of the interface.

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// Done.
    Done,
    /// A bug in tokenbook.
    Bug,
    /// The command line or a configuration is wrong.
    Usage,
    /// tokenbook rejected at least one input and imported nothing of it.
    Rejected,
    /// Done, but something is quarantined, unpriced or unallocated, or a month has no usage.
    Incomplete,
    /// The ledger has the id with other content.
    Conflict,
    /// A limit or a breaker says no.
    Refused,
    /// The ledger does not verify.
    Unverified,
    /// Storage or another resource failed.
    Storage,
    /// The file is no ledger, has another version, or has several names.
    NotALedger,
    /// The user stopped it.
    Interrupted,
}

impl Exit {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Bug => 1,
            Self::Usage => 2,
            Self::Rejected => 3,
            Self::Incomplete => 4,
            Self::Conflict => 5,
            Self::Unverified => 7,
            Self::Storage => 8,
            Self::NotALedger => 9,
            Self::Refused => 10,
            Self::Interrupted => 130,
        }
    }

    /// The code to return when there are several causes.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        let rank = |exit: Self| match exit {
            Self::Done => 0,
            Self::Incomplete => 1,
            Self::Refused => 2,
            Self::Conflict => 3,
            Self::Rejected => 4,
            Self::Usage | Self::Unverified | Self::Storage | Self::NotALedger => 5,
            Self::Bug => 6,
            Self::Interrupted => 7,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}
