// Sends requests to the admin API, which openapi.json describes.

const BASE = "/api/v1";

/** A response that is not successful. The message says what happened, and the hint what to do. */
export class Problem extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `The emulator responded with status ${status}.`);
    this.status = status;
    this.code = problem.code;
    this.hint = problem.hint;
  }
}

async function request(method, path, body) {
  const options = { method, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(BASE + path, options);
  } catch {
    throw new Problem(0, { detail: "The emulator does not respond.", hint: "Check that it is running." });
  }
  if (response.status === 204) return null;
  const text = await response.text();
  let value = {};
  try {
    if (text) value = JSON.parse(text);
  } catch {
    if (response.ok) throw new Problem(response.status, { detail: "The response is not JSON." });
  }
  if (!response.ok) throw new Problem(response.status, value);
  return value;
}

function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

const part = encodeURIComponent;
const get = (path) => request("GET", path);
const post = (path, body) => request("POST", path, body);
const remove = (path) => request("DELETE", path);
const participant = (call, id) => `/calls/${part(call)}/participants/${part(id)}`;
const chunk = (recording, index) => `/recordings/${part(recording)}/chunks/${index}`;

export const api = {
  info: () => get("/info"),
  regenerateKey: (key) => post(`/keys/${key}/regenerate`),
  reset: (options) => post("/reset", options),

  clock: () => get("/clock"),
  advance: (ms) => post("/clock/advance", { ms }),
  hold: () => post("/clock/hold"),
  release: () => post("/clock/release"),

  calls: (parameters = {}) => get(`/calls${query(parameters)}`),
  call: (id) => get(`/calls/${part(id)}`),
  createCall: (call) => post("/calls", call),
  ring: (call) => post("/incoming-calls", call),
  endCall: (id) => post(`/calls/${part(id)}/end`),
  join: (call, person) => post(`/calls/${part(call)}/participants`, person),
  leave: (call, id) => remove(participant(call, id)),
  speak: (call, id, speech) => post(`${participant(call, id)}/speak`, speech),
  mute: (call, id) => post(`${participant(call, id)}/mute`),
  unmute: (call, id) => post(`${participant(call, id)}/unmute`),

  recordings: (parameters = {}) => get(`/recordings${query(parameters)}`),
  recording: (id) => get(`/recordings/${part(id)}`),
  createRecording: (recording) => post("/recordings", recording),
  contentUrl: (recording, index) => `${BASE}${chunk(recording, index)}/content`,
  metadataUrl: (recording, index) => `${BASE}${chunk(recording, index)}/metadata`,
  metadata: (recording, index) => get(`${chunk(recording, index)}/metadata`),
  waveform: (recording, index, points) => get(`${chunk(recording, index)}/waveform${query({ points })}`),
  deleteChunk: (recording, index) => remove(chunk(recording, index)),

  deliveries: (parameters = {}) => get(`/events${query(parameters)}`),
  delivery: (id) => get(`/events/${id}`),
  resend: (id) => post(`/events/${id}/resend`),
  subscriptions: () => get("/subscriptions"),
  subscribe: (subscription) => post("/subscriptions", subscription),
  unsubscribe: (id) => remove(`/subscriptions/${part(id)}`),

  requests: (parameters = {}) => get(`/requests${query(parameters)}`),
  clearRequests: () => remove("/requests"),

  faults: () => get("/faults"),
  presets: () => get("/fault-presets"),
  addFault: (fault) => post("/faults", fault),
  removeFault: (id) => remove(`/faults/${id}`),
  clearFaults: () => remove("/faults"),

  streamUrl: `${BASE}/stream`,
};
