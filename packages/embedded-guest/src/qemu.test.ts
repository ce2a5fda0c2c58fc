// The guests on machines that are not ours: QEMU's virt boards, for RISC-V under OpenSBI.
import { spawn, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { prebuiltPath } from "../../../guests/build.mjs";
import type { EmbeddedGuestArch } from "./index.js";

const missing = (arch: EmbeddedGuestArch): boolean =>
  spawnSync(`qemu-system-${arch}`, ["--version"]).status !== 0;

interface Session {
  /** riscv64 if not said. */
  arch?: EmbeddedGuestArch;
  arguments?: string[];
  /** Each text is waited for, in this order, and answered. */
  dialog?: [wait: string, answer: string][];
}

const VIRT = ["-M", "virt", "-nographic"];

/** Boots the guest and gives what its console showed, and QEMU's exit code. */
function boot({
  arch = "riscv64",
  arguments: extra = [],
  dialog = [],
}: Session): Promise<{ output: string; code: number | null }> {
  // With -nographic a PC's firmware writes there, too.
  const board = arch === "x86_64" ? ["-M", "pc", "-display", "none", "-serial", "stdio"] : VIRT;
  const kernel = ["-m", "128M", "-kernel", prebuiltPath(arch)];
  const qemu = spawn(`qemu-system-${arch}`, [...board, ...kernel, ...extra]);
  const timer = setTimeout(() => qemu.kill("SIGKILL"), 50_000);
  const turns = [...dialog];
  let output = "";
  let seen = 0; // up to here the output has been answered
  qemu.stdout.setEncoding("latin1").on("data", (text: string) => {
    output += text;
    for (let turn = turns[0]; turn !== undefined; turn = turns[0]) {
      const at = output.indexOf(turn[0], seen);
      if (at < 0) break;
      seen = at + turn[0].length;
      turns.shift();
      qemu.stdin.write(turn[1]);
    }
  });
  return new Promise((resolve, reject) => {
    qemu.on("error", reject);
    qemu.on("close", (code) => {
      clearTimeout(timer);
      resolve({ output: output.replaceAll("\r\n", "\n"), code });
    });
  });
}

describe.skipIf(missing("riscv64"))("the riscv64 guest under QEMU", () => {
  it.each([
    ["one hart", []],
    ["two harts", ["-smp", "2"]],
    ["the firmware's timer", ["-cpu", "rv64,sstc=off"]],
    ["no floating point and no H", ["-cpu", "rv64,f=off,d=off,h=off"]],
  ])("passes its self-test with %s", async (_, options) => {
    const { output, code } = await boot({ arguments: [...options, "-append", "selftest"] });
    expect(output).not.toMatch(/^FAIL/m);
    const [, passed] = /^selftest: (\d+) passed, 0 failed$/m.exec(output) ?? [];
    expect(Number(passed)).toBeGreaterThan(60);
    expect(output).toContain("ok page-rights");
    expect(output.includes("ok cpus-atomics")).toBe(options.includes("-smp"));
    expect(code).toBe(0);
  });

  it("has a shell that edits lines, runs programs and powers off with a code", async () => {
    const { output, code } = await boot({
      dialog: [
        ["hc> ", "nonsense\r"],
        ["hc> ", "run primez\bs 100\r"],
        ["hc> ", "wrong\x15run badaddr 2\r"],
        ["hc> ", "run spin 100000\r"],
        ["to spin for 100000 ms", "\x03"],
        ["hc> ", "run sleep 50 &\r"],
        ["sleep: exit 0", "ps\r"],
        ["hc> ", "poweroff 5\r"],
      ],
    });
    expect(output).toContain('unknown command "nonsense": try help\n');
    expect(output).toContain("25 primes below 100\n");
    expect(output).toContain("badaddr: page fault at ffffffff80200000\n");
    expect(output).toContain("spin: killed\n");
    expect(output).toMatch(/^ +1 running .* shell$/m);
    expect(code).toBe(5);
  });

  it("runs the programs that its command line names, and reports failure", async () => {
    const { output } = await boot({ arguments: ["-append", "root=/dev/vda run=fib,15 run=badinst,1"] });
    expect(output).toContain("fib(15) = 610\n");
    expect(output).toContain("badinst: illegal instruction at");
    expect(output).not.toContain("hc> ");
  });

  it("says that it cannot run the test programs without floating point", async () => {
    const { output } = await boot({
      arguments: ["-cpu", "rv64,f=off,d=off"],
      dialog: [
        ["hc> ", "run float\r"],
        ["hc> ", "poweroff\r"],
      ],
    });
    expect(output).toContain("float needs floating point, which this processor lacks\n");
  });
});

describe.skipIf(missing("aarch64"))("the aarch64 guest under QEMU", () => {
  it.each([
    ["one processor", "cortex-a72", "virt", 1],
    ["four processors", "cortex-a72", "virt", 4],
    ["version 3 of the GIC", "cortex-a72", "virt,gic-version=3", 4],
    ["EL2 to come from", "cortex-a72", "virt,virtualization=on", 4],
    ["everything a processor may have", "max", "virt,gic-version=3,virtualization=on", 2],
  ])("passes its self-test with %s", async (_, cpu, board, processors) => {
    const { output } = await boot({
      arch: "aarch64",
      arguments: ["-M", board, "-cpu", cpu, "-smp", String(processors), "-append", "selftest"],
    });
    expect(output).not.toMatch(/^FAIL/m);
    const [, passed] = /^selftest: (\d+) passed, 0 failed$/m.exec(output) ?? [];
    expect(Number(passed)).toBeGreaterThan(65);
    expect(output).toContain("ok page-rights");
    expect(output.includes("ok cpus-atomics")).toBe(processors > 1);
    expect(output.includes("ok lse")).toBe(cpu === "max");
  });

  it("has the same shell", async () => {
    const { output, code } = await boot({
      arch: "aarch64",
      arguments: ["-cpu", "cortex-a72"],
      dialog: [
        ["hc> ", "run primez\bs 100\r"],
        ["hc> ", "run badaddr 2\r"],
        ["hc> ", "run spin 100000\r"],
        ["to spin for 100000 ms", "\x03"],
        ["hc> ", "poweroff\r"],
      ],
    });
    expect(output).toContain("25 primes below 100\n");
    expect(output).toContain("badaddr: page fault at ffffffff80200000\n");
    expect(output).toContain("spin: killed\n");
    expect(code).toBe(0);
  });
});

describe.skipIf(missing("x86_64"))("the x86_64 guest under QEMU", () => {
  const DEBUG_EXIT = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"];

  it.each([
    ["one processor", "pc", "qemu64", 1],
    ["four processors", "pc", "qemu64", 4],
    ["another chip set and everything a processor may have", "q35", "max", 2],
  ])("passes its self-test with %s", async (_, board, cpu, processors) => {
    const { output, code } = await boot({
      arch: "x86_64",
      arguments: ["-M", board, "-cpu", cpu, "-smp", String(processors), ...DEBUG_EXIT, "-append", "selftest"],
    });
    expect(output).not.toMatch(/^FAIL/m);
    const [, passed] = /^selftest: (\d+) passed, 0 failed$/m.exec(output) ?? [];
    expect(Number(passed)).toBeGreaterThan(80);
    expect(output).toContain("ok page-rights");
    expect(output.includes("ok cpus-atomics")).toBe(processors > 1);
    expect(output.includes("ok page-smap")).toBe(cpu === "max");
    expect(code).toBe(0);
  });

  it("has the same shell, and tells a failure where it can", async () => {
    const { output, code } = await boot({
      arch: "x86_64",
      arguments: DEBUG_EXIT,
      dialog: [
        ["hc> ", "run primez\bs 100\r"],
        ["hc> ", "run badaddr 2\r"],
        ["hc> ", "run spin 100000\r"],
        ["to spin for 100000 ms", "\x03"],
        ["hc> ", "poweroff 5\r"],
      ],
    });
    expect(output).toContain("25 primes below 100\n");
    expect(output).toContain("badaddr: page fault at ffffffff80200000\n");
    expect(output).toContain("spin: killed\n");
    expect(code).toBe(11);
  });
});
