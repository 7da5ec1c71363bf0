//! `tokenbook imports`.

use crate::desk::{Desk, HEADER, Outcome, usage};

#[test]
fn a_list_names_each_import_by_its_entry() -> Outcome {
    let desk = Desk::new()?;
    desk.write("a.csv", usage(0, 3))?;
    desk.write("b.csv", format!("{HEADER}\nx,2026-11-05T10:00:00Z,m,Legal,1,1\ny,bad,m,Legal,1,1\n"))?;
    assert_eq!(desk.print(&["imports", "list", "--format", "csv"])?.lines().count(), 1);
    desk.run(&["import", "a.csv"])?.ends(0)?;
    desk.run(&["import", "b.csv", "--quarantine", "--source", "gateway"])?.ends(4)?;
    let list = desk.print(&["imports", "list", "--format", "csv"])?;
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0][..6], ["entry", "imported_at", "actor", "source", "file", "format"]);
    let first = ["tester", "default", "a.csv", "csv", "4", "3", "0", "0", "2026-10-01", "2026-10-03", "", ""];
    assert_eq!(rows[1][2..], first);
    assert_eq!((rows[1][0], rows[2][0]), ("2", "3"));
    assert_eq!(rows[2][2..12], ["tester", "gateway", "b.csv", "csv", "3", "1", "0", "1", "2026-11-05", "2026-11-05"]);
    Ok(())
}

#[test]
fn a_tag_that_is_nearly_one_that_says_who_pays_is_refused() -> Outcome {
    let desk = Desk::new()?;
    desk.write("a.csv", usage(0, 3))?;
    for (tag, known) in [
        ("departmnt=Legal", "department"),
        ("Department=Legal", "department"),
        ("projects=x", "project"),
        ("enviroment=prod", "environment"),
    ] {
        let says = format!("is not \"{known}\", expected that or another word");
        desk.run(&["import", "a.csv", "--tag", tag])?.ends(2)?.says(&says)?.says(&format!("write --tag {known}=…"))?;
        desk.run(&["rules", "test", "--tag", tag])?.ends(2)?.says(&says)?;
    }
    for tag in ["department=Legal", "product=x", "team=y", "env=prod"] {
        desk.run(&["import", "a.csv", "--dry-run", "--tag", tag])?.ends(0)?;
    }
    Ok(())
}
