//! Downloads to full disks and into unwritable folders.
//!
//! Limits that apply to the superuser too need a namespace or fewer capabilities. A test gets these from
//! `unshare` and `setpriv` by running itself again. If they are missing or not allowed, it reports
//! that and continues.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a test may panic, and reports what it skips"
)]

mod common;
#[path = "common/storage.rs"]
mod storage;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use acs_recording::{Error, ErrorKind, Result, SavedFile};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use storage::{Behavior, Storage, content};

const MIB: usize = 1024 * 1024;
const CHILD: &str = "ACS_DISK_CHILD";

/// Content on a server, and a folder for it.
struct Scene {
    bytes: Bytes,
    storage: Storage,
    folder: PathBuf,
}

impl Scene {
    /// The first `stalls` responses deliver 1 MiB each, and the next is an error.
    async fn new(folder: &Path, stalls: usize) -> Self {
        let bytes = content(8 * MIB, 20);
        let storage = Storage::start(bytes.clone(), move |number, _| Behavior {
            stall_after: (number < stalls).then_some(MIB),
            status: (number == stalls && stalls > 0).then_some(403),
            // Without one, each request would repeat some known bytes.
            tag: Some("\"1\""),
            ..Behavior::default()
        })
        .await;
        let folder = folder.to_owned();
        Self {
            bytes,
            storage,
            folder,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("a.wav")
    }

    async fn download(&self, connections: usize) -> Result<SavedFile> {
        let client = self.storage.client().build()?;
        let download = client.download(&self.storage.location());
        download
            .read_timeout(Duration::from_millis(300))
            .to_file(self.path())
            .connections(connections)
            .sha256()
            .await
    }

    /// The download fails with the path and the reason, and the part file is kept.
    async fn expect_kept(&self, connections: usize, expected: &str) {
        let error = self.download(connections).await.unwrap_err();
        expect(&error, &self.path(), expected);
        assert_eq!(self.names(), ["a.wav.part", "a.wav.part.journal"]);
    }

    /// The download resumes after at least `before` bytes, and its file is correct.
    async fn expect_rest(&self, before: usize) {
        let saved = self.download(4).await.unwrap();
        let length = self.bytes.len();
        assert!(
            saved.transferred <= (length - before) as u64,
            "{before} bytes were kept, {} were received",
            saved.transferred
        );
        let hash = Sha256::digest(&self.bytes);
        assert_eq!(saved.sha256.unwrap().as_bytes()[..], hash[..]);
        assert!(std::fs::read(self.path()).unwrap() == self.bytes);
        assert_eq!(self.names(), ["a.wav"]);
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.starts_with("a.wav")).collect();
        names.sort();
        names
    }
}

/// The error contains the path, and one of the texts separated by `|`.
fn expect(error: &Error, path: &Path, expected: &str) {
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Io, "{text}");
    assert!(!error.is_retryable(), "{text}");
    let expected = expected.split('|').any(|expected| text.contains(expected));
    let names = text.contains(&path.display().to_string());
    assert!(expected && names, "{text}");
}

/// Runs one of the tests below in another process, started by another program. Returns whether that
/// was possible.
fn rerun(launcher: &[&str], test: &str, folder: &Path) -> bool {
    let works = Command::new(launcher[0])
        .args(&launcher[1..])
        .arg("true")
        .stderr(Stdio::null())
        .status();
    if !works.is_ok_and(|status| status.success()) {
        println!("skipped: {} is not possible here", launcher.join(" "));
        return false;
    }
    let output = Command::new(launcher[0])
        .args(&launcher[1..])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", test])
        .env(CHILD, folder)
        .output()
        .unwrap();
    let (said, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}{error}");
    true
}

fn given_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Whether the system call succeeded, which requires privileges.
fn mount(arguments: &[&str], folder: &Path) -> bool {
    let status = Command::new("mount").args(arguments).arg(folder).status();
    status.is_ok_and(|status| status.success())
}

#[tokio::test]
async fn an_unwritable_path_is_an_error_before_any_request() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(folder.path(), 0).await;
    std::fs::write(folder.path().join("file"), "").unwrap();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    std::fs::create_dir(folder.path().join("b")).unwrap();
    std::fs::create_dir(folder.path().join("b/a.wav.part")).unwrap();
    for (name, expected) in [
        ("file", "its folder is a file"),
        ("nowhere", "its folder does not exist"),
        // No user can create files there.
        (
            "/sys",
            "permission denied; give this user write access|file system is read-only",
        ),
        ("b", "a.wav.part is in the way"),
    ] {
        scene.folder = folder.path().join(name);
        let error = scene.download(4).await.unwrap_err();
        expect(&error, &scene.path(), expected);
    }
    assert_eq!(scene.storage.ranges().len(), 0, "no request was sent");
    assert!(!Path::new("/sys/a.wav.part").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_becomes_read_only_keeps_the_part_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, test) = (folder.path().to_owned(), "child_with_a_read_only_folder");
    tokio::task::spawn_blocking(move || {
        let plain = ["env"];
        // The superuser may write anywhere, unless this capability is dropped.
        let without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
        let _ = rerun(&without, test, &path) || rerun(&plain, test, &path);
    })
    .await
    .unwrap();
}

