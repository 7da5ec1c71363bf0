//! Inputs that need several commands: repeated events, usage and prices that do not match, and settings.

use super::case::{After, Case, Row, script};
use crate::desk::HEADER;

const PRICE: &str = "model,meter,currency,price,valid_from\n";

/// Repeated events.
pub(crate) fn again() -> Vec<Case> {
    let usage = |rows: &str| format!("{HEADER}\n{rows}");
    let (one, two) = ("e,2026-10-05T10:00:00Z,m,Legal,1,1\n", "f,2026-10-05T10:00:00Z,m,Legal,1,1\n");
    let (first, longer, other) = (usage(one), usage(&format!("{one}{two}")), usage(&one.replace(",1,1", ",2,1")));
    let bad = usage("e,bad,m,Legal,1,1\n");
    let import = |number, second: &str, commands: &str, exit, says: &str| {
        script(number, &[("a.csv", &first), ("b.csv", second)], commands, exit, says).leaves(After::Holds)
    };
    vec![
        import(
            63,
            &longer,
            "tokenbook import a.csv b.csv",
            0,
            "b.csv: 3 lines = 1 header + 0 blank + 1 accepted + 1 duplicate",
        ),
        import(63, &first, "tokenbook import a.csv b.csv", 0, "(this exact file was imported before)"),
        import(
            64,
            &other,
            "tokenbook import a.csv b.csv",
            5,
            "b.csv:2: event_id: \"e\" is already the id of another event",
        ),
        import(
            65,
            &other,
            "tokenbook import a.csv; tokenbook import b.csv --source other",
            0,
            "b.csv: 2 lines = 1 header + 0 blank + 1 accepted",
        ),
        script(
            70,
            &[("a.csv", &bad)],
            "tokenbook import a.csv --quarantine",
            4,
            "+ 0 accepted + 0 duplicates + 1 quarantined",
        ),
        script(
            70,
            &[("a.csv", &bad), ("b.csv", &first)],
            "tokenbook import a.csv --quarantine; tokenbook import b.csv; tokenbook quarantine list",
            0,
            "b.csv: 2 lines = 1 header + 0 blank + 1 accepted",
        ),
    ]
}

/// Usage and prices that do not match, and repeated lists.
pub(crate) fn prices() -> Vec<Case> {
    let usage = format!("{HEADER}\ne,2026-10-05T10:00:00Z,m-2026,Legal,7,\n");
    let report =
        "tokenbook prices import p.csv; tokenbook import u.csv; tokenbook report unpriced --period 2026-10 --strict";
    let unpriced = |number, row: &str, says: &str| {
        let list = format!("model,provider,meter,service_tier,currency,price,valid_from\n{row}\n");
        script(number, &[("p.csv", &list), ("u.csv", &usage)], report, 4, says)
            .shown(format!("usage of m-2026, price {row}"))
    };
    let list = format!("{PRICE}m,input,USD,1,2026-01-01\n");
    let free = list.replace("USD,1", "USD,0");
    let alias = "alias,model,valid_from\nm-2026,m,2026-10-01\n";
    let aliased = "tokenbook prices import p.csv; tokenbook aliases import a.csv; tokenbook import u.csv; \
                   tokenbook report chargeback --period 2026-10 --strict";
    let many = r#"{"m":{"litellm_provider":"acme","mode":"chat","input_cost_per_token":0.00000012345678901234567890,"output_cost_per_token":2.5e-06}}"#;
    vec![
        script(45, &[("c.json", many)], "tokenbook prices import --catalog litellm c.json", 0, "set aside: 1 ")
            .shown("\"input_cost_per_token\":0.00000012345678901234567890"),
        unpriced(108, "other,,input,,USD,1,2026-01-01", "no price in force"),
        unpriced(109, "m,,input,,USD,1,2026-01-01", "no price in force"),
        unpriced(109, "M-2026,,input,,USD,1,2026-01-01", "M-2026"),
        script(109, &[("p.csv", &list), ("u.csv", &usage), ("a.csv", alias)], aliased, 0, "m-2026")
            .shown(alias)
            .says("Legal"),
        unpriced(110, "m-2026,,input,,USD,1,2026-10-06", "no price in force"),
        unpriced(110, "m-2026,north,input,,USD,1,2026-01-01", "no price in force"),
        unpriced(110, "m-2026,,input,batch,USD,1,2026-01-01", "no price in force"),
        unpriced(112, "m-2026,,input,,USD,-,2026-10-01", "no price in force"),
        script(
            112,
            &[("p.csv", &format!("{list}m,input,USD,-,2026-10-01\nm,input,USD,1,2026-10-06\n"))],
            "tokenbook prices import p.csv; tokenbook prices check --period 2026-10",
            0,
            "gap: contract any provider m input standard has no price from 2026-10-01T00:00:00Z to 2026-10-06T00:00:00Z",
        ),
        script(
            114,
            &[("p.csv", &free)],
            "tokenbook prices import p.csv; tokenbook prices check --period 2026-10",
            0,
            "free: contract any provider m input standard costs nothing from 2026-01-01T00:00:00Z on",
        ),
        unpriced(
            119,
            "m-2026,,input,,EUR,1,2026-01-01",
            "the price is in another currency and there is no exchange rate",
        ),
        script(
            123,
            &[("p.csv", &list)],
            "tokenbook prices import p.csv; tokenbook prices import p.csv",
            0,
            "p.csv: 0 prices added, 0 replaced, 1 unchanged",
        ),
    ]
}

