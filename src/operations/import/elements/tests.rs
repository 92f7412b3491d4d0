//! Elements of every kind of file, whole and damaged.

use super::super::source::tests::source;
use super::*;

fn read(content: &str) -> Vec<(u64, u64, Result<String, String>)> {
    let stream = source(content.as_bytes()).stream().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Elements::new(stream).map(|found| (found.line, found.column, found.content.map(text))).collect()
}

fn texts(content: &str) -> Vec<String> {
    read(content).into_iter().map(|(_, _, content)| content.unwrap_or_else(|reason| reason)).collect()
}

#[test]
fn elements_are_those_of_the_array_of_the_list_in_an_object_or_of_lines() {
    for content in [
        r#"[{"a":[1,{}]}, 7 ,"x]"]"#,
        r#"{"realm":"x","n":[{"users":1}],"users":[{"a":[1,{}]},7,"x]"],"roles":[{}],"z":{"users":[]}}"#,
        r#"{"totalResults":3,"Resources":[{"a":[1,{}]},7,"x]"]}"#,
        r#"[{"type":"header","v":"1"},{"type":"table","name":"users","data":[{"a":[1,{}]},7,"x]"]}]"#,
    ] {
        let texts = texts(content);
        assert_eq!(texts[texts.len() - 3..], [r#"{"a":[1,{}]}"#, "7", "\"x]\""], "{content}");
    }
    assert_eq!(texts("{\"a\":1}\n{\"users\":[2]}\n"), [r#"{"a":1}"#, r#"{"users":[2]}"#]);
    assert!(texts("[]").is_empty() && texts(" ").is_empty());
}

#[test]
fn elements_of_realms_and_tables_have_their_names() {
    let parts = |content: &str| {
        let stream = source(content.as_bytes()).stream().unwrap();
        let found = Elements::new(stream).filter(|found| found.part.is_some());
        found.map(|found| (found.part.unwrap().to_string(), found.line)).collect::<Vec<_>>()
    };
    let of = |name: &str, line| (name.to_owned(), line);
    assert_eq!(
        parts(
            "[{\"id\":\"1\",\"realm\":\"a\",\"users\":[{},\n{}],\"x\":[{}]},\n{\"realm\":\"b\",\"users\":[{}]},{\"realm\":\"c\"}]"
        ),
        [of("a", 1), of("a", 2), of("b", 3)]
    );
    assert_eq!(parts("{\"realm\":\"a\",\"users\":[{}]}"), [of("a", 1)]);
    assert_eq!(
        parts(
            "[{\"type\":\"header\"},{\"type\":\"table\",\"name\":\"users\",\"data\":[{}]},{\"type\":\"table\",\"name\":\"logs\",\"data\":[{}]}]"
        ),
        [of("users", 1), of("logs", 1)]
    );
    let old = "/**\n Export to JSON plugin for PHPMyAdmin */\n// Database 'shop'\n\n// shop.users\n\n[{},{}]\n// shop.logs\n[{}]\n";
    assert_eq!(parts(old), [of("users", 7), of("users", 7), of("logs", 9)]);
    assert_eq!(texts("/x"), ["an array or an object is expected here."]);
}

#[test]
fn users_are_found_behind_more_than_the_longest_element() {
    let roles = format!("\"roles\":[\"{}\"]", "x".repeat(3 * LONGEST));
    for content in [
        format!("{{\"realm\":\"a\",{roles},\"users\":[7]}}"),
        format!("[{{\"realm\":\"a\",{roles},\"users\":[7]}},{{\"realm\":\"b\",{roles},\"users\":[]}}]"),
    ] {
        assert_eq!(texts(&content), ["7"]);
    }
}

#[test]
fn every_element_has_its_line_and_column() {
    let found = read("[\n  {\"a\":\n\"\\\"\"},{}\n,\n{}]\n");
    let places: Vec<_> = found.iter().map(|(line, column, _)| (*line, *column)).collect();
    assert_eq!(places, [(2, 3), (3, 7), (5, 1)]);
}

#[test]
fn what_is_wrong_with_one_element_does_not_reach_the_next() {
    for bad in ["{\"a\":\"x}", "{\"a\":1e400,}", "{\"a\" 7}", "nul", "{\"a\":\"\\ud800\"}", "{:}"] {
        let texts = texts(&format!("[{{\"n\":1}},\n{bad}\n,\n{{\"n\":2}},]"));
        assert_eq!(texts.first().unwrap(), "{\"n\":1}");
        assert!(bad.starts_with("{\"a\":\"x") || texts.last().unwrap() == "{\"n\":2}", "{bad}: {texts:?}");
    }
}

#[test]
fn a_line_of_json_lines_that_is_cut_off_or_none_does_not_reach_the_next() {
    for bad in [
        "garbage",
        "}",
        "]",
        "/x",
        "7",
        "{\"a\":",
        "{\"a\":\"x",
        "{\"a\":\"x\\",
        "{\"a\":[{\"b\":1},",
        "{\"a\":{\"b\":[",
        "{\"a\":1,",
        "{\"a\"",
        "{",
    ] {
        let found = read(&format!("{{\"n\":1}}\n{bad}\n{{\"n\":2}}\n\n{{\"n\":3}}\n"));
        let lines: Vec<_> = found.iter().map(|(line, ..)| *line).collect();
        assert_eq!(lines, [1, 2, 3, 5], "{bad}: {found:?}");
        let last: Vec<_> = found[2..].iter().map(|(.., text)| text.as_deref().unwrap()).collect();
        assert_eq!(last, ["{\"n\":2}", "{\"n\":3}"], "{bad}");
    }
    assert_eq!(texts("[{\"n\":1},\n{\"a\":\"x\n{\"n\":2}]").last().unwrap(), "{\"n\":2}");
    let indented = "[\n  {\"n\":1},\n  {\"a\":[1,\n  {\"a\":[2,\n  {\"n\":2}\n]";
    assert_eq!((texts(indented).len(), texts(indented).pop().unwrap()), (4, "{\"n\":2}".to_owned()));
    // Neither where elements have several lines, nor where they stand behind one another.
    for whole in [
        "[\n{\"n\":[\n{\"b\":1}\n]},\n{\"n\":[\n{\"b\":2}\n]}\n]",
        "{\n\"n\":\n{\"b\":1}}\n{\n\"n\":\n{\"b\":2}}",
        "[{\"n\":1},{\"n\":[\n{\"b\":2}]}]",
    ] {
        assert_eq!(texts(whole).len(), 2, "{whole}");
        assert!(
            texts(whole).iter().all(|text| serde_json::from_str::<serde_json::Value>(text).is_ok()),
            "{whole}"
        );
    }
}

#[test]
fn a_file_that_ends_too_early_says_where() {
    assert_eq!(read("[{}").pop().unwrap().2.unwrap_err(), "the file ends before its last bracket.");
    let (line, column, reason) = read("[{},\n {\"a\":").pop().unwrap();
    assert_eq!((line, column), (2, 2));
    assert_eq!(reason.unwrap_err(), "the file ends in the middle of it.");
    assert_eq!(texts("{} nonsense"), ["{}", "an array or an object is expected here."]);
}

#[test]
fn an_element_without_end_is_named_and_not_kept() {
    let long = format!("[{{\"a\":\"{}\"}},{{}}]", "x".repeat(LONGEST));
    assert_eq!(texts(&long), ["is longer than 1048576 bytes.", "{}"]);
    let deep = "[".repeat(3_000_000);
    assert_eq!(texts(&deep).len(), 2);
}

#[test]
fn realms_are_found_wherever_their_names_stand_and_however_many_there_are() {
    let parts = |content: &str| {
        let stream = || source(content.as_bytes()).stream().unwrap();
        let found = Elements::of_realms(stream(), realms(stream()));
        found
            .map(|found| {
                let text = String::from_utf8(found.content.unwrap()).unwrap();
                format!("{}{text}", found.part.as_deref().unwrap_or_default())
            })
            .collect::<Vec<_>>()
    };
    let after = r#"{"id":"1","users":[1,2],"realm":"a"}"#;
    let before = r#"{"realm":"b","users":[3]}"#;
    assert_eq!(parts(after), ["a1", "a2"]);
    assert_eq!(parts(&format!("{after}\n{before}")), ["a1", "a2", "b3"]);
    assert_eq!(parts(&format!("{before}{after}{before}")), ["b3", "a1", "a2", "b3"]);
    assert_eq!(
        parts(&format!("[{after},{{\"username\":\"x\"}},{before}]")),
        ["a1", "a2", "{\"username\":\"x\"}", "b3"]
    );
    let groups = r#"[{"name":"x","users":["ada"]}]"#;
    assert_eq!(parts(groups), [r#"{"name":"x","users":["ada"]}"#]);
    assert_eq!(
        texts("{\"results\":[1]}\n{\"results\":[2]}\n"),
        ["1", "2"],
        "answers of an API, one after the other"
    );
}
