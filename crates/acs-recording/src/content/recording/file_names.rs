//! Names of files from the content of an event, which may be anything.

use sha2::{Digest as _, Sha256};

use crate::format::Hex;
use crate::models::RecordingFormatType;

/// Longer stems are truncated, so that names with extensions stay within the limits of file systems.
const MAX_STEM: usize = 120;

/// Names that Windows reserves for devices, with any extension.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul"];

/// The beginning of the names of all files of a recording, from its id.
///
/// Ids of the service are unchanged. In other ids, everything except letters, digits, `-` and `_` is
/// replaced, and a checksum is appended, so that different ids have different names.
pub(super) fn stem(id: &str) -> String {
    let mut stem: String = id
        .chars()
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => letter,
            _ => '_',
        })
        .take(MAX_STEM)
        .collect();
    if stem != id || stem.is_empty() || is_device(&stem) {
        let hash = Sha256::digest(id);
        let prefix = hash.get(..4).unwrap_or_default();
        stem = format!("{stem}_{}", Hex(prefix));
    }
    stem
}

fn is_device(stem: &str) -> bool {
    let lower = stem.to_ascii_lowercase();
    let numbered = lower.strip_prefix("com").or(lower.strip_prefix("lpt"));
    DEVICES.contains(&lower.as_str()) || numbered.is_some_and(|rest| rest.len() == 1)
}

/// The formats that the service records, by the extensions of their files.
const FORMATS: [&str; 3] = ["wav", "mp3", "mp4"];

/// The extension of media files, by the format or the last segment of their location.
pub(super) fn media_extension(format: Option<&RecordingFormatType>, path: &str) -> &'static str {
    let announced = announced_formats(format, path);
    announced.into_iter().flatten().next().unwrap_or("bin")
}

/// The formats of a media file according to its event, and according to its location.
pub(super) fn announced_formats(
    format: Option<&RecordingFormatType>,
    path: &str,
) -> [Option<&'static str>; 2] {
    let last = path.rsplit('/').next().unwrap_or_default();
    let last = last.to_ascii_lowercase();
    let known_format = |name: &str| {
        let is_match = |known: &&&str| name.eq_ignore_ascii_case(known);
        FORMATS.iter().find(is_match).copied()
    };
    let by_location = FORMATS.iter().find(|known| last.contains(**known)).copied();
    let video = Some("mp4").filter(|_| last.contains("video"));
    [
        format.and_then(|format| known_format(format.as_str())),
        by_location.or(video),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_of_the_service_are_unchanged() {
        let id = "0-eus-d3-3cca2175891f21c6c9a5975a12c0141c";
        assert_eq!(stem(id), id);
    }

    #[test]
    fn the_extension_depends_on_format_or_location() {
        let mp3 = RecordingFormatType::from("mp3");
        for (format, path, expected) in [
            (Some(&mp3), "/v1/objects/x/content/audiowav", "mp3"),
            (None, "/v1/objects/x/content/audiowavmultichannel", "wav"),
            (None, "/v1/objects/x/content/video", "mp4"),
            (None, "/v1/objects/x.wav/content/what", "bin"),
            (None, "", "bin"),
            (Some(&"2".into()), "/v1/objects/x/content/audiowav", "wav"),
            (Some(&"WAV".into()), "/v1/objects/x/content/video", "wav"),
        ] {
            assert_eq!(media_extension(format, path), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_id_leads_out_of_the_folder(id in "\\PC{0,300}|[./\\\\:\0a~]{0,12}|(?i)con|nul|com1|\\.\\.") {
            let name = format!("{}.000.wav", stem(&id));
            prop_assert!(name.len() < 150);
            prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)));
            prop_assert!(!name.starts_with('.'));
            let parts: Vec<_> = Path::new(&name).components().collect();
            prop_assert!(matches!(parts.as_slice(), [Component::Normal(_)]), "{name}");
            prop_assert!(!is_device(&stem(&id)));
        }

        #[test]
        fn different_ids_have_different_names(one in "[a./]{0,6}", two in "[a./]{0,6}") {
            prop_assert_eq!(stem(&one) == stem(&two), one == two);
        }
    }
}
