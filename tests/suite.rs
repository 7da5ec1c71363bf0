//! All tests except unit tests are one program, because linking a program takes as long as compiling it.

mod arbitrary_bytes;
mod aside;
mod bad_inputs;
mod bands;
mod calls;
mod cases;
mod catalogs;
mod cli;
mod codes;
mod costs;
mod desk;
mod detect;
mod exact;
mod formats;
mod gates;
mod grouped;
mod ids;
mod import;
#[cfg(unix)]
mod kill;
mod known;
mod ledger;
mod lines;
mod month_run;
mod privacy;
mod progress;
mod providers;
mod record;
mod recorded;
mod retract;
mod revisions;
mod rules;
mod secrets;
mod shares;
mod tidy;
mod upgrade;
