//! Conflicts as a user reads them: an id of the ledger that comes with other content, and what to do about it.

use tokenbook::ledger::append::conflict::{Compared, Conflict, Difference, Why};

/// One conflict in words.
pub fn described(file: &str, conflict: &Conflict) -> String {
    let Conflict { line, id, why, .. } = conflict;
    let places =
        conflict.stored.iter().map(|place| format!("{}:{}", place.file.as_deref().unwrap_or(file), place.line));
    let stored = places.collect::<Vec<_>>().join(", then ");
    let what = match why {
        Why::MoreAndLess => format!("has some counts larger and some smaller than in the ledger ({stored})"),
        Why::Twice => format!("stands in the file twice, with different counts (in the ledger from {stored})"),
        _ => format!("is already the id of another event ({stored})"),
    };
    let differences: Vec<String> = conflict.differences.iter().map(ToString::to_string).collect();
    format!("{file}:{line}: event_id: \"{id}\" {what}: {}", differences.join("; "))
}

/// Whether all conflicts have nothing but such differences.
fn only(conflicts: &[Conflict], is_such: impl Fn(&Difference) -> bool) -> bool {
    conflicts.iter().all(|conflict| !conflict.differences.is_empty() && conflict.differences.iter().all(&is_such))
}

/// What to do about conflicts of one file. Records of a `cumulative` format may come again with larger counts.
pub fn hint(conflicts: &[Conflict], cumulative: bool) -> &'static str {
    if only(conflicts, |difference| difference.compared == Compared::Provider && difference.stored.is_none()) {
        return "the ledger keeps these events without a provider, and only prices without a provider apply to them; to \
                record the provider, run `tokenbook imports retract` on the earlier import, then import again";
    }
    if only(conflicts, |difference| matches!(difference.compared, Compared::Tags | Compared::Provider)) {
        return "the same events came before with other tags or another provider, for example through another --tag or \
                --provider; to replace them, run `tokenbook imports retract` on the earlier import (`tokenbook imports \
                list` shows its number), then import again";
    }
    if cumulative {
        return "a record of this format may come again with larger counts; this one has some counts larger and some \
                smaller, stands twice in a file, or has another model, tier, tag or day; check the export, or retract the \
                earlier import with `tokenbook imports retract` and import again";
    }
    "an id identifies one event: correct the file; or, if the earlier import was wrong, retract it with `tokenbook \
     imports retract` and import again; or, if another system issues these ids, give it its own --source"
}
