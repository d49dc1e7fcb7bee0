//! The foreign crates in the public API of a library. A new major version of such a crate requires
//! one of the library, so each crate is a deliberate decision.

use std::collections::BTreeMap;

use public_api::PublicItem;
use serde_json::Value;

/// Crates that may appear in a signature. A crate behind a feature is the purpose of that feature.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "acs-recording",
        &[
            // Types of the service, re-exported as `models`; generated in this workspace.
            "acs_call_automation",
            // Feature `entra`: credentials of the Azure SDK.
            "azure_core",
            // Feature `axum`.
            "axum",
            "bytes",
            // `Stream`.
            "futures_core",
            // The webhook, with the HTTP types that servers share.
            "http",
            // Feature `tower`.
            "http_body",
            // Times of events and documents.
            "jiff",
            // Feature `schemars`.
            "schemars",
            // The traits of serde.
            "serde_core",
            // `AsyncRead` and `AsyncWrite`.
            "tokio",
            // Feature `tower`.
            "tower_service",
            "url",
            "uuid",
        ],
    ),
    (
        "acs-recording-archive",
        &[
            "acs_recording",
            // The one `TokenCredential` for queue and store.
            "azure_core",
            "bytes",
            "futures_core",
            "jiff",
            // Any store of that crate can hold an archive.
            "object_store",
            "serde_core",
        ],
    ),
    (
        "acs-emulator",
        // `clap_builder` is behind the feature `cli`.
        &[
            "bytes",
            "clap_builder",
            "jiff",
            "serde_core",
            "serde_json",
            "url",
            "uuid",
        ],
    ),
];

/// Part of the language.
const STANDARD: [&str; 3] = ["alloc", "core", "std"];

/// The crates whose items appear in `items`, each with one occurrence.
pub fn crates(described: &Value, items: &[PublicItem]) -> BTreeMap<String, String> {
    let own = described
        .pointer(&format!("/paths/{}/path/0", described["root"]))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut crates = BTreeMap::new();
    for item in items {
        for path in paths(described, item.id().0) {
            let Some(name) = path.first() else { continue };
            if name != own && !STANDARD.contains(&name.as_str()) {
                let occurrence = || format!("{} in `{item}`", path.join("::"));
                crates.entry(name.clone()).or_insert_with(occurrence);
            }
        }
    }
    crates
}

/// Problems with the foreign crates in the public API of a library.
pub fn check(library: &str, crates: &BTreeMap<String, String>) -> Vec<String> {
    let allowed = ALLOWED.iter().find(|(name, _)| *name == library);
    let allowed = allowed.map_or(&[][..], |(_, allowed)| *allowed);
    crates
        .iter()
        .filter(|(name, _)| !allowed.contains(&name.as_str()))
        .map(|(name, occurrence)| {
            format!(
                "the public API of {library} contains types of `{name}`: {occurrence}; hide them, or \
                 add the crate to the list in xtask/src/public_api/foreign.rs and to the section \
                 on stability in its documentation"
            )
        })
        .collect()
}

/// The full paths of the items that a signature refers to.
pub fn paths(described: &Value, id: u32) -> Vec<Vec<String>> {
    let inner = |id: u64| described.pointer(&format!("/index/{id}/inner"));
    let item = inner(id.into()).unwrap_or(&Value::Null);
    let mut ids = Vec::new();
    referred(item, &mut ids);
    // The members of a tuple variant are items of their own, but the listing shows them in the
    // variant.
    let members = item
        .pointer("/variant/kind/tuple")
        .and_then(Value::as_array);
    for member in members.into_iter().flatten().filter_map(Value::as_u64) {
        referred(inner(member).unwrap_or(&Value::Null), &mut ids);
    }
    let paths = ids.into_iter().filter_map(|id| {
        let path = described
            .pointer(&format!("/paths/{id}/path"))?
            .as_array()?;
        let path = path.iter().filter_map(Value::as_str).map(str::to_owned);
        Some(path.collect())
    });
    paths.collect()
}

/// Types and traits are objects with an id and the path as written. Re-exports have the path in
/// `source`.
fn referred(value: &Value, ids: &mut Vec<u64>) {
    match value {
        Value::Object(members) => {
            if members.contains_key("path") || members.contains_key("source") {
                ids.extend(members.get("id").and_then(Value::as_u64));
            }
            members.values().for_each(|member| referred(member, ids));
        }
        Value::Array(values) => values.iter().for_each(|value| referred(value, ids)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_signature_refers_to_types_traits_and_re_exports() {
        let described = json!({
            "index": {
                "1": {"inner": {"function": {"sig": {
                    "inputs": [["request", {"resolved_path": {"path": "Request", "id": 7, "args": null}}]],
                    "output": {"impl_trait": [{"trait_bound": {"trait": {"path": "Future", "id": 8}}}]},
                }}}},
                "4": {"inner": {"variant": {"kind": {"tuple": [5]}, "discriminant": null}}},
                "5": {"inner": {"struct_field": {"resolved_path": {"path": "Url", "id": 9}}}},
                "2": {"inner": {"use": {"source": "url::Url", "name": "Url", "id": 9}}},
            },
            "paths": {
                "7": {"path": ["reqwest", "Request"]},
                "8": {"path": ["core", "future", "Future"]},
                "9": {"path": ["url", "Url"]},
            },
        });
        let joined = |id| -> Vec<String> {
            let paths = paths(&described, id);
            paths.iter().map(|path| path.join("::")).collect()
        };
        let mut found = joined(1);
        found.sort();
        assert_eq!(found, ["core::future::Future", "reqwest::Request"]);
        assert_eq!(joined(2), ["url::Url"]);
        assert_eq!(joined(4), ["url::Url"]);
        assert_eq!(joined(3), [""; 0]);
    }

    #[test]
    fn a_crate_that_is_not_allowed_is_a_problem() {
        let crates = ["http", "reqwest"].map(|name| (name.to_owned(), "here".to_owned()));
        let crates = BTreeMap::from(crates);
        let problems = check("acs-recording", &crates);
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].contains("types of `reqwest`: here"),
            "{problems:?}"
        );
        assert_eq!(check("unknown", &crates).len(), 2);
    }
}
