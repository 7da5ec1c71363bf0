//! A user's own map of columns: which column, or which path in JSON, is which field of tokenbook's.
//!
//! A map is TOML. An error in it, or in a record read through it, names the line of the map. A map defines what the
//! numbers of its source mean. tokenbook guesses nothing from the names of columns.

use crate::domain::calendar::Calendar;
use crate::domain::meter::{Meter, Side, Unit};
use crate::domain::name::TagValue;
use crate::domain::secret::find;
use crate::domain::tags::TagKey;
use crate::fault::Code;
use crate::import::record::field::Field;
use crate::text::problem::Problem;
use crate::text::table::decode;
use crate::text::toml_table::{Section, TomlValue};

/// The place of a value in a record.
#[derive(Debug, Clone)]
pub struct FieldPlace {
    /// A column's name, or a path of names with dots.
    pub path: String,
    /// The line of the map that names it.
    pub line: u64,
}

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    /// RFC 3339 with an offset.
    Rfc3339,
    /// A date and a time. If it has no offset, it is in the map's zone.
    Local,
    /// This many units a second since 1970. With 1, it may have decimals.
    Epoch(i64),
}

impl TimeForm {
    /// Its name in a map.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rfc3339 => "rfc3339",
            Self::Local => "local",
            Self::Epoch(1) => "seconds",
            Self::Epoch(1_000) => "milliseconds",
            Self::Epoch(1_000_000) => "microseconds",
            Self::Epoch(_) => "nanoseconds",
        }
    }
}

/// A quantity of a record.
#[derive(Debug, Clone)]
pub struct Quantity {
    /// The meter.
    pub meter: Meter,
    /// Its place.
    pub place: FieldPlace,
    /// The factor by which the column's numbers are multiplied.
    pub unit: i64,
}

/// A map of columns.
#[derive(Debug, Clone)]
pub struct ColumnMap {
    digest: String,
    /// The id: one place, or several that make a natural key.
    pub id: Vec<FieldPlace>,
    /// The time of the event.
    pub timestamp: FieldPlace,
    /// How the time is written.
    pub form: TimeForm,
    /// The zone of times without an offset.
    pub zone: Option<Calendar>,
    /// The model.
    pub model: Option<FieldPlace>,
    /// The provider.
    pub provider: Option<FieldPlace>,
    /// The tier.
    pub tier: Option<FieldPlace>,
    /// How the call ended.
    pub outcome: Option<FieldPlace>,
    /// Values for every record that does not state them itself: `model`, `provider`, `service_tier`, tags.
    pub constants: Vec<(String, String)>,
    /// Tags.
    pub tags: Vec<(String, FieldPlace)>,
    /// Quantities.
    pub quantities: Vec<Quantity>,
    /// The source's total of tokens.
    pub total: Option<FieldPlace>,
    /// Meters whose tokens the column of `input_tokens` includes.
    pub input_includes: Vec<Meter>,
    /// Meters whose tokens the column of `output_tokens` includes.
    pub output_includes: Vec<Meter>,
    /// Whether a record is a sum over several requests.
    pub bucket: bool,
    /// Whether a record may come again with larger counts.
    pub grows: bool,
    /// Whether `12.0` and `"12"` are numbers.
    pub loose: bool,
}

const SECTIONS: [&str; 10] = [
    "fields",
    "tags",
    "constants",
    "units",
    "time",
    "input_includes",
    "output_includes",
    "bucket",
    "grows",
    "loose_numbers",
];

impl ColumnMap {
    /// Reads a map.
    pub fn read(bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        let text = decode(bytes).map_err(|problem| vec![problem])?;
        // The ledger stores the whole text, including comments.
        if let Some(secret) = find(text) {
            let before = text.get(..secret.start).unwrap_or_default();
            let line = before.bytes().fold(1, |line, byte| line + u64::from(byte == b'\n'));
            let expected = "no secrets, because the ledger keeps the map for ever";
            return Err(vec![
                Problem::line("the map contains a value that looks like a secret (not shown)", expected).at(line),
            ]);
        }
        let document = Section::parse(text)?;
        let root = Section::of_document(text, document.get_ref());
        let unknown = root.unknown_keys(&SECTIONS);
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let digest = blake3::hash(bytes).to_hex().to_string();
        Self::of(&root, digest).map_err(|problem| vec![problem])
    }

    /// The digest of the map's text. Another map gives another reading of a file.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The fields with a column or a constant, without tags.
    pub fn field_names(&self) -> Vec<&str> {
        let mut names = vec!["event_id", "timestamp"];
        let texts = [
            ("model", &self.model),
            ("provider", &self.provider),
            ("service_tier", &self.tier),
            ("outcome", &self.outcome),
        ];
        for (name, place) in texts {
            if place.is_some() || self.constants.iter().any(|(constant, _)| constant == name) {
                names.push(name);
            }
        }
        names.extend(self.quantities.iter().map(|quantity| quantity.meter.field()));
        names.extend(self.total.as_ref().map(|_| "total_tokens"));
        names
    }

