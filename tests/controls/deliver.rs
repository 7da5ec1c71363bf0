//! Delivery of alerts: against a receiver that is dead, slow or hostile, with several senders, and with every kind of channel.
//!
//! The receiver is a server of threads on a loopback address, which the channel allows.

use super::alerts::{act, check, early, used};
use crate::desk::{Desk, Outcome, rows};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokenbook::Books;
use tokenbook::books::Silent;
use tokenbook::books::controls::delivery::{Delivered, Secrets};
use tokenbook::books::controls::policies::Apply;
use tokenbook::deliver::schedule::ATTEMPTS;
use tokenbook::domain::timestamp::Timestamp;

/// What a receiver does with a request.
type Answer = Box<dyn Fn(usize, &mut TcpStream) + Send>;

/// A receiver, and the requests that it got.
pub(super) struct Receiver {
    pub(super) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// One that answers by a function, which gets the number of the request.
    fn new(answer: Answer) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let request = read(&mut stream);
                let number = {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.push(request);
                    kept.len() - 1
                };
                answer(number, &mut stream);
            }
        });
        Ok(Self { port, requests })
    }

    /// One that gives the same answer to every request.
    pub(super) fn saying(answer: &'static str) -> Outcome<Self> {
        Self::new(Box::new(move |_, stream| drop(stream.write_all(answer.as_bytes()))))
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A request with its body, as far as it comes.
fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count) = stream.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let head = text.split_once("\r\n\r\n").map(|(head, body)| (head.to_lowercase(), body.len()));
        let length = head
            .as_ref()
            .and_then(|(head, _)| head.split("content-length: ").nth(1)?.lines().next()?.trim().parse::<usize>().ok());
        // No request begins with a byte that is no text: somebody speaks TLS.
        if count == 0 || bytes.first() == Some(&0x16) || head.is_some_and(|(_, body)| body >= length.unwrap_or(0)) {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Variables of the environment.
pub(super) struct Variables(Vec<(&'static str, String)>);

impl Secrets for Variables {
    fn variable(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The variables of a channel whose receiver listens on a port.
pub(super) fn variables(port: u16) -> Variables {
    let url = format!("http://127.0.0.1:{port}/services/HIDDEN?token=HIDDEN");
    Variables(vec![("HOOK", url), ("SIGN", SECRET.to_owned()), ("PATH", "/usr/bin:/bin".to_owned())])
}

/// When the alerts of these tests are raised.
const RAISED: &str = "2027-03-05T12:00:00Z";

/// A desk with two alerts, 50 % and 80 %, for a channel.
pub(super) fn raised(channel: &str, port: u16) -> Outcome<Desk> {
    let desk = early()?;
    let policy = format!(
        "document = \"limits/1\"\nfrom = \"2027-03-01\"\nbudget = [{{ name = \"search & <b>\", per = \"month\", tokens = 1_000, enforce = \"warn\", \
         alert = [{{ at = \"50%\", to = [\"c\"], say = \"Check usage.\" }}, {{ at = \"80%\", to = [\"c\"] }}] }}]\n[channel]\nc = {{ {channel}, allow = [\"127.0.0.1:{port}\"] }}\n"
    );
    let policy = if channel.contains("command") {
        policy.replace(&format!(", allow = [\"127.0.0.1:{port}\"]"), "")
    } else {
        policy
    };
    let books = Books::open(&desk.ledger())?;
    books.apply_policy("l.toml", policy.as_bytes(), Apply::Record, act("2027-03-01T00:00:00Z")?, &Silent)?;
    drop(books);
    used(&desk, "a", "2027-03-04T10:00:00Z", "gpt-4.1", "x", [800, 100])?;
    assert_eq!(check(&desk, RAISED)?.raised.len(), 2);
    Ok(desk)
}

pub(super) fn at(seconds: i64) -> Outcome<Timestamp> {
    let start = Timestamp::parse(RAISED)?;
    Ok(Timestamp::from_nanos(start.nanos() + seconds * 1_000_000_000).ok_or("too late")?)
}

pub(super) fn deliver(desk: &Desk, variables: &Variables, seconds: i64) -> Outcome<Delivered> {
    Ok(Books::read(&desk.ledger())?.deliver(variables, at(seconds)?)?)
}

pub(super) const JSON: &str = "kind = \"json\", url_env = \"HOOK\", secret_env = \"SIGN\"";
pub(super) const TAKEN: &str = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";

fn header<'r>(request: &'r str, name: &str) -> Option<&'r str> {
    request.lines().find_map(|line| {
        line.to_lowercase()
            .starts_with(&format!("{name}: "))
            .then(|| line.split_once(": ").map_or("", |(_, value)| value))
    })
}

#[test]
fn a_receiver_of_json_gets_each_alert_once_and_signed() -> Outcome {
    let receiver = Receiver::saying(TAKEN)?;
    let desk = raised(JSON, receiver.port)?;
    let variables = variables(receiver.port);
    assert_eq!(deliver(&desk, &variables, 3)?, Delivered { sent: 2, ..Delivered::default() });
    for seconds in [4, 60, 4_000] {
        assert_eq!(deliver(&desk, &variables, seconds)?, Delivered::default(), "it is sent already");
    }
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    let mut ids = Vec::new();
    for (request, threshold) in requests.iter().zip(["50", "80"]) {
        assert!(request.starts_with("POST /services/HIDDEN?token=HIDDEN HTTP/1.1\r\n"), "{request}");
        let body = request.split_once("\r\n\r\n").ok_or("no body")?.1;
        let id = header(request, "webhook-id").ok_or("no id")?;
        let timestamp: i64 = header(request, "webhook-timestamp").ok_or("no timestamp")?.parse()?;
        assert_eq!(timestamp, at(3)?.seconds());
        let signed = tokenbook::deliver::signature::webhook(SECRET, id, timestamp, body)?;
        assert_eq!(header(request, "webhook-signature"), Some(signed.as_str()));
        let body: serde_json::Value = serde_json::from_str(body)?;
        let data = &body["data"];
        assert_eq!(
            (body["type"].as_str(), data["threshold"].as_str()),
            (Some("budget.threshold_reached"), Some(threshold))
        );
        assert_eq!(
            (data["used"].as_str(), data["limit"].as_str(), data["percent"].as_str()),
            (Some("900"), Some("1000"), Some("90.0"))
        );
        assert_eq!((data["period"].as_str(), data["budget"].as_str()), (Some("2027-03"), Some("search & <b>")));
        ids.push(id.to_owned());
    }
    assert!(ids[0].starts_with("alert_") && ids[0] != ids[1], "{ids:?}");
    // A lost guard file sends again, with the same ids.
    for suffix in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(format!("{}.guard{suffix}", desk.ledger().display())));
    }
    assert_eq!(deliver(&desk, &variables, 5_000)?.sent, 2);
    let again: Vec<String> = receiver
        .requests()
        .iter()
        .skip(2)
        .filter_map(|request| header(request, "webhook-id").map(str::to_owned))
        .collect();
    assert_eq!(again, ids);
    // Eight days later nothing is sent, whatever the guard file knows.
    assert_eq!(deliver(&desk, &variables, 8 * 86_400)?, Delivered::default());
    desk.run(&["verify", "--deep"])?.ends(0)?;
    Ok(())
}

#[test]
fn a_receiver_that_is_dead_is_tried_by_the_schedule() -> Outcome {
    let receiver = Receiver::saying("HTTP/1.1 500 Down\r\nConnection: close\r\n\r\n")?;
    let desk = raised("kind = \"slack\", url_env = \"HOOK\"", receiver.port)?;
    let variables = variables(receiver.port);
    let mut tried = Vec::new();
    // A check every minute for four days.
    for minute in 0..4 * 24 * 60 {
        let seconds = minute * 60;
        let before = receiver.requests().len();
        let due = ATTEMPTS.iter().any(|due| (seconds - due).abs() <= due / 10 + 60);
        if due {
            deliver(&desk, &variables, seconds)?;
        }
        if receiver.requests().len() > before {
            tried.push(seconds);
        }
    }
    assert_eq!(tried.len(), ATTEMPTS.len(), "{tried:?}");
    for (tried, due) in tried.iter().zip(ATTEMPTS) {
        assert!((tried - due).abs() <= due / 10 + 120, "{tried} {due}");
    }
    let listed = Books::read(&desk.ledger())?.undelivered(at(4 * 86_400)?)?;
    assert_eq!(listed.rows.len(), 1, "both alerts are in one message");
    let words: Vec<String> = listed.rows[0].iter().map(tokenbook::sheet::Cell::plain).collect();
    assert_eq!(
        words[2..],
        [
            "10".to_owned(),
            String::new(),
            "not delivered".to_owned(),
            format!("http://127.0.0.1:{}: status 500", receiver.port)
        ],
        "{words:?}"
    );
    Ok(())
}

#[test]
fn a_receiver_that_wakes_up_gets_the_message_with_the_same_id() -> Outcome {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let receiver = Receiver::new(Box::new(move |number, stream| {
        counted.store(number + 1, Ordering::SeqCst);
        let answer =
            if number < 4 { "HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nConnection: close\r\n\r\n" } else { TAKEN };
        drop(stream.write_all(answer.as_bytes()));
    }))?;
    let desk = raised(JSON, receiver.port)?;
    let variables = variables(receiver.port);
    assert_eq!(deliver(&desk, &variables, 0)?.failed.len(), 2);
    // It asked for two minutes, so the attempt of the first minute waits.
    assert_eq!(deliver(&desk, &variables, 90)?, Delivered { waiting: 2, ..Delivered::default() });
    assert_eq!(deliver(&desk, &variables, 121)?.failed.len(), 2);
    assert_eq!(deliver(&desk, &variables, 360)?.sent, 2);
    let ids: Vec<String> =
        receiver.requests().iter().filter_map(|request| header(request, "webhook-id").map(str::to_owned)).collect();
    assert_eq!((ids.len(), &ids[..2], &ids[2..4]), (6, &ids[2..4], &ids[4..6]));
    Ok(())
}

#[test]
fn a_hostile_receiver_fails_a_message_and_nothing_else() -> Outcome {
    let wait = || std::thread::sleep(std::time::Duration::from_secs(60));
    let cases: Vec<(&str, Answer, &str)> = vec![
        (
            "a redirect",
            Box::new(|_, s| {
                drop(s.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"));
            }),
            "status 302, a redirect, which is not followed",
        ),
        ("gone", Box::new(|_, s| drop(s.write_all(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"))), "status 410"),
        ("no HTTP", Box::new(|_, s| drop(s.write_all(b"220 smtp.example.com ESMTP\r\n"))), ""),
        ("closed before the answer", Box::new(|_, s| drop(s.shutdown(std::net::Shutdown::Both))), ""),
        ("closed inside the head", Box::new(|_, s| drop(s.write_all(b"HTTP/1.1 20"))), ""),
        ("never an answer", Box::new(move |_, _| wait()), "no answer in time"),
    ];
    for (what, answer, says) in cases {
        let receiver = Receiver::new(answer)?;
        let desk = raised("kind = \"slack\", url_env = \"HOOK\"", receiver.port)?;
        let found = deliver(&desk, &variables(receiver.port), 0)?;
        assert_eq!((found.sent, found.failed.len()), (0, 1), "{what}");
        let why = &found.failed[0].1;
        assert!(why.contains(says) && !why.contains("HIDDEN"), "{what}: {why}");
    }
    // A body without end is read to its limit, and a status of success decides.
    let endless: Answer = Box::new(|_, stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
        for _ in 0..64 {
            if stream.write_all(format!("4000\r\n{}\r\n", "x".repeat(0x4000)).as_bytes()).is_err() {
                return;
            }
        }
    });
    let receiver = Receiver::new(endless)?;
    let desk = raised(JSON, receiver.port)?;
    assert_eq!(deliver(&desk, &variables(receiver.port), 0)?.sent, 2);
    Ok(())
}

#[test]
fn an_unencrypted_or_unknown_receiver_is_not_called() -> Outcome {
    let receiver = Receiver::saying(TAKEN)?;
    let desk = raised("kind = \"slack\", url_env = \"HOOK\"", receiver.port)?;
    let port = receiver.port;
    for (url, says) in [
        (format!("https://127.0.0.1:{port}/HIDDEN"), "no encrypted connection"),
        (format!("http://127.0.0.1:{}/HIDDEN", port ^ 1), "is an address of a private or special network"),
        (format!("http://localhost:{port}/HIDDEN"), "is not encrypted"),
        ("https://169.254.169.254/HIDDEN".to_owned(), "is an address of a private or special network"),
        ("file:///HIDDEN".to_owned(), "is not an address that starts with https://"),
        (String::new(), "is empty"),
    ] {
        for suffix in ["", "-wal", "-shm"] {
            drop(std::fs::remove_file(format!("{}.guard{suffix}", desk.ledger().display())));
        }
        let found = deliver(&desk, &Variables(vec![("HOOK", url.clone())]), 0)?;
        let why = &found.failed.first().ok_or_else(|| format!("{url}: nothing failed"))?.1;
        assert!(why.contains(says) && !why.contains("HIDDEN"), "{url}: {why}");
    }
    let found = deliver(&desk, &Variables(Vec::new()), 100)?;
    assert!(found.failed[0].1.contains("the variable HOOK is not set"), "{found:?}");
    assert!(receiver.requests().iter().all(|request| !request.starts_with("POST")), "{:?}", receiver.requests());
    Ok(())
}

#[test]
fn a_certificate_that_nobody_signed_is_not_believed() -> Outcome {
    let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)?;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let got = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&got);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut stream), Ok(mut server)) = (stream, rustls::ServerConnection::new(Arc::clone(&config))) else {
                return;
            };
            let mut stream = rustls::Stream::new(&mut server, &mut stream);
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).is_ok_and(|count| count > 0) {
                counted.fetch_add(1, Ordering::SeqCst);
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
            }
        }
    });
    let desk = raised("kind = \"slack\", url_env = \"HOOK\"", port)?;
    let found = deliver(&desk, &Variables(vec![("HOOK", format!("https://127.0.0.1:{port}/HIDDEN"))]), 0)?;
    let why = &found.failed.first().ok_or("it was believed")?.1;
    assert!(why.contains("no encrypted connection: the certificate or the protocol is wrong"), "{why}");
    assert_eq!(got.load(Ordering::SeqCst), 0, "nothing was sent");
    Ok(())
}

