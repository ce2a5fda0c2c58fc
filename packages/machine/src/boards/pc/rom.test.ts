import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DeterministicClock } from "../../time/clock.js";
import { createPc, restorePc } from "../pc.js";
import { hasQemu } from "../testing/qemu-pc.js";
import { word } from "../testing/real-mode-code.js";
import { testConsole } from "../testing/test-console.js";

const SIZE = 0x1_0000;
const CODE = 0xf800;
/** Offsets of bytes that the code tries to change: data, two pages at once, code. */
const DATA = 0x100;
const CROSSED = 0x1fff;
/** `cs:` of what follows, whose base is still that of the reset: 0xffff0000. */
const CS = 0x2e;
const show = (offset: number) => [CS, 0xa0, ...word(offset), 0xe6, 0xe9];

/** A ROM whose code writes to it, often, and shows what it then reads. */
function rom(): Uint8Array {
  const bytes = new Uint8Array(SIZE);
  const tries = [
    // lock inc byte cs:[DATA]; xchg cs:[DATA], al; mov word cs:[CROSSED], 5a5a; mov byte cs:[CODE], 90
    ...[0xf0, CS, 0xfe, 0x06, ...word(DATA), 0xb0, 0x77, CS, 0x86, 0x06, ...word(DATA), 0x88, 0xc3],
    ...[CS, 0xc7, 0x06, ...word(CROSSED), 0x5a, 0x5a, CS, 0xc6, 0x06, ...word(CODE), 0x90],
  ];
  const code = [
    // mov cx, 3000; again: tries; dec cx; jnz again
    ...[0xb9, ...word(3000), ...tries, 0x49, 0x0f, 0x85, ...word(-(tries.length + 5) & 0xffff)],
    // What XCHG read; the rest; end.
    ...[0x88, 0xd8, 0xe6, 0xe9, ...show(DATA), ...show(CROSSED), ...show(CROSSED + 1), ...show(CODE)],
    ...[0xb0, 4, 0xe6, 0xf4, 0xf4],
  ];
  bytes.set(code, CODE);
  bytes[DATA] = 0x41;
  bytes.set([0x42, 0x43], CROSSED);
  // jmp CODE
  bytes.set([0xe9, ...word(CODE - 0xfff3)], 0xfff0);
  return bytes;
}
const UNCHANGED = [0x41, 0x41, 0x42, 0x43, 0xb9];

function options(mode: "vm" | "bare", bytes: number[]) {
  return {
    mode,
    memory: 16 << 20,
    console: { read: () => -1, write: (part: Uint8Array) => void bytes.push(...part) },
    clock: new DeterministicClock(1, 1),
  };
}

describe.each(["vm", "bare"] as const)("a ROM in %s mode", (mode) => {
  it.each(["cold", "hot", "auto"] as const)(
    "stays what it is whatever is written there, %s",
    async (tier) => {
      const output: number[] = [];
      const firmware = { name: "rom", bytes: rom() };
      const machine = await createPc({ ...options(mode, output), tier, firmware });
      expect(await machine.run({ maxInstructions: 1_000_000 })).toEqual({ kind: "exit", code: 9 });
      expect(output).toEqual(UNCHANGED);
      expect(machine.memory.read(2 ** 32 - SIZE, SIZE)).toEqual(rom());
    },
  );

  it("is in snapshots", async () => {
    const output: number[] = [];
    const machine = await createPc({ ...options(mode, output), firmware: { name: "rom", bytes: rom() } });
    expect((await machine.run({ maxInstructions: 1000 })).kind).toBe("budget");
    const file = { name: "saved", bytes: await machine.save() };
    const other = await restorePc(file, options(mode, output));
    expect(await other.run()).toEqual({ kind: "exit", code: 9 });
    expect(output).toEqual(UNCHANGED);
  });
});

it("is not written by devices, but read", async () => {
  let dma: { read(at: number, size: number): Uint8Array; write(at: number, bytes: Uint8Array): void };
  const machine = await createPc({
    ...options("bare", []),
    console: testConsole(""),
    firmware: { name: "rom", bytes: rom() },
    extend(builder) {
      builder.device("reader", { space: "ports", base: 0x300, size: 1 }, ({ memory }) => {
        dma = memory;
        return { read: () => 0, write: () => undefined, reset: () => undefined };
      });
    },
  });
  const base = 2 ** 32 - SIZE;
  dma!.write(base + DATA, Uint8Array.of(1, 2, 3));
  expect([...dma!.read(base + DATA, 2)]).toEqual([0x41, 0]);
  expect(machine.memory.readU8(base + DATA)).toBe(0x41);
});

it.skipIf(!hasQemu)("is on QEMU's PC as it is here", () => {
  const folder = mkdtempSync(join(tmpdir(), "rom-"));
  try {
    const [bios, output] = [join(folder, "rom"), join(folder, "output")];
    writeFileSync(bios, rom());
    const exit = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-debugcon", `file:${output}`];
    const machine = ["-M", "pc", "-display", "none", "-no-reboot", "-nodefaults", "-bios", bios];
    spawnSync("qemu-system-x86_64", [...machine, ...exit], { timeout: 30_000 });
    expect([...readFileSync(output)]).toEqual(UNCHANGED);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
