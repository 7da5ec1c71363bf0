//! Sends alerts to their channels: each at least once, and one sender at a time.
//!
//! What is to be sent follows from the ledger: alerts of the last days, and the channels that the limits name which each was raised
//! under. The guard file knows what was sent. So a crash between an alert and its message loses nothing, and a lost guard file sends
//! again, with the same ids.

use crate::books::controls::policies::understood;
use crate::books::controls::wording::{self, Ledgers};
use crate::books::heading::heading_of;
use crate::books::{Books, BooksError};
use crate::control::limit::{Budget, Channel, ChannelKind, Chat, Policy, Secret};
use crate::control::span::Part;
use crate::deliver::address::{AddressError, target};
use crate::deliver::bodies::{self, Told, Verdict};
use crate::deliver::{command, schedule, signature};
use crate::domain::name::Name;
use crate::domain::number::EntryId;
use crate::domain::timestamp::Timestamp;
use crate::guard::file::GuardFile;
use crate::guard::file::messages::{MessageKey, MessageState};
use crate::ledger::LedgerError;
use crate::ledger::chain::hex;
use crate::ledger::facts::alerts::{Alert, StoredAlert};
use crate::ledger::facts::policies::{LIMITS, in_force};
use crate::ledger::file::transaction::Snapshot;
use crate::sheet::{Cell, Column, Sheet};
use serde_json::json;
use std::collections::BTreeMap;

/// Where secrets of channels are found. The library reads no environment by itself.
pub trait Secrets {
    /// The value of a variable of the environment.
    fn variable(&self, name: &str) -> Option<String>;
}

/// What sending did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivered {
    /// How many messages were taken by their receivers.
    pub sent: usize,
    /// The channels that did not take one, each with why.
    pub failed: Vec<(String, String)>,
    /// How many messages wait for another attempt.
    pub waiting: usize,
}

/// A message to send.
struct Message {
    key: MessageKey,
    channel: Channel,
    /// When its alerts were raised.
    at: Timestamp,
    told: Vec<Told>,
    /// The data of the one alert, for a receiver of JSON.
    data: serde_json::Value,
    id: String,
}

impl Books {
    /// Sends what is due. A message that nobody takes is tried again by a later call.
    pub fn deliver(&self, secrets: &dyn Secrets, now: Timestamp) -> Result<Delivered, BooksError> {
        let (messages, genesis) = {
            let snapshot = self.ledger.snapshot()?;
            (self.messages(&snapshot, now)?, snapshot.genesis()?)
        };
        let mut delivered = Delivered::default();
        if messages.is_empty() {
            return Ok(delivered);
        }
        let mut guard = GuardFile::open(self.ledger.path(), genesis, now)?;
        for message in &messages {
            let until = schedule::seconds_after(now, schedule::OWN_FOR);
            let Some(attempt) = guard.take_message(&message.key, now, until)? else { continue };
            let next = |wait: Option<i64>| {
                let due = schedule::due(message.at, attempt.saturating_add(1), &message.id);
                due.map(|due| due.max(schedule::seconds_after(now, wait.unwrap_or(0))))
            };
            match send(message, secrets, now) {
                Ok(Verdict::Taken) => {
                    guard.message_sent(&message.key, now)?;
                    delivered.sent = delivered.sent.saturating_add(1);
                }
                Ok(Verdict::Gone) => {
                    let why = "status 410, the receiver wants no messages any more";
                    guard.message_failed(&message.key, why, None)?;
                    delivered.failed.push((message.key.channel.clone(), why.to_owned()));
                }
                Ok(Verdict::Failed { why, wait }) => {
                    guard.message_failed(&message.key, &why, next(wait))?;
                    delivered.failed.push((message.key.channel.clone(), why));
                }
                Err(why) => {
                    guard.message_failed(&message.key, &why, next(None))?;
                    delivered.failed.push((message.key.channel.clone(), why));
                }
            }
        }
        let states = guard.messages()?;
        let waits = |message: &&Message| states.get(&message.key).is_some_and(|state| state.next_at.is_some());
        delivered.waiting = messages.iter().filter(waits).count();
        Ok(delivered)
    }

