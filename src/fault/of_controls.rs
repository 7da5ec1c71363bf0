//! The codes of limits: policies, budgets, alerts and the guard.

use super::{Code, Exit, Explained};

/// The entries.
pub(super) const CODES: &[Explained] = &[
    Explained {
        code: Code::PolicyUnpriced,
        name: "policy-unpriced",
        exit: Exit::Rejected,
        meaning: "A limit names a model for downgrades that has no price.",
        cause: "The name is misspelt, or nobody has imported its prices yet.",
        remedy: "Correct the name, or import prices of the model.",
    },
    Explained {
        code: Code::PolicyMissing,
        name: "policy-missing",
        exit: Exit::Usage,
        meaning: "No limits are in force on that day.",
        cause: "Nobody has applied a file of limits, or the first one begins later.",
        remedy: "See the first days with `tokenbook policy list`, or apply limits with `tokenbook policy apply FILE`.",
    },
    Explained {
        code: Code::BudgetUnknown,
        name: "budget-unknown",
        exit: Exit::Usage,
        meaning: "The limits in force have no budget of this name.",
        cause: "The name is misspelt, or the budget begins later.",
        remedy: "See the names with `tokenbook policy show --limits`.",
    },
    Explained {
        code: Code::ChannelUnknown,
        name: "channel-unknown",
        exit: Exit::Usage,
        meaning: "The limits in force have no channel of this name.",
        cause: "The name is misspelt, or no limits are in force today.",
        remedy: "See the channels with `tokenbook policy show`.",
    },
    Explained {
        code: Code::BreakerUnknown,
        name: "breaker-unknown",
        exit: Exit::Usage,
        meaning: "The limits in force have no circuit breaker of this name.",
        cause: "The name is misspelt, or no limits are in force today.",
        remedy: "See the breakers with `tokenbook breaker status`.",
    },
    Explained {
        code: Code::ChannelSecret,
        name: "channel-secret",
        exit: Exit::Usage,
        meaning: "The secret of a channel cannot sign messages.",
        cause: "It is not whsec_ and Base64, or it is too short.",
        remedy: "Put a secret of 24 to 64 bytes into the variable or the file that the limits name.",
    },
    Explained {
        code: Code::AddressRefused,
        name: "address-refused",
        exit: Exit::Rejected,
        meaning: "The address of a channel may not be called.",
        cause: "It is not encrypted, it leads into a private network, or it is not the address of a webhook.",
        remedy: "Give an https address. If a private address is right, name it with its port in `allow` of the channel.",
    },
    Explained {
        code: Code::MessageRefused,
        name: "message-refused",
        exit: Exit::Refused,
        meaning: "A test message was not sent, or its receiver did not take it.",
        cause: "The address, the secret or the program of the channel is wrong, or the receiver is down.",
        remedy: "The message says which. Correct the channel and test it again.",
    },
    Explained {
        code: Code::GuardFile,
        name: "guard-file",
        exit: Exit::Storage,
        meaning: "The guard file beside the ledger cannot be read or written.",
        cause: "The disk is full, the folder cannot be written, or another process holds the file for long.",
        remedy: "Make room or correct the permissions. The guard file may be deleted; messages are then sent again.",
    },
    Explained {
        code: Code::GuardFileForeign,
        name: "guard-file-foreign",
        exit: Exit::NotALedger,
        meaning: "The file with the name of the guard file is another file, or one of another ledger or version.",
        cause: "A ledger was moved or restored under the name of another, or a newer tokenbook made the file.",
        remedy: "Move the file away; tokenbook makes a new one.",
    },
];
