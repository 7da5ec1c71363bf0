//! The names of an import, as its events need them.

use super::Appender;
use crate::ledger::Result;
use crate::ledger::append::summarise::NewClass;
use crate::rows::batch::{NameCounts, Names};
use crate::rows::canonical;

impl Appender<'_> {
    /// How many names have numbers.
    pub fn named(&self) -> NameCounts {
        self.numbers.counts()
    }

    /// Gives numbers to names, those after the ones that have them, and notes the classes for the summariser. To be told the
    /// names of a batch before it is placed.
    pub fn new_names(&mut self, names: &Names) -> Result<()> {
        self.numbers.extend(self.connection, self.source, names)?;
        self.models.extend(names.models.iter().map(|model| model.name.to_string()));
        for class in &names.classes {
            let (model, tier, tags) = self.numbers.of_class(*class)?;
            let place = usize::try_from(class.model).unwrap_or(usize::MAX);
            let name = self.models.get(place).map_or("", String::as_str);
            self.untold.push(NewClass {
                model: model.0,
                tier: tier.0,
                tag_set: tags.0,
                prompt: class.prompt,
                form: canonical::class(&model.1, &tier.1, &tags.1, (class.prompt, class.outcome)),
                thresholds: self.thresholds.get(name).cloned().unwrap_or_default(),
            });
            self.classes.push(*class);
        }
        Ok(())
    }
}
