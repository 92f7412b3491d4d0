//! Texts as pages and addresses show them.

/// A value as it stands in a query.
pub(super) fn encode(value: &str) -> String {
    rocket::http::RawStr::new(value).percent_encode().to_string()
}

/// `1,234,567`
pub(super) fn thousands(count: i64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
