// Events: Event Grid events and callbacks, their attempts, and subscriptions.

import { api } from "./api.js";
import { form, h } from "./dom.js";
import { duration, relative, shortType, time } from "./format.js";
import { button, card, copyButton, empty, facts, field, fold, idField, input, more, select, statusTag, tag } from "./parts.js";
import { changed, now, put, state } from "./store.js";

let filter = "all";
const FILTERS = [
  ["all", "All", () => true],
  ["eventGrid", "Event Grid", (one) => one.channel === "eventGrid"],
  ["callback", "Callbacks", (one) => one.channel === "callback"],
  ["open", "Not delivered", (one) => one.state !== "delivered"],
];

/** The bodies that were read, by the id of the delivery. */
const bodies = new Map();

const NOTES = {
  unsubscribed: "No subscription selected this event when it was published, so it was not sent.",
  dropped: "The destination did not accept the event, and it is not sent again.",
  expired: "The event was not accepted within its time to live.",
  discarded: "The subscription was deleted before the event was delivered.",
};

async function readBody(event, id) {
  if (!event.currentTarget.open || bodies.has(id)) return;
  bodies.set(id, "Reading…");
  const text = await api.delivery(id).then(
    (delivery) => JSON.stringify(delivery.body, null, 2),
    (error) => error.message,
  );
  bodies.set(id, text);
  changed();
}

function attempts(delivery) {
  if (delivery.attempts.length === 0) return null;
  return h(
    "ol",
    { class: "attempts" },
    delivery.attempts.map((attempt) =>
      h(
        "li",
        {},
        h("span", { class: "quiet" }, `Attempt ${attempt.number}`),
        h("time", { datetime: attempt.at }, time(attempt.at)),
        statusTag(attempt.status),
        h("span", {}, duration(attempt.durationMs)),
        attempt.resend && tag("resent"),
        attempt.error && h("span", { class: "wrap" }, attempt.error),
      ),
    ),
  );
}

function summary(delivery) {
  const { nextAttemptAt } = delivery;
  const due = nextAttemptAt && Date.parse(nextAttemptAt) <= now();
  const next = nextAttemptAt && (due ? "next try is due" : `next try ${relative(nextAttemptAt, now())}`);
  const tries = delivery.attempts.length;
  return h(
    "summary",
    { class: "entry" },
    h("time", { datetime: delivery.time }, time(delivery.time)),
    h("span", { class: "entry-title" }, shortType(delivery.type)),
    tag(delivery.state),
    h(
      "span",
      { class: "entry-more" },
      delivery.channel === "callback" ? "callback" : "Event Grid",
      delivery.destination && ` · ${delivery.destination}`,
      tries > 1 && ` · ${tries} attempts`,
      next && ` · ${next}`,
    ),
  );
}

function entry(delivery) {
  const body = bodies.get(delivery.id);
  const again = async () => {
    const result = await api.resend(delivery.id);
    put("deliveries", result);
  };
  return h(
    "details",
    { class: "entry-box", "data-key": String(delivery.id), ontoggle: (event) => readBody(event, delivery.id) },
    summary(delivery),
    h(
      "div",
      { class: "stack entry-body" },
      NOTES[delivery.state] && h("p", { class: "note" }, NOTES[delivery.state]),
      attempts(delivery),
      h("div", { class: "buttons" }, button("Send again now", again, { done: "The event is sent again." })),
      facts([
        ["Type", delivery.type],
        ["Subject", delivery.subject],
        ["Event id", idField(delivery.eventId, "the event id")],
        ["Destination", delivery.destination],
        ["Subscription", delivery.subscriptionId],
        ["Copies", delivery.copies > 1 ? String(delivery.copies) : null],
        ["Next attempt", delivery.nextAttemptAt && `${time(delivery.nextAttemptAt)} (${relative(delivery.nextAttemptAt, now())})`],
        ["Call", delivery.callId && h("a", { href: `#/calls/${delivery.callId}` }, "Show the call")],
        ["Recording", delivery.recordingId && h("a", { href: `#/recordings/${delivery.recordingId}` }, "Show the recording")],
      ]),
      body && h("div", { class: "snippet" }, h("pre", { tabindex: "0" }, h("code", {}, body)), copyButton(body, "Copy", "the event")),
    ),
  );
}

