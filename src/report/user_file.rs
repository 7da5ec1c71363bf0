//! The user's files that some reports need. This module reads them, so that the command line and programs treat them alike.

use crate::domain::currency::Currency;
use crate::report::roi::BenefitList;
use crate::report::savings::Offers;
use crate::text::problem::Problem;

/// A kind of file that a report needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// Benefits and costs, a CSV.
    Benefits,
    /// Offers, a TOML file.
    Offers,
}

impl FileKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Benefits, Self::Offers];

    /// The option that names such a file, without its dashes. It is also the role of the file in a manifest.
    pub const fn option(self) -> &'static str {
        match self {
            Self::Benefits => "roi",
            Self::Offers => "offers",
        }
    }

    /// What such a file has, in words.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Benefits => "a list of benefits and costs",
            Self::Offers => "a file of offers",
        }
    }

    /// Reads a file of this kind, with amounts in the ledger's currency.
    pub fn read(self, bytes: &[u8], currency: Currency) -> Result<UserFile, Vec<Problem>> {
        match self {
            Self::Benefits => BenefitList::read(bytes, currency).map(UserFile::Benefits),
            Self::Offers => {
                let not_utf8 = |_| vec![Problem::line("the file is not UTF-8", "TOML text")];
                let text = std::str::from_utf8(bytes).map_err(not_utf8)?;
                Offers::read(text, currency).map(UserFile::Offers)
            }
        }
    }
}

/// A file that was read for a report.
#[derive(Debug, Clone)]
pub enum UserFile {
    /// Benefits and costs.
    Benefits(BenefitList),
    /// Offers.
    Offers(Offers),
}

impl UserFile {
    /// The file's kind.
    pub const fn kind(&self) -> FileKind {
        match self {
            Self::Benefits(_) => FileKind::Benefits,
            Self::Offers(_) => FileKind::Offers,
        }
    }
}
