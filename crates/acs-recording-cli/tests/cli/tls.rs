//! `--ca-cert`, over real TLS.

use acs_emulator::{Emulator, SyntheticRecording};

use crate::program::Program;

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_authority_in_a_file_is_trusted() {
    let builder = Emulator::builder().https(([127, 0, 0, 1], 0).into());
    let acs = builder.without_http().start().await.unwrap();
    let call = acs.call(["alice"]).await;
    let program = Program::new(&acs);
    let start = ["start", "--server-call-id", call.server_call_id()];
    let untrusted = program.run(&start);
    let untrusted = untrusted.failure(5);
    assert!(
        untrusted.contains("certificate") && untrusted.contains("--ca-cert"),
        "{untrusted}"
    );

    program.write("ca.pem", acs.ca_certificate().unwrap().as_bytes());
    let trusting = ["--ca-cert", "ca.pem"];
    let id = program.run(&[&start[..], &trusting].concat()).text();
    let status = ["status", &id];
    program.run(&[&status[..], &trusting].concat()).text();

    let recording = acs.add_recording(SyntheticRecording::new(5_000_000));
    let location = recording.chunks()[0].content_location();
    assert!(location.starts_with("https://"));
    let download = ["download", location, "-o", "call.wav"];
    program.run(&[&download[..], &trusting].concat()).text();
    assert_eq!(program.read("call.wav").len(), 5_000_000);

    program.write("text.pem", b"no certificate");
    for (file, said) in [
        ("missing.pem", "missing.pem"),
        ("text.pem", "no root certificate"),
    ] {
        let failure = program.run(&[&status[..], &["--ca-cert", file]].concat());
        let failure = failure.failure(2);
        assert!(failure.contains(said), "{failure}");
    }
}
