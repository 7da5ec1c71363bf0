//! Progress on a terminal, nothing in a pipe; and the wish to stop.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokenbook::books::Observer;

/// Shows progress and hears whether to stop.
pub struct Progress {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
}

impl Progress {
    /// Progress that is shown, or not.
    pub fn new(stop: Arc<AtomicBool>, shown: bool) -> Self {
        let bar = if shown { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if shown {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self { bar, stop }
    }

    /// A file begins, of a size where that is known.
    pub fn file(&self, name: &str, bytes: Option<u64>) {
        let form = match bytes {
            Some(bytes) => {
                self.bar.set_length(bytes);
                "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta} left"
            }
            None => "{spinner} {msg} {bytes} {bytes_per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(form) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.set_position(0);
        self.bar.set_message(name.to_owned());
    }

    /// Takes the progress off the terminal.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn waiting(&self) {
        let message = "another process is writing to the ledger: waiting for it";
        if self.bar.is_hidden() {
            // Nobody is left to tell if standard error is closed.
            drop(writeln!(std::io::stderr(), "{message}"));
        } else {
            self.bar.println(message);
        }
    }

    fn read(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
