//! The archive in S3, and in Azure with tokens of Microsoft Entra ID over TLS.

#[cfg(feature = "aws")]
mod s3 {
    use acs_emulator::{Emulator, SyntheticRecording};
    use acs_test_support::Moto;
    use serde_json::Value;

    use crate::program::{Program, Run};
    use crate::site::event;

    /// A command with the credentials of Moto, and its results.
    fn run(program: &Program, moto: &Moto, arguments: &[&str]) -> Run {
        let mut command = program.command(&[&["archive"][..], arguments].concat());
        command.env("AWS_ENDPOINT", moto.endpoint());
        command.env("AWS_ALLOW_HTTP", "true");
        command.env("AWS_REGION", "eu-west-1");
        command.env("AWS_ACCESS_KEY_ID", "test");
        command.env("AWS_SECRET_ACCESS_KEY", "topsecret");
        let run = program.check(command.output().unwrap());
        assert!(!run.out.contains("topsecret") && !run.err.contains("topsecret"));
        run
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn put_list_and_verify_work_in_s3() {
        let Some(moto) = Moto::shared() else {
            return;
        };
        let acs = Emulator::start().await.unwrap();
        let program = Program::new(&acs);
        // Several parts.
        let stored = acs.add_recording(SyntheticRecording::new(20_000_000));
        program.write("event.json", event(&stored).to_string().as_bytes());
        let to = format!("{}/a/b", moto.create_bucket("cli").await);
        let put = ["put", "--event", "event.json", "--to", &to];
        let name = run(&program, &moto, &put).text();
        let again = run(&program, &moto, &[&put[..], &["--output", "json"]].concat());
        assert_eq!(again.json()["chunks"][0]["new"], false);

        let list = ["list", "--to", &to, "--output", "json"];
        let row: Value = run(&program, &moto, &list).json();
        assert_eq!(
            (&row["media"], &row["bytes"]),
            (&name.into(), &20_000_000.into())
        );
        let verify = ["verify", "--deep", "--to", &to];
        let text = run(&program, &moto, &verify).text();
        assert!(text.starts_with("1 of 1 chunks are sound"), "{text}");

        let put = [
            "put",
            "--event",
            "event.json",
            "--to",
            "s3://no-such-bucket",
        ];
        let failure = run(&program, &moto, &put).failure(4);
        assert!(failure.contains("does not exist"), "{failure}");
    }
}

#[cfg(feature = "entra")]
mod entra {
    use acs_emulator::{Emulator, SyntheticRecording};
    use acs_recording_archive::StorageQueue;
    use acs_test_support::Azurite;
    use axum::routing::get;
    use axum::{Json, Router};
    use serde_json::json;

    use crate::program::Program;
    use crate::site::{event, lines};

    /// The token endpoint of managed identities.
    async fn token_endpoint() -> String {
        let token = async || {
            Json(json!({
                "access_token": Azurite::token(),
                "expires_on": "4070908800",
                "resource": "https://storage.azure.com",
                "token_type": "Bearer",
            }))
        };
        let router = Router::new().route("/token", get(token));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/token")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn queue_and_container_take_tokens_over_tls() {
        let Some(azurite) = Azurite::shared_with_tls() else {
            return;
        };
        let acs = Emulator::start().await.unwrap();
        let program = Program::new(&acs);
        let authority = azurite.ca_certificate().unwrap();
        program.write("ca.pem", authority.as_bytes());
        let container = azurite.create_container("cli-token").await;
        let url = azurite.create_queue("cli-token").await;
        let sas = format!("{url}?{}", Azurite::sas("rwdlacup"));
        let queue = StorageQueue::builder(&sas, None).unwrap();
        let queue = queue.add_root_certificate(authority.as_bytes()).unwrap();
        let queue = queue.build().unwrap();
        // Several parts.
        let stored = acs.add_recording(SyntheticRecording::new(20_000_000));
        queue.send(event(&stored).to_string()).await.unwrap();
        queue.send("not an event").await.unwrap();

        let endpoint = token_endpoint().await;
        let run = |arguments: &[&str]| {
            let mut command = program.command(arguments);
            command.env("IDENTITY_ENDPOINT", &endpoint);
            command.env("IDENTITY_HEADER", "x");
            program.check(command.output().unwrap())
        };
        let identity = ["--credential", "managed-identity", "--ca-cert", "ca.pem"];
        let to = format!("{container}/a/b");
        let drain = ["archive", "drain", "--queue", &url, "--to", &to];
        let drain = [&drain[..], &identity, &["--max-poll-interval", "100ms"]].concat();
        let drained = run(&drain);
        assert_eq!(drained.code, Some(0), "{drained:?}");
        let summary = lines(&drained).pop().unwrap();
        assert_eq!(
            (&summary["bytes"], &summary["poisoned"]),
            (&json!(20_000_000), &json!(1)),
            "{drained:?}"
        );
        assert_eq!(queue.poison_queue().peek(1).await.unwrap().len(), 1);
        let verify = ["archive", "verify", "--deep", "--to", &to];
        let text = run(&[&verify[..], &identity].concat()).text();
        assert!(text.starts_with("1 of 1 chunks are sound"), "{text}");

        // Without the authority, it is one clear error.
        let untrusted = [&verify[..], &identity[..2]].concat();
        let failure = run(&untrusted).failure(5);
        assert!(failure.contains("certificate"), "{failure}");
    }
}
