//! Help, completions and manual pages.

use crate::program::Program;

const COMMANDS: &[&[&str]] = &[
    &[],
    &["record"],
    &["start"],
    &["status"],
    &["pause"],
    &["resume"],
    &["stop"],
    &["wait"],
    &["download"],
    &["delete"],
    &["events"],
    &["events", "parse"],
    &["events", "listen"],
    &["events", "trigger"],
    &["events", "replay"],
    &["doctor"],
    &["profile"],
    &["profile", "list"],
    &["profile", "show"],
    &["metadata"],
    &["metadata", "show"],
    &["inspect"],
    &["archive"],
    &["archive", "run"],
    &["archive", "drain"],
    &["archive", "put"],
    &["archive", "list"],
    &["archive", "verify"],
    &["archive", "poison"],
    &["archive", "poison", "list"],
    &["archive", "poison", "retry"],
    &["archive", "poison", "drop"],
    &["archive", "setup"],
    &["call"],
    &["call", "create"],
    &["call", "answer"],
    &["call", "get"],
    &["call", "hang-up"],
    &["emulator"],
    &["emulator", "exec"],
    &["completions"],
    &["man"],
];

#[test]
fn every_command_has_help_with_an_example() {
    let program = Program::with_connection_string("");
    for command in COMMANDS {
        let name = format!("help {}", command.join(" "));
        let help = program.run(&[command, &["--help"][..]].concat()).text();
        assert!(help.contains("Example"), "{name}");
        // The global options are the same everywhere.
        let end = if command.is_empty() {
            help.len()
        } else {
            help.find("Global options").unwrap()
        };
        let examples = &help[help.find("\nExample").unwrap()..];
        let examples = if command.is_empty() { "" } else { examples };
        insta::assert_snapshot!(
            name.trim().replace(' ', "-"),
            format!("{}{examples}", &help[..end])
        );
    }
}

#[test]
fn completions_and_manual_pages_list_the_commands() {
    let program = Program::with_connection_string("");
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = program.run(&["completions", shell]).text();
        assert!(script.contains("hang-up"), "{shell}");
    }
    assert!(program.run(&["man"]).text().contains("acs\\-recording"));
    program.run(&["man", "--dir", "man"]).text();
    let page = String::from_utf8(program.read("man/acs-recording-start.1")).unwrap();
    assert!(page.contains("server\\-call\\-id"), "{page}");
}

#[test]
fn no_key_is_an_option() {
    let program = Program::with_connection_string("");
    for option in ["--connection-string", "--access-key"] {
        assert_eq!(program.run(&["status", "rid", option, "x"]).code, Some(2));
    }
    assert!(
        program
            .run(&["--version"])
            .text()
            .starts_with("acs-recording ")
    );
}
