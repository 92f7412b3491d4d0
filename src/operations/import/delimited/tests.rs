//! Records in every dialect, whole and damaged.

use super::super::source::tests::source;
use super::*;

fn read(content: &[u8]) -> Vec<(u64, Result<Vec<String>, String>)> {
    let text = |cell: Cell| match cell {
        Cell::Text(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Cell::Null => "NULL".into(),
    };
    let mut records = Records::new(source(content).stream().unwrap(), Dialect::of(content));
    let first = records.next().map(|record| (record.line, record.cells));
    records.expected = first.as_ref().and_then(|(_, cells)| Some(cells.as_ref().ok()?.len()));
    let rest = records.map(|record| (record.line, record.cells));
    let all = first.into_iter().chain(rest);
    all.map(|(line, cells)| (line, cells.map(|cells| cells.into_iter().map(text).collect()))).collect()
}

fn ok(content: &str) -> Vec<Vec<String>> {
    read(content.as_bytes()).into_iter().map(|(_, cells)| cells.unwrap()).collect()
}

#[test]
fn the_delimiter_is_that_of_the_first_line() {
    for (content, delimiter) in [
        ("a,b;c,d\n", b','),
        ("a;b;\"c,d,e\"\n1,2,3,4", b';'),
        ("a\tb\n", b'\t'),
        ("sep=|\na;b;c|d\n", b'|'),
        ("version:v1.0\na;b\n", b';'),
        ("a\n", b','),
    ] {
        assert_eq!(Dialect::of(content.as_bytes()).delimiter, delimiter, "{content:?}");
    }
    assert!(Dialect::of(b"\"1\",\\N\n").backslash);
    assert!(!Dialect::of(b"CORP\\Nils,x\n").backslash);
}

#[test]
fn cells_are_read_as_they_were_written() {
    assert_eq!(ok("a,b\r\n\"x\"\"\ny\",\r\n\n,z\r\n"), [["a", "b"], ["x\"\ny", ""], ["", "z"]]);
    assert_eq!(ok("a,b\r1,2\r"), [["a", "b"], ["1", "2"]]);
    assert_eq!(ok("\"a\",\"b\"\n\\N,\"say \\\"hi\\\" \\\\ there\"\n")[1], ["NULL", "say \"hi\" \\ there"]);
    assert_eq!(ok("a\tb\n\"Nick\" Cave\t\"x\n1\t2\n"), [["a", "b"], ["\"Nick\" Cave", "\"x"], ["1", "2"]]);
}

#[test]
fn escapes_of_databases_are_undone_and_other_backslashes_kept() {
    // What `mysql --batch` writes, and what spreadsheets do.
    assert_eq!(ok("a\tb\nCORP\\\\nils\tx\\ty\\nz\n"), [["a", "b"], ["CORP\\nils", "x\ty\nz"]]);
    assert_eq!(ok("a\tb\nCORP\\nils\tx\n"), [["a", "b"], ["CORP\\nils", "x"]]);
    assert_eq!(ok("a\tb\n\\\\server\\share\tCORP\\nils\n")[1], ["\\\\server\\share", "CORP\\nils"]);
    // `INTO OUTFILE` escapes delimiters and line breaks themselves.
    assert_eq!(
        ok("a\tb\nx\\\ty\tone\\\ntwo\n\\N\t\"q\\\\\n"),
        [["a", "b"], ["x\ty", "one\ntwo"], ["NULL", "\"q\\"]]
    );
    assert_eq!(ok("a,b\n\\N,x\\,y\n")[1], ["NULL", "x,y"]);
    assert_eq!(unescape(b"\\101\\x42\\x4\\7\\b\\f\\v\\\\\\q\\", true), b"AB\x04\x07\x08\x0c\x0b\\q\\");
    assert_eq!(unescape(b"\\0012\\x41\\Z", false), b"\x00012x41\x1a");
}

#[test]
fn lines_are_counted_whatever_is_on_them() {
    let lines: Vec<u64> =
        read(b"a,b\n\n1,\"x\ny\nz\"\r\n\n2,3\n").into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 3, 7]);
}

#[test]
fn a_quotation_mark_that_is_never_closed_costs_its_own_line_only() {
    for stray in ["3,\"x,c", "3,\"x\"y,c", "\"3,x,c"] {
        let good: Vec<String> = (4..1000).map(|n| format!("{n},\"{n}\"\"\",{n}\n")).collect();
        let content = format!("a,b,c\n1,2,3\n{stray}\n{}", good.concat());
        let records = read(content.as_bytes());
        let bad: Vec<u64> =
            records.iter().filter(|(_, cells)| cells.is_err()).map(|(line, _)| *line).collect();
        assert_eq!((records.len(), bad), (999, vec![3]), "{stray}");
    }
    let records = read(b"a,b\n1,\"x\n2,y\n");
    assert_eq!(records[1].1, Err("has a quotation mark that is not closed as it should be.".into()));
    assert_eq!(records[2].1, Ok(vec!["2".into(), "y".into()]));
}

#[test]
fn lines_without_end_and_cells_without_number_are_named_and_not_kept() {
    let long = [b"a,b\n\"".to_vec(), vec![b'x'; 3 * 1024 * 1024], b"\n1,2\n".to_vec()].concat();
    let records = read(&long);
    assert_eq!(records[1].1, Err("is longer than 1048576 bytes.".into()));
    assert_eq!(records[2].0, 3);
    let wide = format!("{}\n1,2\n", "a,".repeat(200_000));
    assert_eq!(read(wide.as_bytes())[0].1, Err("has more than 1000 cells.".into()));
}
