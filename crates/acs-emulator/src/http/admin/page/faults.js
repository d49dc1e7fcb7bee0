// Faults: presets, a form for everything else, and how often each was applied.

import { api } from "./api.js";
import { form, h } from "./dom.js";
import { count } from "./format.js";
import { button, card, empty, field, fold, input, select, tag } from "./parts.js";
import { state } from "./store.js";

const OPERATIONS = [
  ["Recordings", "start state pause resume stop"],
  ["Content", "content metadata delete"],
  ["Calls", "createCall answerCall connectCall getCall hangUp terminate"],
  ["Participants", "listParticipants getParticipant addParticipant removeParticipant muteParticipants"],
  ["Other", "any event"],
];

/** What a fault does, as phrases. */
function effects(fault) {
  const phrases = {
    delayMs: (ms) => `is delayed by ${ms} ms`,
    status: (status) => `gets status ${status}${fault.code ? ` (${fault.code})` : ""}`,
    retryAfter: (value) => `with Retry-After: ${value}`,
    loss: (loss) => (loss === "silence" ? "gets no response" : "loses its connection"),
    cutAfter: (bytes) => `loses its connection after ${bytes} bytes`,
    shortenTo: (bytes) => `gets only ${bytes} bytes`,
    ignoreRange: () => "gets the whole content instead of a range",
    contentRange: (value) => `gets Content-Range “${value}”`,
    alter: () => "gets altered content",
    etag: (tag) => `gets the entity tag ${tag}`,
    bytesPerSecond: (rate) => `gets ${rate} bytes per second`,
    firstByteDelayMs: (ms) => `waits ${ms} ms for the body`,
    duplicates: (number) => `is sent ${number} more times`,
    headers: (headers) => `gets the headers ${Object.keys(headers).join(", ")}`,
  };
  const parts = Object.entries(phrases)
    .filter(([name]) => fault[name] || (fault[name] === 0 && name === "shortenTo") || (fault[name] === "" && name === "contentRange"))
    .map(([name, phrase]) => phrase(fault[name]));
  if (fault.performed) parts.push("after the operation was performed");
  return parts.join(", ") || "passes unchanged";
}

function scope({ after, times, target }) {
  const parts = [];
  if (after) parts.push(`after ${count(after, "request")}`);
  parts.push(times ? `${times === 1 ? "once" : `${times} times`}` : "every time");
  if (target) parts.push(`for ${target}`);
  return parts.join(", ");
}

function activeRow({ id, hits, exhausted, fault }) {
  return h(
    "li",
    { class: "line-item", "data-key": String(id) },
    h(
      "div",
      { class: "grow" },
      h("strong", {}, fault.operation === "any" ? "any request" : fault.operation),
      " ",
      effects(fault),
      h("p", { class: "hint" }, scope(fault)),
    ),
    tag(hits === 0 ? "no hits" : count(hits, "hit"), hits ? "accent" : ""),
    exhausted && tag("used up"),
    button("Remove", () => api.removeFault(id), { tone: "small", label: `Remove the fault for ${fault.operation}` }),
  );
}

function active() {
  const { faults } = state;
  return card(
    "Active faults",
    { key: "active", extra: faults.length > 1 && button("Remove all", api.clearFaults) },
    faults.length
      ? h("ol", { class: "plain" }, faults.map(activeRow))
      : empty("No fault is set.", "Every request is handled normally. Choose a preset, or describe a fault below."),
  );
}

async function addAll(preset) {
  for (const fault of preset.faults) await api.addFault(fault);
  return preset;
}

function presets() {
  return card(
    "Presets",
    { key: "presets" },
    h(
      "ul",
      { class: "presets" },
      state.presets.map((preset) =>
        h(
          "li",
          { "data-key": preset.id },
          h("div", { class: "grow" }, h("strong", {}, preset.title), h("p", { class: "hint" }, preset.description)),
          button("Set", () => addAll(preset), { done: ({ title }) => `Set: ${title}.`, tone: "small", label: `Set: ${preset.title}` }),
        ),
      ),
    ),
  );
}

const NUMBERS = ["after", "times", "status", "delayMs", "firstByteDelayMs", "bytesPerSecond", "cutAfter", "shortenTo", "alter", "duplicates"];
const FLAGS = ["performed", "ignoreRange"];

function read(fields) {
  const fault = { ...fields };
  for (const name of NUMBERS) if (name in fault) fault[name] = Number(fault[name]);
  for (const name of FLAGS) if (name in fault) fault[name] = true;
  return fault;
}

function custom() {
  const operation = h(
    "select",
    { name: "operation" },
    OPERATIONS.map(([group, names]) => h("optgroup", { label: group }, names.split(" ").map((name) => h("option", { value: name }, name)))),
  );
  const number = (name, label, hint, properties) => field(label, input(name, { type: "number", min: "0", ...properties }), hint);
  const check = (name, text) => h("label", { class: "check" }, input(name, { type: "checkbox" }), text);
  return card(
    "Your own fault",
    { key: "custom" },
    form(
      { class: "stack" },
      async (fields) => (await api.addFault(read(fields))) ?? true,
      h(
        "div",
        { class: "fields" },
        field("Operation", operation),
        number("status", "Status", "The response gets this status.", { min: "200", max: "999", placeholder: "503" }),
        number("times", "How often", "Empty: every time.", { min: "1" }),
        number("after", "Let pass first", "This many requests are handled normally.", { placeholder: "0" }),
        field("Connection", select("loss", [["", "as usual"], ["disconnect", "closed without a response"], ["silence", "open, but no response"]])),
        check("performed", "Perform the operation before its response is lost or replaced"),
      ),
      fold(
        "More",
        "more",
        h(
          "div",
          { class: "fields" },
          field("Only paths with", input("target"), "Such as the id of a recording."),
          field("Error code", input("code")),
          field("Retry-After", input("retryAfter", { placeholder: "2" })),
          number("delayMs", "Delay in ms"),
          number("firstByteDelayMs", "Delay of the body in ms"),
          number("bytesPerSecond", "Bytes per second", "", { min: "1" }),
          number("cutAfter", "Cut after bytes"),
          number("shortenTo", "Shorten to bytes"),
          number("alter", "Alter bytes with", "0 to 255, by exclusive or.", { max: "255" }),
          field("Entity tag", input("etag", { placeholder: '"1"' })),
          field("Content-Range", input("contentRange")),
          number("duplicates", "Extra copies of events", "", { max: "999" }),
          check("ignoreRange", "Ignore the requested range"),
        ),
      ),
      h("div", {}, h("button", { class: "primary" }, "Set the fault")),
    ),
  );
}

export const view = {
  id: "faults",
  title: "Faults",
  badge() {
    const armed = state.faults.filter((one) => !one.exhausted).length;
    return armed ? { count: armed, tone: "warn", title: `${armed} set` } : null;
  },
  draw() {
    return h("div", { class: "columns", "data-key": "columns" }, h("div", { class: "stack" }, active(), custom()), h("div", { class: "stack" }, presets()));
  },
};