#[test]
fn many_senders_send_once_and_no_writer_waits_for_the_network() -> Outcome {
    let path: Arc<Mutex<Option<std::path::PathBuf>>> = Arc::default();
    let of_receiver = Arc::clone(&path);
    // While the receiver thinks, somebody imports.
    let receiver = Receiver::new(Box::new(move |number, stream| {
        let path = of_receiver.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let recorded = path.map(|path| {
            let books = Books::open(&path)?;
            let act = tokenbook::Act { now: Timestamp::EARLIEST, actor: "receiver" };
            let prices = format!("model,meter,currency,price,valid_from\nm{number},input,USD,1,2026-01-01\n");
            books.import_prices("p.csv", prices.as_bytes(), None, tokenbook::Jumps::Refuse, act, &Silent).map(|_| ())
        });
        let answer = if matches!(recorded, Some(Ok(()))) {
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        } else {
            "HTTP/1.1 500 No\r\n\r\n"
        };
        drop(stream.write_all(answer.as_bytes()));
    }))?;
    let desk = raised("kind = \"slack\", url_env = \"HOOK\"", receiver.port)?;
    *path.lock().unwrap_or_else(PoisonError::into_inner) = Some(desk.ledger());
    let sent = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let delivered = deliver(&desk, &variables(receiver.port), 1).map_or(100, |delivered| delivered.sent);
                sent.fetch_add(delivered, Ordering::SeqCst);
            });
        }
    });
    assert_eq!((sent.load(Ordering::SeqCst), receiver.requests().len()), (1, 1));
    Ok(())
}

