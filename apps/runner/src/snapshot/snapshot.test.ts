import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { FakeProcess, run } from "../../test/fake-io.js";
import { decodeSnapshotFile, encodeSnapshotFile } from "./file.js";

const folder = mkdtempSync(join(tmpdir(), "hypercraft-snapshot-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string) => join(folder, name);
writeFileSync(path("disk.img"), new Uint8Array(1024));

/** `hypercraft snapshot ...` with given standard input. */
async function snapshot(args: readonly string[], input = "") {
  const process = new FakeProcess();
  process.stdin.end(input);
  const code = await process.run("snapshot", ...args);
  return { code, out: process.stdout.text, err: process.stderr.text };
}

const TYPED = "say one\nsay two\nsay three\nexit 0\n";

describe("a saved machine goes on", () => {
  const whole = () => run(["--deterministic"], TYPED);

  test.each(["1", "800", "1900", "two"])("from %s as it would have", async (at) => {
    const file = path(`at-${at}.snap`);
    const saved = await snapshot(["save", file, "--at", at, "--deterministic"], TYPED);
    expect(saved).toMatchObject({ code: 0, err: `hypercraft: snapshot saved to ${file}\n` });
    const resumed = await snapshot(["resume", file]);
    expect(resumed).toMatchObject({ code: 0, err: "" });
    expect(saved.out + resumed.out).toBe((await whole()).out);
  });

  test("and so does the one that was saved", async () => {
    const args = ["--deterministic", "--snapshot-at", "two", "--snapshot-to", path("on.snap")];
    const { code, out, err } = await run(args, TYPED);
    expect({ code, out }).toEqual({ code: 0, out: (await whole()).out });
    expect(err).toBe(`hypercraft: snapshot saved to ${path("on.snap")}\n`);
  });

  test("and counts on", async () => {
    await snapshot(["save", path("count.snap"), "--at", "500", "--deterministic"], TYPED);
    const again = path("again.snap");
    expect(
      await snapshot(["resume", path("count.snap"), "--snapshot-at", "700", "--snapshot-to", again]),
    ).toMatchObject({ code: 0 });
    expect(decodeSnapshotFile(readFileSync(again), again).instructions).toBe(1200);
  });

  test("from a key in the terminal", async () => {
    const process = new FakeProcess({ terminal: true });
    const done = process.run("run", "--snapshot-to", path("key.snap"));
    await process.shown("> ");
    process.stdin.write("say one\n\x01ssay two\nexit 0\n");
    expect(await done).toBe(0);
    expect(process.stderr.text).toContain(`snapshot saved to ${path("key.snap")}`);
    expect(decodeSnapshotFile(readFileSync(path("key.snap")), "key").machine).toMatchObject({
      deterministic: false,
    });
  });

  test("after a reset from its images", async () => {
    const file = path("reset.snap");
    await snapshot(["save", file, "--at", "100", "--append", "again", "--deterministic"], "reset\nexit 0\n");
    const { code, out } = await snapshot(["resume", file]);
    expect({ code, out }).toEqual({ code: 0, out: "booted again\n> " });
  });

  test("or says that an image is gone", async () => {
    const [file, kernel] = [path("gone.snap"), path("kernel")];
    writeFileSync(kernel, "kernel");
    await snapshot(["save", file, "--at", "100", "--kernel", kernel], "reset\nexit 0\n");
    rmSync(kernel);
    expect(await snapshot(["resume", file])).toMatchObject({
      code: 1,
      err: `hypercraft: the guest cannot be started again: ${kernel}: no such file\n`,
    });
  });
});

describe("the point", () => {
  test("that never comes is told", async () => {
    const file = path("never.snap");
    expect(await snapshot(["save", file, "--at", "never"], "exit 0\n")).toMatchObject({
      code: 1,
      err: expect.stringContaining("the run ended before the point"),
    });
    expect(existsSync(file)).toBe(false);
  });
});

describe("disks", () => {
  test("are opened again, and missed when they changed", async () => {
    const file = path("disk.snap");
    const disk = path("disk.img");
    const saved = await snapshot(["save", file, "--at", "100", "--disk", `${disk},overlay`], "exit 0\n");
    expect(saved.code).toBe(0);
    expect(await snapshot(["resume", file])).toMatchObject({ code: 0, err: "" });
    utimesSync(disk, 1, 1);
    expect((await snapshot(["resume", file])).err).toMatch(/disk.img: has changed since the snapshot/);
    const other = await snapshot(["resume", file, "--disk", path("none.img")]);
    expect(other).toMatchObject({ code: 2, err: expect.stringContaining("none.img: disk cannot be opened") });
  });

  test("that are written are refused", async () => {
    const process = new FakeProcess({ terminal: true });
    const done = process.run("run", "--disk", path("disk.img"));
    await process.shown("> ");
    process.stdin.write("\x01s");
    process.stdin.write("exit 0\n");
    expect(await done).toBe(0);
    expect(process.stderr.text).toMatch(/disk.img: a disk that is written is not part of a snapshot/);
  });
});

describe("the file", () => {
  const machine = { arch: "riscv64", disks: [], loads: [] } as never;
  const content = { machine, disks: [], instructions: 5, state: Uint8Array.of(1, 2, 3) };
  const good = encodeSnapshotFile(content);
  const changed = (at: number) => good.map((byte, index) => (index === at ? byte ^ 1 : byte));

  test("gives back what was put in", () => {
    const read = decodeSnapshotFile(good, "s");
    expect({ ...read, state: [...read.state] }).toEqual({ ...content, state: [1, 2, 3] });
  });

  test.each([
    ["empty", new Uint8Array(0), "s: is not a snapshot"],
    ["another", new TextEncoder().encode("#!/bin/sh\nexit 0\n"), "s: is not a snapshot"],
    ["cut in its header", good.subarray(0, 30), "s: snapshot is truncated"],
    ["cut in its description", good.subarray(0, 60), "s: snapshot is truncated"],
    ["cut before the state", good.subarray(0, -3), "s: snapshot is truncated"],
    ["of another version", changed(8), "s: is a snapshot of format 0, this reads 1"],
    ["damaged", changed(55), "s: snapshot is damaged"],
  ])("%s is refused", (_what, bytes, message) => {
    expect(() => decodeSnapshotFile(bytes, "s")).toThrow(message);
  });

  test.each([
    [["resume"], "snapshot resume needs the FILE of a snapshot"],
    [["resume", "none"], "none: no such file"],
    [["save", "f"], "snapshot save needs --at N|REGEX"],
    [["store"], 'snapshot: unknown word "store"; save, resume or info?'],
    [["resume", "a", "b"], 'snapshot resume: unexpected word "b"'],
    [["resume", "a", "--memory", "1G"], "unknown option --memory"],
    [[], "snapshot: save, resume or info?"],
  ])("%j is refused", async (args, message) => {
    const { code, err } = await snapshot(args);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});
