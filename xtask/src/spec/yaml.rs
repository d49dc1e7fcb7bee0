//! Writes the actions of an overlay as YAML, in the style of our overlay.

use serde_json::Value;

const WIDTH: usize = 100;

/// An action that updates its target.
pub fn action(target: &str, update: &Value, indent: usize) -> String {
    let space = " ".repeat(indent);
    let target = scalar(target, indent + 2, "target");
    let mut out = format!("{space}- target:{target}{space}  update:\n");
    members(update, indent + 4, &mut out);
    out
}

fn members(value: &Value, indent: usize, out: &mut String) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let name = if is_plain(name) && !name.contains(' ') {
            name.clone()
        } else {
            Value::from(name.as_str()).to_string()
        };
        *out += &" ".repeat(indent);
        *out += &name;
        out.push(':');
        match value {
            Value::Object(of) if !of.is_empty() => {
                out.push('\n');
                members(value, indent + 2, out);
            }
            Value::String(text) => *out += &scalar(text, indent, &name),
            other => out.extend([" ", &other.to_string(), "\n"]),
        }
    }
}

/// A text after `name:`, on the same line if it fits.
fn scalar(text: &str, indent: usize, name: &str) -> String {
    if is_plain(text) && indent + name.len() + 2 + text.len() <= WIDTH {
        return format!(" {text}\n");
    }
    let is_folded = text.split(' ').all(|word| !word.is_empty()) && !text.contains(['\n', '\t']);
    if !is_folded {
        return format!(" {}\n", Value::from(text));
    }
    let mut out = " >-\n".to_owned();
    let space = " ".repeat(indent + 2);
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && space.len() + line.len() + 1 + word.len() > WIDTH {
            out.extend([&space, &line, "\n"]);
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    out.extend([&space, &line, "\n"]);
    out
}

/// Whether a text means itself in YAML.
fn is_plain(text: &str) -> bool {
    let first = text.chars().next();
    first.is_some_and(|first| first.is_ascii_alphabetic() || first == '$')
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_lowercase().as_str())
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with([':', ' '])
        && !text.contains(['\n', '\t'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::spec::overlay::Overlay;

    fn read(action: &str) -> Value {
        let head = "overlay: 1.0.0\ninfo: {title: t, version: '1'}\nactions:\n";
        let overlay = Overlay::parse(&(head.to_owned() + action)).unwrap();
        overlay.actions[0].update.clone().unwrap()
    }

    #[test]
    fn texts_are_folded_if_they_are_long_or_ambiguous() {
        let long = "word ".repeat(30).trim_end().to_owned();
        let update = json!({
            "description": long,
            "x": {"16000": "A rate: `16 kHz`.", "no": "No.", "a b": ""},
        });
        let text = action("$.paths['/a/{id}'].get", &update, 2);
        assert_eq!(read(&text), update);
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
    }

    proptest! {
        #[test]
        fn every_text_is_read_unchanged(text in "[ -~\\n\\té]{0,120}", name in "[ -~]{1,8}") {
            let update = json!({name: text});
            prop_assert_eq!(read(&action("$.a", &update, 2)), update);
        }
    }
}
