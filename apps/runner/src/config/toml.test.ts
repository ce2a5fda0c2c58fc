import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { overrideSettings } from "../command-line/option.js";
import { parseCommand } from "../command-line/parse.js";
import { RUN_OPTIONS } from "./options.js";
import { runConfig } from "./run-config.js";
import { configSettings, readConfigFile } from "./toml.js";

const folder = mkdtempSync(join(tmpdir(), "hypercraft-toml-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = "/guests/one/machine.toml";
const settings = (text: string) => configSettings(text, file, RUN_OPTIONS)[0]!;
const config = (text: string) => runConfig(settings(text));

describe("a configuration file", () => {
  test("sets what the options set", () => {
    const { machine, control } = config(`
      kernel = "boot/vmlinux"
      initrd = "/abs/initrd"
      append = "console=ttyS0"
      memory = "256M"
      cpus = 2
      entry = 0x8020_0000
      load = ["a.bin@0x81000000", "../b.bin@2164260864"]
      disk = "root.img,overlay"
      map = "hchyper"
      deterministic = true
      clock-ratio = "3/2"
      until = 'login: $'
      timeout = 1.5
      trace = ["exits", "insn"]
      stats = true
      no-reboot = true
    `);
    expect(machine).toMatchObject({
      kernel: { name: "/guests/one/boot/vmlinux", path: "/guests/one/boot/vmlinux" },
      initrd: { path: "/abs/initrd" },
      append: "console=ttyS0",
      memory: 2 ** 28,
      cpus: 2,
      entry: 0x8020_0000,
      loads: [
        { file: { path: "/guests/one/a.bin" }, address: 0x8100_0000 },
        { file: { path: "/guests/b.bin" }, address: 0x8100_0000 },
      ],
      disks: [{ file: { path: "/guests/one/root.img" }, mode: "overlay" }],
      map: "hchyper",
      deterministic: true,
      clockRatio: [3, 2],
    });
    expect(control).toMatchObject({ until: /login: $/m, timeoutMs: 1500, stats: "text", reboot: false });
    expect([...control.trace]).toEqual(["exits", "insn"]);
  });

  test("is overridden by options, lists as a whole", () => {
    const base = settings(
      'memory = "256M"\ncpus = 2\ndeterministic = true\ndisk = ["a", "b"]\nstats = "json"',
    );
    const args = ["--memory", "1G", "--disk", "c", "--deterministic=no"];
    const over = parseCommand("run", args, RUN_OPTIONS).settings;
    const { machine, control } = runConfig(overrideSettings(base, over));
    expect(machine).toMatchObject({ memory: 2 ** 30, cpus: 2, deterministic: false });
    expect(machine.disks.map(({ file }) => file.name)).toEqual(["c"]);
    expect(control.stats).toBe("json");
  });

  test.each([
    ['memroy = "1G"', `${file}: unknown key "memroy"; did you mean memory?`],
    ["[machine]\ncpus = 1", `${file}: unknown key "machine"`],
    ['memory = "12Q"', `${file}: memory: "12Q" is not a size`],
    ["memory = true", `${file}: memory is a text or a number`],
    ["memory = [1]", `${file}: memory takes one value, not a list`],
    ['deterministic = "yes"', `${file}: deterministic is true or false`],
    ["cpus = 2\ncpus = 3", new RegExp(`^${file}:2:\\d+: [^\\n]*$`)],
    ["cpus =", new RegExp(`^${file}:1:\\d+: [^\\n]*$`)],
    ['mode = "both"', `${file}: mode: "both" is not one of vm, bare`],
  ])("%j is refused", (text, message) => {
    expect(() => config(text)).toThrow(message);
  });

  test("is named when it is none", async () => {
    const read = (name: string) => readConfigFile(join(folder, name), RUN_OPTIONS);
    await expect(read("none.toml")).rejects.toThrow(`${folder}/none.toml: no such file`);
    await expect(readConfigFile(folder, RUN_OPTIONS)).rejects.toThrow(`${folder}: is a folder`);
    writeFileSync(join(folder, "kernel"), Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 0xff, 0xfe));
    await expect(read("kernel")).rejects.toThrow(`${folder}/kernel: is not a TOML file`);
  });
});

test.each([
  [["--initrd", "i"], "--initrd needs --kernel"],
  [["--load", "a@1"], "--load without --kernel or --bios needs --entry"],
  [["--clock-ratio", "3"], "--clock-ratio needs --deterministic"],
  [["--snapshot-at", "3"], "--snapshot-at needs --snapshot-to"],
  [["--guest", "g", "--kernel", "k"], "--guest and --kernel exclude each other"],
  [["--guest", "g,desk"], '--guest: "g,desk" is not NAME or NAME,disk'],
  [["--kernel", ""], "--kernel: a file's name is missing"],
  [["--seed", "-1"], '--seed: "-1" is not a number'],
])("%j contradict each other or mean nothing", (args, message) => {
  expect(() => runConfig(parseCommand("run", args, RUN_OPTIONS).settings)).toThrow(message);
});

test("firmware means bare mode", () => {
  const { machine } = runConfig(parseCommand("run", ["--bios", "fw.bin"], RUN_OPTIONS).settings);
  expect(machine.mode).toBe("bare");
});
