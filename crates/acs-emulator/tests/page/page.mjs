// Tests the page in Chromium. Calls are made by the official JavaScript SDK.

import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { assertNotReloaded, Browser, Emulator, picture, webhook } from "./harness.mjs";

const ALICE = { communicationUserId: "8:acs:page_alice" };
const VIEWS = ["overview", "calls", "recordings", "events", "requests", "faults"];

let emulator;
let browser;
let hook;

before(async () => {
  emulator = await Emulator.start();
  browser = await Browser.start();
  hook = await webhook();
});
after(async () => {
  await browser?.browser.close();
  await emulator?.stop();
  hook?.close();
});
beforeEach(async () => {
  hook.accepting = true;
  await emulator.api("POST", "/reset", {});
  await emulator.api("POST", "/clock/release");
});
afterEach(() => browser.finish());

/** A connected call of the SDK. */
async function callBySdk() {
  const client = emulator.client();
  const { callConnectionProperties } = await client.createCall({ targetParticipant: ALICE }, `${hook.url}/callbacks`);
  await emulator.api("POST", "/clock/advance", { ms: 200 });
  const connection = client.getCallConnection(callConnectionProperties.callConnectionId);
  const { serverCallId } = await connection.getCallConnectionProperties();
  return { client, connection, serverCallId };
}

/** Opens a view with its tab. */
const open = (page, name) => page.getByRole("tab", { name: new RegExp(`^${name}`) }).click();
const row = (page, text) => page.locator(".row", { hasText: text }).first();
const section = (page, name) => page.getByRole("region", { name, exact: true });

test("a call of the SDK appears without reloading, with its timeline", async () => {
  const page = await browser.page(emulator, "calls");
  await page.getByText("No calls yet.").waitFor();
  const { client, connection, serverCallId } = await callBySdk();
  await row(page, "connected").click();
  await page.getByRole("heading", { name: /alice/ }).waitFor();
  assert.equal(await page.locator("rect.recorded").count(), 0);

  const recording = client.getCallRecording();
  const { recordingId } = await recording.start({
    callLocator: { kind: "serverCallLocator", id: serverCallId },
    recordingContent: "audio",
    recordingChannel: "unmixed",
    recordingFormat: "wav",
  });
  await page.getByRole("button", { name: "Advance the clock by 1 minute" }).first().click();
  await page.locator(".timeline .lane rect.recorded").first().waitFor();
  await recording.pause(recordingId);
  await page.locator(".timeline .lane rect.pause").first().waitFor();
  await page.locator(".timeline .lane rect.speech").first().waitFor();
  await picture(page, "call");

  // The buttons do what they say, and the SDK sees it.
  await page.getByPlaceholder("Name or raw id").fill("bob");
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByRole("row", { name: /bob/ }).getByText("joined").waitFor();
  assert.equal((await connection.listParticipants()).values.length, 2);
  await page.getByRole("button", { name: "Mute bob" }).click();
  await page.locator(".timeline .lane rect.mute").first().waitFor();
  const muted = (await connection.listParticipants()).values.filter((one) => one.isMuted);
  assert.equal(muted.length, 1);
  await page.getByRole("button", { name: "Unmute bob" }).click();
  await page.getByRole("button", { name: "Mute bob" }).waitFor();
  await page.getByLabel("Text for the timeline").fill("Good morning.");
  await page.getByRole("button", { name: "Speak", exact: true }).click();
  await page.locator("title", { hasText: "Good morning." }).first().waitFor({ state: "attached" });
  await page.getByRole("button", { name: "bob leaves" }).click();
  await page.getByRole("row", { name: /bob/ }).getByText("left").waitFor();
  await page.getByRole("button", { name: "End the call" }).click();
  await page.locator(".title .tag", { hasText: "ended" }).waitFor();
  await assert.rejects(connection.getCallConnectionProperties(), { statusCode: 404 });
  await assertNotReloaded(page);
});

