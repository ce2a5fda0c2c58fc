import { describe, expect, it } from "vitest";
import { DeterministicClock } from "../time/clock.js";
import { createPc, type PcOptions, restorePc } from "./pc.js";
import { testConsole } from "./testing/test-console.js";

const le32 = (...values: number[]) =>
  values.flatMap((value) => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]);

/** A multiboot image by addresses: its code at 1 MiB behind the header. */
function multiboot(code: readonly number[]): Uint8Array {
  const flags = 0x1_0000;
  const header = le32(0x1bad_b002, flags, -(0x1bad_b002 + flags));
  return Uint8Array.from([...header, ...le32(0x10_0000, 0x10_0000, 0, 0, 0x10_0020), ...code]);
}

async function pc(options: Partial<PcOptions>, typed = "") {
  const console = testConsole(typed);
  const clock = new DeterministicClock(1, 1);
  const machine = await createPc({ mode: "bare", memory: 16 << 20, console, clock, ...options });
  return { machine, console };
}

/** `mov al, value; out 0xf4, al`: the end with an odd code. */
const exit = (value: number) => [0xb0, value, 0xe6, 0xf4];

describe("what a PC starts", () => {
  it("is a multiboot kernel, with its command line and modules", async () => {
    const code = [
      // cmp eax, 0x2badb002; jne +; mov esi, [ebx+16] (the command line)
      ...[0x3d, ...le32(0x2bad_b002), 0x75, 0xfe, 0x8b, 0x73, 16],
      // mov edi, [ebx+24] (the modules); mov edi, [edi]
      ...[0x8b, 0x7b, 24, 0x8b, 0x3f],
      // mov dx, 0x3f8; loop: lodsb; test al, al; jz +3; out dx, al; jmp loop
      ...[0x66, 0xba, 0xf8, 3, 0xac, 0x84, 0xc0, 0x74, 3, 0xee, 0xeb, 0xf8],
      // mov al, [edi]; out dx, al
      ...[0x8a, 0x07, 0xee],
      ...exit(3),
    ];
    const { machine, console } = await pc({
      kernel: { name: "kernel", bytes: multiboot(code) },
      append: "one two",
      initrd: { name: "module", bytes: Uint8Array.of(0x21) },
    });
    expect(await machine.run()).toEqual({ kind: "exit", code: 7 });
    expect(console.text).toBe("kernel one two!");
  });

  it("is an ELF file with a PVH note", async () => {
    // mov eax, [ebx] (the magic); mov dx, 0xe9; out dx, eax as bytes; mov esi, [ebx+24]; mov al, [esi]; out 0xe9, al
    const code = [0x8b, 0x03, 0xe6, 0xe9, 0x8b, 0x73, 24, 0x8a, 0x06, 0xe6, 0xe9, ...exit(1)];
    const note = le32(4, 4, 18, 0x006e_6558, 0x10_0000);
    const bytes = new Uint8Array(0x200);
    const view = new DataView(bytes.buffer);
    // ELF32 for EM_386 with two program headers.
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
    bytes.set([2, 0, 3, 0, ...le32(1, 0x10_0000, 52)], 16);
    view.setUint16(42, 32, true);
    view.setUint16(44, 2, true);
    bytes.set(le32(1, 0x100, 0x10_0000, 0x10_0000, code.length, code.length, 7, 1), 52);
    bytes.set(le32(4, 0x180, 0, 0, note.length, note.length, 4, 4), 84);
    bytes.set(code, 0x100);
    bytes.set(note, 0x180);
    const { machine, console } = await pc({ kernel: { name: "kernel", bytes }, append: "x" });
    expect(await machine.run()).toEqual({ kind: "exit", code: 3 });
    // The first byte of the magic number.
    expect(console.text).toBe("xx");
  });

  it("is a boot sector, in real mode", async () => {
    const bytes = new Uint8Array(512);
    // mov ax, ip by a call; out 0xe9, al; out the high byte
    bytes.set([0xbc, 0, 0x7c, 0xe8, 0, 0, 0x58, 0x04, 0x3b, 0xe6, 0xe9, 0x86, 0xc4, 0xe6, 0xe9, ...exit(0)]);
    bytes.set([0x55, 0xaa], 510);
    const { machine, console } = await pc({ kernel: { name: "boot sector", bytes } });
    expect(await machine.run()).toEqual({ kind: "exit", code: 1 });
    expect(console.text).toBe("A|");
  });

  it("is a ROM at the reset vector, which is found in the first MiB, too", async () => {
    const bytes = new Uint8Array(0x1000);
    // F000:F000, behind the far jump, is in the copy: mov al, cs:[0xfff0]; out 0xe9, al
    bytes.set([0x2e, 0xa0, 0xf0, 0xff, 0x34, 0xab, 0xe6, 0xe9, ...exit(2)]);
    bytes.set([0xea, 0, 0xf0, 0, 0xf0], 0xff0);
    const { machine, console } = await pc({ firmware: { name: "rom", bytes } });
    expect(await machine.run()).toEqual({ kind: "exit", code: 5 });
    expect(console.text).toBe("A");
  });
});