    fn of(root: &Section<'_>, digest: String) -> Result<Self, Problem> {
        let fields = root.table("fields")?.ok_or_else(|| {
            root.problem("fields", "is missing", "[fields] with event_id, timestamp, model and meters")
        })?;
        let (form, zone) = time(root)?;
        let flag = |value: &TomlValue<'_>| value.flag();
        let mut map = Self {
            digest,
            id: fields.required("event_id", "a column, or a list of columns that identify a record", |value| {
                Ok(value.texts()?.into_iter().map(|path| place(value, path)).collect())
            })?,
            timestamp: fields.required("timestamp", "a column", |value| Ok(place(value, value.text()?)))?,
            form,
            zone,
            model: None,
            provider: None,
            tier: None,
            outcome: None,
            constants: constants(root)?,
            tags: Vec::new(),
            quantities: Vec::new(),
            total: None,
            input_includes: included(root, "input_includes", Side::Prompt)?,
            output_includes: included(root, "output_includes", Side::Answer)?,
            bucket: root.optional("bucket", flag)?.unwrap_or(false),
            grows: root.optional("grows", flag)?.unwrap_or(false),
            loose: root.optional("loose_numbers", flag)?.unwrap_or(false),
        };
        for (name, field, place) in fields.entries(field)? {
            match field {
                Field::Id | Field::Timestamp => {}
                Field::Model => map.model = Some(place),
                Field::Provider => map.provider = Some(place),
                Field::Tier => map.tier = Some(place),
                Field::Outcome => map.outcome = Some(place),
                Field::Total => map.total = Some(place),
                Field::Tag(_) => map.tags.push((name, place)),
                Field::Meter(meter) => map.quantities.push(Quantity { meter, place, unit: 1 }),
            }
        }
        if let Some(tags) = root.table("tags")? {
            map.tags.extend(tags.entries(|key, value| Ok((tag_key(key, value)?, place(value, value.text()?))))?);
        }
        map.take_units(root)?;
        map.check(&fields)?;
        Ok(map)
    }

    fn take_units(&mut self, root: &Section<'_>) -> Result<(), Problem> {
        let Some(units) = root.table("units")? else { return Ok(()) };
        let read = |key: &str, value: &TomlValue<'_>| {
            let unit = value.number()?.parse::<i64>().ok().filter(|unit| (1..=1_000_000_000).contains(unit));
            let unit = unit.ok_or_else(|| {
                value.problem("is not a unit", "how many tokens one unit of the column is, such as 1000")
            })?;
            Ok((key.to_owned(), unit, value.key_problem("is not a meter of [fields]", "one that has a column there")))
        };
        for (name, unit, problem) in units.entries(read)? {
            let known = self.quantities.iter_mut().find(|quantity| quantity.meter.field() == name);
            known.ok_or(problem)?.unit = unit;
        }
        Ok(())
    }

    fn check(&self, fields: &Section<'_>) -> Result<(), Problem> {
        if self.quantities.is_empty() {
            return Err(fields.whole("has no meter", "at least one, such as input_tokens"));
        }
        if self.model.is_none() && !self.constants.iter().any(|(name, _)| name == "model") {
            return Err(fields.problem("model", "is missing", "a column, or model in [constants]"));
        }
        for (list, whole) in [(&self.input_includes, Meter::Input), (&self.output_includes, Meter::Output)] {
            if !list.is_empty() && !self.quantities.iter().any(|quantity| quantity.meter == whole) {
                return Err(fields.problem(whole.field(), "is missing", "the column that includes others"));
            }
        }
        Ok(())
    }
}

fn place(value: &TomlValue<'_>, path: &str) -> FieldPlace {
    FieldPlace { path: path.to_owned(), line: value.line() }
}

/// A field of tokenbook's, with its place.
fn field(name: &str, value: &TomlValue<'_>) -> Result<(String, Field, FieldPlace), Problem> {
    let known =
        Field::named(name).filter(|field| !matches!(field, Field::Tag(_)) || TagKey::OWN_FIELDS.contains(&name));
    let field = known.ok_or_else(|| {
        let meant = crate::import::record::field::meant(name);
        let code = if meant.is_some() { Code::FieldMisspelt } else { Code::FieldUnknown };
        let all = "event_id, timestamp, model, a meter such as input_tokens, or another field; tags stand in [tags]";
        value.key_problem("is not a field", meant.unwrap_or(all)).coded(code)
    })?;
    let path = if field == Field::Id { "" } else { value.text()? };
    Ok((name.to_owned(), field, place(value, path)))
}

fn tag_key(key: &str, value: &TomlValue<'_>) -> Result<String, Problem> {
    TagKey::new(key).map_err(|error| value.key_problem(error, "a key such as team"))?;
    Ok(key.to_owned())
}

