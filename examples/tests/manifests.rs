//! The manifests of `examples/archive` are YAML and say what a worker needs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use serde_json::Value;

fn documents(name: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/archive/");
    let text = std::fs::read_to_string(format!("{path}{name}")).unwrap();
    let documents = text.split("\n---\n");
    documents
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect()
}

/// What a worker is started with.
fn assert_runs_a_worker(container: &Value) {
    let arguments = container["args"].as_array().unwrap();
    let arguments: Vec<_> = arguments.iter().map(|one| one.as_str().unwrap()).collect();
    assert_eq!(arguments[..2], ["archive", "run"]);
    for option in [
        "--endpoint=",
        "--queue=",
        "--to=",
        "--credential=",
        "--metrics=",
    ] {
        let has_option = arguments.iter().any(|one| one.starts_with(option));
        assert!(has_option, "{option} in {arguments:?}");
    }
}

#[test]
fn kubernetes_runs_workers_and_scales_them_by_the_queue() {
    let documents = documents("kubernetes.yaml");
    let find = |kind: &str| {
        let found = documents.iter().find(|document| document["kind"] == kind);
        found.unwrap_or_else(|| panic!("no {kind}"))
    };
    let name = &find("Deployment")["metadata"]["name"];
    let pod = &find("Deployment")["spec"]["template"]["spec"];
    assert_runs_a_worker(&pod["containers"][0]);
    assert_eq!(
        pod["serviceAccountName"],
        find("ServiceAccount")["metadata"]["name"]
    );
    assert!(pod["terminationGracePeriodSeconds"].as_u64() > Some(25));
    let scaler = &find("ScaledObject")["spec"];
    assert_eq!(&scaler["scaleTargetRef"]["name"], name);
    let trigger = &scaler["triggers"][0];
    assert_eq!(trigger["type"], "azure-queue");
    assert_eq!(trigger["metadata"]["queueLengthStrategy"], "all");
    assert_eq!(
        trigger["authenticationRef"]["name"],
        find("TriggerAuthentication")["metadata"]["name"]
    );
    // What KEDA reads are strings.
    for (key, value) in trigger["metadata"].as_object().unwrap() {
        assert!(value.is_string(), "{key}: {value}");
    }
}

#[test]
fn a_container_app_runs_workers_and_scales_them_by_the_queue() {
    let documents = documents("container-app.yaml");
    let template = &documents[0]["properties"]["template"];
    assert_runs_a_worker(&template["containers"][0]);
    let rule = &template["scale"]["rules"][0]["azureQueue"];
    assert_eq!(rule["queueName"], "recordings");
    assert_eq!(rule["queueLength"], 4);
}
