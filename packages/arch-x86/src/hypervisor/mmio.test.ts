import type { Tier } from "@hypercraft/engine";
import { InstructionClock, type MmioDevice } from "@hypercraft/hypercraft";
import { describe, expect, test } from "vitest";
import { readFlags } from "../cpu/rflags.js";
import { XMM } from "../cpu/state.js";
import { assemble } from "../testing/user-program.js";
import { codeGuest, createRig, runToStop, STOP } from "../testing/vm/rig.js";

// Instructions on a device, by exits, do what they do on RAM.

const DEVICE = 0x1000_0000;
const MEMORY = 0x20_0000;
const RBX = 3;
const at = (displacement = 16) => ({ rm: { base: RBX, displacement } });
const asm = (name: string, choices: Parameters<typeof assemble>[1] = {}): number[] => assemble(name, choices);

/** Bytes as a device has them: any access within it. */
class Bytes implements MmioDevice {
  readonly bytes = Uint8Array.from({ length: 256 }, (_, i) => (i * 37 + 0x81) & 0xff);
  readonly view = new DataView(this.bytes.buffer);
  accesses = 0;
  read(offset: number, width: 1 | 2 | 4): number {
    this.accesses++;
    if (width === 1) return this.view.getUint8(offset);
    return width === 2 ? this.view.getUint16(offset, true) : this.view.getUint32(offset, true);
  }
  write(offset: number, width: 1 | 2 | 4, value: number): void {
    this.accesses++;
    if (width === 1) this.view.setUint8(offset, value);
    else if (width === 2) this.view.setUint16(offset, value, true);
    else this.view.setUint32(offset, value, true);
  }
}

/** Registers, flags and memory after some code, with RBX (and RSI, RDI) at memory of one kind. */
function outcome(code: readonly number[], base: number, tier: Tier) {
  const rig = createRig(new InstructionClock(), tier);
  const guest = codeGuest([...code, ...STOP], { rig });
  const { vcpu, vm } = guest;
  const device = new Bytes();
  vm.mmio.add({ name: "bytes", base: DEVICE, size: 256, device });
  vm.memory?.write(MEMORY, new Bytes().bytes);
  for (const [register, value] of VALUES.entries()) if (register !== 4) vcpu.setGpr(register, value);
  vcpu.setGpr(RBX, BigInt(base));
  vcpu.setGpr(6, BigInt(base + 8));
  vcpu.setGpr(7, BigInt(base + 64));
  for (const [i, field] of XMM.entries()) vcpu.core.setBig(field, (BigInt(i) << 70n) | 0x1234_5678_9abcn);
  // CR4.OSFXSR, as a kernel has it.
  runToStop(guest);
  const registers = Array.from({ length: 16 }, (_, i) => vcpu.getGpr(i))
    // The stop call's number is in RAX: code that gives a result there moves it away.
    .map((value, i) =>
      i === 0 ? 0n : value >= BigInt(base) && value < BigInt(base + 256) ? value - BigInt(base) : value,
    );
  const memory = base === DEVICE ? device.bytes : vm.memory!.read(MEMORY, 256);
  const vectors = XMM.map((field) => vcpu.core.big(field));
  return { registers, memory: [...memory], vectors, flags: readFlags(vcpu.core), accesses: device.accesses };
}

const VALUES = Array.from({ length: 16 }, (_, i) =>
  BigInt.asUintN(64, 0x0123_4567_89ab_cdefn * BigInt(i + 1)),
);
VALUES[1] = 3n;
VALUES[2] = 5n;
/** `mov r8, rax`: the result, before the stop call's number takes its place. */
const KEEP = asm("mov Ev, Gv", { rm: 8, reg: 0, operandSize: 8 });

