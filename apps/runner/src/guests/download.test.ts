import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeMirror, sha256 } from "../../test/fake-mirror.js";
import { type DownloadRequest, download } from "./download.js";
import type { Fetch } from "./http.js";
import { type Progress, silentProgress } from "./progress.js";

const content = Buffer.from(Uint32Array.from({ length: 100_000 }, (_, index) => index * 40503).buffer);
const plainFetch: Fetch = (url, init) => fetch(url, init);
let mirror: FakeMirror;
let folder: string;

beforeEach(async () => {
  mirror = await FakeMirror.start();
  mirror.files.set("file", content);
  folder = mkdtempSync(join(tmpdir(), "hypercraft-download-"));
});
afterEach(async () => {
  await mirror.stop();
  rmSync(folder, { recursive: true });
});

function job(more: Partial<DownloadRequest> = {}): DownloadRequest {
  const file = join(folder, "sub", "file");
  const base = {
    urls: [`${mirror.url}/file`],
    file,
    sha256: sha256(content),
    size: content.length,
    label: "thing",
  };
  return { ...base, ...more };
}

const context = { fetch: plainFetch, progress: silentProgress, retryDelayMs: 1 };
const ranges = (): (string | undefined)[] => mirror.seen.map(({ range }) => range);

describe("download", () => {
  it("fetches, checks and does not fetch again", async () => {
    await download(job(), context);
    await download(job(), context);
    expect(readFileSync(job().file).equals(content)).toBe(true);
    expect(existsSync(`${job().file}.part`)).toBe(false);
    expect(ranges()).toEqual([undefined]);
  });

  it("goes on where an earlier download stopped", async () => {
    await download(job(), context);
    writeFileSync(`${job().file}.part`, content.subarray(0, 123_456));
    rmSync(job().file);
    const bytes: number[] = [];
    const progress: Progress = { ...silentProgress, bytes: (_, done) => void bytes.push(done) };
    await download(job(), { ...context, progress });
    expect(ranges()).toEqual([undefined, "bytes=123456-"]);
    expect(bytes[0]).toBe(123_456);
    expect(bytes.at(-1)).toBe(content.length);
    expect(readFileSync(job().file).equals(content)).toBe(true);
  });

  it("resumes after broken connections, within one call", async () => {
    mirror.breakAfter.set("file", [50_000, 60_000]);
    await download(job(), context);
    expect(readFileSync(job().file).equals(content)).toBe(true);
    // What arrived right before a break may be lost with it, on a busy machine; the rest is not asked for again.
    const [first, ...later] = ranges();
    expect([first, later.length]).toEqual([undefined, 2]);
    expect(later.at(-1)).toMatch(/^bytes=(50000|60000|110000)-$/);
  });

  it("keeps what it has when the connection does not come back", async () => {
    mirror.breakAfter.set("file", [10_000, 0, 0, 0, 0]);
    await expect(download(job(), context)).rejects.toMatchObject({ code: "Truncated" });
    expect(readFileSync(`${job().file}.part`).equals(content.subarray(0, 10_000))).toBe(true);
    await download(job(), context);
    expect(ranges().at(-1)).toBe("bytes=10000-");
  });

  it("starts again where the server knows no ranges", async () => {
    mirror.supportsRanges = false;
    mirror.breakAfter.set("file", [50_000]);
    await download(job(), context);
    expect(readFileSync(job().file).equals(content)).toBe(true);
  });

  it("starts again when what was left is damaged or too long", async () => {
    for (const leftover of [
      Buffer.alloc(70_000),
      Buffer.alloc(content.length),
      Buffer.alloc(content.length + 1),
    ]) {
      rmSync(join(folder, "sub"), { recursive: true, force: true });
      await download(job(), context);
      rmSync(job().file);
      writeFileSync(`${job().file}.part`, leftover);
      await download(job(), context);
      expect(readFileSync(job().file).equals(content)).toBe(true);
    }
  });

  it("refuses content of another digest or length, and keeps none of it", async () => {
    const wrong = [
      Buffer.concat([content.subarray(1), Buffer.from("x")]),
      Buffer.concat([content, Buffer.from("more")]),
    ];
    for (const bytes of wrong) {
      mirror.files.set("file", bytes);
      await expect(download(job(), context)).rejects.toMatchObject({ code: "ChecksumMismatch" });
      expect(existsSync(job().file)).toBe(false);
      rmSync(`${job().file}.part`, { force: true });
    }
  });

  it("tries the next address where the first is not there", async () => {
    const urls = [`${mirror.url}/absent`, `${mirror.url}/file`];
    await download(job({ urls }), context);
    expect(mirror.seen.map(({ path }) => path)).toEqual(["/debian/absent", "/debian/file"]);
    await expect(
      download(job({ urls: [`${mirror.url}/absent`], file: join(folder, "b") }), context),
    ).rejects.toMatchObject({ code: "HttpStatus", status: 404 });
  });

  it("says in one line that the server cannot be reached, at once", async () => {
    await mirror.stop();
    const failure = download(job(), { ...context, retryDelayMs: 10_000 });
    await expect(failure).rejects.toMatchObject({
      code: "Offline",
      message: expect.stringMatching(
        /^cannot reach 127\.0\.0\.1:\d+ \(ECONNREFUSED\): is this machine offline\?$/,
      ),
    });
    mirror = await FakeMirror.start();
  });
});