    /// Sends a message to a channel of the limits in force that says it is a test. An error in words if it is not taken.
    pub fn test_channel(
        &self,
        name: &Name,
        secrets: &dyn Secrets,
        now: Timestamp,
    ) -> Result<Result<(), String>, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let today = self.settings().calendar.day_of(now);
        let stored = snapshot.policies(LIMITS)?;
        let policy = in_force(&stored, today).map(understood).transpose()?.map_or(Policy::NONE, |known| known.policy);
        let channel = policy.channels.get(name).cloned().ok_or_else(|| BooksError::NoChannel(name.to_string()))?;
        let head = snapshot.head();
        let id = format!("test_{}_{}", short(&snapshot.genesis()?), now.nanos());
        let told = Told {
            name: "test".to_owned(),
            first: "This is a test of tokenbook; no budget is meant.".to_owned(),
            rest: vec![format!("ledger entry {} ({})", head.entry, short(&head.hash))],
            about: String::new(),
            threshold: 0,
        };
        let key = MessageKey { entry: EntryId::NONE, place: 0, channel: name.to_string() };
        let data = json!({ "test": true, "ledger_head": format!("{} {head}", head.entry) });
        let message = Message { key, channel, at: now, told: vec![told], data, id };
        Ok(match send(&message, secrets, now) {
            Ok(Verdict::Taken) => Ok(()),
            Ok(Verdict::Gone) => Err("status 410, the receiver wants no messages any more".to_owned()),
            Ok(Verdict::Failed { why, .. }) | Err(why) => Err(why),
        })
    }

    /// Messages that were not sent, with their last failure.
    pub fn undelivered(&self, now: Timestamp) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let states = match GuardFile::open_if_any(self.ledger.path(), snapshot.genesis()?)? {
            Some(guard) => guard.messages()?,
            None => BTreeMap::new(),
        };
        let messages = self.messages(&snapshot, now)?;
        let row = |message: &Message| {
            let state = states.get(&message.key);
            if state.is_some_and(|state| state.done_at.is_some()) {
                return None;
            }
            let names: Vec<&str> = message.told.iter().map(|told| told.name.as_str()).collect();
            let attempts = state.map_or(0, |state| state.attempts);
            let is_over = state.is_some_and(|state: &MessageState| state.next_at.is_none());
            Some(vec![
                Cell::text(names.join(" ")),
                Cell::text(message.key.channel.as_str()),
                Cell::Count(i128::try_from(attempts).unwrap_or(i128::MAX)),
                state.and_then(|state| state.next_at).map_or(Cell::Nothing, Cell::Instant),
                Cell::text(if is_over { "not delivered" } else { "waiting" }),
                Cell::some(state.and_then(|state| state.failure.clone())),
            ])
        };
        let columns = vec![
            Column::text("alerts"),
            Column::text("channel"),
            Column::count("attempts"),
            Column::instant("next_at"),
            Column::text("state"),
            Column::text("failure"),
        ];
        let rows = messages.iter().filter_map(row).collect();
        Ok(Sheet { heading: heading_of(&snapshot, "undelivered alerts", "last 7 days")?, columns, rows, total: None })
    }

    /// The messages of the last days: for a receiver of JSON one for each alert, for all others one for each check.
    fn messages(&self, snapshot: &Snapshot<'_>, now: Timestamp) -> Result<Vec<Message>, BooksError> {
        let oldest = schedule::seconds_after(now, schedule::LASTS.saturating_neg());
        let genesis = short(&snapshot.genesis()?);
        let stored = snapshot.policies(LIMITS)?;
        let mut policies: BTreeMap<EntryId, Policy> = BTreeMap::new();
        let mut messages: BTreeMap<MessageKey, Message> = BTreeMap::new();
        for known in snapshot.alerts()?.into_iter().filter(|known| known.at >= oldest) {
            let of = known.alert.policy;
            if let Some(policy) = stored.iter().find(|policy| policy.entry == of)
                && !policies.contains_key(&of)
            {
                policies.insert(of, understood(policy)?.policy);
            }
            let Some(policy) = policies.get(&of) else { continue };
            let budget = policy.budgets.iter().find(|budget| budget.common.name.as_str() == known.alert.key.budget);
            let Some(budget) = budget else { continue };
            let part = Part::of_hundredths(known.alert.key.threshold);
            let threshold = budget.alerts.iter().find(|threshold| threshold.at == part);
            for name in threshold.map_or(&[][..], |threshold| threshold.to.as_slice()) {
                let Some(channel) = policy.channels.get(name) else { continue };
                let is_json = matches!(channel.kind, ChannelKind::Json { .. });
                let place = if is_json { known.place } else { 0 };
                let key = MessageKey { entry: known.entry, place, channel: name.to_string() };
                let told = self.told(snapshot, &known, budget)?;
                if let Some(message) = messages.get_mut(&key) {
                    message.told.push(told);
                    continue;
                }
                let id = match place {
                    0 => format!("alert_{genesis}_{}_{name}", known.entry),
                    place => format!("alert_{genesis}_{}_{place}", known.entry),
                };
                let data = self.data(snapshot, &known, budget)?;
                let message =
                    Message { key: key.clone(), channel: channel.clone(), at: known.at, told: vec![told], data, id };
                messages.insert(key, message);
            }
        }
        Ok(messages.into_values().collect())
    }

    fn told(&self, snapshot: &Snapshot<'_>, known: &StoredAlert, budget: &Budget) -> Result<Told, LedgerError> {
        let StoredAlert { entry, place, at, alert } = known;
        let name = format!("{entry}.{place}");
        let head = snapshot.hash_of(alert.seen)?;
        let seen = format!("seen {at} at ledger entry {} ({}); alert {name}", alert.seen, short(&head));
        let rest = vec![wording::second_line(alert, budget), seen];
        let key = &alert.key;
        let about = format!("{}\n{}\n{}\n{}", key.budget, key.measure, key.subject, key.first_day);
        let first = wording::first_line(alert, budget, self.ledgers());
        Ok(Told { name, first, rest, about, threshold: key.threshold })
    }

    pub(super) fn ledgers(&self) -> Ledgers {
        let settings = self.settings();
        Ledgers { currency: settings.currency, calendar: settings.calendar }
    }

    fn data(
        &self,
        snapshot: &Snapshot<'_>,
        known: &StoredAlert,
        budget: &Budget,
    ) -> Result<serde_json::Value, LedgerError> {
        let Alert { key, figure, seen, .. } = &known.alert;
        let subject = Some(&key.subject).filter(|subject| !subject.is_empty());
        let part = Part::of_hundredths(key.threshold);
        let say =
            budget.alerts.iter().find(|threshold| threshold.at == part).and_then(|threshold| threshold.say.as_ref());
        Ok(json!({
            "alert": format!("{}.{}", known.entry, known.place),
            "budget": key.budget,
            "measure": key.measure,
            "subject": subject,
            "period": crate::control::period::label(budget.per, wording::period(&known.alert, budget)),
            "first_day": key.first_day.to_string(),
            "last_day": key.last_day.to_string(),
            "threshold": part.to_string().trim_end_matches('%'),
            "used": figure,
            "limit": key.stated,
            "unit": if key.measure == "amount" { self.settings().currency.code() } else { &key.measure },
            "percent": wording::percent(&known.alert),
            "enforce": budget.enforce.name(),
            "say": say,
            "ledger_head": format!("{seen} {}", hex(&snapshot.hash_of(*seen)?)),
        }))
    }
}

