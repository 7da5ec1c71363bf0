//! One name for each provider, whatever a catalogue calls it.
//!
//! The names are those that tokenbook's own price lists use. A provider that is missing from the table keeps the
//! catalogue's name. The import lists it, so that you can check whether your usage has the same name. Sellers of other
//! companies' models stay separate from the makers, because their prices differ.

/// tokenbook's name first, then the names in catalogues.
const PROVIDERS: [(&str, &[&str]); 26] = [
    ("anthropic", &[]),
    ("azure", &["azure_text", "azure-openai"]),
    ("azure_ai", &["azure-ai", "azure-cognitive-services"]),
    ("bedrock", &["bedrock_converse", "aws", "amazon-bedrock"]),
    ("cerebras", &[]),
    ("cohere", &["cohere_chat"]),
    ("databricks", &[]),
    ("deepinfra", &[]),
    ("deepseek", &[]),
    ("fireworks", &["fireworks_ai", "fireworks_ai-embedding-models", "fireworks-ai"]),
    ("google", &["gemini"]),
    ("groq", &[]),
    ("minimax", &[]),
    ("mistral", &[]),
    ("moonshotai", &["moonshot"]),
    ("nebius", &[]),
    ("novita", &["novita-ai"]),
    ("openai", &["text-completion-openai"]),
    ("openrouter", &[]),
    ("perplexity", &[]),
    ("replicate", &[]),
    ("together", &["together_ai", "togetherai"]),
    ("vertex_ai", &["google-vertex", "google-vertex-anthropic"]),
    ("voyageai", &["voyage"]),
    ("xai", &["x-ai"]),
    ("zai", &["z-ai"]),
];

/// tokenbook's name of a provider, and whether the table has it.
pub fn ours(theirs: &str) -> (&str, bool) {
    // LiteLLM splits one seller by the maker of the model: vertex_ai-anthropic_models.
    if theirs.starts_with("vertex_ai-") {
        return ("vertex_ai", true);
    }
    let known = PROVIDERS.iter().find(|(ours, others)| *ours == theirs || others.contains(&theirs));
    known.map_or((theirs, false), |(ours, _)| (*ours, true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_name_leads_to_one_provider() {
        let names = || PROVIDERS.iter().flat_map(|(ours, others)| std::iter::once(ours).chain(*others));
        assert_eq!(names().collect::<BTreeSet<_>>().len(), names().count());
        assert_eq!(ours("vertex_ai-anthropic_models"), ("vertex_ai", true));
        assert_eq!(ours("moonshot"), ("moonshotai", true));
        assert_eq!(ours("acme"), ("acme", false));
    }
}