const WIDE = { operandSize: 8 } as const;
const FORMS: readonly (readonly [string, readonly number[]])[] = [
  ...([2, 4, 8] as const).flatMap((operandSize) =>
    (
      [
        ["mov Gv, Ev", { reg: 9 }],
        ["mov Ev, Gv", { reg: 9 }],
        ["add Ev, Gv", { reg: 9 }],
        ["adc Gv, Ev", { reg: 9 }],
        ["xor Ev, Gv", { reg: 10 }],
        ["cmp Ev, Gv", { reg: 10 }],
        ["test Ev, Gv", { reg: 10 }],
        ["xchg Ev, Gv", { reg: 9 }],
        ["xadd Ev, Gv", { reg: 9 }],
        ["cmpxchg Ev, Gv", { reg: 9 }],
        ["inc Ev", {}],
        ["neg Ev", {}],
        ["not Ev", {}],
        ["mul Ev", {}],
        ["imul Gv, Ev", { reg: 9 }],
        ["shl Ev, Ib", { immediates: [3] }],
        ["bts Ev, Ib", { immediates: [5] }],
        ["movzx Gv, Eb", { reg: 9 }],
        ["movsx Gv, Eb", { reg: 9 }],
        ["movbe Gv, Mv", { reg: 9 }],
        ["popcnt Gv, Ev", { reg: 9 }],
      ] as const
    ).map(
      ([name, choices]) =>
        [`${name}, ${operandSize}`, [...asm(name, { ...at(), operandSize, ...choices }), ...KEEP]] as const,
    ),
  ),
  ["mov Gb, Eb", asm("mov Gb, Eb", { ...at(), reg: 9 })],
  ["mov Eb, Gb", asm("mov Eb, Gb", { ...at(), reg: 9 })],
  ["add Eb, Gb", asm("add Eb, Gb", { ...at(), reg: 9 })],
  ["unaligned", asm("mov Gv, Ev", { ...at(13), reg: 9, ...WIDE })],
  ["unaligned store", asm("mov Ev, Gv", { ...at(27), reg: 9, ...WIDE })],
  ["push and pop", [...asm("push Ev", at(24)), ...asm("pop Ev", at(40))]],
  ["movdqu load", asm("movdqu Vdq, Wdq", { ...at(), reg: 2 })],
  ["movdqu store", asm("movdqu Wdq, Vdq", { ...at(), reg: 3 })],
  ["paddd", asm("paddd Vdq, Wdq", { ...at(), reg: 2 })],
  ["rep movsb", [0xf3, 0xa4]],
  ["rep movsq", [0xf3, 0x48, 0xa5]],
  ["movsd", [0xa5]],
  ["rep stosd", [0xf3, 0xab]],
  ["lodsw", [0x66, 0xad, ...KEEP]],
  ["repe cmpsb", [0xf3, 0xa6]],
  ["repne scasb", [0xf2, 0xae]],
  ["fld and fstp of 80 bits", [...asm("fld Mt", at()), ...asm("fstp Mt", at(40))]],
  ["fxsave", asm("fxsave64 M", { ...at(0), ...WIDE })],
  ["cmpxchg16b", asm("cmpxchg16b Mdq", { ...at(16), ...WIDE })],
];

describe.each<Tier>(["cold", "hot"])("an access that crosses pages (%s tier)", (tier) => {
  /** RAM ends here. */
  const BORDER = 0x40_0000;
  test.each([
    ["from RAM to a device", BORDER],
    ["within a device", BORDER + 0x1000],
  ])("%s has each byte from where it is", (_, border) => {
    const code = [
      ...asm("mov Ev, Gv", { rm: { base: RBX, displacement: -3 }, reg: 9, operandSize: 8 }),
      ...asm("mov Gv, Ev", { rm: { base: RBX, displacement: -4 }, reg: 10, operandSize: 8 }),
      ...asm("add Ev, Gv", { rm: { base: RBX, displacement: -1 }, reg: 9, operandSize: 4 }),
    ];
    const guest = codeGuest([...code, ...STOP], { rig: createRig(undefined, tier) });
    const { vcpu, vm } = guest;
    const bytes = new Uint8Array(0x2000);
    const device = {
      read: (offset: number, width: number) =>
        Number(new DataView(bytes.buffer).getBigUint64(offset, true) & ((1n << BigInt(8 * width)) - 1n)),
      write: (offset: number, width: number, value: number) => {
        for (let i = 0; i < width; i++) bytes[offset + i] = Math.floor(value / 2 ** (8 * i)) & 0xff;
      },
    };
    vm.mmio.add({ name: "bytes", base: BORDER, size: 0x2000 - 8, device });
    vcpu.setGpr(RBX, BigInt(border));
    vcpu.setGpr(9, 0x8877_6655_4433_2211n);
    runToStop(guest);
    const byteAt = (at: number) => (at < BORDER ? vm.memory!.readU8(at) : bytes[at - BORDER]);
    // The store, and the sum of 66554433 and 44332211 in its middle.
    const sum = [0x11, 0x22, 0x44, 0x66, 0x88, 0xaa, 0x77, 0x88];
    expect(Array.from({ length: 8 }, (_, i) => byteAt(border - 3 + i))).toEqual(sum);
    expect(vcpu.getGpr(10)).toBe(0x7766_5544_3322_1100n);
  });
});

const CR4_OSFXSR = [0x0f, 0x20, 0xe0, 0x0d, 0, 2, 0, 0, 0x0f, 0x22, 0xe0];

describe.each<Tier>(["cold", "hot"])("an instruction on a device (%s tier)", (tier) => {
  test.each(FORMS)("%s", (_, code) => {
    const prepared = [
      ...asm("mov Ev, Gv", { rm: 14, reg: 0, ...WIDE }),
      ...CR4_OSFXSR,
      ...asm("mov Ev, Gv", { rm: 0, reg: 14, ...WIDE }),
    ];
    const { accesses, ...device } = outcome([...prepared, ...code], DEVICE, tier);
    const { accesses: none, ...memory } = outcome([...prepared, ...code], MEMORY, tier);
    expect(device).toEqual(memory);
    expect([accesses > 0, none]).toEqual([true, 0]);
  });
});