/// Prices that replace others.
pub(crate) fn replaced_prices() -> Vec<Case> {
    let list = format!("{PRICE}m,input,USD,1,2026-01-01\n");
    let (dearer, typo) = (list.replace("USD,1", "USD,2"), list.replace("USD,1", "USD,1000"));
    vec![
        script(
            117,
            &[("p.csv", &list), ("q.csv", &typo)],
            "tokenbook prices import p.csv; tokenbook prices import q.csv",
            3,
            "q.csv:2: price: m input from 2026-01-01T00:00:00Z is 1 per million in the ledger and 1000 here",
        )
        .leaves(After::Verifies),
        script(
            123,
            &[("p.csv", &list), ("q.csv", &dearer)],
            "tokenbook prices import p.csv; tokenbook prices import q.csv",
            0,
            "replaced: contract any provider m input standard from 2026-01-01T00:00:00Z: 1 USD per million -> 2 USD per million",
        ),
    ]
}

/// Limits of usage.
pub(crate) fn limits() -> Vec<Case> {
    let threshold = |at: &str, says: &str| {
        let budget =
            format!("[[budget]]\nname = \"b\"\nper = \"month\"\ntokens = 5\nalert = [{{ at = \"{at}\", to = [] }}]\n");
        let file = format!("document = \"limits/1\"\nfrom = \"2026-12-01\"\n{budget}enforce = \"warn\"\n");
        script(124, &[("l.toml", &file)], "tokenbook policy apply l.toml", 3, says).shown(&budget)
    };
    let address = |url: &str, says: &str| {
        let file = format!(
            "document = \"limits/1\"\nfrom = \"2026-12-01\"\n[channel]\n  c = {{ kind = \"json\", url = \"{url}\" }}\n"
        );
        script(127, &[("l.toml", &file)], "tokenbook policy apply l.toml", 3, says).shown(url)
    };
    vec![
        address(
            "http://169.254.169.254/latest",
            "l.toml:4:7: channel \"c\": url: is an address of a private or special network",
        ),
        address(
            "https://0xa9fea9fe/latest",
            "l.toml:4:7: channel \"c\": url: is an address of a private or special network",
        ),
        address("file:///etc/passwd", "l.toml:4:7: channel \"c\": url: is not an address that starts with https://"),
        address(
            "https://user:pass@example.com/x",
            "l.toml:4:7: channel \"c\": url: contains a user name before the host",
        ),
        threshold("0%", "l.toml:7:17: budget \"b\": alert: at: \"0%\" is not a percentage, expected a number above 0"),
        threshold("NaN%", "l.toml:7:17: budget \"b\": alert: at: \"NaN%\" is not a percentage"),
        threshold("1000.01%", "l.toml:7:12: budget \"b\": alert: at: 1000.01% is too high, expected \"1000%\" at most"),
    ]
}

