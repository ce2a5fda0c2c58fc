// The built packages in a browser: loads them without a bundler and boots the embedded guest to its shell.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serve } from "../examples/browser/server.js";
import { Chromium, hasChromium } from "./chromium.js";
import { build } from "./workspace.js";

const reason = hasChromium ? "" : " (skipped: no /usr/bin/chromium)";

describe.skipIf(!hasChromium)(`the page of examples/browser in headless Chromium${reason}`, () => {
  let browser: Chromium;
  let close: () => void;

  beforeAll(async () => {
    await build();
    const { url, server } = await serve();
    close = () => server.close();
    browser = await Chromium.open(url);
  });

  afterAll(async () => {
    await browser?.close();
    close?.();
  });

  test("boots the embedded guest under the hypervisor and answers what is typed", async () => {
    const booted = await browser.waitFor("#terminal", /hc> $/);
    expect(booted).toContain("hypercraft embedded guest, riscv64");
    await browser.type("run helo\blo\r");
    const answered = await browser.waitFor("#terminal", /hc> run hello\n.*\nhc> $/s);
    expect(answered).toContain("Hello from user mode!");
    await browser.type("poweroff\r");
    await browser.waitFor("#status", /^ended: shutdown; \d+ instructions, \d+ exits$/);
    expect(browser.errors).toEqual([]);
  });
});
