//! CSV after RFC 4180, with LF: a header and one line for each group. It contains nothing else, so a rerun gives the
//! same bytes.
//!
//! People open it in spreadsheets, so a text that a spreadsheet would run as a formula gets a leading `'`. Numbers
//! never do. An unknown value is an empty field. The CSV omits heading, total and caveats on purpose: a sum over the
//! column must not count the total again.

use super::{Renderer, checked};
use crate::sheet::{Cell, Sheet};
use csv::{Terminator, WriterBuilder};
use std::borrow::Cow;
use std::io;

pub(super) const RENDERER: Renderer = Renderer {
    name: "csv",
    file_extension: "csv",
    summary: "one header and one line a group, for spreadsheets and programs",
    render,
};

/// What starts a formula in one spreadsheet or another, alone or after the white space it skips: the signs, their full-width
/// and small forms, and the mathematical minus.
const FORMULA_STARTS: [char; 16] =
    ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫', '\u{2212}'];

fn render(sheet: &Sheet, to: &mut dyn io::Write) -> io::Result<()> {
    checked(sheet)?;
    let mut writer = WriterBuilder::new().terminator(Terminator::Any(b'\n')).from_writer(to);
    writer.write_record(sheet.columns.iter().map(|column| guarded(&column.name).into_owned()))?;
    for row in &sheet.rows {
        writer.write_record(row.iter().map(field))?;
    }
    writer.flush()
}

fn field(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => guarded(text).into_owned(),
        _ => cell.plain(),
    }
}

/// A lone `-` is not a formula, and it has a meaning in a price list.
fn guarded(text: &str) -> Cow<'_, str> {
    if text.starts_with(FORMULA_STARTS) && text != "-" { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use crate::render::tests::{printed, sheet, texts};
    use crate::sheet::{Cell, Column};
    use std::error::Error;

    #[test]
    fn a_header_and_a_line_a_group() -> Result<(), Box<dyn Error>> {
        let expected = "department,tokens,cost,cost_exact,roi_percent\n\
                        Finance,1234567,55.77,55.770000000000001,-57.1\n\
                        財務部,12,0.01,0.005,\n\
                        Research,0,0.00,0,\n";
        assert_eq!(printed("csv", &sheet()?)?, expected);
        Ok(())
    }

    #[test]
    fn no_text_is_run_as_a_formula() -> Result<(), Box<dyn Error>> {
        let cells = [
            "=cmd|'/c calc'!A1",
            "+1+1",
            "-2+3",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "＝1",
            "＋1",
            "－1",
            "＠1",
            "\u{fe66}1",
            "\u{fe62}1",
            "\u{fe63}1",
            "\u{fe6b}1",
            "\u{2212}1",
        ];
        let expected = "'=tag\n'=cmd|'/c calc'!A1\n'+1+1\n'-2+3\n'@SUM(A1)\n'\t=1\n\"'\r=1\"\n\"'\n=1\"\n\
                        '＝1\n'＋1\n'－1\n'＠1\n'﹦1\n'﹢1\n'﹣1\n'﹫1\n'\u{2212}1\n";
        assert_eq!(printed("csv", &texts("=tag", &cells)?)?, expected);
        Ok(())
    }

    #[test]
    fn a_lone_dash_stays_a_dash() -> Result<(), Box<dyn Error>> {
        assert_eq!(printed("csv", &texts("price", &["-", "--", "-1"])?)?, "price\n-\n'--\n'-1\n");
        Ok(())
    }

    #[test]
    fn negative_numbers_stay_numbers() -> Result<(), Box<dyn Error>> {
        let mut sheet = texts("net", &[])?;
        let currency = sheet.heading.currency;
        sheet.columns = vec![Column::money("net", Some(currency)), Column::count("events")];
        sheet.rows = vec![vec![Cell::Fixed { value: -5, digits: 2 }, Cell::Count(-7)]];
        assert_eq!(printed("csv", &sheet)?, "net,events\n-0.05,-7\n");
        Ok(())
    }

    /// Every choice of columns, in every order.
    fn choices(of: usize) -> Vec<Vec<usize>> {
        let mut all = vec![Vec::new()];
        let mut longest = all.clone();
        for _ in 0..of {
            let more = |chosen: &Vec<usize>| {
                let chosen = chosen.clone();
                let free: Vec<usize> = (0..of).filter(|place| !chosen.contains(place)).collect();
                free.into_iter().map(move |place| chosen.iter().copied().chain([place]).collect::<Vec<usize>>())
            };
            longest = longest.iter().flat_map(more).collect();
            all.extend(longest.clone());
        }
        all
    }

    #[test]
    fn chosen_columns_are_those_of_the_whole_sheet() -> Result<(), Box<dyn Error>> {
        let whole = sheet()?;
        let read = |sheet: &crate::sheet::Sheet| -> Result<Vec<Vec<String>>, Box<dyn Error>> {
            let text = printed("csv", sheet)?;
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let rows = reader.records().map(|record| Ok(record?.iter().map(str::to_owned).collect()));
            rows.collect()
        };
        let (all, choices) = (read(&whole)?, choices(whole.columns.len()));
        assert_eq!(choices.len(), 326);
        for choice in choices.iter().filter(|choice| !choice.is_empty()) {
            let names: Vec<&str> = choice.iter().map(|place| whole.columns[*place].name.as_ref()).collect();
            let expected: Vec<Vec<String>> =
                all.iter().map(|row| choice.iter().map(|place| row[*place].clone()).collect()).collect();
            let some = whole.only(&names)?;
            assert_eq!(read(&some)?, expected);
            assert_eq!(some.total.map(|total| total.len()), Some(choice.len()));
        }
        assert!(whole.only(&["cost", "costs"]).is_err());
        Ok(())
    }

    #[test]
    fn every_text_comes_back_as_it_was() -> Result<(), Box<dyn Error>> {
        let cells = ["a,b", "say \"no\"", "two\nlines", "cr\rlf\r\n", "\"", ",", "", " spaced ", "部門"];
        let text = printed("csv", &texts("name", &cells)?)?;
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let read = reader.records().map(|record| record.map(|r| r.iter().collect::<String>()));
        assert_eq!(read.collect::<Result<Vec<_>, _>>()?, cells);
        Ok(())
    }
}
