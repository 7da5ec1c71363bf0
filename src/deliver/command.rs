//! Hands a message to a program, such as `sendmail -t`: no shell, an empty environment but PATH, and 30 seconds.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// How long a program may take, in steps of [`STEP`].
const STEPS: u32 = 1_500;
const STEP: Duration = Duration::from_millis(20);

/// Runs a program with a text on its standard input. An error is in words.
pub fn run(command: &[String], path: Option<&str>, input: &str) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("names no program")?;
    let mut started = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(path.map(|path| ("PATH", path)))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{program} does not start: {}", error.kind()))?;
    let input_of = started.stdin.take();
    let text = input.to_owned();
    // A program that reads nothing must not hold this one up.
    let writer = thread::spawn(move || input_of.map(|mut input| input.write_all(text.as_bytes())));
    for _ in 0..STEPS {
        match started.try_wait() {
            Ok(Some(status)) if status.success() => {
                drop(writer.join());
                return Ok(());
            }
            Ok(Some(status)) => return Err(format!("{program} ended with {status}")),
            Ok(None) => thread::sleep(STEP),
            Err(error) => return Err(format!("{program} cannot be watched: {}", error.kind())),
        }
    }
    drop(started.kill());
    drop(started.wait());
    Err(format!("{program} did not end within 30 seconds"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_the_text_and_no_environment() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let out = folder.path().join("out").display().to_string();
        let shell = |script: &str| vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()];
        assert_eq!(run(&shell(&format!("cat > {out}; env >> {out}")), Some("/usr/bin:/bin"), "text\n"), Ok(()));
        let written = std::fs::read_to_string(&out)?;
        assert!(written.starts_with("text\n") && written.contains("PATH=/usr/bin:/bin"), "{written}");
        let foreign = written
            .lines()
            .skip(1)
            .filter(|line| !["PATH=", "PWD=", "SHLVL=", "_="].iter().any(|own| line.starts_with(own)));
        assert_eq!(foreign.count(), 0, "{written}");
        assert!(run(&shell("exit 3"), None, "text").is_err_and(|error| error.contains("exit status: 3")));
        assert!(run(&["/no/such/program".to_owned()], None, "").is_err_and(|error| error.contains("does not start")));
        // One that reads nothing of a long text.
        assert_eq!(run(&shell("exit 0"), None, &"x".repeat(1 << 20)), Ok(()));
        Ok(())
    }
}
