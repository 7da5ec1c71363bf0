//! The guard file beside a ledger: what is no fact of the books and still must survive a crash. Today that is the outbox of alerts.
//!
//! It is another SQLite file, `tokenbook.db.guard`, which names its ledger. No backup contains it. Deleting it is a reset: messages of
//! the last days are sent again, with the same ids.

pub mod file;
