// Requests to the service: the verdict on each signature, and why a request was denied.

import { api } from "./api.js";
import { h } from "./dom.js";
import { count, duration, time } from "./format.js";
import { filterBar } from "./events.js";
import { button, card, copyButton, empty, facts, statusTag, tag } from "./parts.js";
import { changed, state } from "./store.js";

let filter = "all";
let search = "";
let limit = 100;
const FILTERS = [
  ["all", "All", () => true],
  ["denied", "Denied", (one) => one.authentication.verdict === "denied"],
  ["failed", "Failed", (one) => one.status === null || one.status >= 400],
  ["faults", "With a fault", (one) => one.faultId !== null],
];

const SCHEMES = { hmac: "signature", bearer: "token", none: "no credentials" };
const REASONS = {
  missingHeader: "A header is missing.",
  invalidHeader: "A header cannot be read.",
  contentHash: "The hash of the body is wrong.",
  skew: "The date is too far off.",
  signature: "The signature does not match.",
  host: "The host is not that of the resource.",
  token: "The token is not valid.",
};

function verdict({ scheme, verdict: result, key }) {
  if (result === "notRequired") return h("span", { class: "quiet" }, "open");
  if (result === "denied") return tag("denied");
  return h("span", { class: "good-text" }, "✓", h("span", { class: "wide" }, ` ${SCHEMES[scheme]}`, key === "secondary" && " (secondary key)"));
}

/** Why a request was denied, and what to change. */
function explanation(authentication) {
  if (authentication.verdict !== "denied") return null;
  const { reason, message, hint, stringToSign, skewMs } = authentication;
  return h(
    "div",
    { class: "note bad" },
    h("p", {}, h("strong", {}, REASONS[reason] ?? "The request was denied."), " ", message),
    hint && h("p", {}, hint),
    reason === "skew" && skewMs !== null && h("p", {}, `The date in the request is ${duration(Math.abs(skewMs))} ${skewMs < 0 ? "behind" : "ahead of"} the emulator. At most 5 minutes are allowed.`),
    stringToSign && [
      h("p", {}, "The emulator expects this text to be signed with HMAC-SHA256 and the access key:"),
      h("div", { class: "snippet" }, h("pre", { tabindex: "0" }, h("code", {}, stringToSign)), copyButton(stringToSign, "Copy", "the text to sign")),
    ],
  );
}

function entry(request) {
  const [path] = request.path.split("?");
  return h(
    "details",
    { class: "entry-box", "data-key": String(request.id) },
    h(
      "summary",
      { class: "entry request" },
      h("time", { datetime: request.at }, time(request.at)),
      h("span", { class: "method" }, request.method),
      h("code", { class: "path", title: request.path }, path),
      statusTag(request.status),
      h("span", { class: "verdict" }, verdict(request.authentication), request.faultId !== null && tag("fault", "warn")),
    ),
    h(
      "div",
      { class: "stack entry-body" },
      explanation(request.authentication),
      facts([
        ["Request", h("code", { class: "wrap" }, `${request.method} ${request.path}`)],
        ["Host", h("code", {}, request.host)],
        ["Operation", request.operation === "any" ? "none" : request.operation],
        ["Duration", duration(request.durationMs)],
        ["Error", request.errorCode && `${request.errorCode}: ${request.errorMessage ?? ""}`],
        ["Signed with", request.authentication.key && `the ${request.authentication.key} key`],
        ["Client request id", request.clientRequestId && h("code", { class: "wrap" }, request.clientRequestId)],
        ["User agent", request.userAgent && h("span", { class: "wrap" }, request.userAgent)],
        ["Fault", request.faultId !== null && h("a", { href: "#/faults" }, `Fault ${request.faultId} was applied`)],
        ["Repeated", request.repeated && "The response is that of an earlier request with the same repeatability headers."],
        ["Call", request.callId && h("a", { href: `#/calls/${request.callId}` }, "Show the call")],
        ["Recording", request.recordingId && h("a", { href: `#/recordings/${request.recordingId}` }, "Show the recording")],
      ]),
    ),
  );
}

function clear() {
  return api.clearRequests().then(() => {
    state.requests = { items: [], total: 0, nextCursor: null };
    changed();
  });
}

function list() {
  const { items } = state.requests;
  if (items.length === 0) {
    return empty("No requests yet.", "Connect a client with the connection string under Overview. The last 1,000 requests are listed here.");
  }
  const matches = FILTERS.find(([id]) => id === filter)[2];
  const text = search.toLowerCase();
  const found = items.filter((one) => matches(one) && (!text || `${one.method} ${one.path} ${one.status} ${one.operation}`.toLowerCase().includes(text)));
  if (found.length === 0) return empty("No request matches.", "Choose another filter.");
  return [
    h("div", { class: "entries", "data-key": "entries" }, found.slice(0, limit).map(entry)),
    found.length > limit &&
      h("p", { class: "more", "data-key": "more" }, h("button", { type: "button", onclick: () => { limit += 200; changed(); } }, "Show older"), h("span", { class: "quiet" }, `${limit} of ${count(found.length, "request")} are shown.`)),
  ];
}

export const view = {
  id: "requests",
  title: "Requests",
  badge() {
    const denied = state.requests.items.filter((one) => one.authentication.verdict === "denied").length;
    return denied ? { count: denied, tone: "bad", title: `${denied} denied` } : null;
  },
  draw() {
    const choose = (id) => {
      filter = id;
      changed();
    };
    const oninput = (event) => {
      search = event.currentTarget.value;
      changed();
    };
    return card(
      "Requests",
      { key: "requests", extra: [filterBar(FILTERS, filter, choose, "Which requests"), button("Clear", clear, { disabled: state.requests.items.length === 0 })] },
      h("input", { type: "search", class: "search", placeholder: "Filter by path, method, status or operation", "aria-label": "Filter", oninput, "data-key": "search" }),
      h("div", { "data-key": "list" }, list()),
    );
  },
};
