//! The responses of `Get Messages` and `Peek Messages` of Queue Storage.

/// A queue message in XML.
pub(super) struct Message<'a>(&'a str);

/// The messages in a document. None if it is another document.
pub(super) fn messages(text: &str) -> Option<Vec<Message<'_>>> {
    const LIST: &str = "QueueMessagesList";
    let mut messages = Vec::new();
    let Some((mut rest, _)) = element(text, LIST) else {
        return leaf(text, LIST).map(|_| messages);
    };
    while let Some((message, after)) = element(rest, "QueueMessage") {
        messages.push(Message(message));
        rest = after;
    }
    Some(messages)
}

impl<'a> Message<'a> {
    pub(super) fn xml(&self) -> &'a str {
        self.0
    }

    pub(super) fn text(&self) -> Option<String> {
        leaf(self.0, "MessageText")
    }

    /// The other elements, with their names.
    pub(super) fn attributes(&self) -> Vec<(String, String)> {
        const NAMES: [&str; 6] = [
            "MessageId",
            "InsertionTime",
            "ExpirationTime",
            "PopReceipt",
            "TimeNextVisible",
            "DequeueCount",
        ];
        let found = NAMES.iter();
        found
            .filter_map(|name| Some(((*name).to_owned(), leaf(self.0, name)?)))
            .collect()
    }
}

/// The content of the first element of a name, and what follows the element. Elements of these
/// documents have no attributes and never contain themselves.
fn element<'a>(xml: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    // A truncated document is read as far as it goes.
    let end = rest.split_once(&format!("</{name}>"));
    Some(end.unwrap_or((rest, "")))
}

/// The text in the first element of a name. An empty one may be a single tag.
fn leaf(xml: &str, name: &str) -> Option<String> {
    if let Some((text, _)) = element(xml, name) {
        return Some(unescape(text));
    }
    let is_empty = xml.contains(&format!("<{name} />")) || xml.contains(&format!("<{name}/>"));
    is_empty.then(String::new)
}

/// Decodes the entities and CDATA sections of XML.
fn unescape(xml: &str) -> String {
    let xml = xml.trim();
    let section = xml
        .strip_prefix("<![CDATA[")
        .and_then(|rest| rest.strip_suffix("]]>"));
    if let Some(text) = section {
        return text.to_owned();
    }
    let mut text = String::with_capacity(xml.len());
    let mut rest = xml;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        // Entities are short. An `&` that begins none is kept.
        let entity = after
            .char_indices()
            .take(10)
            .find_map(|(at, letter)| (letter == ';').then_some(at));
        let letter = entity.and_then(|end| letter(after.get(..end)?));
        if let (Some(letter), Some(end)) = (letter, entity) {
            text.push(letter);
            rest = after.get(end + 1..).unwrap_or_default();
        } else {
            text.push('&');
            rest = after;
        }
    }
    text + rest
}

fn letter(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = entity.strip_prefix('#')?;
            let number = match digits.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(number)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_decoded() {
        assert_eq!(
            unescape(" {&quot;a&quot;: &lt;&#233;&#x1F642;&amp;amp;&nbsp;& &;} "),
            "{\"a\": <é🙂&amp;&nbsp;& &;}"
        );
        assert_eq!(
            unescape("<![CDATA[{\"a\": \"&lt;\"}]]>"),
            "{\"a\": \"&lt;\"}"
        );
    }

    #[test]
    fn messages_are_found() {
        let xml = "<?xml version=\"1.0\"?><QueueMessagesList><QueueMessage><MessageId>1</MessageId>\
                   <MessageText>a</MessageText></QueueMessage><QueueMessage><MessageText />\
                   </QueueMessage><QueueMessage></QueueMessage></QueueMessagesList>";
        let messages = messages(xml).unwrap();
        let texts: Vec<_> = messages.iter().map(Message::text).collect();
        assert_eq!(texts, [Some("a".to_owned()), Some(String::new()), None]);
        assert_eq!(
            messages[0].attributes(),
            [("MessageId".to_owned(), "1".to_owned())]
        );
        assert!(super::messages("<html></html>").is_none());
        assert!(super::messages("<QueueMessagesList />").unwrap().is_empty());
    }
}
