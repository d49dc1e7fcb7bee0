//! `call`.

use acs_emulator::Emulator;

use crate::program::Program;

const CALLBACK: [&str; 2] = ["--callback-url", "https://app.example/calls"];

#[tokio::test(flavor = "multi_thread")]
async fn calls_provide_the_ids_to_record() {
    let acs = Emulator::start().await.unwrap();
    let program = Program::new(&acs);
    let create = ["call", "create", "8:acs:alice", "--output", "json"];
    let call = program.run(&[&create[..], &CALLBACK].concat()).json();
    let (connection, server) = (&call["call_connection_id"], &call["server_call_id"]);
    let (connection, server) = (connection.as_str().unwrap(), server.as_str().unwrap());
    assert_eq!(call["state"], "connected");
    program.run(&["start", "--server-call-id", server]).text();
    let shown = program.run(&["call", "get", connection]).text();
    assert!(
        shown.contains(server) && shown.ends_with("connected"),
        "{shown}"
    );
    let hang_up = ["call", "hang-up", connection, "--for-everyone"];
    assert_eq!(program.run(&hang_up).text(), "hung up");
    program.run(&["call", "get", connection]).failure(4);

    let answer = ["call", "answer", "--context-file", "-"];
    let answered = program.feed(&[&answer[..], &CALLBACK].concat(), "any context\n");
    assert!(answered.text().ends_with("connected"));
}
