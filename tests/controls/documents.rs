//! What the documents say of limits is what is read.

use super::policy::HEAD;
use super::priced;
use crate::desk::Outcome;
use tokenbook::control::policy::read;

#[test]
fn the_examples_of_the_documents_are_read() -> Outcome {
    let text = |name: &str| std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
    let readme = text("README.md")?;
    let blocks: Vec<&str> = readme.split("```toml\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    let limits =
        blocks.iter().find(|block| block.starts_with("document = \"limits/1\"")).ok_or("no limits in README")?;
    let channels = blocks.iter().find(|block| block.starts_with("[channel]")).ok_or("no channels in README")?;
    let read = read::policy(&format!("{limits}\n{channels}")).map_err(|problems| format!("{problems:#?}"))?;
    assert_eq!((read.policy.budgets.len(), read.policy.channels.len(), read.warnings.len()), (3, 3, 0));
    // Every key that a message lists as known stands in docs/LIMITS.md.
    let page = text("docs/LIMITS.md")?;
    let odd = "odd = 1\n";
    let asks = [
        format!("{odd}{HEAD}"),
        format!("{HEAD}[admission2]\n"),
        format!("{HEAD}[[budget]]\n{odd}"),
        format!("{HEAD}[[quota]]\n{odd}"),
        format!("{HEAD}[[breaker]]\n{odd}"),
        format!("{HEAD}[channel.c]\n{odd}"),
        "document = \"limits/1\"\nfrom = \"2026-12-01\"\n[admission]\nodd = 1\n".to_owned(),
        format!("{HEAD}[[budget]]\nalert = [{{ odd = 1 }}]\n"),
    ];
    let mut keys = std::collections::BTreeSet::new();
    for ask in asks {
        let Err(problems) = read::policy(&ask) else { return Err(format!("{ask} was read").into()) };
        let listed = problems.into_iter().filter(|problem| problem.what.contains("is not a key"));
        keys.extend(listed.flat_map(|problem| problem.expected.split(", ").map(str::to_owned).collect::<Vec<_>>()));
    }
    assert!(keys.len() > 40, "{keys:?}");
    for key in keys {
        assert!(
            page.contains(&format!("`{key}"))
                || page.contains(&format!("[{key}"))
                || page.contains(&format!("[[{key}"))
                || page.contains(&format!("{key} = ")),
            "{key}"
        );
    }
    Ok(())
}

#[test]
fn a_file_without_limits_says_what_it_ends() -> Outcome {
    let desk = priced()?;
    desk.write("none.toml", "document = \"limits/1\"\nfrom = \"2030-01-01\"\n")?;
    desk.run(&["policy", "check", "none.toml"])?
        .ends(0)?
        .says("warning: none.toml: has no limits, so all limits end")?;
    Ok(())
}

#[test]
fn a_trial_does_not_wait_for_a_writer() -> Outcome {
    let desk = priced()?;
    desk.write("l.toml", super::policy("teams")?)?;
    desk.run(&["policy", "apply", "l.toml"])?.ends(0)?;
    let database = desk.database()?;
    database.execute_batch("BEGIN IMMEDIATE")?;
    for arguments in [
        &["policy", "apply", "l.toml", "--dry-run"][..],
        &["policy", "check", "l.toml", "--period", "2026-10"],
        &["policy", "diff", "l.toml"],
        &["policy", "show"],
        &["budget", "status"],
        &["alerts", "list", "--undelivered"],
        &["alerts", "deliver"],
    ] {
        desk.run(arguments)?.ends(0)?;
    }
    database.execute_batch("ROLLBACK")?;
    Ok(())
}