/** Real mode at 0x8000: `lock inc byte [0x8100]; cli; hlt`. */
const SECOND = Uint8Array.of(0xf0, 0xfe, 0x06, 0, 0x81, 0xfa, 0xf4);
/** `mov eax, value; mov [0xfee00300], eax` */
const command = (value: number) => [0xb8, ...le32(value), 0xa3, ...le32(0xfee0_0300)];

describe("processors of a PC", () => {
  it("are started by INIT and start-up IPIs", async () => {
    const code = [
      // All but the sender: INIT, then two start-up IPIs of vector 8, of which only the first counts.
      ...command(0xc_4500),
      ...command(0xc_4608),
      ...command(0xc_4608),
      // cmp byte [0x8100], 3; jne back
      ...[0x80, 0x3d, ...le32(0x8100), 3, 0x75, 0xf7],
      ...exit(4),
    ];
    const kernel = { name: "kernel", bytes: multiboot(code) };
    const loads = [{ name: "second", address: 0x8000, bytes: SECOND }];
    const { machine } = await pc({ kernel, loads, cpus: 4 });
    expect(await machine.run()).toEqual({ kind: "exit", code: 9 });
    expect(machine.vcpus.map(({ vcpuId }) => vcpuId)).toEqual([0, 1, 2, 3]);
    expect(machine.memory.readU8(0x8100)).toBe(3);
  });

  it("take interrupts of the timer through the 8259 behind LINT0, and go on after a snapshot", async () => {
    const bytes = new Uint8Array(512);
    bytes.set([
      // mov word [0x80], 0x7c40; mov word [0x82], 0; ICW1-4: vectors from 0x20 on; only the timer
      ...[0xc7, 0x06, 0x80, 0, 0x40, 0x7c, 0xc7, 0x06, 0x82, 0, 0, 0],
      ...[0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x20, 0xe6, 0x21, 0xb0, 4, 0xe6, 0x21, 0xb0, 1, 0xe6, 0x21],
      ...[0xb0, 0xfe, 0xe6, 0x21],
      // Channel 0 in mode 2 of 0x400; sti; hlt; jmp back
      ...[0xb0, 0x34, 0xe6, 0x43, 0xb0, 0, 0xe6, 0x40, 0xb0, 4, 0xe6, 0x40, 0xfb, 0xf4, 0xeb, 0xfd],
    ]);
    // mov al, '.'; out 0xe9, al; mov al, 0x20; out 0x20, al; inc bx; cmp bx, 5; je exit; iret
    bytes.set([0xb0, 0x2e, 0xe6, 0xe9, 0xb0, 0x20, 0xe6, 0x20, 0x43, 0x83, 0xfb, 5, 0x74, 1, 0xcf], 0x40);
    bytes.set(exit(6), 0x4f);
    bytes.set([0x55, 0xaa], 510);
    const { machine, console } = await pc({ kernel: { name: "boot sector", bytes } });
    expect(await machine.run({ maxInstructions: 36 })).toEqual({ kind: "budget" });
    expect(console.text).toBe("..");
    const file = { name: "file", bytes: await machine.save() };
    const copyConsole = testConsole();
    const copy = await restorePc(file, { console: copyConsole, clock: new DeterministicClock(1, 1) });
    for (const one of [machine, copy]) expect(await one.run()).toEqual({ kind: "exit", code: 13 });
    expect([console.text, copyConsole.text]).toEqual([".....", "..."]);
  });
});

describe("a hypervisor on a PC", () => {
  it("finds VMX, and is still in VMX operation after a snapshot", async () => {
    const store = (address: number, value: number) => [0xc7, 0x05, ...le32(address, value)];
    const [TABLE, REGION, POINTER, DOOR] = [0x20_0000, 0x21_0000, 0x22_0000, 0x23_0000];
    const code = [
      // CPUID.1:ECX.VMX; 32-bit paging of the first 4 MiB, with CR4.VMXE and PSE, CR0.NE
      ...[0xb8, ...le32(1), 0x0f, 0xa2, 0x0f, 0xba, 0xe1, 5, 0x73, 0xfe],
      ...[...store(TABLE, 0x83), 0xb8, ...le32(TABLE), 0x0f, 0x22, 0xd8],
      ...[0xb8, ...le32(0x2010), 0x0f, 0x22, 0xe0, 0xb8, ...le32(0x8000_0031), 0x0f, 0x22, 0xc0],
      // IA32_FEATURE_CONTROL; the revision of IA32_VMX_BASIC into the region; VMXON, which must not fail
      ...[0xb9, ...le32(0x3a), 0xb8, ...le32(5), 0x31, 0xd2, 0x0f, 0x30],
      ...[0xb9, ...le32(0x480), 0x0f, 0x32, 0xa3, ...le32(REGION), ...store(POINTER, REGION)],
      ...[0xf3, 0x0f, 0xc7, 0x35, ...le32(POINTER), 0x76, 0xfe],
      // Wait at the door; VMXOFF is #UD, and so the end of the machine, for who is not in VMX operation.
      ...[0x80, 0x3d, ...le32(DOOR), 0, 0x74, 0xf7, 0x0f, 0x01, 0xc4, 0x76, 0xfe, ...exit(6)],
    ];
    const { machine } = await pc({ kernel: { name: "kernel", bytes: multiboot(code) } });
    expect(await machine.run({ maxInstructions: 1000 })).toEqual({ kind: "budget" });
    const file = { name: "file", bytes: await machine.save() };
    const host = { console: testConsole(), clock: new DeterministicClock(1, 1) };
    for (const one of [machine, await restorePc(file, host)]) {
      one.memory.writeU8(DOOR, 1);
      expect(await one.run({ maxInstructions: 1000 })).toEqual({ kind: "exit", code: 13 });
    }
  });
});