for (const [format, content] of [
  ["wav", "audio"],
  ["mp3", "audio"],
  ["mp4", "audioVideo"],
]) {
  test(`a recording as ${format} has a waveform and can be played`, async () => {
    const page = await browser.page(emulator, "recordings");
    const { client, serverCallId } = await callBySdk();
    const recording = client.getCallRecording();
    const { recordingId } = await recording.start({
      callLocator: { kind: "serverCallLocator", id: serverCallId },
      recordingContent: content,
      recordingChannel: "mixed",
      recordingFormat: format,
    });
    await row(page, "alice").click();
    await page.getByText("The recording is in progress.").waitFor();
    await emulator.api("POST", "/clock/advance", { ms: 8_000 });
    await recording.stop(recordingId);
    const player = page.locator(".player");
    await player.waitFor();
    const loudness = page.locator('.waveform svg[role="img"]').first();
    await loudness.waitFor();
    assert.match(await loudness.getAttribute("aria-label"), /loudest at \d\d? percent/);
    // A key press, because browsers play only after an action of the user.
    await player.focus();
    await page.keyboard.press("Space");
    await page.waitForFunction(() => document.querySelector(".player").currentTime > 0.5);
    const { length, error } = await player.evaluate((element) => ({ length: element.duration, error: element.error?.message }));
    assert.equal(error, undefined);
    assert(length > 7 && length < 10, `the player reports ${length} s`);
    await page.getByText("Metadata", { exact: true }).click();
    await page.getByText('"chunkDocumentId"').waitFor();
    await picture(page, `recording-${format}`);
    await page.getByRole("button", { name: "Delete chunk 0" }).click();
    await page.getByText("deleted", { exact: true }).waitFor();
    await assertNotReloaded(page);
  });
}

test("a fault that is set on the page strikes the next request", async () => {
  const page = await browser.page(emulator, "faults");
  const { client, serverCallId } = await callBySdk();
  await page.getByRole("button", { name: /^Set: .*busy/i }).click();
  const active = section(page, "Active faults");
  await active.getByText("no hits").waitFor();
  const start = () => client.getCallRecording().start({ callLocator: { kind: "serverCallLocator", id: serverCallId } });
  await assert.rejects(start(), { statusCode: 503 });
  await active.getByText("1 hit", { exact: true }).waitFor();
  await picture(page, "faults");
  await open(page, "Requests");
  const struck = page.locator(".entry", { hasText: "503" });
  await struck.getByText("fault", { exact: true }).waitFor();

  // A fault of the form, for another operation.
  await open(page, "Faults");
  await page.getByLabel("Operation", { exact: true }).selectOption("getCall");
  await page.getByLabel("Status").fill("429");
  await page.getByLabel("How often").fill("1");
  await page.getByRole("button", { name: "Set the fault" }).click();
  await active.getByText("getCall").waitFor();
  const connections = await emulator.api("GET", "/calls");
  const id = connections.items[0].connections[0].id;
  await assert.rejects(client.getCallConnection(id).getCallConnectionProperties(), { statusCode: 429 });
  await active.getByText("used up").waitFor();
  await page.getByRole("button", { name: "Remove all" }).click();
  await active.getByText("No fault is set.").waitFor();
  assert.deepEqual((await emulator.api("GET", "/faults")).items, []);
  await start();
});

test("a denied request says why", async () => {
  const page = await browser.page(emulator, "requests");
  const stranger = emulator.client(btoa("another key")).getCallRecording();
  await assert.rejects(stranger.getState("unknown"), { statusCode: 401 });
  const entry = page.locator(".entry-box").first();
  await entry.getByText("denied", { exact: true }).waitFor();
  await entry.locator("summary").click();
  await entry.getByText("The signature does not match.", { exact: true }).waitFor();
  const text = await entry.locator("pre").innerText();
  assert(text.startsWith("GET\n/calling/recordings/unknown?api-version="), text);
  await picture(page, "requests");
});

test("an event that is not accepted shows its attempts and can be sent again", async () => {
  const page = await browser.page(emulator, "events");
  await page.getByText("New subscription").click();
  await page.getByLabel("URL", { exact: true }).fill(`${hook.url}/events`);
  await page.getByRole("button", { name: "Subscribe" }).click();
  const subscriptions = section(page, "Subscriptions");
  await subscriptions.getByText("active", { exact: true }).waitFor();
  hook.accepting = false;
  await emulator.api("POST", "/recordings", { chunks: [1_000] });
  await emulator.api("POST", "/clock/advance", { ms: 1_000 });
  const entry = page.locator(".entry-box", { hasText: "RecordingFileStatusUpdated" }).first();
  await entry.getByText("retrying").waitFor();
  await entry.locator("summary").click();
  await entry.getByText("500").waitFor();
  await entry.getByText(/^next try|· next try/).waitFor();
  await entry.getByText('"recordingStorageInfo"').waitFor();
  hook.accepting = true;
  await entry.getByRole("button", { name: "Send again now" }).click();
  await entry.getByText("delivered", { exact: true }).waitFor();
  await entry.getByText("resent").waitFor();
  await picture(page, "events");
  await subscriptions.getByRole("button", { name: /^Delete the subscription/ }).click();
  await subscriptions.getByText("Nobody receives Event Grid events.").waitFor();
});

