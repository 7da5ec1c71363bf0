//! A user's own table of columns: which column or path of a file means which field.

/// A map of columns.
#[derive(Debug, Clone)]
pub struct ColumnMap {
    digest: String,
}

impl ColumnMap {
    /// The digest of the map's text: an import made with another map is another reading.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}
