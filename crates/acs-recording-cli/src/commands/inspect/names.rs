//! The metadata document of a recording, which has the participants' names: where it may be, and
//! whether it is of the same chunk.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use acs_recording::RecordingMetadata;
use serde_json::Value;

use crate::failure::Failure;
use crate::metadata_document::{is_empty, read};

/// Manifests of a hundred thousand chunks are smaller.
const LARGEST_MANIFEST: u64 = 64 << 20;

/// The document of a file.
#[derive(Default)]
pub(super) struct Document {
    pub(super) path: Option<PathBuf>,
    pub(super) content: Option<RecordingMetadata>,
    /// Why there is none, or nothing in it.
    pub(super) warning: Option<String>,
}

/// Reads the document that is given.
pub(super) fn given(path: &Path) -> Result<Document, Failure> {
    let content = read(path)?;
    let warning = is_empty(&content).then(|| says_nothing(path));
    Ok(Document {
        path: Some(path.to_owned()),
        content: Some(content),
        warning,
    })
}

/// Looks for the document beside a file: what a manifest names, `NAME.json` for `NAME.wav`, and the
/// names that the service gives in own storage.
pub(super) fn beside(media: &Path) -> Document {
    let mut warning = None;
    // What a manifest names was downloaded together with the file.
    let listed = manifests(media).iter().find_map(|path| named(path, media));
    let is_listed = |path: &Path| listed.as_deref() == Some(path);
    for path in listed.iter().cloned().chain(candidates(media)) {
        match fs::metadata(&path) {
            Ok(found) if found.is_file() => {}
            _ => continue,
        }
        let content = match read(&path) {
            Ok(content) => content,
            Err(failure) => {
                warning.get_or_insert(format!("No names: {}.", failure.message()));
                continue;
            }
        };
        if let Some(other) = other_chunk(media, &content).filter(|_| !is_listed(&path)) {
            let path = path.display();
            warning.get_or_insert(format!("No names from {path}: it belongs to {other}."));
            continue;
        }
        if is_empty(&content) {
            warning = Some(says_nothing(&path));
        }
        return Document {
            path: Some(path),
            content: Some(content),
            warning,
        };
    }
    Document {
        warning,
        ..Document::default()
    }
}

fn says_nothing(path: &Path) -> String {
    format!("No names: {} is empty.", path.display())
}

/// What a file of a recording is called.
#[derive(Debug, Default, PartialEq, Eq)]
struct Name<'a> {
    chunk: Option<u64>,
    document: Option<&'a str>,
    /// Whether the service gave the name.
    is_own_storage: bool,
}