test("a webhook that does not pass the handshake is refused with a reason", async () => {
  const page = await browser.page(emulator, "events", { allow: /status of 422/ });
  await page.getByText("New subscription").click();
  await page.getByLabel("URL", { exact: true }).fill("http://127.0.0.1:9/events");
  await page.getByRole("button", { name: "Subscribe" }).click();
  await page.getByRole("alert").filter({ hasText: "handshake" }).waitFor();
  assert.equal(await page.getByLabel("URL", { exact: true }).inputValue(), "http://127.0.0.1:9/events");
});

test("two tabs stay in step", async () => {
  const one = await browser.page(emulator, "calls");
  const two = await browser.tab(one.context(), emulator, "calls");
  await one.getByText("New call").click();
  await one.getByLabel("People").fill("dora, emil");
  await one.getByRole("button", { name: "Set up the call" }).click();
  await one.getByRole("heading", { name: "dora, emil" }).waitFor();
  assert.equal((await emulator.api("GET", "/calls")).items.length, 1, "one click makes one call");
  await row(two, "dora, emil").click();
  await one.getByRole("button", { name: "Mute dora" }).click();
  await two.getByRole("button", { name: "Unmute dora" }).waitFor();
  await two.getByRole("button", { name: "Hold" }).first().click();
  await one.getByText("held", { exact: true }).first().waitFor();
  const times = async () => Promise.all([one, two].map((page) => page.locator("#clock time").innerText()));
  const [first, second] = await times();
  assert.equal(first, second);
  await two.getByRole("button", { name: "Advance the clock by 1 hour" }).first().click();
  await one.waitForFunction((before) => document.querySelector("#clock time").textContent !== before, first);
  const [third, fourth] = await times();
  assert.equal(third, fourth);
  await two.getByRole("button", { name: "End the call" }).click();
  await one.locator(".title .tag", { hasText: "ended" }).waitFor();
  await assertNotReloaded(one);
  await assertNotReloaded(two);
});

test("an incoming call rings until it is answered", async () => {
  const page = await browser.page(emulator, "calls");
  await page.getByText("Ring the application").click();
  await page.getByLabel("Caller").fill("carol");
  await page.getByRole("button", { name: "Ring", exact: true }).click();
  await page.getByText("The call is ringing.").waitFor();
  const [call] = (await emulator.api("GET", "/calls")).items;
  await emulator.client().answerCall(call.incomingCallContext, `${hook.url}/callbacks`);
  await emulator.api("POST", "/clock/advance", { ms: 1_000 });
  await page.locator(".title .tag", { hasText: "connected" }).waitFor();
  await page.getByRole("row", { name: /carol/ }).waitFor();
});

test("the keyboard is enough", async () => {
  const page = await browser.page(emulator, "overview");
  const focused = () =>
    page.evaluate(() => {
      const { activeElement: element } = document;
      return { tag: element.tagName, text: element.textContent.trim(), id: element.id, outline: getComputedStyle(element).outlineStyle };
    });
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  /** Moves with Tab until an element with this text is focused, and checks that the focus is visible. */
  const tabTo = async (text) => {
    for (let count = 0; count < 60; count += 1) {
      await press("Tab");
      const element = await focused();
      // Between the last and the first element, the focus is outside of the page.
      if (element.tag === "BODY") continue;
      assert.notEqual(element.outline, "none", `the focus is not visible on: ${element.text}`);
      if (element.text === text || element.id === text) return;
    }
    assert.fail(`${text} cannot be reached with Tab`);
  };

  await tabTo("Skip to content");
  await press("Enter");
  assert.equal((await focused()).id, "main");
  await page.evaluate(() => document.activeElement.blur());
  await tabTo("tab-overview");
  await press("ArrowRight");
  assert.equal((await focused()).id, "tab-calls");
  await page.getByText("No calls yet.").waitFor();
  await press("ArrowLeft", "ArrowLeft");
  assert.equal((await focused()).id, "tab-faults");
  await press("Home", "ArrowRight");
  await tabTo("New call");
  await press("Enter", "Tab");
  await page.keyboard.type("alice, bob");
  // The focus and the text stay while the page is updated.
  await emulator.api("POST", "/calls", { participants: [{ name: "zoe" }] });
  await row(page, "zoe").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.value), "alice, bob");
  await press("Enter");
  await page.getByRole("heading", { name: "alice, bob" }).waitFor();
  await tabTo("End the call");
  await press("Enter");
  await page.locator(".title .tag", { hasText: "ended" }).waitFor();
  // What happens is announced.
  await page.locator("#announcer", { hasText: "ended" }).waitFor({ state: "attached" });
});