#[tokio::test]
#[ignore = "only as a process of its own"]
async fn child_with_a_read_only_folder() {
    let Some(folder) = given_folder() else {
        return;
    };
    let permit = |mode| std::fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
    permit(0o555);
    if std::fs::write(folder.join("x"), "").is_ok() {
        println!("skipped: this user may write anywhere");
        return;
    }
    permit(0o755);
    let scene = Scene::new(&folder, 3).await;
    scene.download(1).await.unwrap_err();
    permit(0o555);
    scene.expect_kept(4, "permission denied").await;
    permit(0o755);
    scene.expect_rest(3 * MIB).await;

    // Closed when the content is complete, before the file is renamed.
    std::fs::remove_file(scene.path()).unwrap();
    let scene = Scene::new(&folder, 3).await;
    scene.download(1).await.unwrap_err();
    let client = scene.storage.client().build().unwrap();
    let closed = folder.clone();
    let download = client
        .download(&scene.storage.location())
        .on_progress(move |progress| {
            if progress.rate > 0.0 {
                std::fs::set_permissions(&closed, Permissions::from_mode(0o555)).unwrap();
            }
        });
    // Slow enough for progress to be reported before the end.
    let download = download.bandwidth_limit(10 * MIB as u64);
    let error = download.to_file(scene.path()).await.unwrap_err();
    expect(&error, &scene.path(), "permission denied");
    assert!(
        error.to_string().contains("8388608 bytes are kept"),
        "{error}"
    );
    permit(0o755);
    scene.expect_rest(8 * MIB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_keeps_the_part_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    tokio::task::spawn_blocking(move || {
        let launcher = ["unshare", "--map-root-user", "--mount"];
        rerun(&launcher, "child_with_a_small_disk", &path);
    })
    .await
    .unwrap();
}

#[tokio::test]
#[ignore = "only as a process of its own"]
async fn child_with_a_small_disk() {
    let Some(folder) = given_folder() else {
        return;
    };
    let tmpfs = ["-t", "tmpfs", "-o", "size=12m", "tmpfs"];
    if !mount(&tmpfs, &folder) {
        println!("skipped: mounting is not allowed here");
        return;
    }
    for connections in [1, 4] {
        // Space for less than half of it.
        let scene = Scene::new(&folder, 0).await;
        let filler = folder.join("filler");
        std::fs::write(&filler, vec![0; 8 * MIB + MIB / 2]).unwrap();
        scene.expect_kept(connections, "free some space").await;
        scene.expect_kept(connections, "bytes are kept").await;
        std::fs::remove_file(&filler).unwrap();
        scene.expect_rest(2 * MIB).await;
        std::fs::remove_file(scene.path()).unwrap();

        // No space for a byte, before and after some bytes were received.
        let scene = Scene::new(&folder, 3).await;
        let fill = || std::fs::write(&filler, vec![0; 64 * MIB]).unwrap_err();
        fill();
        let error = scene.download(connections).await.unwrap_err();
        expect(&error, &scene.path(), "free some space");
        assert!(scene.names().is_empty(), "no part file is kept");
        std::fs::remove_file(&filler).unwrap();
        let scene = Scene::new(&folder, 3).await;
        scene.download(1).await.unwrap_err();
        fill();
        scene.expect_kept(connections, "free some space").await;
        std::fs::remove_file(&filler).unwrap();
        scene.expect_rest(3 * MIB).await;
        std::fs::remove_file(scene.path()).unwrap();
    }

    let scene = Scene::new(&folder, 3).await;
    scene.download(1).await.unwrap_err();
    // Only this mount, which an ordinary user may change.
    assert!(mount(&["-o", "remount,bind,ro"], &folder));
    scene.expect_kept(4, "file system is read-only").await;
    assert!(mount(&["-o", "remount,bind,rw"], &folder));
    scene.expect_rest(3 * MIB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_size_limit_keeps_the_part_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let scene = Scene::new(&path, 3).await;
    scene.download(1).await.unwrap_err();
    let url = scene.storage.url.clone();
    tokio::task::spawn_blocking(move || {
        // Blocks of 512 or 1024 bytes. The signal would end the process before the error occurs.
        let script = "trap '' XFSZ; ulimit -f 2048; export ACS_DISK_URL=\"$0\"; exec \"$@\"";
        assert!(rerun(
            &["sh", "-c", script, &url],
            "child_with_a_file_size_limit",
            &path
        ));
    })
    .await
    .unwrap();
    assert_eq!(scene.names(), ["a.wav.part", "a.wav.part.journal"]);
    scene.expect_rest(3 * MIB).await;
}

#[tokio::test]
#[ignore = "only as a process of its own"]
async fn child_with_a_file_size_limit() {
    let (Some(folder), Ok(url)) = (given_folder(), std::env::var("ACS_DISK_URL")) else {
        return;
    };
    let client = common::client(&url).build().unwrap();
    let location = format!("{url}/v1/objects/o/content/audiowav")
        .parse()
        .unwrap();
    for (name, kept) in [("a.wav", true), ("b.wav", false)] {
        let path = folder.join(name);
        let outcome = client.download(&location).to_file(&path).await;
        let error = outcome.unwrap_err();
        expect(&error, &path, "ulimit -f");
        assert_eq!(
            error.to_string().contains("bytes are kept"),
            kept,
            "{error}"
        );
    }
}
