import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { busyboxApplets } from "./busybox.js";
import { initramfsInit, startScript } from "./scripts.js";

describe("busyboxApplets", () => {
  const binary = (names: readonly string[]): Buffer =>
    Buffer.from(`\x7fELF...code...[\0other${names.join("\0")}\0\0tail`, "latin1");
  const names = "[ [[ acpid ar ash awk base64 cat chmod cp echo ls sh".split(" ");

  it("finds the sorted name table", () => {
    expect(busyboxApplets(Buffer.concat([Buffer.alloc(3000), binary(names)]))).toEqual(names);
  });

  it("gives nothing for a table that it does not understand", () => {
    expect(busyboxApplets(Buffer.from("no table here"))).toEqual([]);
    expect(busyboxApplets(binary([...names].reverse()))).toEqual([]);
    expect(busyboxApplets(binary(["[", "[[", "only", "four"]))).toEqual([]);
    expect(busyboxApplets(binary([...names, "st\x01range"]))).toEqual([]);
  });
});

describe("scripts of the guest", () => {
  const shells = [["sh"], ["dash"], ["busybox", "sh"]].filter(([program = "", ...args]) => {
    return spawnSync(program, [...args, "-c", "exit 0"]).status === 0;
  });

  it.skipIf(shells.length === 0)("are sound shell syntax", () => {
    for (const [program = "", ...args] of shells) {
      for (const input of [initramfsInit, startScript]) {
        const result = spawnSync(program, [...args, "-n"], { input, encoding: "utf8" });
        expect([program, result.status, result.stderr]).toEqual([program, 0, ""]);
      }
    }
  });
});