test("all controls have names", async () => {
  await seed();
  for (const view of VIEWS) {
    const page = await browser.page(emulator, view);
    for (const element of await page.locator("button, input, select, summary, a").all()) {
      const name = await element.evaluate((one) => {
        const label = one.labels?.[0]?.textContent || one.getAttribute("aria-label") || one.textContent;
        return label.trim();
      });
      assert(name, `${view}: ${await element.evaluate((one) => one.outerHTML)}`);
    }
  }
});

/** Something to see in each view. */
async function seed() {
  const { client, serverCallId } = await callBySdk();
  const { recordingId } = await client.getCallRecording().start({
    callLocator: { kind: "serverCallLocator", id: serverCallId },
    recordingContent: "audio",
    recordingChannel: "unmixed",
    recordingFormat: "wav",
  });
  await emulator.api("POST", "/clock/advance", { ms: 20_000 });
  await client.getCallRecording().stop(recordingId);
  await emulator.api("POST", "/clock/advance", { ms: 2_000 });
  await emulator.api("POST", "/faults", { operation: "start", status: 503, retryAfter: "1" });
  await assert.rejects(client.getCallRecording().start({ callLocator: { kind: "serverCallLocator", id: serverCallId } }));
  await assert.rejects(emulator.client(btoa("other")).getCallRecording().getState("x"));
}

test("a narrow window needs no horizontal scrolling", async () => {
  await seed();
  for (const colorScheme of ["light", "dark"]) {
    const page = await browser.page(emulator, "", { viewport: { width: 375, height: 800 }, colorScheme });
    const check = async (name) => {
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert(excess <= 0, `${name} is ${excess} pixels too wide`);
      await picture(page, `narrow-${colorScheme}-${name}`);
    };
    for (const view of VIEWS) {
      await page.evaluate((hash) => (location.hash = hash), `#/${view}`);
      await page.locator(`#tab-${view}[aria-selected="true"]`).waitFor();
      if (view === "calls" || view === "recordings") {
        await row(page, "alice").click();
        await page.locator(".detail .facts").first().waitFor();
      } else if (view === "events" || view === "requests") {
        await page.locator(".entry").first().click();
      }
      await check(view);
    }
  }
});

test("wide pages in both colour schemes", async () => {
  await seed();
  for (const colorScheme of ["light", "dark"]) {
    const page = await browser.page(emulator, "overview", { colorScheme });
    const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [red] = ground.match(/\d+/g).map(Number);
    assert.equal(red < 128, colorScheme === "dark", ground);
    for (const view of VIEWS) {
      await open(page, view[0].toUpperCase() + view.slice(1));
      if (view === "calls" || view === "recordings") await row(page, "alice").click();
      await page.waitForTimeout(200);
      await picture(page, `${colorScheme}-${view}`);
    }
  }
});

test("the page continues after a reset and after a restart of the emulator", async () => {
  const own = await Emulator.start();
  const address = new URL(own.origin).host;
  const page = await browser.page(own, "calls", { allow: /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/ });
  await own.api("POST", "/calls", { participants: [{ name: "alice" }] });
  await row(page, "alice").waitFor();
  await own.api("POST", "/reset", {});
  await page.getByText("No calls yet.").waitFor();
  await own.api("POST", "/calls", { participants: [{ name: "bob" }] });
  await row(page, "bob").waitFor();
  await own.stop();
  await page.getByText("The connection to the emulator is lost.").waitFor();
  const again = await Emulator.start(address);
  try {
    await page.getByText("Live", { exact: true }).waitFor();
    await page.getByText("No calls yet.").waitFor();
    await again.api("POST", "/calls", { participants: [{ name: "carol" }] });
    await row(page, "carol").waitFor();
    await assertNotReloaded(page);
  } finally {
    await again.stop();
  }
});

after(() => console.log("page: finished"));
