//! The name of a cost format on the first line, then a provider's cost report. All options that supply missing fields
//! are set.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use tokenbook::import::costs::{CostReport, named, read};
use tokenbook_fuzz::{all_said, first_line, now};

fuzz_target!(|bytes: &[u8]| {
    let Some((name, file)) = first_line(bytes) else { return };
    let Ok(text) = std::str::from_utf8(file) else { return };
    let Some(format) = named(name) else { return };
    // Detection from the content gives the same report, or a report in another format.
    if let Some(told) = judged(read(text, None, &all_said(), now())) {
        let by_name = read(text, Some(told.format), &all_said(), now()).expect("what was read is read again");
        assert_eq!((&by_name.costs, by_name.empty), (&told.costs, told.empty));
    }
    judged(read(text, Some(format), &all_said(), now()));
});

/// The report, after checks: each cost has its own key and span, and an amount that can be added up.
fn judged(report: Result<CostReport, Vec<tokenbook::text::problem::Problem>>) -> Option<CostReport> {
    match report {
        Ok(report) => {
            assert!(!report.costs.is_empty() || report.empty > 0, "nothing was read");
            let keys: BTreeSet<&str> = report.costs.iter().map(|cost| cost.key.as_str()).collect();
            assert_eq!(keys.len(), report.costs.len(), "a key stands twice");
            for cost in &report.costs {
                assert!(cost.line > 0 && cost.from < cost.until && cost.from <= now(), "{cost:?}");
                assert!(cost.amount.amount().is_some(), "{cost:?}");
                assert!(!cost.key.chars().any(char::is_control) && cost.key.len() <= 256, "{cost:?}");
            }
            Some(report)
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(!problem.what.is_empty() && !problem.expected.is_empty(), "{problem:?}");
                let said = problem.in_file("f");
                assert!(!said.chars().any(char::is_control), "{said:?} would act on a terminal");
            }
            None
        }
    }
}
