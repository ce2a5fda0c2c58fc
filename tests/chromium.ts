// A headless Chromium to drive: the DevTools protocol over a pipe, as far as the tests need it.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

/** Debian's. */
const EXECUTABLE = "/usr/bin/chromium";

export const hasChromium = existsSync(EXECUTABLE);

/** Keys whose names are not their characters. */
const KEYS = new Map([
  ["\r", "Enter"],
  ["\b", "Backspace"],
]);

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** One browser with one page. */
export class Chromium {
  /** What the page reported as errors: exceptions, failed requests, console.error. */
  readonly errors: string[] = [];
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #pending = new Map<number, (reply: Reply) => void>();
  #buffer = "";
  #lastId = 0;
  #session: string | undefined;

  private constructor() {
    this.#profile = mkdtempSync(join(tmpdir(), "hypercraft-chromium-"));
    const flags = [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--disable-dev-shm-usage",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--user-data-dir=${this.#profile}`,
      "--remote-debugging-pipe",
      "about:blank",
    ];
    this.#process = spawn(EXECUTABLE, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    const input = this.#process.stdio[4] as Readable;
    input.setEncoding("utf8").on("data", (text: string) => this.#receive(text));
    this.#process.on("exit", () => {
      for (const settle of this.#pending.values()) settle({ error: { message: "the browser ended" } });
      this.#pending.clear();
    });
  }

  /** Starts a browser and opens a page in it. */
  static async open(url: string): Promise<Chromium> {
    const browser = new Chromium();
    const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
    browser.#session = sessionId as string;
    for (const domain of ["Page", "Runtime", "Log"]) await browser.send(`${domain}.enable`);
    await browser.send("Page.navigate", { url });
    return browser;
  }

  /** Sends a command of the DevTools protocol. Rejects with what the browser said was wrong. */
  send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#lastId;
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    const output = this.#process.stdio[3] as Writable;
    output.write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, ({ result, error }) => {
        if (error === undefined) resolve(result ?? {});
        else reject(new Error(`${method}: ${error.message}`));
      });
    });
  }

  /** Text of the element that a selector finds, "" without one. */
  async text(selector: string): Promise<string> {
    const expression = `document.querySelector(${JSON.stringify(selector)})?.textContent ?? ""`;
    const { result } = await this.send("Runtime.evaluate", { expression });
    return (result as { value: string }).value;
  }

  /** Waits until an element's text matches. Rejects with what is there instead, and with what went wrong. */
  async waitFor(selector: string, pattern: RegExp, milliseconds = 30_000): Promise<string> {
    const deadline = Date.now() + milliseconds;
    for (;;) {
      const text = await this.text(selector);
      if (pattern.test(text)) return text;
      if (Date.now() > deadline || this.errors.length > 0)
        throw new Error(`${selector} did not become ${pattern} but:\n${text}\n${this.errors.join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Presses keys one after the other; "\r" is Enter, "\b" Backspace. */
  async type(text: string): Promise<void> {
    for (const character of text) {
      const key = KEYS.get(character) ?? character;
      await this.send("Input.dispatchKeyEvent", { type: "keyDown", key });
      await this.send("Input.dispatchKeyEvent", { type: "keyUp", key });
    }
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    if (this.#process.exitCode === null) {
      this.#process.kill("SIGKILL");
      await ended;
    }
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  #receive(text: string): void {
    const parts = (this.#buffer + text).split("\0");
    this.#buffer = parts.pop()!;
    for (const part of parts) this.#handle(JSON.parse(part) as Reply);
  }

  #handle(reply: Reply): void {
    if (reply.id !== undefined) {
      this.#pending.get(reply.id)?.(reply);
      this.#pending.delete(reply.id);
    } else if (reply.method === "Runtime.exceptionThrown") {
      const { text, exception } = reply.params!["exceptionDetails"] as {
        text: string;
        exception?: { description?: string };
      };
      this.errors.push(exception?.description ?? text);
    } else if (reply.method === "Log.entryAdded") {
      const { level, text, url } = reply.params!["entry"] as { level: string; text: string; url?: string };
      if (level === "error") this.errors.push(`${text} ${url ?? ""}`);
    }
  }
}
