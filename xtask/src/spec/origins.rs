//! Where the elements of a converted document come from.

use std::collections::BTreeMap;

use super::document::Documents;
use super::node::Location;

/// The published elements of a converted document, by their JSON pointers in it. Elements inside
/// of a recorded one are found by their path.
#[derive(Debug, Default)]
pub struct Origins(BTreeMap<String, Location>);

impl Origins {
    pub fn record(&mut self, pointer: String, origin: Location) {
        self.0.entry(pointer).or_insert(origin);
    }

    /// The published element of an element of the converted document, or the nearest one around it.
    pub fn find(&self, pointer: &str, documents: &Documents) -> Location {
        let mut known = pointer;
        let start = loop {
            if let Some(origin) = self.0.get(known) {
                break origin.clone();
            }
            match known.rsplit_once('/') {
                Some((around, _)) => known = around,
                None => break documents.root_location(),
            }
        };
        let mut location = start;
        let rest = pointer.strip_prefix(known).unwrap_or_default();
        let mut steps = rest.split('/').skip(1);
        while let Some(next) = steps.next() {
            let inner = location.below(&format!("/{next}"));
            match next {
                // The last part contains the own members of a schema.
                "allOf" => {
                    let index = steps.next().unwrap_or_default();
                    let part = inner.below(&format!("/{index}"));
                    if documents.contains(&part) {
                        location = part;
                    }
                }
                _ if documents.contains(&inner) => location = inner,
                // A body has a schema for each media type.
                "content" => drop(steps.next()),
                // The schema of a parameter is the parameter itself.
                "schema" => {}
                _ => break,
            }
        }
        location
    }
}
