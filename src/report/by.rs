//! The dimensions that can group a report, and the names of groups.

use crate::domain::calendar::Day;
use crate::domain::meter::Meter;
use crate::domain::name::{NONE, UNALLOCATED};
use crate::domain::period;
use crate::domain::tags::TagKey;
use crate::domain::usage::Dictionary;
use crate::sheet::{Cell, Column, ColumnKind};
use std::borrow::Cow;

/// One dimension of `--by`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dimension {
    /// The department that pays.
    Department,
    /// The cost centre of the department that pays, from the registry.
    CostCentre,
    /// The project tag.
    Project,
    /// The environment tag.
    Environment,
    /// The provider of the model.
    Provider,
    /// The model.
    Model,
    /// The kind of usage. Each row shows one quantity.
    Meter,
    /// The billing day.
    Day,
    /// Any other tag.
    Tag(TagKey),
}

/// A word of `--by` that is not a dimension.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a dimension, expected department, cost_centre, project, environment, provider, model, meter, day or tag.KEY"
)]
pub struct NotADimension(String);

impl Dimension {
    /// Reads the words of `--by department,model`.
    pub fn list(text: &str) -> Result<Vec<Self>, NotADimension> {
        let mut list: Vec<Self> = Vec::new();
        for word in text.split(',') {
            let dimension = Self::parse(word)?;
            if !list.contains(&dimension) {
                list.push(dimension);
            }
        }
        Ok(list)
    }

    fn parse(word: &str) -> Result<Self, NotADimension> {
        Ok(match word.trim() {
            "department" => Self::Department,
            "cost_centre" => Self::CostCentre,
            "project" => Self::Project,
            "environment" => Self::Environment,
            "provider" => Self::Provider,
            "model" => Self::Model,
            "meter" => Self::Meter,
            "day" => Self::Day,
            other => {
                let key = other.strip_prefix("tag.").and_then(|key| TagKey::new(key).ok());
                Self::Tag(key.ok_or_else(|| NotADimension(word.to_owned()))?)
            }
        })
    }

    /// Whether it depends only on the payer and on the model.
    pub const fn is_of_payer_or_model(&self) -> bool {
        !matches!(self, Self::Day | Self::Tag(_))
    }

    /// The name of the column.
    pub fn column(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Department => "department",
            Self::CostCentre => "cost_centre",
            Self::Project => "project",
            Self::Environment => "environment",
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Meter => "meter",
            Self::Day => "day",
            Self::Tag(key) => return Cow::Owned(format!("tag.{key}")),
        })
    }

    /// The column.
    pub(crate) fn as_column(&self) -> Column {
        let kind = if *self == Self::Day { ColumnKind::Day } else { ColumnKind::Text };
        Column::new(self.column(), kind)
    }

    /// The name of a group as a cell of the column.
    pub(crate) fn as_cell(&self, name: &str) -> Cell {
        match self {
            Self::Day => period::day(name).map_or_else(|_| Cell::text(name), Cell::Day),
            _ => Cell::text(name),
        }
    }

    /// Whether a group depends on the day, the tags, the model or the meter. The other parts need not be distinguished.
    pub(crate) fn of(&self) -> Of {
        match self {
            Self::Day => Of::Day,
            Self::Provider | Self::Model => Of::Model,
            Self::Department | Self::CostCentre | Self::Project | Self::Environment | Self::Tag(_) => Of::Tags,
            Self::Meter => Of::Meter,
        }
    }

    /// The name of the group of a place.
    pub(crate) fn value(&self, place: &Place, names: &Dictionary) -> String {
        let tag = |tag: &str, none: &str| {
            let value = names.tags(place.tag_set).and_then(|tags| tags.get(tag));
            value.unwrap_or(none).to_owned()
        };
        match self {
            Self::Department => tag(TagKey::DEPARTMENT, UNALLOCATED),
            Self::CostCentre => {
                let centre = names.cost_centres.get(&tag(TagKey::DEPARTMENT, UNALLOCATED));
                centre.cloned().unwrap_or_else(|| NONE.to_owned())
            }
            Self::Project => tag(TagKey::PROJECT, NONE),
            Self::Environment => tag(TagKey::ENVIRONMENT, NONE),
            Self::Tag(tag_key) => tag(tag_key.as_str(), NONE),
            Self::Provider => {
                let provider = names.models.get(&place.model).and_then(|model| model.provider.as_ref());
                provider.map_or_else(|| NONE.to_owned(), ToString::to_string)
            }
            Self::Model => {
                names.models.get(&place.model).map_or_else(|| NONE.to_owned(), |model| model.name.to_string())
            }
            Self::Day => Day::to_string(&place.day),
            Self::Meter => place.meter.map_or_else(String::new, |meter| meter.name().to_owned()),
        }
    }
}

/// The parts of usage that dimensions examine. If no dimension examines a part, it is the same for all places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) day: Day,
    pub(crate) model: i64,
    pub(crate) tag_set: i64,
    pub(crate) meter: Option<Meter>,
}

/// The part of a usage line that a dimension examines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Day,
    Model,
    Tags,
    Meter,
}
