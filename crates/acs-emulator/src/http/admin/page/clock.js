// The clock of the service, and the buttons that move it.

import { api } from "./api.js";
import { act, h } from "./dom.js";
import { dateTime, duration } from "./format.js";
import { now, setClock, state } from "./store.js";

const STEPS = [
  ["+1 s", 1_000, "1 second"],
  ["+1 min", 60_000, "1 minute"],
  ["+1 h", 3_600_000, "1 hour"],
];

async function change(event, request) {
  await act(event, async () => setClock(await request()));
}

/** The time and the buttons. The small form is for the top of the page. */
export function clockControls(small = false) {
  const { clock } = state;
  if (!clock) return null;
  return [
    h(
      "span",
      { class: "clock-time", title: "The time of the emulated service, in UTC" },
      clock.held && h("span", { class: "tag held" }, "held"),
      h("time", { datetime: new Date(now()).toISOString() }, dateTime(now())),
    ),
    h(
      "span",
      { class: "buttons joined", role: "group", "aria-label": "Move the clock" },
      STEPS.map(([text, ms, name]) =>
        h(
          "button",
          {
            type: "button",
            class: small ? "small" : "",
            "aria-label": `Advance the clock by ${name}`,
            onclick: (event) => change(event, () => api.advance(ms)),
          },
          text,
        ),
      ),
      h(
        "button",
        {
          type: "button",
          class: small ? "small" : "",
          "aria-pressed": String(clock.held),
          title: clock.held ? "Let the clock follow real time" : "Stop the clock",
          onclick: (event) => change(event, clock.held ? api.release : api.hold),
        },
        clock.held ? "Release" : "Hold",
      ),
    ),
  ];
}

/** What the state of the clock means. */
export function clockNote() {
  const { held, advancedMs } = state.clock;
  const moved = advancedMs ? ` It has been advanced by ${duration(advancedMs)}.` : "";
  return held
    ? `The clock stands still until you advance or release it.${moved}`
    : `The clock follows real time.${moved}`;
}
