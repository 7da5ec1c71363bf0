//! tokenbook: the books for a company's LLM tokens.
pub mod domain;
pub mod import;
pub mod price;
pub mod rating;
pub mod sheet;
pub mod text;