/// The first digits of a hash.
fn short(hash: &[u8; 32]) -> String {
    hex(hash.get(..4).unwrap_or_default())
}

/// Sends a message. An error is in words, without anything secret.
fn send(message: &Message, secrets: &dyn Secrets, now: Timestamp) -> Result<Verdict, String> {
    let channel = &message.channel;
    match &channel.kind {
        ChannelKind::Command { command: program, to } => {
            let mail = bodies::mail(to.as_deref(), &bodies::for_people(&message.told));
            let path = secrets.variable("PATH");
            Ok(match command::run(program, path.as_deref(), &mail) {
                Ok(()) => Verdict::Taken,
                Err(why) => Verdict::Failed { why, wait: None },
            })
        }
        ChannelKind::Chat(chat) => {
            let mut url = found(channel.url.as_ref(), secrets, "the address")?;
            if *chat == Chat::Dingtalk
                && let Some(secret) = &channel.secret
            {
                let secret = found(Some(secret), secrets, "the secret")?;
                let millis = now.nanos().div_euclid(1_000_000);
                let signed = signature::dingtalk(&secret, millis).map_err(|error| format!("the secret {error}"))?;
                let separator = if url.contains('?') { '&' } else { '?' };
                url = format!("{url}{separator}{signed}");
            }
            let body = bodies::chat(*chat, &bodies::text(&bodies::for_people(&message.told))).to_string();
            post(&url, channel, &[], &body, Some(*chat))
        }
        ChannelKind::Json { url } => {
            let url = match url {
                Some(url) => url.clone(),
                None => found(channel.url.as_ref(), secrets, "the address")?,
            };
            let body = json!({
                "type": "budget.threshold_reached",
                "timestamp": message.at.to_string(),
                "data": message.data,
            });
            let (body, seconds) = (body.to_string(), now.seconds());
            let mut headers = vec![("webhook-id", message.id.clone()), ("webhook-timestamp", seconds.to_string())];
            if let Some(secret) = &channel.secret {
                let secret = found(Some(secret), secrets, "the secret")?;
                let signed = signature::webhook(&secret, &message.id, seconds, &body);
                headers.push(("webhook-signature", signed.map_err(|error| format!("the secret {error}"))?));
            }
            post(&url, channel, &headers, &body, None)
        }
    }
}

fn post(
    url: &str,
    channel: &Channel,
    headers: &[(&str, String)],
    body: &str,
    chat: Option<Chat>,
) -> Result<Verdict, String> {
    let target = target(url, &channel.allow).map_err(|error: AddressError| format!("the address {error}"))?;
    let answer = crate::deliver::post(&target, headers, body).map_err(|why| format!("{target}: {why}"))?;
    Ok(match bodies::verdict(chat, &answer) {
        Verdict::Failed { why, wait } => Verdict::Failed { why: format!("{target}: {why}"), wait },
        verdict => verdict,
    })
}

/// A secret from where the policy says that it is.
fn found(secret: Option<&Secret>, secrets: &dyn Secrets, what: &str) -> Result<String, String> {
    let text = match secret {
        None => return Err(format!("the policy does not say where {what} is")),
        Some(Secret::Variable(name)) => {
            secrets.variable(name).ok_or_else(|| format!("the variable {name} is not set, which has {what}"))?
        }
        Some(Secret::File(path)) => std::fs::read_to_string(path)
            .map_err(|error| format!("the file {path}, which has {what}: {}", error.kind()))?,
    };
    let text = text.trim().to_owned();
    if text.is_empty() { Err(format!("{what} is empty")) } else { Ok(text) }
}
