import { expect, test } from "vitest";
import { running } from "acs-emulator";
import { record } from "./recording.js";

test("a recorded call is downloaded", async () => {
  const media = await record(running());
  expect(media.subarray(0, 4).toString()).toBe("RIFF");
  expect(media.length).toBeGreaterThan(59 * 16_000 * 2);
});
