//! Redis, with a script that takes from five keys or from none, over a Unix socket. The server is started for the measurement.

use crate::{Gate, Outcome};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

const ADMIT: &str = "for i=1,5 do local left=tonumber(redis.call('GET',KEYS[i]) or ARGV[2]); if left<tonumber(ARGV[1]) then return 0 end end \
    for i=1,5 do redis.call('SET',KEYS[i],tonumber(redis.call('GET',KEYS[i]) or ARGV[2])-tonumber(ARGV[1])) end return 1";
const SETTLE: &str = "for i=1,5 do redis.call('INCRBY',KEYS[i],ARGV[1]) end return 1";

pub struct Redis {
    server: Child,
    /// A connection for each thread that wants one.
    idle: Mutex<Vec<BufReader<UnixStream>>>,
    socket: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Redis {
    /// Starts a server; `None` if there is none on this machine.
    pub fn start() -> Outcome<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("redis.sock");
        let started = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn();
        let Ok(server) = started else {
            eprintln!("redis-server is not installed, so it is left out");
            return Ok(None);
        };
        for _ in 0..100 {
            if UnixStream::connect(&socket).is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Ok(Some(Self { server, idle: Mutex::default(), socket, _folder: folder }))
    }

    fn run(stream: &mut BufReader<UnixStream>, script: &str, user: usize, arguments: &[&str]) -> Outcome<bool> {
        let mut parts = vec!["EVAL".to_owned(), script.to_owned(), "5".to_owned()];
        parts.extend((0..5).map(|limit| format!("user:{user}:{limit}")));
        parts.extend(arguments.iter().map(|text| (*text).to_owned()));
        let mut message = format!("*{}\r\n", parts.len());
        for part in parts {
            message += &format!("${}\r\n{part}\r\n", part.len());
        }
        stream.get_mut().write_all(message.as_bytes())?;
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim() {
            ":1" => Ok(true),
            ":0" => Ok(false),
            other => Err(other.to_owned().into()),
        }
    }

    fn both(&self, user: usize) -> Outcome<bool> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut stream = match idle {
            Some(stream) => stream,
            None => BufReader::new(UnixStream::connect(&self.socket)?),
        };
        let passed = Self::run(&mut stream, ADMIT, user, &["100", "1000000000000"])?;
        if passed {
            Self::run(&mut stream, SETTLE, user, &["20"])?;
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        Ok(passed)
    }
}

impl Gate for Redis {
    fn pass(&self, user: usize) -> bool {
        self.both(user).unwrap_or_else(|error| {
            eprintln!("redis: {error}");
            false
        })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