describe.each(["cold", "hot"] as const)("STI on a PC (%s tier)", (tier) => {
  it("lets what waits come behind the next instruction, and nothing else in between", async () => {
    const bytes = new Uint8Array(512);
    const line = (level: number) => [0xba, 4, 0x20, 0xb0, level, 0xee];
    const print = (text: string) => [0xb0, text.charCodeAt(0), 0xe6, 0xe9];
    bytes.set([
      // mov word [0x90], 0x7c80; mov word [0x92], 0; ICW1-4: vectors from 0x20 on; only IRQ 4
      ...[0xc7, 0x06, 0x90, 0, 0x80, 0x7c, 0xc7, 0x06, 0x92, 0, 0, 0],
      ...[0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x20, 0xe6, 0x21, 0xb0, 4, 0xe6, 0x21, 0xb0, 1, 0xe6, 0x21],
      ...[0xb0, 0xef, 0xe6, 0x21],
      // sti; nop
      ...[...line(1), 0xfb, 0x90, ...print("a"), 0xfa, ...line(0)],
      // sti; cli: no chance
      ...[...line(1), 0xfb, 0xfa, ...print("b"), 0xfb, 0x90, 0xfa, ...line(0)],
      // sti; hlt; cli
      ...[...line(1), 0xfb, 0xf4, 0xfa, ...print("c"), ...exit(0)],
    ]);
    // The handler: '!', end of interrupt
    bytes.set([0x50, ...print("!"), 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf], 0x80);
    bytes.set([0x55, 0xaa], 510);
    const { machine, console } = await pc({ kernel: { name: "boot sector", bytes }, tier });
    expect(await machine.run()).toEqual({ kind: "exit", code: 1 });
    expect(console.text).toBe("!ab!!c");
  });
});

describe("the test device of a PC", () => {
  it("has a latch, memory, and ports that are interrupt lines", async () => {
    const { machine } = await pc({ kernel: { name: "kernel", bytes: multiboot([0xf4]) } });
    const { ports, bus } = machine.machine;
    ports.write(0xe0, 4, 0x1234_5678);
    expect([ports.read(0xe1, 1), ports.read(0xe2, 2)]).toEqual([0x56, 0x1234]);
    bus.write(0xff00_fffc, 4, 0x8765_4321);
    expect([bus.read(0xff00_fffe, 2), bus.read(0xff00_0000, 4)]).toEqual([0x8765, 0]);
    // Pin 20 of the I/O APIC, level-triggered: its remote IRR shows that a local APIC took it.
    machine.vcpus[0]!.cpu.msrs.write(0x1b, 0xfee0_0d00n);
    machine.vcpus[0]!.cpu.msrs.write(0x80f, 0x1ffn);
    bus.write(0xfec0_0000, 4, 0x10 + 2 * 20);
    bus.write(0xfec0_0010, 4, 0x8050);
    ports.write(0x2014, 1, 1);
    expect(bus.read(0xfec0_0010, 4)).toBe(0xc050);
  });
});

describe("what a PC refuses", () => {
  const elf = Uint8Array.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, ...new Array<number>(100).fill(0)]);
  it.each<[string, Partial<PcOptions>, string]>([
    ["nothing to run", {}, "nothing to run"],
    ["a damaged ELF file", { kernel: { name: "a.elf", bytes: elf } }, "a.elf: "],
    [
      "an empty ROM",
      { firmware: { name: "rom", bytes: new Uint8Array(0) } },
      "rom: a ROM has a multiple of 4 KiB",
    ],
    ["a large ROM", { firmware: { name: "rom", bytes: new Uint8Array(17 << 20) } }, "not 17 MiB"],
    ["an empty kernel", { kernel: { name: "k", bytes: new Uint8Array(0) } }, "k: is empty"],
  ])("%s", async (_, options, message) => {
    await expect(pc(options)).rejects.toThrow(message);
  });
});
