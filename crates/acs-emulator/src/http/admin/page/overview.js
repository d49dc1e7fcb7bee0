// The overview: what is needed to connect a client, and the state at a glance.

import { api } from "./api.js";
import { clockControls, clockNote } from "./clock.js";
import { h } from "./dom.js";
import { count, dateTime, duration } from "./format.js";
import { button, card, copyButton, facts, fold } from "./parts.js";
import { SDKS } from "./snippets.js";
import { changed, setClock, state } from "./store.js";

let sdk = SDKS[0];
let confirming = false;

function tile(href, number, text, tone = "") {
  return h("a", { class: `tile ${number ? tone : ""}`, href }, h("span", { class: "number" }, String(number)), h("span", {}, text));
}

function tiles() {
  const { calls, recordings, deliveries, requests, faults } = state;
  const live = calls.items.filter((call) => call.state !== "ended").length;
  const recording = recordings.items.filter((one) => one.state !== "ended").length;
  const waiting = deliveries.items.filter((one) => ["retrying", "queued", "sending"].includes(one.state)).length;
  const denied = requests.items.filter((one) => one.authentication.verdict === "denied").length;
  const armed = faults.filter((one) => !one.exhausted).length;
  return h(
    "div",
    { class: "tiles", "data-key": "tiles" },
    tile("#/calls", live, live === 1 ? "call now" : "calls now"),
    tile("#/recordings", recording, recording === 1 ? "recording now" : "recordings now", "recording"),
    tile("#/events", waiting, waiting === 1 ? "event on its way" : "events on their way", "warn"),
    tile("#/requests", denied, denied === 1 ? "request denied" : "requests denied", "bad"),
    tile("#/faults", armed, armed === 1 ? "fault set" : "faults set", "warn"),
  );
}

function secret(name, text) {
  return h(
    "div",
    { class: "secret" },
    h("span", { class: "label" }, name),
    h("div", { class: "line" }, h("code", { class: "block" }, text), copyButton(text, "Copy", `the ${name.toLowerCase()}`)),
  );
}

function connectionCard() {
  const { info } = state;
  const both = info.httpEndpoint && info.httpsConnectionString;
  return card(
    "Connection string",
    { key: "connection" },
    secret(both ? "HTTP" : "Connection string", info.connectionString),
    both && secret("HTTPS", info.httpsConnectionString),
    fold(
      "Keys",
      "keys",
      ["primary", "secondary"].map((key) =>
        h(
          "div",
          { class: "line key" },
          h("span", { class: "label" }, key),
          h("code", { class: "block" }, info.keys[key].key),
          copyButton(info.keys[key].key, "Copy", `the ${key} key`),
          button("Regenerate", () => api.regenerateKey(key), {
            done: "The key is new. Requests that are signed with the old one are denied.",
            tone: "small",
            label: `Regenerate the ${key} key`,
          }),
        ),
      ),
    ),
  );
}

function snippetTabs() {
  const onkeydown = (event) => {
    const at = SDKS.indexOf(sdk);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: SDKS.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    sdk = SDKS[(next + SDKS.length) % SDKS.length];
    changed();
    requestAnimationFrame(() => document.getElementById(`sdk-${sdk.id}`)?.focus());
  };
  return h(
    "div",
    { class: "pills", role: "tablist", "aria-label": "SDK", onkeydown },
    SDKS.map((one) =>
      h(
        "button",
        {
          type: "button",
          role: "tab",
          id: `sdk-${one.id}`,
          "aria-selected": String(one === sdk),
          "aria-controls": "snippet",
          tabindex: one === sdk ? "0" : "-1",
          onclick: () => {
            sdk = one;
            changed();
          },
        },
        one.title,
      ),
    ),
  );
}

function snippetCard() {
  const { setup, code, note } = sdk.write(state.info);
  return card(
    "Connect a client",
    { key: "snippets" },
    snippetTabs(),
    h(
      "div",
      { id: "snippet", role: "tabpanel", "aria-labelledby": `sdk-${sdk.id}`, class: "stack" },
      setup && h("div", { class: "snippet" }, h("pre", { tabindex: "0" }, h("code", {}, setup)), copyButton(setup, "Copy", "the commands")),
      h("div", { class: "snippet" }, h("pre", { tabindex: "0" }, h("code", {}, code)), copyButton(code, "Copy", "the code")),
      note && h("p", { class: "hint" }, note),
    ),
  );
}

function clockCard() {
  return card(
    "Clock",
    { key: "clock" },
    h("div", { class: "big-clock" }, clockControls()),
    h("form", { class: "inline", onsubmit: advance }, h("label", { class: "label", for: "advance" }, "Advance by"),
      h("input", { id: "advance", name: "seconds", type: "number", min: "0", step: "any", required: true, placeholder: "90" }),
      h("span", {}, "seconds"), h("button", {}, "Advance")),
    h("p", { class: "hint" }, clockNote()),
  );
}

function advance(event) {
  event.preventDefault();
  const seconds = Number(new FormData(event.currentTarget).get("seconds"));
  api.advance(Math.round(seconds * 1_000)).then(setClock);
}

function emulatorCard() {
  const { info } = state;
  const { settings } = info;
  return card(
    "This emulator",
    { key: "emulator" },
    facts([
      ["Version", info.version],
      ["Resource id", h("code", {}, info.resourceId)],
      ["HTTP endpoint", info.httpEndpoint && h("code", {}, info.httpEndpoint)],
      ["HTTPS endpoint", info.httpsEndpoint && h("code", {}, info.httpsEndpoint)],
      ["Content", h("code", {}, info.contentOrigin)],
      ["CA certificate", info.ca && h("a", { href: "/api/v1/ca.pem", download: "ca.pem" }, "Download ca.pem")],
      ["Recorder joins after", duration(settings.startDelayMs)],
      ["Files are ready after", duration(settings.eventDelayMs)],
      ["Files are kept for", duration(settings.retentionMs)],
      ["Chunks of at most", duration(settings.chunkDurationMs)],
      ["Running since", `${dateTime(info.startedAt)} UTC`],
      ["Admin API", h("a", { href: "/api/v1/openapi.json" }, "openapi.json")],
    ], "lines"),
    h(
      "div",
      { class: "danger" },
      confirming
        ? [
            h("span", {}, "This ends all calls and removes everything, including faults and subscriptions."),
            button("Remove everything", reset, { tone: "danger-button", done: "The emulator is empty." }),
            h("button", { type: "button", onclick: () => confirm(false) }, "Cancel"),
          ]
        : h("button", { type: "button", onclick: () => confirm(true) }, "Reset …"),
    ),
  );
}

async function reset() {
  await api.reset({});
  confirm(false);
  return true;
}

function confirm(value) {
  confirming = value;
  changed();
}

export const view = {
  id: "overview",
  title: "Overview",
  draw() {
    const quiet = state.calls.items.length === 0 && state.requests.items.length === 0;
    return [
      tiles(),
      quiet &&
        h(
          "p",
          { class: "lead", "data-key": "lead" },
          "Nothing has happened yet. Connect a client with the connection string, or ",
          h("a", { href: "#/calls" }, "set up a call"),
          ` here. ${count(state.presets.length, "fault")} ${state.presets.length === 1 ? "is" : "are"} ready to be set under `,
          h("a", { href: "#/faults" }, "Faults"),
          ".",
        ),
      h(
        "div",
        { class: "columns", "data-key": "columns" },
        h("div", { class: "stack" }, connectionCard(), snippetCard()),
        h("div", { class: "stack" }, clockCard(), emulatorCard()),
      ),
    ];
  },
};