/// Offers and maps of columns, which are settings in TOML.
pub(crate) fn settings() -> Vec<Case> {
    let report = "tokenbook report savings --period 2026-10 --offers offers.toml";
    let offers = |number, text: &str, says: &str| script(number, &[("offers.toml", text)], report, 3, says);
    let map = |text: &str, says: &str| {
        script(126, &[("u.csv", "a\n1\n"), ("map.toml", text)], "tokenbook import u.csv --map map.toml", 2, says)
            .shown(text)
    };
    let rules = |number, rows: &str, says: &str| {
        let list = format!("rule,key,value,department,weight\n{rows}");
        script(number, &[("r.csv", &list)], "tokenbook rules import r.csv", 3, says).shown(rows)
    };
    let registry = "department\nLegal\n";
    let unregistered = format!("{HEADER}\ne,2026-10-05T10:00:00Z,m,legal,1,1\n");
    vec![
        rules(125, "a,tag.team,x,Legal,33.33%\na,,,Sales,33.33%\na,,,Research,33.33%\n", "r.csv:"),
        script(
            71,
            &[("d.csv", registry), ("u.csv", &unregistered)],
            "tokenbook departments import d.csv; tokenbook import u.csv --strict-departments",
            3,
            "legal",
        )
        .leaves(After::Verifies),
        offers(
            120,
            "[charged]\ncurrency = \"EUR\"\nexchange_rate = \"0\"\n",
            "offers.toml:3:17: charged: exchange_rate: ",
        ),
        offers(
            120,
            "[charged]\ncurrency = \"EUR\"\nexchange_rate = \"-0.9\"\n",
            "offers.toml:3:17: charged: exchange_rate: ",
        ),
        offers(126, "[[offer]]\nname = \"a\"\nmonthly_feee = \"1\"\n", "offers.toml:3:1: "),
        offers(126, "[[offer]]\nname = \"a\"\nname = \"b\"\n", "offers.toml:3:1: "),
        offers(34, "[[offer]]\nname = \"a\"\nmonthly_fee = 1.5\n", "offers.toml:3:15: "),
        map(
            "[fields]\nevent_id = \"a\"\ntimestamp = \"t\"\nmodel = \"m\"\ninput_tokens = \"i\"\noutput_tokns = \"o\"\n",
            "map.toml:6:16: ",
        ),
        map("[fields]\nevent_id = \"a\"\nevent_id = \"b\"\n", "map.toml:3:1: "),
    ]
}

/// Numbers that one command cannot show, and numbers about parts that the product does not have.
pub(crate) fn elsewhere() -> Vec<Row> {
    let mut rows: Vec<Row> = [
        (41, "src/domain/quantities.rs", "a_sum_beyond_64_bits_is_an_error"),
        (69, "tests/import.rs", "events_whose_hashes_collide_are_all_kept_and_found"),
        (78, "tests/bad_inputs/accepted.rs", "a_tag_for_every_request_is_refused"),
        (113, "tests/exact.rs", "a_price_holds_from_its_first_nanosecond_to_the_last_before_the_next"),
        (125, "src/rating/allocate.rs", "parts_add_up_at_every_level"),
    ]
    .into_iter()
    .map(|(number, file, test)| Row::Tested(number, file, test))
    .collect();
    rows.extend([
        Row::Absent(59, "periods are not closed yet"),
        Row::Absent(121, "there are no exchange rates by date yet"),
        Row::Absent(122, "periods are not closed yet"),
    ]);
    rows
}
