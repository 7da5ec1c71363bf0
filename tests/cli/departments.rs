//! `tokenbook departments`: the registry, and the messages for names that it lacks.

use crate::desk::{Desk, HEADER, Outcome, PRICES, fixture, rows, text};

fn registered() -> Outcome<Desk> {
    let desk = Desk::new()?;
    desk.run(&["departments", "import", text(&fixture("rules/departments.csv"))?])?
        .ends(0)?
        .says("5 departments added, 0 replaced, 0 unchanged")?;
    Ok(desk)
}

#[test]
fn the_registry_is_listed_as_it_was_imported() -> Outcome {
    let desk = registered()?;
    let listed = desk.print(&["departments", "list", "--format", "csv"])?;
    assert_eq!(listed, std::fs::read_to_string(fixture("rules/departments.csv"))?);
    let head = desk.head()?;
    desk.write("again.csv", listed)?;
    desk.run(&["departments", "import", "again.csv"])?.ends(0)?.says("0 departments added, 0 replaced, 5 unchanged")?;
    assert_eq!(desk.head()?, head, "what is known already appends nothing");
    desk.write("later.csv", "department,cost_centre\nFinance,1201\nNew,9000\n")?;
    desk.run(&["departments", "import", "later.csv"])?.ends(0)?.says("1 department added, 1 replaced, 0 unchanged")?;
    let listed = rows(&desk.print(&["departments", "list", "--format", "csv"])?)?;
    let centre = |name: &str| listed.iter().find(|row| row["department"] == name).map(|row| row["cost_centre"].clone());
    assert_eq!((centre("Finance"), centre("New"), listed.len()), (Some("1201".into()), Some("9000".into()), 6));
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn names_that_are_not_registered_are_warned_about_or_refused() -> Outcome {
    let desk = registered()?;
    // Another letter case, and a Cyrillic letter.
    for (number, name, meant) in
        [(1, "finance", "\"Finance\""), (2, "F\u{456}nance", "\"Finance\""), (3, "Lgal", "\"Legal\"")]
    {
        let file = format!("{number}.csv");
        desk.write(&file, format!("{HEADER}\ne{number},2026-10-05T10:00:00Z,m,{name},1,1\n"))?;
        let says = format!("is not in the registry of departments, expected {meant}");
        desk.run(&["import", &file, "--strict-departments"])?
            .ends(3)?
            .says(&says)?
            .says("1 department is not in the registry, nothing of it was imported")?
            .says("hint: ")?;
        assert_eq!(desk.events()?, number - 1, "nothing of a refused file is kept");
        desk.run(&["import", &file])?.ends(0)?.says(&format!("warning: {file}: department: "))?.says(&says)?;
    }
    desk.write("good.csv", format!("{HEADER}\ng,2026-10-05T10:00:00Z,m,Finance,1,1\n"))?;
    desk.run(&["import", "good.csv", "--strict-departments"])?.ends(0)?;
    desk.run(&["report", "summary", "--period", "2026-10"])?
        .ends(0)?
        .says("! 3 departments are not in the registry of departments: \"F\u{456}nance\", \"Lgal\", \"finance\"")?;
    Ok(())
}

#[test]
fn without_a_registry_every_name_is_one() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", format!("{HEADER}\ne,2026-10-05T10:00:00Z,m,Anything,1,1\n"))?;
    desk.run(&["import", "u.csv", "--strict-departments"])?.ends(0)?;
    desk.write("d.csv", "department\nanything\n")?;
    // If the registry comes later, its import names the departments that it lacks.
    desk.run(&["departments", "import", "d.csv"])?
        .ends(0)?
        .says("warning: used, but not in the registry: department: \"Anything\" is not in the registry")?;
    Ok(())
}

#[test]
fn rules_may_name_registered_departments_only() -> Outcome {
    let desk = registered()?;
    desk.write(
        "r.csv",
        "rule,key,value,department,weight\na,tag.team,x,finance,1/2\na,,,Legal,1/2\nb,tag.team,y,Legal,\n",
    )?;
    for command in ["import", "test"] {
        desk.run(&["rules", command, "r.csv"])?
            .ends(3)?
            .says("r.csv:2: department: \"finance\" is not in the registry of departments, expected \"Finance\"")?;
    }
    assert_eq!(desk.count("SELECT count(*) FROM rule_set")?, 0);
    Ok(())
}

#[test]
fn cost_centres_are_a_dimension_and_inactive_departments_a_caveat() -> Outcome {
    let desk = registered()?;
    desk.write("prices.csv", PRICES)?;
    desk.write(
        "u.csv",
        format!(
            "{HEADER}\n1,2026-10-05T10:00:00Z,m,Marketing,4000000,0\n2,2026-10-05T10:00:00Z,m,Finance,400000,0\n\
             3,2026-10-05T10:00:00Z,m,Sales,40000,0\n4,2026-09-05T10:00:00Z,m,Sales,40000,0\n"
        ),
    )?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let of = |by: &str| desk.print(&["report", "chargeback", "--period", "2026-10", "--by", by, "--format", "csv"]);
    let columns = |csv: &str| csv.lines().next().map(str::to_owned);
    assert_eq!(columns(&of("department")?), columns(&desk.chargeback()?), "no column of its own unless asked for");
    let found = rows(&of("cost_centre,department")?)?;
    let names: Vec<[&str; 3]> =
        found.iter().map(|row| ["cost_centre", "department", "amount"].map(|column| row[column].as_str())).collect();
    assert_eq!(names, [["1200", "Finance", "1.00"], ["2100", "Marketing", "10.00"], ["2200", "Sales", "0.10"]]);
    let caveat = "1 department is not active in the month of their usage, by the registry of departments: \"Sales\"";
    for more in [&[][..], &["--recompute"]] {
        desk.run(&[&["report", "chargeback", "--period", "2026-10"], more].concat())?.ends(0)?.says(caveat)?;
    }
    let september = desk.print(&["report", "chargeback", "--period", "2026-09"])?;
    assert!(!september.contains("not active"), "{september}");
    Ok(())
}