fn constants(root: &Section<'_>) -> Result<Vec<(String, String)>, Problem> {
    let Some(constants) = root.table("constants")? else { return Ok(Vec::new()) };
    constants.entries(|key, value| {
        let text = value.text()?;
        TagValue::new(text).map_err(|error| value.problem(error, "a name"))?;
        match key {
            "model" | "provider" | "service_tier" => {}
            _ => drop(tag_key(key, value)?),
        }
        Ok((key.to_owned(), text.to_owned()))
    })
}

fn time(root: &Section<'_>) -> Result<(TimeForm, Option<Calendar>), Problem> {
    let Some(time) = root.table("time")? else { return Ok((TimeForm::Rfc3339, None)) };
    time.no_unknown_keys(&["format", "zone"])?;
    let form =
        time.required("format", "rfc3339, local, seconds, milliseconds, microseconds or nanoseconds", |value| {
            Ok(match value.text()? {
                "rfc3339" => TimeForm::Rfc3339,
                "local" => TimeForm::Local,
                "seconds" => TimeForm::Epoch(1),
                "milliseconds" => TimeForm::Epoch(1_000),
                "microseconds" => TimeForm::Epoch(1_000_000),
                "nanoseconds" => TimeForm::Epoch(1_000_000_000),
                _ => {
                    let forms = "rfc3339, local, seconds, milliseconds, microseconds or nanoseconds";
                    return Err(value.problem("is not a form of times", forms));
                }
            })
        })?;
    let zone = time.optional("zone", |value| {
        Calendar::of_zone(value.text()?).map_err(|error| value.problem(error, "a zone such as Europe/Berlin"))
    })?;
    match (form, zone) {
        (TimeForm::Local, None) => Err(time.problem("zone", "is missing", "the zone of local times, such as UTC")),
        (TimeForm::Rfc3339 | TimeForm::Epoch(_), Some(_)) => {
            Err(time.problem("zone", "has no meaning here", "format = \"local\", or no zone"))
        }
        told => Ok(told),
    }
}

fn included(root: &Section<'_>, key: &str, side: Side) -> Result<Vec<Meter>, Problem> {
    let read = |value: &TomlValue<'_>| {
        let meter = |name: &str| {
            let meter = Meter::from_field(name).filter(|meter| meter.side() == side && meter.unit() == Unit::Tokens);
            meter.filter(|meter| !matches!(meter, Meter::Input | Meter::Output)).ok_or_else(|| {
                let expected = "meters of that side, such as cache_read_tokens or reasoning_tokens";
                value.key_problem(format!("{name} is not a part of it"), expected)
            })
        };
        value.texts()?.into_iter().map(meter).collect()
    };
    Ok(root.optional(key, read)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let problems = ColumnMap::read(text.as_bytes()).map(|_| ()).err().unwrap_or_default();
        problems
            .iter()
            .map(|problem| Problem { column: 0, ..problem.clone() }.in_file("m"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn a_map_is_refused_with_its_line() {
        let fields = "[fields]\nevent_id = \"i\"\ntimestamp = \"t\"\nmodel = \"m\"\ninput_tokens = \"p\"\n";
        assert_eq!(problem(fields), "");
        let cases = [
            ("[fields]\nevent_id = \"i\"\n", "m:1: fields: timestamp: is missing, expected a column"),
            (
                &format!("{fields}input_token = \"x\"\n"),
                "m:6: fields: input_token: is not a field, expected input_tokens",
            ),
            (&format!("{fields}colour = \"x\"\n"), "m:6: fields: colour: is not a field"),
            (&format!("{fields}[times]\n"), "m:6: \"times\" is not a key, expected time"),
            (
                &format!("{fields}[time]\nformat = \"local\"\n"),
                "time: zone: is missing, expected the zone of local times",
            ),
            (&format!("{fields}[time]\nformat = \"days\"\n"), "m:7: time: format: \"days\" is not a form of times"),
            (
                &format!("{fields}[units]\noutput_tokens = 1000\n"),
                "m:7: units: output_tokens: is not a meter of [fields]",
            ),
            (&format!("{fields}[units]\ninput_tokens = 0\n"), "m:7: units: input_tokens: 0 is not a unit"),
            (
                &format!("input_includes = [\"reasoning_tokens\"]\n{fields}"),
                "m:1: input_includes: reasoning_tokens is not a part",
            ),
            (&format!("output_includes = [\"reasoning_tokens\"]\n{fields}"), "output_tokens: is missing"),
            ("[fields]\nevent_id = \"i\"\ntimestamp = \"t\"\nmodel = \"m\"\n", "fields: has no meter"),
            (&format!("{fields}[constants]\nkey = \"sk-live-0123456789abcdef0123456789\"\n"), "looks like a secret"),
        ];
        for (text, says) in cases {
            let said = problem(text);
            assert!(said.contains(says), "expected {says}, said {said}");
        }
    }
}
