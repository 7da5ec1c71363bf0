//! The guard file: another file with its name is refused and not touched.

use super::deliver::{JSON, Receiver, TAKEN, at, deliver, raised, variables};
use crate::desk::{Desk, Outcome};
use tokenbook::Books;

#[test]
fn a_file_that_is_no_guard_file_is_not_touched() -> Outcome {
    let receiver = Receiver::saying(TAKEN)?;
    let desk = raised(JSON, receiver.port)?;
    let guard = format!("{}.guard", desk.ledger().display());
    let other = Desk::new()?;
    for (bytes, says) in [
        (b"notes of mine".to_vec(), "is too short to be a database"),
        (std::fs::read(other.ledger())?, "another program made it"),
    ] {
        std::fs::write(&guard, &bytes)?;
        let error =
            Books::read(&desk.ledger())?.deliver(&variables(receiver.port), at(1)?).err().ok_or("it was taken")?;
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(std::fs::read(&guard)?, bytes);
    }
    std::fs::remove_file(&guard)?;
    assert_eq!(deliver(&desk, &variables(receiver.port), 1)?.sent, 2);
    // Beside another ledger it is refused.
    std::fs::copy(&guard, format!("{}.guard", other.ledger().display()))?;
    let error = Books::read(&other.ledger())?.undelivered(at(1)?).err().ok_or("it was taken")?;
    assert!(error.to_string().contains("belongs to another ledger"), "{error}");
    Ok(())
}
