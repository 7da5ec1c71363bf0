//! Other people's formats, a file each: how a vendor or a gateway spells usage, and what its numbers mean.
//!
//! Each states its source and the day it was read, which of its numbers include which, where the id and the time come
//! from, and what a record cannot tell. The registry is [`crate::import::format`].

pub mod anthropic_messages;
pub mod anthropic_usage;
pub mod azure_apim;
pub mod bedrock_converse;
pub mod bedrock_logs;
pub mod bodies;
pub mod claude_code;
pub mod codex_cli;
pub mod cohere_chat;
pub mod deepseek;
pub mod gemini;
pub mod helicone;
pub mod langfuse;
pub mod litellm;
pub mod mapped;
pub mod openai_activity;
pub mod openai_chat;
pub mod openai_responses;
pub mod openai_usage;
pub mod openrouter;
pub mod openrouter_daily;
pub mod otlp;
pub mod vercel_gateway;
pub mod vertex_logs;
