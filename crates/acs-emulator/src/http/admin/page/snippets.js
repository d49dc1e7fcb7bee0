// How to connect each SDK.

/** The connection string for an SDK that requires HTTPS, and what to do if there is none. */
function secure(info) {
  const note = info.httpsConnectionString
    ? null
    : "This SDK requires HTTPS. Start the emulator with --https 127.0.0.1:0 --ca-out ca.pem.";
  return { text: info.httpsConnectionString ?? info.connectionString, note };
}

function caFile(info) {
  return info.ca?.file ?? "ca.pem";
}

/** Commands that make the CA certificate available to programs that are started in the same shell. */
function trust(info, ...commands) {
  if (!info.ca) return null;
  const download = info.ca.file ? [] : [`curl -o ca.pem ${info.adminUrl}/api/v1/ca.pem`];
  return [...download, ...commands].join("\n") || null;
}

export const SDKS = [
  {
    id: "dotnet",
    title: ".NET",
    write(info) {
      const { text, note } = secure(info);
      return {
        setup: trust(info, `export SSL_CERT_FILE=${caFile(info)}`),
        code: `using Azure.Communication.CallAutomation;

var client = new CallAutomationClient(
    "${text}");
CallRecording recording = client.GetCallRecording();`,
        note: note ?? "SSL_CERT_FILE applies to Linux. On Windows and macOS, add ca.pem to the trusted certificates.",
      };
    },
  },
  {
    id: "java",
    title: "Java",
    write(info) {
      const { text, note } = secure(info);
      return {
        setup: trust(
          info,
          `keytool -importcert -noprompt -alias acs-emulator -file ${caFile(info)} \\
  -keystore acs-emulator.p12 -storepass changeit`,
          'export JAVA_TOOL_OPTIONS="-Djavax.net.ssl.trustStore=acs-emulator.p12 -Djavax.net.ssl.trustStorePassword=changeit"',
        ),
        code: `import com.azure.communication.callautomation.*;

CallAutomationClient client = new CallAutomationClientBuilder()
    .connectionString("${text}")
    .buildClient();
CallRecording recording = client.getCallRecording();`,
        note,
      };
    },
  },
  {
    id: "javascript",
    title: "JavaScript",
    write(info) {
      const { text, note } = secure(info);
      return {
        setup: trust(info, `export NODE_EXTRA_CA_CERTS=${caFile(info)}`),
        code: `import { CallAutomationClient } from "@azure/communication-call-automation";

const client = new CallAutomationClient(
  "${text}",
);
const recording = client.getCallRecording();`,
        note,
      };
    },
  },
  {
    id: "python",
    title: "Python",
    write(info) {
      const { text, note } = secure(info);
      return {
        setup: trust(info),
        code: `from azure.communication.callautomation import CallAutomationClient

client = CallAutomationClient.from_connection_string(
    "${text}",${info.ca ? `\n    connection_verify="${caFile(info)}",` : ""}
)`,
        note,
      };
    },
  },
  {
    id: "rust",
    title: "Rust",
    write(info) {
      const plain = info.httpEndpoint !== null;
      const connect = `RecordingClient::from_connection_string(
    "${info.connectionString}",
)?;`;
      const build = `RecordingClient::builder("${info.connectionString}".parse()?)
    .add_root_certificate(&std::fs::read("${caFile(info)}")?)?
    .build()?;`;
      return {
        setup: plain ? null : trust(info),
        code: `use acs_recording::RecordingClient;

let client = ${plain ? connect : build}`,
        note: null,
      };
    },
  },
];