#[test]
fn every_kind_of_channel_gets_its_form() -> Outcome {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let zero = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"errcode\":0}";
    let first = "search & <b>, 2027-03: 90.0 % of the token budget is used (900 of 1,000).";
    for (kind, answer, path) in [
        ("slack", ok, &["text"][..]),
        ("discord", TAKEN, &["content"]),
        ("teams", ok, &["attachments", "0", "content", "body", "0", "text"]),
        ("wecom", zero, &["text", "content"]),
        ("dingtalk", zero, &["text", "content"]),
    ] {
        let receiver = Receiver::saying(answer)?;
        let secret = if kind == "dingtalk" { ", secret_env = \"SIGN\"" } else { "" };
        let desk = raised(&format!("kind = \"{kind}\", url_env = \"HOOK\"{secret}"), receiver.port)?;
        assert_eq!(deliver(&desk, &variables(receiver.port), 1)?.sent, 1, "{kind}");
        let requests = receiver.requests();
        let (head, body) = requests[0].split_once("\r\n\r\n").ok_or("no body")?;
        assert_eq!(head.contains("&timestamp=") && head.contains("&sign="), kind == "dingtalk", "{head}");
        let body: serde_json::Value = serde_json::from_str(body)?;
        let text =
            path.iter().fold(&body, |value, step| step.parse::<usize>().map_or(&value[*step], |place| &value[place]));
        let plain = text
            .as_str()
            .ok_or("no text")?
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
            .replace('\\', "");
        assert!(plain.starts_with(&format!("{first}\n")), "{kind}: {plain}");
        assert_eq!(plain.matches(first).count(), 1, "{kind}: the higher threshold of the budget");
        assert!(plain.contains("all usage; threshold 80%; the period ends on 2027-03-31"), "{plain}");
    }
    Ok(())
}

