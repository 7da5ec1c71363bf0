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
];