impl<'a> Name<'a> {
    /// `0-audiowav.DOCUMENT` or `0-audiowav` in own storage, `STEM.000` or `DOCUMENT` of downloads;
    /// without what tells the format.
    fn read(stem: &'a str) -> Self {
        let (head, document) = match stem.split_once('.') {
            Some((head, document)) => (head, Some(document)),
            None => (stem, None),
        };
        if let Some((number, kind)) = head.split_once('-')
            && is_number(number)
            && !kind.is_empty()
            && kind
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            && kind.starts_with(|c: char| c.is_ascii_lowercase())
        {
            return Self {
                chunk: number.parse().ok(),
                document,
                is_own_storage: true,
            };
        }
        match stem.rsplit_once('.') {
            Some((_, number)) if number.len() >= 3 && is_number(number) => Self {
                chunk: number.parse().ok(),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Which other chunk a document is of, if it says so.
fn other_chunk(media: &Path, document: &RecordingMetadata) -> Option<String> {
    let name = Name::read(media.file_stem()?.to_str()?);
    if let (Some(mine), Some(its)) = (name.document, &document.document_id)
        && !its.as_str().eq_ignore_ascii_case(mine)
    {
        return Some(format!("document {its}"));
    }
    match (name.chunk, document.chunk_index) {
        (Some(mine), Some(its)) if mine != its => Some(format!("chunk {its}")),
        _ => None,
    }
}

/// Where the document of a file may be, the most certain place first.
fn candidates(media: &Path) -> Vec<PathBuf> {
    let mut candidates = vec![media.with_extension("json")];
    let stem = media.file_stem().and_then(|stem| stem.to_str());
    if let Some(stem) = stem
        && Name::read(stem).is_own_storage
        && let Some((chunk, _)) = stem.split_once('-')
    {
        let document = stem.split_once('.').map(|(_, document)| document);
        if let Some(document) = document {
            let name = format!("{chunk}-acsmetadata.{document}.json");
            candidates.push(media.with_file_name(name));
        }
        // Its content tells whether it is of the same document.
        candidates.push(media.with_file_name(format!("{chunk}-acsmetadata.json")));
    }
    candidates
}

/// Where the manifest of a file's recording may be.
fn manifests(media: &Path) -> Vec<PathBuf> {
    let Some(stem) = media.file_stem() else {
        return Vec::new();
    };
    let named = |stem: &Path| {
        let mut name = stem.as_os_str().to_owned();
        name.push(".manifest.json");
        media.with_file_name(name)
    };
    let stem = Path::new(stem);
    let mut manifests = vec![named(stem)];
    // Chunks have their number behind the name of the recording.
    if let Some(number) = stem.extension().and_then(|number| number.to_str())
        && is_number(number)
    {
        manifests.push(named(&stem.with_extension("")));
    }
    manifests
}

/// The document that a manifest names for a file.
fn named(manifest: &Path, media: &Path) -> Option<PathBuf> {
    let manifest = read_manifest(manifest).ok()?;
    let media_name = media.file_name()?.to_str()?;
    let chunks = manifest.get("chunks")?.as_array()?;
    let chunk = chunks
        .iter()
        .find(|chunk| chunk["media"]["name"] == media_name)?;
    let name = chunk["metadata"]["name"].as_str()?;
    // It names files of its own folder.
    let is_name = Path::new(name).file_name().is_some_and(|file| file == name);
    is_name.then(|| media.with_file_name(name))
}

fn read_manifest(path: &Path) -> io::Result<Value> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(LARGEST_MANIFEST)
        .read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_chunk_and_document() {
        let own = |chunk, document| Name {
            chunk: Some(chunk),
            document,
            is_own_storage: true,
        };
        for (stem, name) in [
            ("0-audiowavmultichannel", own(0, None)),
            ("12-audiomp3.0-weu-d7-abc0", own(12, Some("0-weu-d7-abc0"))),
            ("3-video.0-weu-d7-abc0", own(3, Some("0-weu-d7-abc0"))),
            ("0-weu-d7-abc0", Name::default()),
            ("call", Name::default()),
            (
                "call.2025",
                Name {
                    chunk: Some(2025),
                    ..Name::default()
                },
            ),
            (
                "0-weu-d7-abc0.002",
                Name {
                    chunk: Some(2),
                    ..Name::default()
                },
            ),
        ] {
            assert_eq!(Name::read(stem), name, "{stem}");
        }
    }

    const DOCUMENT: &str = r#"{"chunkDocumentId": "0-weu-d7-1", "chunkIndex": 1,
        "participants": [{"participantId": "8:acs:a_b", "channel": 0}]}"#;

    /// A folder with these files, and the document that is found for a name.
    fn found(files: &[(&str, &str)], media: &str) -> Document {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        let mut document = beside(&dir.path().join(media));
        let name = |path: PathBuf| PathBuf::from(path.file_name().unwrap());
        document.path = document.path.map(name);
        document
    }

    #[test]
    fn documents_are_found_in_every_layout() {
        for (document, media) in [
            ("1-acsmetadata.0-weu-d7-1.json", "1-audiomp3.0-weu-d7-1.mp3"),
            ("1-acsmetadata.json", "1-audiomp3.0-weu-d7-1.mp3"),
            ("1-acsmetadata.json", "1-video.mp4"),
            ("call.001.json", "call.001.wav"),
            ("0-weu-d7-1.json", "0-weu-d7-1.wav"),
            ("call.json", "call.WAV"),
        ] {
            // What belongs to others is there as well.
            let other = DOCUMENT
                .replace("d7-1", "d7-0")
                .replace("Index\": 1", "Index\": 0");
            let files = [
                ("0-acsmetadata.json", &other[..]),
                ("0-acsmetadata.0-weu-d7-0.json", &other),
                (document, DOCUMENT),
            ];
            let found = found(&files, media);
            assert_eq!(found.path.as_deref(), Some(Path::new(document)), "{media}");
            assert_eq!(found.warning, None);
            assert!(found.content.unwrap().participant_on(0).is_some());
        }
    }

    #[test]
    fn neighbours_lend_no_names() {
        for (document, media, told) in [
            ("1-acsmetadata.json", "0-audiowav.wav", None),
            (
                "1-acsmetadata.0-weu-d7-1.json",
                "1-audiowav.0-weu-d7-2.wav",
                None,
            ),
            (
                "1-acsmetadata.json",
                "1-audiowav.0-weu-d7-2.wav",
                Some("document 0-weu-d7-1"),
            ),
            ("2-acsmetadata.json", "2-audiowav.wav", Some("chunk 1")),
            ("call.002.json", "call.002.wav", Some("chunk 1")),
            ("call.001.json", "call.002.wav", None),
        ] {
            let found = found(&[(document, DOCUMENT)], media);
            assert!(found.path.is_none() && found.content.is_none(), "{media}");
            match told {
                Some(told) => assert!(found.warning.unwrap().contains(told), "{media}"),
                None => assert_eq!(found.warning, None),
            }
        }
    }

    #[test]
    fn a_manifest_names_the_document() {
        let manifest = r#"{"version": 9, "chunks": [
            {"index": 0, "media": {"name": "call.000.wav"}, "metadata": {"name": "../x.json"}},
            {"index": 1, "media": {"name": "call.001.wav"}, "metadata": {"name": "names.json"}},
            {"index": 5, "media": {"name": "call.005.wav"}, "metadata": {"name": "names.json"}},
            {"index": 2, "media": {"name": "call.002.wav"}, "metadata": null},
            {"index": 3, "media": null}]}"#;
        let files = [("call.manifest.json", manifest), ("names.json", DOCUMENT)];
        // The second stands for an event without numbers: what is listed goes together.
        for media in ["call.001.wav", "call.005.wav"] {
            let path = found(&files, media).path;
            assert_eq!(path.as_deref(), Some(Path::new("names.json")));
        }
        for media in [
            "call.000.wav",
            "call.002.wav",
            "call.003.wav",
            "call.004.wav",
        ] {
            assert!(found(&files, media).path.is_none(), "{media}");
        }
        let broken = [("call.manifest.json", "{"), ("call.001.json", DOCUMENT)];
        assert!(found(&broken, "call.001.wav").path.is_some());
    }

    #[test]
    fn unusable_documents_are_reported() {
        let empty = found(&[("call.json", "{}")], "call.wav");
        assert!(empty.warning.unwrap().contains("is empty"));
        assert!(empty.path.is_some());
        let broken = found(&[("call.json", "no")], "call.wav");
        assert!(broken.warning.unwrap().contains("call.json"));
        assert!(broken.path.is_none());
    }
}
