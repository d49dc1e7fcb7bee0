//! The page, which shows and controls the emulator in a browser. It uses the admin API alone.

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, StatusCode};

/// The page loads nothing from other hosts, and runs no script and no style that is not in a file.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     media-src 'self' blob:; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";
const INDEX: &str = include_str!("page/index.html");
const FILES: [(&str, &str); 18] = [
    ("api.js", include_str!("page/api.js")),
    ("app.js", include_str!("page/app.js")),
    ("calls.js", include_str!("page/calls.js")),
    ("clock.js", include_str!("page/clock.js")),
    ("dom.js", include_str!("page/dom.js")),
    ("events.js", include_str!("page/events.js")),
    ("faults.js", include_str!("page/faults.js")),
    ("format.js", include_str!("page/format.js")),
    ("overview.js", include_str!("page/overview.js")),
    ("parts.js", include_str!("page/parts.js")),
    ("recordings.js", include_str!("page/recordings.js")),
    ("requests.js", include_str!("page/requests.js")),
    ("snippets.js", include_str!("page/snippets.js")),
    ("store.js", include_str!("page/store.js")),
    ("stream.js", include_str!("page/stream.js")),
    ("style.css", include_str!("page/style.css")),
    ("timeline.js", include_str!("page/timeline.js")),
    ("waveform.js", include_str!("page/waveform.js")),
];

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(async || response("text/html", INDEX)))
        .route("/page/{name}", get(file))
}

async fn file(Path(name): Path<String>) -> Response {
    let Some((_, content)) = FILES.into_iter().find(|(known, _)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let is_style = name == "style.css";
    response(
        if is_style {
            "text/css"
        } else {
            "text/javascript"
        },
        content,
    )
}

fn response(media_type: &str, content: &'static str) -> Response {
    let headers: [(HeaderName, String); 5] = [
        (CONTENT_TYPE, format!("{media_type}; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
        // Another version of the emulator may be next at this address.
        (CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/admin/page");
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "index.html")
            .collect();
        names.sort();
        let served = FILES.map(|(name, _)| name);
        assert_eq!(names, served);
    }

    #[test]
    fn modules_import_files_that_exist() {
        let import = |line: &'static str| line.split_once(" from \"./")?.1.strip_suffix("\";");
        for (name, content) in FILES {
            for imported in content.lines().filter_map(import) {
                let exists = FILES.iter().any(|(known, _)| *known == imported);
                assert!(exists, "{name} imports {imported}");
            }
        }
    }

    #[test]
    fn the_page_has_no_inline_scripts_or_styles() {
        for forbidden in [
            "<style",
            " style=",
            "javascript:",
            "<script>",
            " onclick=",
            " onload=",
        ] {
            assert!(!INDEX.contains(forbidden), "{forbidden}");
        }
        for (name, content) in FILES {
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "eval(",
                "document.write",
            ] {
                assert!(!content.contains(forbidden), "{name}: {forbidden}");
            }
        }
    }
}
