//! tokenbook: the books for a company's LLM tokens.
pub mod aggregate;
pub mod books;
pub mod domain;
pub mod import;
pub mod ledger;
pub mod price;
pub mod rating;
pub mod render;
pub mod report;
pub mod sheet;
pub mod text;
