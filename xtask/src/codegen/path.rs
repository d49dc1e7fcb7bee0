//! Paths of operations.

use std::fmt::Write as _;

/// A part of a path.
pub enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// The parts of a path.
pub fn template(path: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = path;
    while let Some((text, after)) = rest.split_once('{')
        && let Some((name, after)) = after.split_once('}')
    {
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        parts.push(Part::Name(name));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// Text of a path, percent-encoded unless it is already.
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// Text of a query, without percent-encoding.
pub fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) if first == b'%' => {
                out.push(byte);
                rest = &after[2..];
            }
            _ => {
                out.push(if first == b'+' { b' ' } else { first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The names in braces in a path.
pub fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    let parts = path.split('{').skip(1);
    parts.filter_map(|part| Some(part.split_once('}')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_encoded_once() {
        assert_eq!(encoded("a b/größe:x"), "a%20b/gr%C3%B6%C3%9Fe:x");
        assert_eq!(encoded("100%25"), "100%25");
        assert_eq!(decoded("a+b%20c%C3%A4%"), "a b cä%");
    }

    #[test]
    fn names_are_in_braces() {
        let names: Vec<_> = placeholders("/a/{b}:c/{d}?e={f}").collect();
        assert_eq!(names, ["b", "d", "f"]);
        let parts = template("a/{b}:c{").len();
        assert_eq!(parts, 3);
    }
}
