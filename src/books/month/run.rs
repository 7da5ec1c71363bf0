//! The steps of a month end, in the only order that is right: departments and rules before usage, since they decide what
//! is warned of; prices before aliases, which name them; usage; and the reports once every file is imported.

use crate::books::month::month_end::{MonthEnd, Reports, read};
use crate::books::setup::aliases::AliasesImported;
use crate::books::setup::rules::RulesImported;
use crate::books::usage::import::{ImportError, ImportOutcome};
use crate::books::{Act, Books, BooksError, Observer};
use crate::fault::Code;
use crate::import::file::input::Input;
use crate::ledger::LedgerError;
use crate::ledger::facts::departments::DepartmentsAppended;
use crate::ledger::facts::prices::PricesAppended;

/// A month end in progress. Each call of [`MonthRun::step`] does the next step, so that the caller can report
/// what was done.
#[derive(Debug)]
pub struct MonthRun<'a> {
    books: &'a Books,
    inputs: &'a MonthEnd,
    act: Act<'a>,
    next: Next,
    imported: Vec<ImportOutcome>,
    rejected: Vec<String>,
    /// The code of the worst rejection.
    worst: Option<Code>,
}

/// The step that comes next.
#[derive(Debug, Clone, Copy)]
enum Next {
    Departments,
    Rules,
    Prices,
    Aliases,
    /// A usage file, by its place in the list.
    Usage(usize),
    Reports,
}

/// What a step did.
#[derive(Debug)]
pub enum Step {
    /// It imported departments.
    Departments(DepartmentsAppended),
    /// It imported rules.
    Rules(RulesImported),
    /// It imported prices.
    Prices(PricesAppended),
    /// It imported aliases.
    Aliases(AliasesImported),
    /// It imported a usage file, or rejected it. The other files are imported all the same.
    Usage(Input, Box<Result<ImportOutcome, ImportError>>),
    /// It wrote the reports: the last step.
    Reports(Box<Reports>),
}

impl Books {
    /// Begins a month end, once its inputs are checked. Nothing is imported yet.
    pub fn month_run<'a>(&'a self, inputs: &'a MonthEnd, act: Act<'a>) -> Result<MonthRun<'a>, BooksError> {
        self.check_inputs(inputs)?;
        let next = Next::Departments;
        Ok(MonthRun { books: self, inputs, act, next, imported: Vec::new(), rejected: Vec::new(), worst: None })
    }

    /// Does a whole month end. A usage file that is rejected is an error, after all others were imported.
    pub fn month_end(&self, inputs: &MonthEnd, act: Act<'_>, observer: &dyn Observer) -> Result<Reports, BooksError> {
        let mut run = self.month_run(inputs, act)?;
        loop {
            if let Step::Reports(reports) = run.step(observer)? {
                return Ok(*reports);
            }
        }
    }
}

impl MonthRun<'_> {
    /// Does the next step. After an error, the same step comes again. The last step writes the reports; calling it again
    /// writes them again.
    pub fn step(&mut self, observer: &dyn Observer) -> Result<Step, BooksError> {
        loop {
            let done = self.done(observer)?;
            self.next = self.after(self.next);
            if let Some(step) = done {
                return Ok(step);
            }
        }
    }

    /// What the next step did; `None` if there is nothing to do in it.
    fn done(&mut self, observer: &dyn Observer) -> Result<Option<Step>, BooksError> {
        let (books, inputs, act) = (self.books, self.inputs, self.act);
        Ok(match self.next {
            Next::Departments => match &inputs.departments {
                None => None,
                Some(path) => {
                    let name = path.display().to_string();
                    Some(Step::Departments(books.import_departments(&name, &read(path)?, act, observer)?))
                }
            },
            Next::Rules => match &inputs.rules {
                None => None,
                Some(path) => {
                    let (name, from) = (path.display().to_string(), Some(inputs.month.first()));
                    Some(Step::Rules(books.import_rules(&name, &read(path)?, from, act, observer)?))
                }
            },
            Next::Prices => {
                let (name, bytes) = (inputs.prices.display().to_string(), read(&inputs.prices)?);
                Some(Step::Prices(books.import_prices(&name, &bytes, None, inputs.jumps, act, observer)?))
            }
            Next::Aliases => match &inputs.aliases {
                None => None,
                Some(path) => {
                    let name = path.display().to_string();
                    Some(Step::Aliases(books.import_aliases(&name, &read(path)?, act, observer)?))
                }
            },
            Next::Usage(place) => match inputs.usage.get(place) {
                None => None,
                Some(path) => Some(self.usage(Input::File(path.clone()), observer)?),
            },
            Next::Reports => Some(self.reports(observer)?),
        })
    }

    fn after(&self, next: Next) -> Next {
        match next {
            Next::Departments => Next::Rules,
            Next::Rules => Next::Prices,
            Next::Prices => Next::Aliases,
            Next::Aliases => Next::Usage(0),
            Next::Usage(place) if place < self.inputs.usage.len() => Next::Usage(place.saturating_add(1)),
            Next::Usage(_) | Next::Reports => Next::Reports,
        }
    }

    fn usage(&mut self, input: Input, observer: &dyn Observer) -> Result<Step, BooksError> {
        let result = self.books.import(&input, &self.inputs.import, self.act, observer);
        match &result {
            Err(ImportError::Ledger(LedgerError::Stopped)) => {
                return Err(LedgerError::Stopped.into());
            }
            Err(error) => {
                self.rejected.push(error.to_string());
                self.worst = Some(self.worst.map_or(error.code(), |worst| worst.or_worse(error.code())));
            }
            Ok(outcome) => self.imported.push(outcome.clone()),
        }
        Ok(Step::Usage(input, Box::new(result)))
    }

    fn reports(&self, observer: &dyn Observer) -> Result<Step, BooksError> {
        if let Some(code) = self.worst {
            let (rejected, files) = (self.rejected.clone(), self.inputs.usage.len());
            return Err(BooksError::UsageRejected { rejected, files, code });
        }
        let reports = self.books.report_month(self.inputs, &self.imported, self.act, observer)?;
        Ok(Step::Reports(Box::new(reports)))
    }
}
