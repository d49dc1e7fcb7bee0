// What the page knows: loaded from the admin API, and kept up to date by the stream.

import { api } from "./api.js";
import { announce } from "./dom.js";
import { count, people, personName, shortType } from "./format.js";
import { connect } from "./stream.js";

/** How long to collect changes before reading them. */
const COLLECT = 120;
/** More changed objects than this are read as a list. */
const SINGLE = 12;
const PAGE = { calls: 50, recordings: 50, deliveries: 200, requests: 1_000 };

export const state = {
  connection: "connecting",
  problem: null,
  loaded: false,
  info: null,
  clock: null,
  /** When `clock` was read, in milliseconds of the browser's clock. */
  clockReadAt: 0,
  faults: [],
  presets: [],
  subscriptions: [],
  calls: emptyList(),
  recordings: emptyList(),
  deliveries: emptyList(),
  requests: emptyList(),
};

function emptyList() {
  return { items: [], total: 0, nextCursor: null };
}

const listeners = new Set();
let scheduled = false;

/** Calls `listener` after each change, at most once per frame. */
export function onChange(listener) {
  listeners.add(listener);
}

export function changed() {
  if (scheduled) return;
  scheduled = true;
  const run = () => {
    if (!scheduled) return;
    scheduled = false;
    for (const listener of listeners) listener();
  };
  // A hidden page has no frames, but stays up to date.
  if (document.hidden) setTimeout(run, 50);
  else requestAnimationFrame(run);
}

/** The current time of the service. */
export function now() {
  if (!state.clock) return Date.now();
  const at = Date.parse(state.clock.now);
  return state.clock.held ? at : at + (performance.now() - state.clockReadAt);
}

export function setClock(clock) {
  state.clock = clock;
  state.clockReadAt = performance.now();
  changed();
}

export const find = (list, id) => state[list].items.find((item) => item.id === id);

const readList = {
  calls: (parameters) => api.calls(parameters),
  recordings: (parameters) => api.recordings(parameters),
  deliveries: (parameters) => api.deliveries(parameters),
  requests: (parameters) => api.requests(parameters),
};
const readOne = { calls: api.call, recordings: api.recording, deliveries: api.delivery };

async function loadList(name) {
  state[name] = await readList[name]({ limit: PAGE[name] });
  changed();
}

/** Loads the next page of a list. */
export async function loadMore(name) {
  const page = await readList[name]({ limit: PAGE[name], cursor: state[name].nextCursor });
  const known = new Set(state[name].items.map((item) => item.id));
  const items = page.items.filter((item) => !known.has(item.id));
  state[name] = { ...page, items: [...state[name].items, ...items] };
  changed();
}

/** Replaces an object or adds it as the newest one. */
export function put(name, item) {
  const list = state[name];
  const index = list.items.findIndex((other) => other.id === item.id);
  tell(name, list.items[index], item);
  if (index >= 0) {
    list.items[index] = item;
  } else {
    list.items.unshift(item);
    list.total += 1;
  }
  changed();
}

function drop(name, id) {
  const list = state[name];
  const left = list.items.filter((item) => item.id !== id);
  if (left.length < list.items.length) list.total -= 1;
  list.items = left;
}

const small = {
  info: async () => (state.info = await api.info()),
  faults: async () => (state.faults = (await api.faults()).items),
  presets: async () => (state.presets = (await api.presets()).items),
  subscriptions: async () => (state.subscriptions = (await api.subscriptions()).items),
};

/** Reads everything. */
async function loadAll() {
  try {
    await Promise.all([
      ...Object.values(small).map((read) => read()),
      ...Object.keys(readList).map(loadList),
      api.clock().then(setClock),
    ]);
    state.loaded = true;
    state.problem = null;
    stale = false;
  } catch (error) {
    state.problem = error;
  }
  changed();
}

/** The changes that have not been read. */
let pending = newPending();
let timer;
/** Whether changes could not be read because the emulator did not respond. */
let stale = false;

function newPending() {
  return { all: false, requests: false, small: new Set(), calls: new Set(), recordings: new Set(), deliveries: new Set() };
}

function later(mark) {
  mark(pending);
  timer ??= setTimeout(flush, COLLECT);
}

async function flush() {
  const { all, requests, small: names, ...ids } = pending;
  pending = newPending();
  try {
    if (all) await loadAll();
    else {
      await Promise.all([
        ...[...names].map((name) => small[name]()),
        ...Object.entries(ids).map(([name, changes]) => readChanges(name, changes)),
        requests && readNewRequests(),
      ]);
    }
  } catch (error) {
    if (error.status) later((next) => (next.all = true));
    else stale = true;
  }
  timer = undefined;
  changed();
  const { all: again, requests: newer, small: rest, ...others } = pending;
  if (again || newer || rest.size || Object.values(others).some((set) => set.size)) later(() => {});
}

async function readChanges(name, ids) {
  if (ids.size > SINGLE) return loadList(name);
  await Promise.all(
    [...ids].map(async (id) => {
      try {
        put(name, await readOne[name](id));
      } catch (error) {
        if (error.status !== 404) throw error;
        drop(name, id);
      }
    }),
  );
}

async function readNewRequests() {
  const after = state.requests.items[0]?.id ?? 0;
  const page = await api.requests({ after, limit: PAGE.requests });
  const fresh = page.items.filter((item) => item.id > after);
  const items = [...fresh, ...state.requests.items].slice(0, PAGE.requests);
  state.requests = { ...state.requests, items, total: page.total };
  const denied = fresh.filter((item) => item.authentication.verdict === "denied").length;
  if (denied) announce(`${count(denied, "request")} denied.`);
}

/** Has a screen reader say what matters. */
function tell(name, before, item) {
  if (before?.state === item.state) {
    if (name !== "calls") return;
    const known = new Set(before.participants.filter((one) => one.state === "joined").map((one) => one.id));
    const joined = item.participants.filter((one) => one.state === "joined" && !known.has(one.id));
    if (joined.length) announce(`${joined.map(personName).join(", ")} joined the call.`);
    return;
  }
  if (name === "calls") announce(`Call with ${people(item)}: ${item.state}.`);
  if (name === "recordings") announce(`Recording: ${item.state}.`);
  if (name === "deliveries" && ["delivered", "dropped", "expired"].includes(item.state)) {
    announce(`${shortType(item.type)}: ${item.state}.`);
  }
}

function receive(name, data) {
  switch (name) {
    case "hello":
      setClock(data.clock);
      if (!state.loaded || stale) later((next) => (next.all = true));
      break;
    case "resync":
      later((next) => (next.all = true));
      break;
    case "clock":
      setClock(data);
      break;
    case "call":
      later((next) => next.calls.add(data.id));
      break;
    case "recording":
      later((next) => {
        next.recordings.add(data.id);
        if (data.callId) next.calls.add(data.callId);
      });
      break;
    case "delivery":
      later((next) => next.deliveries.add(data.id));
      break;
    case "request":
      later((next) => (next.requests = true));
      break;
    case "fault":
      later((next) => next.small.add("faults"));
      break;
    case "subscription":
      later((next) => next.small.add("subscriptions"));
      break;
    case "info":
      later((next) => next.small.add("info"));
      break;
  }
}

/** Loads everything and follows the stream. */
export function start() {
  connect(api.streamUrl, receive, (connection) => {
    state.connection = connection;
    changed();
  });
  loadAll();
}
