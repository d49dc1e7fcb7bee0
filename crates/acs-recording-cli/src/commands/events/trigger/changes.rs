//! Changes of an event before it is sent.

use std::str::FromStr;

use serde_json::{Map, Value};

/// A member and its new value, such as `data.recordingDurationMs=1000`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    path: Vec<String>,
    value: Value,
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, value) = text
            .split_once('=')
            .ok_or("write MEMBER=VALUE, such as data.recordingDurationMs=1000")?;
        let path: Vec<_> = path.trim().split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(
                "a member has no name; write MEMBER=VALUE, such as data.state=active".into(),
            );
        }
        // What is not JSON is text, so that texts need no quotes.
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        Ok(Self { path, value })
    }
}

impl Change {
    /// Sets the member, and creates the objects that it is in.
    pub(super) fn apply(&self, event: &mut Value) -> Result<(), String> {
        let mut place = event;
        for (depth, name) in self.path.iter().enumerate() {
            let here = || self.path[..depth].join(".");
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            place = match place {
                Value::Object(members) => members.entry(name.as_str()).or_insert(Value::Null),
                Value::Array(items) => {
                    let count = items.len();
                    let index = name.parse::<usize>().ok();
                    index
                        .and_then(|index| items.get_mut(index))
                        .ok_or_else(|| {
                            format!("`{}` has {count} items, and no item `{name}`", here())
                        })?
                }
                _ => return Err(format!("`{}` is neither an object nor an array", here())),
            };
        }
        *place = self.value.clone();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_set() {
        let mut event = json!({"subject": "a", "data": {"chunks": [{"x": 1}, {"x": 2}]}});
        for text in [
            "subject=b=c",
            "data.chunks.1.x=3",
            "data.new.inner=true",
            "data.text=",
            "data.code=\"200\"",
            "data.list=[1]",
        ] {
            text.parse::<Change>().unwrap().apply(&mut event).unwrap();
        }
        let expected = json!({"subject": "b=c", "data": {
            "chunks": [{"x": 1}, {"x": 3}],
            "new": {"inner": true},
            "text": "",
            "code": "200",
            "list": [1],
        }});
        assert_eq!(event, expected);
        for (text, said) in [
            ("data.chunks.2.x=1", "has 2 items"),
            ("data.chunks.a=1", "no item `a`"),
            ("subject.x=1", "`subject` is neither"),
        ] {
            let error = text.parse::<Change>().unwrap().apply(&mut event);
            let error = error.unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        assert_eq!(event, expected);
        for text in ["data", "=1", "data..x=1"] {
            assert!(text.parse::<Change>().is_err(), "{text}");
        }
    }
}