#[test]
fn a_program_gets_a_mail_and_the_command_line_does_it_all() -> Outcome {
    let desk = Desk::empty()?;
    let out = desk.path("mail.txt");
    let desk = raised(
        &format!(
            "kind = \"command\", command = [\"/bin/sh\", \"-c\", \"cat >> {}\"], to = \"ops@example.com\"",
            out.display()
        ),
        1,
    )?;
    assert_eq!(deliver(&desk, &variables(1), 1)?.sent, 1);
    let mail = std::fs::read_to_string(&out)?;
    assert!(
        mail.starts_with("To: ops@example.com\nSubject: search & <b>, 2027-03: 90.0 % of the token budget is used"),
        "{mail}"
    );
    assert!(mail.contains("\n\nsearch & <b>, 2027-03:"), "{mail}");
    // The process has its own clock, so its alerts are of today.
    let receiver = Receiver::saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
    let desk = super::priced()?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
    let today = tokenbook::Calendar::of_zone("UTC")?.day_of(Timestamp::from_nanos(i64::try_from(now)?).ok_or("now")?);
    desk.write("l.toml", format!("document = \"limits/1\"\nfrom = \"{today}\"\nbudget = [{{ name = \"all\", per = \"year\", requests = 1, enforce = \"warn\", alert = [{{ at = \"100%\", to = [\"c\", \"d\"] }}] }}]\nchannel.c = {{ kind = \"slack\", url_env = \"HOOK\", allow = [\"127.0.0.1:{}\"] }}\nchannel.d = {{ kind = \"slack\", url_env = \"UNSET\" }}\n", receiver.port))?;
    desk.run(&["policy", "apply", "l.toml"])?.ends(0)?;
    desk.write(
        "u.csv",
        format!("event_id,timestamp,model,input_tokens,output_tokens\na,{today}T00:00:00Z,gpt-4.1,1,1\n"),
    )?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let run = |arguments: &[&str]| -> Outcome<crate::desk::Ran> {
        let mut command = desk.command(arguments);
        command.env("HOOK", format!("http://127.0.0.1:{}/HIDDEN", receiver.port)).env_remove("UNSET");
        crate::desk::Ran::of(command.output()?)
    };
    let tested = run(&["alerts", "test", "c"])?.ends(0)?;
    assert!(tested.out.contains("channel c: the test message was taken"), "{tested:?}");
    run(&["alerts", "test", "d"])?
        .ends(10)?
        .says("error[message-refused]: channel d: the variable UNSET is not set")?;
    run(&["alerts", "test", "e"])?.ends(2)?.says("error[channel-unknown]")?;
    run(&["budget", "check", "--no-deliver"])?.ends(0)?.says("alert ")?;
    assert_eq!(receiver.requests().len(), 1, "the test alone");
    let checked = run(&["budget", "check"])?.ends(0)?;
    assert!(
        checked
            .err
            .contains("warning: a message to channel d was not taken and will be tried again: the variable UNSET"),
        "{checked:?}"
    );
    assert_eq!(receiver.requests().len(), 2);
    let listed = rows(&desk.print(&["alerts", "list", "--undelivered", "--format", "csv"])?)?;
    let shown: Vec<Option<&str>> = listed.iter().map(|row| row.get("channel").map(String::as_str)).collect();
    assert_eq!(shown, [Some("d")]);
    run(&["alerts", "deliver"])?.ends(0)?.says("0 messages were sent; 1 waits for another attempt")?;
    let everything = format!("{tested:?}{checked:?}{listed:?}");
    assert!(!everything.contains("HIDDEN"), "{everything}");
    Ok(())
}
