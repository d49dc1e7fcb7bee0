//! Reads JSON strictly (a duplicate member is an error), and finds the lines of its elements.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

pub fn parse(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text).map(|Strict(value)| value)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, _>()? {
            if out.contains_key(&name) {
                return Err(A::Error::custom(format!("duplicate member {name:?}")));
            }
            out.insert(name, value);
        }
        Ok(Value::Object(out))
    }
}

/// The line of an element of a document, counted from 1. For a pointer to nothing, it is the line
/// of the nearest element around it.
pub fn line_of(text: &str, pointer: &str) -> usize {
    let steps: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect();
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        at: 0,
    };
    let end = scanner.find(&steps);
    1 + text.get(..end).unwrap_or(text).matches('\n').count()
}

/// Walks over the text of a valid document.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    /// Where the element begins. A member begins with its name.
    fn find(&mut self, steps: &[String]) -> usize {
        self.skip_space();
        let start = self.at;
        let Some((step, rest)) = steps.split_first() else {
            return start;
        };
        let is_object = match self.peek() {
            Some(b'{') => true,
            Some(b'[') => false,
            _ => return start,
        };
        self.at += 1;
        for index in 0_usize.. {
            self.skip_space();
            if matches!(self.peek(), None | Some(b'}' | b']')) {
                break;
            }
            let begin = self.at;
            let is_found = if is_object {
                let name = self.string();
                self.skip_space();
                self.at += 1; // The colon.
                name == *step
            } else {
                index.to_string() == *step
            };
            if is_found {
                return if rest.is_empty() {
                    begin
                } else {
                    self.find(rest)
                };
            }
            self.skip_value();
            self.skip_space();
            if self.peek() == Some(b',') {
                self.at += 1;
            }
        }
        start
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Reads a string.
    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
        let quoted = self.bytes.get(start..self.at).unwrap_or_default();
        serde_json::from_slice(quoted).unwrap_or_default()
    }

    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        self.skip_space();
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string();
                    if depth == 0 {
                        return;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' if depth == 0 => return,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_line_of_an_element() {
        let text = "{\n\"a\": [1, {\"x\": \"]}\\\"\"},\n 2],\n\"b/c\": {\n\"d\":\n true}}";
        for (pointer, line) in [
            ("", 1),
            ("/a", 2),
            ("/a/1/x", 2),
            ("/a/2", 3),
            ("/a/7", 2),
            ("/b~1c", 4),
            ("/b~1c/d", 5),
            ("/b~1c/missing", 4),
            ("/missing/b", 1),
        ] {
            assert_eq!(line_of(text, pointer), line, "{pointer}");
        }
    }

    proptest! {
        #[test]
        fn lines_of_invalid_text_do_not_panic(text in "[\\[\\]{}\",:a\\\\ \n0]{0,40}", pointer in "(/[a0~]{0,2}){0,3}") {
            prop_assert!(line_of(&text, &pointer) >= 1);
        }
    }

    #[test]
    fn values_are_read_unchanged() {
        let text = r#"{"b":[1,-2,0.5,true,null,"x\n"],"a":{},"big":18446744073709551615}"#;
        let value = parse(text).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(value.to_string(), text, "members keep their order");
    }

    #[test]
    fn a_duplicate_member_is_an_error() {
        let error = parse("{\"a\": {\"b\": 1,\n\"b\": 1}}")
            .unwrap_err()
            .to_string();
        assert_eq!(error, "duplicate member \"b\" at line 2 column 7");
    }
}
