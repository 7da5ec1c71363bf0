//! Shows progress on a terminal and nothing in a pipe, and reports whether the user wants to stop.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokenbook::books::{Observer, Reached, Stage};

/// How often the progress is redrawn.
const TICK: Duration = Duration::from_millis(120);
/// Work shorter than this shows no progress, unless it reads a file.
const SOON: Duration = Duration::from_millis(300);

/// Shows progress, and reports whether the user wants to stop.
pub struct Progress {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
    stage: Mutex<Option<(Stage, Option<u64>)>>,
}

impl Progress {
    /// Progress that may be shown from the first file on, or once work takes long.
    pub fn new(stop: Arc<AtomicBool>, shown: bool) -> Self {
        let bar = if shown { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        Self { bar, stop, stage: Mutex::new(None) }
    }

    /// Starts a stage, with the amount of work if known.
    fn stage(&self, stage: Stage, all: Option<u64>) {
        let form = match (stage, all) {
            (_, None) => "{spinner} {msg}",
            (Stage::Inputs, Some(_)) => "{msg} [{bar:30}] {bytes}/{total_bytes} {eta} left",
            (_, Some(_)) => "{msg} [{bar:30}] {human_pos}/{human_len} {eta} left",
        };
        // With numbers of eight digits, the line fits a terminal of 80 columns.
        let message = match stage {
            Stage::Usage => "adding up usage",
            Stage::Events => "reading events",
            Stage::Unpriced => "unpriced events",
            Stage::Ids => "comparing ids",
            Stage::Sums => "comparing totals and the chain",
            Stage::File => "checking the file",
            Stage::Copy => "copying pages",
            Stage::Inputs => "hashing the files",
        };
        self.begin(form, message, all);
        self.bar.reset_eta();
    }

    fn begin(&self, form: &str, message: &str, all: Option<u64>) {
        // Set the style first, because each of the other calls draws.
        if let Ok(style) = ProgressStyle::with_template(form) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.set_message(message.to_owned());
        self.bar.set_position(0);
        if let Some(all) = all {
            self.bar.set_length(all);
        }
        self.bar.enable_steady_tick(TICK);
    }

    /// Removes the progress from the terminal.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn waiting(&self) {
        let message = "waiting for another process that is writing to the ledger";
        if self.bar.is_hidden() {
            // If standard error is closed, nobody can read the message.
            drop(writeln!(std::io::stderr(), "{message}"));
        } else {
            self.bar.println(message);
        }
    }

    fn file(&self, name: &str, bytes: Option<u64>) {
        let form = match bytes {
            Some(_) => "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta} left",
            None => "{spinner} {msg} {bytes} {bytes_per_sec}",
        };
        self.begin(form, name, bytes);
    }

    fn read(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    fn reached(&self, reached: Reached) {
        if self.bar.is_hidden() || self.bar.elapsed() < SOON {
            return;
        }
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let this = (reached.stage, reached.all);
        if stage.replace(this) != Some(this) {
            self.stage(reached.stage, reached.all);
        }
        self.bar.set_position(reached.done);
    }

    fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
