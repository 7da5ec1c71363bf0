//! The `tokenbook` command: the only place with a clock, an environment, standard streams and an exit code.

mod cli;

use cli::{Invocation, StandardInput, Streams};
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokenbook::domain::timestamp::Timestamp;

/// More threads than any machine needs make a command wait for threads to start, and for files to open.
const MOST_THREADS: usize = 256;

fn main() -> ExitCode {
    limit_threads();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let stop = Arc::new(AtomicBool::new(false));
    let signal = Arc::new(AtomicUsize::new(0));
    watch_signals(&stop, &signal);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut err = std::io::stderr();
    let invocation = Invocation {
        now: now(),
        variable: |name| std::env::var(name).ok(),
        hash_key: std::env::var_os("TOKENBOOK_HASH_KEY")
            .map(OsString::into_encoded_bytes)
            .filter(|key| !key.is_empty()),
        user: std::env::var("USER").ok().filter(|user| !user.is_empty()),
        stop,
        progress: std::io::stderr().is_terminal(),
        stdin: standard_input(),
        colour: std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    let mut code = cli::run(&arguments, &invocation, &mut Streams { out: &mut out, err: &mut err });
    if let Err(error) = out.flush() {
        // If a reader such as `head` closed the pipe early, that is not a failure.
        if error.kind() != std::io::ErrorKind::BrokenPipe && code == 0 {
            let of_output = tokenbook::Code::of_io(&error, tokenbook::Code::StandardOutput);
            drop(writeln!(err, "error[{of_output}]: standard output: {error}"));
            code = of_output.exit().code();
        }
    }
    match signal.load(Ordering::Relaxed) {
        0 => ExitCode::from(code),
        number => ExitCode::from(u8::try_from(128 + number).unwrap_or(code)),
    }
}

/// Bounds the threads that `RAYON_NUM_THREADS` asks for.
fn limit_threads() {
    let wanted = std::env::var("RAYON_NUM_THREADS").ok().and_then(|number| number.parse::<usize>().ok());
    if wanted.is_some_and(|wanted| wanted > MOST_THREADS) {
        // Where the pool cannot be made, the first work on it fails with the cause.
        drop(rayon::ThreadPoolBuilder::new().num_threads(MOST_THREADS).build_global());
    }
}

/// What standard input is connected to. If it was closed, the runtime has replaced it by the null device.
#[cfg(unix)]
fn standard_input() -> StandardInput {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileTypeExt;
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return StandardInput::Terminal;
    }
    let metadata = stdin.as_fd().try_clone_to_owned().and_then(|own| std::fs::File::from(own).metadata());
    match metadata {
        Ok(metadata) if !metadata.file_type().is_char_device() => StandardInput::Data,
        _ => StandardInput::Nothing,
    }
}

#[cfg(not(unix))]
fn standard_input() -> StandardInput {
    if std::io::stdin().is_terminal() { StandardInput::Terminal } else { StandardInput::Data }
}

/// The current instant. If the clock is set outside 2015 to 2099, the nearest instant in that range.
fn now() -> Timestamp {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
    Timestamp::from_nanos(nanos.clamp(Timestamp::EARLIEST.nanos(), Timestamp::LATEST.nanos()))
        .unwrap_or(Timestamp::EARLIEST)
}

/// Ctrl-C and SIGTERM ask running work to stop without a trace. A second one ends the process.
#[cfg(unix)]
fn watch_signals(stop: &Arc<AtomicBool>, signal: &Arc<AtomicUsize>) {
    use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::flag::{register, register_conditional_shutdown, register_usize};
    // If a handler cannot be set, a signal ends the process at once, and the next open rolls back.
    for (number, value) in [(SIGINT, 2), (SIGTERM, 15)] {
        drop(register_conditional_shutdown(number, 128 + number, Arc::clone(stop)));
        drop(register_usize(number, Arc::clone(signal), value));
        drop(register(number, Arc::clone(stop)));
    }
    // With this handler, exceeding a file-size limit is an error of the write and does not end the process.
    drop(register(SIGXFSZ, Arc::new(AtomicBool::new(false))));
}

#[cfg(not(unix))]
fn watch_signals(stop: &Arc<AtomicBool>, _signal: &Arc<AtomicUsize>) {
    drop(signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(stop)));
}
