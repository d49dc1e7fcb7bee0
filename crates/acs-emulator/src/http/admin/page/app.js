// The frame of the page: tabs, the clock, and the view that is shown.

import { h, render } from "./dom.js";
import { clockControls } from "./clock.js";
import { onChange, start, state } from "./store.js";
import { view as calls } from "./calls.js";
import { view as events } from "./events.js";
import { view as faults } from "./faults.js";
import { view as overview } from "./overview.js";
import { view as recordings } from "./recordings.js";
import { view as requests } from "./requests.js";

/** Each view has an `id`, a `title`, an optional `badge()`, and `draw(argument)`, which returns nodes. */
const VIEWS = [overview, calls, recordings, events, requests, faults];

const panel = document.getElementById("panel");
const tabs = document.getElementById("tabs");
let shown = null;

/** The view and its argument in the address: `#/calls/<id>`. */
function route() {
  const [id, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const view = VIEWS.find((one) => one.id === id) ?? VIEWS[0];
  return { view, argument: rest.length ? decodeURIComponent(rest.join("/")) : null };
}

function tab(view, current) {
  const badge = view.badge?.();
  const selected = view === current;
  return h(
    "a",
    {
      id: `tab-${view.id}`,
      role: "tab",
      href: `#/${view.id}`,
      "aria-selected": String(selected),
      "aria-controls": "panel",
      tabindex: selected ? "0" : "-1",
      "data-key": view.id,
    },
    h("span", {}, view.title),
    badge && h("span", { class: `badge ${badge.tone ?? ""}`, title: badge.title }, String(badge.count)),
  );
}

function draw() {
  const { view, argument } = route();
  render(tabs, VIEWS.map((one) => tab(one, view)));
  panel.setAttribute("aria-labelledby", `tab-${view.id}`);
  render(document.getElementById("clock"), clockControls(true));
  const live = state.connection === "live";
  const connection = document.getElementById("connection");
  connection.dataset.state = state.connection;
  connection.textContent = live ? "Live" : state.loaded ? "Reconnecting" : "Connecting";
  render(document.getElementById("banner"), banner());
  if (view !== shown) {
    panel.replaceChildren();
    shown = view;
    document.title = `${view.title} – acs-emulator`;
  }
  render(panel, state.loaded ? view.draw(argument) : h("p", { class: "loading" }, "Loading…"));
}

function banner() {
  if (state.problem) {
    return h("p", { class: "banner", role: "alert" }, state.problem.message, " ", state.problem.hint);
  }
  if (state.loaded && state.connection === "waiting") {
    return h(
      "p",
      { class: "banner", role: "alert" },
      "The connection to the emulator is lost. The page shows the last known state and continues when the emulator responds.",
    );
  }
  return null;
}

/** Arrow keys, Home and End move between the tabs. */
tabs.addEventListener("keydown", (event) => {
  const all = [...tabs.children];
  const at = all.indexOf(document.activeElement);
  const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (at < 0 || next === undefined) return;
  event.preventDefault();
  const target = all[(next + all.length) % all.length];
  target.focus();
  location.hash = target.getAttribute("href");
});

window.addEventListener("hashchange", () => {
  draw();
  document.getElementById(`tab-${route().view.id}`)?.scrollIntoView({ block: "nearest", inline: "nearest" });
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
onChange(draw);
// Relative times and running calls move on.
setInterval(() => document.hidden || draw(), 1_000);
draw();
start();