function subscriptionRow(one) {
  const options = [
    one.schema === "cloudEvents" ? "CloudEvents" : "Event Grid schema",
    one.eventTypes ? one.eventTypes.map(shortType).join(", ") : "all types",
    one.batch > 1 && `batches of ${one.batch}`,
    one.duplicates > 0 && `${one.duplicates} extra copies`,
    one.reordered && "reordered",
  ].filter(Boolean);
  return h(
    "li",
    { class: "line-item", "data-key": one.id },
    h("div", { class: "grow" }, h("code", { class: "wrap" }, one.destination), " ", tag(one.state, one.state === "active" ? "good" : "warn"), h("p", { class: "hint" }, options.join(" · "), one.reason && ` · ${one.reason}`)),
    button("Delete", () => api.unsubscribe(one.id), { tone: "small", label: `Delete the subscription of ${one.destination}` }),
  );
}

function subscribeForm() {
  const submit = async ({ kind, url, connection, schema, types, batch, duplicates, reordered }) => {
    const isName = kind === "storageQueue" && connection;
    const eventTypes = types?.split(",").map((type) => type.trim()).filter(Boolean).map((type) => (type.includes(".") ? type : `Microsoft.Communication.${type}`));
    await api.subscribe({
      kind,
      url: isName ? undefined : url,
      queue: isName ? url : undefined,
      connectionString: connection,
      schema,
      eventTypes,
      batch: batch && Number(batch),
      duplicates: duplicates && Number(duplicates),
      reordered: reordered === "on" || undefined,
    });
    return true;
  };
  return fold(
    "New subscription",
    "subscribe",
    form(
      { class: "fields" },
      submit,
      field("Kind", select("kind", [["webhook", "Webhook"], ["storageQueue", "Storage queue"]])),
      field("URL", input("url", { required: true, placeholder: "http://127.0.0.1:9000/events" }), "For a queue: its URL with a SAS, or its name."),
      field("Connection string", input("connection"), "Only for a queue that is given by name."),
      field("Schema", select("schema", [["eventGrid", "Event Grid"], ["cloudEvents", "CloudEvents 1.0"]])),
      field("Event types", input("types", { placeholder: "all" }), "Such as RecordingFileStatusUpdated, IncomingCall."),
      field("Batch", input("batch", { type: "number", min: "1", placeholder: "1" })),
      field("Extra copies", input("duplicates", { type: "number", min: "0", max: "999", placeholder: "0" })),
      h("label", { class: "check" }, input("reordered", { type: "checkbox" }), "Deliver in pairs, the later event first"),
      h("button", { class: "primary" }, "Subscribe"),
    ),
  );
}

function subscriptions() {
  const { subscriptions: items } = state;
  return card(
    "Subscriptions",
    { key: "subscriptions" },
    items.length
      ? h("ul", { class: "plain" }, items.map(subscriptionRow))
      : h("p", { class: "hint" }, "Nobody receives Event Grid events. Subscribe a webhook below, or start the emulator with --webhook."),
    subscribeForm(),
  );
}

export function filterBar(filters, chosen, choose, label) {
  return h(
    "div",
    { class: "pills", role: "group", "aria-label": label },
    filters.map(([id, text]) => h("button", { type: "button", "aria-pressed": String(id === chosen), onclick: () => choose(id) }, text)),
  );
}

export const view = {
  id: "events",
  title: "Events",
  badge() {
    const waiting = state.deliveries.items.filter((one) => one.state === "retrying").length;
    return waiting ? { count: waiting, tone: "warn", title: `${waiting} to be sent again` } : null;
  },
  draw() {
    const { items } = state.deliveries;
    const matches = FILTERS.find(([id]) => id === filter)[2];
    const shown = items.filter(matches);
    const choose = (id) => {
      filter = id;
      changed();
    };
    return [
      subscriptions(),
      card(
        "Events and callbacks",
        { key: "events", extra: filterBar(FILTERS, filter, choose, "Which events") },
        shown.length
          ? h("div", { class: "entries" }, shown.map(entry))
          : items.length
            ? empty("No event matches.", "Choose another filter.")
            : empty("No events yet.", "They appear when calls and recordings change. Callbacks go to the callback URL of a call, and Event Grid events to subscriptions."),
        more("deliveries"),
      ),
    ];
  },
};
