//! Profiles: `--profile`, `ACS_PROFILE` and `profile`.

use acs_emulator::Emulator;

use crate::program::{Program, Run};

fn run(program: &Program, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut command = program.command(arguments);
    command.env("ACS_CONFIG", "config.toml");
    command.envs(variables.iter().copied());
    program.check(command.output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn options_and_the_environment_take_precedence_over_a_profile() {
    let acs = Emulator::start().await.unwrap();
    let call = acs.call(["alice"]).await;
    let program = Program::with_connection_string("");
    program.write("acs.txt", acs.connection_string().as_bytes());
    program.write(
        "config.toml",
        b"[local]\nconnection-string-file = \"acs.txt\"\noutput = \"json\"\n\
          [gone]\nconnection-string-file = \"none.txt\"\n\
          [far]\nendpoint = \"http://127.0.0.1:1\"\ncredential = \"environment\"\n",
    );
    let start = ["start", "--server-call-id", call.server_call_id()];
    let with = |name| [&start[..], &["--profile", name]].concat();
    // There is no profile `default`.
    run(&program, &[], &start).failure(2);
    let started = run(&program, &[], &with("local")).json();
    assert!(started["recording_id"].is_string(), "{started}");
    // An option takes precedence.
    let id = started["recording_id"].as_str().unwrap();
    let text = ["status", id, "--profile", "local", "--output", "text"];
    assert!(!run(&program, &[], &text).text().starts_with('{'));
    let status = ["status", id];
    let named = run(&program, &[("ACS_PROFILE", "local")], &status).json();
    assert_eq!(named["recording_id"], id);
    // --profile takes precedence over ACS_PROFILE.
    let failure = run(&program, &[("ACS_PROFILE", "local")], &with("gone")).failure(1);
    assert!(
        failure.contains("profile `gone`: ") && failure.contains("none.txt"),
        "{failure}"
    );
    let failure = run(&program, &[], &with("far")).failure(2);
    assert!(failure.contains("AZURE_TENANT_ID"), "{failure}");
    // The environment takes precedence.
    let environment = [("ACS_CONNECTION_STRING", acs.connection_string())];
    let far = ["status", id, "--profile", "far"];
    run(&program, &environment, &far).text();

    let default = std::fs::read_to_string(program.dir.path().join("config.toml")).unwrap();
    program.write(
        "config.toml",
        default.replace("[local]", "[default]").as_bytes(),
    );
    run(&program, &[], &status).json();
}

#[test]
fn profiles_are_listed_and_shown() {
    let program = Program::with_connection_string("");
    program.write(
        "config.toml",
        b"[prod]\nendpoint = \"https://contoso.communication.azure.com\"\nmax-retries = 2\n\
          ca-cert = [\"a.pem\"]\n[default]\ncredential = \"cli\"\n",
    );
    let list = run(&program, &[], &["profile", "list"]).text();
    assert_eq!(list, "* default\n  prod");
    let list = run(&program, &[("ACS_PROFILE", "prod")], &["profile", "list"]).text();
    assert_eq!(list, "  default\n* prod");
    let show = run(&program, &[], &["profile", "show", "prod"]).text();
    assert_eq!(
        show,
        "[prod]\nca-cert = [\"a.pem\"]\nendpoint = \"https://contoso.communication.azure.com\"\nmax-retries = 2"
    );
    let show = run(&program, &[], &["profile", "show", "--output", "json"]).json();
    assert_eq!(show["name"], "default");
    assert_eq!(show["settings"]["credential"], "cli");
    assert_eq!(show["file"], "config.toml");
    let failure = run(&program, &[], &["profile", "show", "x"]).failure(2);
    assert!(
        failure.contains("it has the profiles default, prod"),
        "{failure}"
    );
}

#[test]
fn a_wrong_file_is_an_error_with_its_line() {
    let program = Program::with_connection_string("");
    program.write("config.toml", b"[prod]\n\nendpont = \"x\"\n");
    let failure = run(&program, &[], &["status", "rid"]).failure(2);
    assert!(
        failure.starts_with("error: config.toml:3: `endpont` is not a setting"),
        "{failure}"
    );
    let json = run(&program, &[], &["status", "rid", "--output", "json"]).failure(2);
    assert!(json.starts_with('{'), "{json}");
    // Completions work all the same.
    run(&program, &[], &["completions", "bash"]).text();
    program.write(
        "config.toml",
        b"[p]\nconnection-string = \"endpoint=https://x;accesskey=s3cret\"\n",
    );
    let failure = run(&program, &[], &["status", "rid"]).failure(2);
    assert!(
        failure.contains("ACS_CONNECTION_STRING") && !failure.contains("s3cret"),
        "{failure}"
    );
    program.write("config.toml", b"[p]\ncloud = \"mars\"\n");
    let failure = run(&program, &[], &["status", "rid", "--profile", "p"]).failure(2);
    assert!(
        failure.contains("profile `p`: cloud cannot be `mars`"),
        "{failure}"
    );
    assert!(failure.contains("public, us-gov, china"), "{failure}");
}

#[test]
fn without_a_file_there_are_no_profiles() {
    let program = Program::with_connection_string("");
    let failure = program.run(&["profile", "list"]).failure(2);
    assert!(
        failure.contains(".config/acs-recording/config.toml does not exist"),
        "{failure}"
    );
    let failure = program.run(&["status", "rid", "--profile", "x"]).failure(2);
    assert!(failure.contains("there is no profile `x`"), "{failure}");
}
