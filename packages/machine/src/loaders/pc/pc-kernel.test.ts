import { describe, expect, it } from "vitest";
import { BusMemory } from "../../memory/guest-memory.js";
import { HostMemory } from "../../memory/host-memory.js";
import { SystemBus } from "../../memory/system-bus.js";
import { LoadPlan } from "../plan.js";
import { elfFile, gzip, linuxKernel } from "../testing/images.js";
import type { PcBoot } from "./entry.js";
import { type PcKernel, type PcKernelOptions, placePcKernel, readPcKernel } from "./kernel.js";
import { e820Bytes, MemoryType, pcMemoryMap } from "./memory-map.js";
import { placeRom, romRange } from "./rom.js";

const MIB = 1 << 20;
const RAM = 64 * MIB;
const text = (value: string) => new TextEncoder().encode(value);
const MAP = pcMemoryMap({ low: RAM, others: [{ base: RAM - MIB, size: MIB, type: MemoryType.acpi }] });

/** What is loaded, as the kernel finds it. */
async function load(file: Uint8Array, options: Partial<PcKernelOptions> = {}) {
  const kernel = await readPcKernel(file, "kernel");
  return { kernel, ...place((plan) => placePcKernel(plan, kernel, { memoryMap: MAP, ...options })) };
}

function place(put: (plan: LoadPlan) => PcBoot) {
  const host = new HostMemory({ size: RAM + 32 * MIB, arenaSize: 0 });
  const bus = new SystemBus(host);
  bus.addRam({ name: "RAM", base: 0, size: RAM, offset: host.allocZeroed(RAM / 4096)! });
  bus.addRam({ name: "ROM", base: 0xff00_0000, size: 16 * MIB, offset: host.allocZeroed(4096)! });
  const plan = new LoadPlan([
    { base: 0, size: RAM },
    { base: 0xff00_0000, size: 16 * MIB },
  ]);
  plan.reserve("the ACPI tables", RAM - MIB, MIB);
  const boot = put(plan);
  const memory = new BusMemory(bus);
  plan.load(memory);
  const u32 = (at: number) => memory.readU32(at);
  const u64 = (at: number) => Number(memory.readU64(at));
  const string = (at: number) => {
    const bytes = memory.read(at, 256);
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  };
  return { boot, memory, plan, u32, u64, string };
}

interface BzSpec {
  version?: number;
  flags?: number;
  extended?: number;
  relocatable?: number;
  setupSectors?: number;
  kernelBytes?: number;
}

/** A bzImage as Documentation/arch/x86/boot.rst lays it out. Its code is bytes that tell where they are from. */
function bzImage(spec: BzSpec = {}): Uint8Array {
  const {
    version = 0x20f,
    flags = 1,
    extended = 1,
    relocatable = 1,
    setupSectors = 3,
    kernelBytes = 0x3000,
  } = spec;
  const setup = ((setupSectors || 4) + 1) * 512;
  const file = new Uint8Array(setup + kernelBytes).map((_, i) => (i < setup ? 0 : (i - setup) >> 8));
  const view = new DataView(file.buffer);
  file[0x1f1] = setupSectors;
  view.setUint32(0x1f4, Math.ceil(kernelBytes / 16), true);
  view.setUint16(0x1fe, 0xaa55, true);
  // A jump over the header, which ends at 0x268.
  view.setUint16(0x200, 0x66eb, true);
  file.set(text("HdrS"), 0x202);
  view.setUint16(0x206, version, true);
  file[0x211] = flags;
  view.setUint32(0x22c, 0x7fff_ffff, true);
  view.setUint32(0x230, 0x20_0000, true);
  file[0x234] = relocatable;
  view.setUint16(0x236, extended, true);
  view.setUint32(0x238, 255, true);
  view.setBigUint64(0x258, 0x100_0000n, true);
  view.setUint32(0x260, 0x80_0000, true);
  return file;
}

describe("bzImage", () => {
  const SEED = Uint8Array.of(1, 2, 3, 4);
  const initrd = { name: "initrd", bytes: new Uint8Array(5000).fill(7) };

  it("is entered in 64-bit mode, at 0x200 of what is loaded", async () => {
    const { boot, memory, u64 } = await load(bzImage());
    expect([boot.start, boot.end]).toEqual([0x100_0000, 0x180_0000]);
    if (boot.entry.kind !== "long") throw new Error(boot.entry.kind);
    const { pc, code, data, gdt, pageTable } = boot.entry;
    expect([pc, code, data]).toEqual([0x100_0200, 0x10, 0x18]);
    expect([...memory.read(0x100_0100, 2), memory.readU8(0x100_2fff)]).toEqual([1, 1, 0x2f]);
    // Code: present, DPL 0, L; data: writable.
    expect(memory.readU64(gdt!.base + 0x10)).toBe(0x00af_9b00_0000_ffffn);
    expect(memory.readU64(gdt!.base + 0x18)).toBe(0x00cf_9300_0000_ffffn);
    // 4 GiB are mapped to themselves.
    for (const address of [0, 0x1234_5678, 0x8765_4321, 0xffff_ffff]) {
      const pointers = u64(pageTable) - 3;
      const directory = u64(pointers + 8 * Math.floor(address / 2 ** 30)) - 3;
      expect(u64(directory + 8 * (Math.floor(address / 2 ** 21) % 512))).toBe(
        Math.floor(address / 2 ** 21) * 2 ** 21 + 0x83,
      );
    }
  });

  it("finds its parameters in RSI", async () => {
    const options = { commandLine: "console=ttyS0", modules: [initrd], rsdp: 0x3f0_0000, seed: SEED };
    const { boot, memory, u32, u64, string } = await load(bzImage(), options);
    const page = boot.entry.kind === "long" ? boot.entry.registers!.rsi! : 0;
    const file = bzImage();
    // The header is the file's but for what the loader fills in.
    expect(memory.read(page + 0x1f1, 0x1f)).toEqual(file.slice(0x1f1, 0x210));
    expect(memory.read(page + 0x22c, 0x24)).toEqual(file.slice(0x22c, 0x250));
    expect(memory.read(page + 0x258, 0x10)).toEqual(file.slice(0x258, 0x268));
    expect([memory.readU8(page + 0x210), memory.readU8(page + 0x211), u32(page + 0x214)]).toEqual([
      0xff, 1, 0x100_0000,
    ]);
    expect(string(u32(page + 0x228))).toBe("console=ttyS0");
    expect([u32(page + 0x218), u32(page + 0x21c)]).toEqual([RAM - MIB - 8192, 5000]);
    expect(memory.readU8(RAM - MIB - 8192 + 4999)).toBe(7);
    expect(u64(page + 0x70)).toBe(0x3f0_0000);
    const data = u64(page + 0x250);
    expect([u64(data), u32(data + 8), u32(data + 12), u32(data + 16)]).toEqual([0, 9, 4, 0x0403_0201]);
    expect(memory.readU8(page + 0x1e8)).toBe(MAP.length);
    expect(memory.read(page + 0x2d0, 20 * MAP.length)).toEqual(e820Bytes(MAP));
    // Nothing else: no screen, no second setup.
    expect(memory.read(page, 0x70).every((byte) => byte === 0)).toBe(true);
  });

  it("is entered in protected mode if it has no other entry", async () => {
    for (const spec of [{ extended: 0 }, { version: 0x20a }]) {
      const { boot } = await load(bzImage(spec));
      expect(boot.entry).toMatchObject({ kind: "protected", pc: 0x100_0000, code: 0x10, data: 0x18 });
    }
    const { boot } = await load(bzImage({ relocatable: 0 }));
    expect(boot.start).toBe(MIB);
    // 0 sectors are 4.
    expect((await load(bzImage({ setupSectors: 0 }))).memory.readU8(0x100_2f00)).toBe(0x2f);
  });

  it("is refused in one line", async () => {
    const cases: [file: Uint8Array, options: Partial<PcKernelOptions>, message: string][] = [
      [bzImage({ version: 0x209 }), {}, "kernel: Linux boot protocol 2.09 is too old, 2.10 is needed"],
      [bzImage({ flags: 0 }), {}, "kernel: is a zImage, which loads below 640 KiB; use a bzImage"],
      [bzImage().subarray(0, 0x2000), {}, "kernel: Linux kernel is truncated: 8 KiB of 14 KiB"],
      [bzImage().subarray(0, 0x210), {}, "kernel: Linux kernel is truncated: 528 bytes"],
      [
        bzImage(),
        { commandLine: "x".repeat(256) },
        "the command line of 256 bytes is longer than the kernel's 255",
      ],
      [bzImage(), { modules: [initrd, initrd] }, "Linux takes one initrd, not 2 modules"],
      [bzImage(), { modules: [{ name: "initrd", bytes: new Uint8Array(RAM) }] }, "initrd: 64 MiB do not fit"],
    ];
    for (const [file, options, message] of cases) await expect(load(file, options)).rejects.toThrow(message);
  });
});

/** A header at an offset, with fields of addresses if there are any. */
function multibootHeader(
  flags: number,
  addresses: readonly number[] = [],
  checksum = -(0x1bad_b002 + flags),
) {
  const bytes = new Uint8Array(12 + 4 * addresses.length);
  const view = new DataView(bytes.buffer);
  [0x1bad_b002, flags, checksum, ...addresses].forEach((word, i) => view.setUint32(4 * i, word, true));
  return bytes;
}

function at(offset: number, part: Uint8Array, size: number, fill = 0): Uint8Array {
  const bytes = new Uint8Array(size).fill(fill);
  bytes.set(part, offset);
  return bytes;
}

describe("Multiboot", () => {
  const elf = (header: Uint8Array, bits: 32 | 64 = 32) =>
    elfFile({
      bits,
      machine: bits === 32 ? 3 : 62,
      entry: 0x10_0040,
      segments: [{ paddr: 0x10_0000, bytes: at(0x40, header, 0x2000, 0x90), memorySize: 0x4000 }],
    });

  it("loads ELF files of either class", async () => {
    for (const bits of [32, 64] as const) {
      const { boot, memory, kernel } = await load(elf(multibootHeader(3), bits));
      expect(kernel.format).toBe("multiboot");
      expect(boot).toMatchObject({ start: 0x10_0000, end: 0x10_4000 });
      expect(boot.entry).toMatchObject({ kind: "protected", pc: 0x10_0040, registers: { rax: 0x2bad_b002 } });
      expect([memory.readU8(0x10_1fff), memory.readU8(0x10_2000)]).toEqual([0x90, 0]);
    }
  });

  it("loads files by the header's addresses", async () => {
    // Header at 0x80 of the file and at 0x200010 of memory: 0x70 bytes of the file come before.
    const addresses = [0x20_0010, 0x20_0000, 0x20_0f00, 0x20_3000, 0x20_0020];
    const file = at(0x80, multibootHeader(0x1_0002, addresses), 0x1000, 0x55);
    const { boot, memory } = await load(file);
    expect(boot).toMatchObject({ start: 0x20_0000, end: 0x20_3000, entry: { pc: 0x20_0020 } });
    expect([memory.readU32(0x20_0010), memory.readU8(0x20_0eff), memory.readU8(0x20_0f00)]).toEqual([
      0x1bad_b002, 0x55, 0,
    ]);
    // Without ends: all of the file, no BSS.
    const whole = await load(
      at(0x80, multibootHeader(0x1_0002, [0x20_0080, 0x20_0000, 0, 0, 0x20_0020]), 0x1000),
    );
    expect(whole.boot.end).toBe(0x20_1000);
  });

  it("does not ask the ELF headers of a file whose Multiboot header has addresses", async () => {
    // Linked for virtual addresses alone, as kernels in Rust often are.
    const linked = elfFile({
      bits: 64,
      machine: 62,
      entry: 0xffff_ff80_0020_0020n,
      segments: [
        {
          vaddr: 0xffff_ff80_0020_0000n,
          paddr: 0xffff_ff80_0020_0000n,
          bytes: multibootHeader(0x1_0002, [0x20_0000, 0x20_0000, 0x20_0020, 0x20_1000, 0x20_0010]),
        },
      ],
    });
    const { boot, kernel } = await load(linked);
    expect(kernel.format).toBe("multiboot");
    expect(boot).toMatchObject({ start: 0x20_0000, end: 0x20_1000, entry: { pc: 0x20_0010 } });
  });

  it("leaves a stack in memory that nothing else is in", async () => {
    const { boot, memory, plan } = await load(elf(multibootHeader(3)), { commandLine: "-v" });
    const { rbx = 0, rsp = 0 } = boot.entry.kind === "protected" ? boot.entry.registers! : {};
    expect(rsp % 16).toBe(0);
    expect(memory.read(rsp - 4096, 4096)).toEqual(new Uint8Array(4096));
    expect(rbx).not.toBe(0);
    expect(() => plan.place({ name: "x", address: rsp - 4096, bytes: new Uint8Array(16) })).toThrow(
      "overlap",
    );
  });

  it("tells of memory, modules and the command line in EBX's structure", async () => {
    const modules = [
      { name: "one", bytes: text("first") },
      { name: "two", bytes: text("second"), arguments: "-w 2" },
    ];
    const { boot, u32, u64, string, memory } = await load(elf(multibootHeader(3)), {
      modules,
      commandLine: "-v 1",
    });
    const info = boot.entry.kind === "protected" ? boot.entry.registers!.rbx! : 0;
    expect(u32(info)).toBe(1 | 4 | 8 | 0x40 | 0x200 | 0x1000);
    expect([u32(info + 4), u32(info + 8)]).toEqual([639, RAM / 1024 - 2048]);
    expect([string(u32(info + 16)), string(u32(info + 64))]).toEqual(["kernel -v 1", "hypercraft"]);
    expect(u32(info + 20)).toBe(2);
    const list = u32(info + 24);
    for (const [i, name, contents] of [
      [0, "one", "first"],
      [1, "two -w 2", "second"],
    ] as const) {
      const [start, end] = [u32(list + 16 * i), u32(list + 16 * i + 4)];
      expect([start % 4096, start >= boot.end]).toEqual([0, true]);
      expect(memory.read(start, end - start)).toEqual(text(contents));
      expect(string(u32(list + 16 * i + 8))).toBe(name);
    }
    const found = [];
    for (let entry = u32(info + 48); entry < u32(info + 48) + u32(info + 44); entry += u32(entry) + 4)
      found.push({ base: u64(entry + 4), size: u64(entry + 12), type: u32(entry + 20) });
    expect(found).toEqual(MAP);
  });

  it("tells kernels that ask for a screen of the one there is", async () => {
    const { boot, u32, u64, memory } = await load(elf(multibootHeader(7)));
    const info = boot.entry.kind === "protected" ? boot.entry.registers!.rbx! : 0;
    // Text of 80 by 25 characters, 16 bits each.
    expect([u64(info + 88), u32(info + 96), u32(info + 100), u32(info + 104)]).toEqual([
      0xb_8000, 160, 80, 25,
    ]);
    expect([memory.readU8(info + 108), memory.readU8(info + 109)]).toEqual([16, 2]);
  });

  it("is recognized by a checksum, within 8 KiB", async () => {
    const format = async (file: Uint8Array) => (await readPcKernel(file, "kernel")).format;
    const header = multibootHeader(0x1_0000, [0x10_0000, 0x10_0000, 0, 0, 0x10_0000]);
    expect(await format(at(8192 - 12, header.slice(0, 12), 0x3000))).toBe("multiboot");
    expect(await format(at(8192 - 8, header, 0x3000))).toBe("flat");
    expect(await format(at(2, header, 0x3000))).toBe("flat");
    // A number in some code.
    expect(await format(at(4, multibootHeader(0x5074_0000, [], 0), 0x3000))).toBe("flat");
    await expect(format(at(4, multibootHeader(0, [], 0), 0x3000))).rejects.toThrow(
      "kernel: its Multiboot header has a wrong checksum",
    );
    expect(await format(await gzip(at(4, header, 0x3000)))).toBe("multiboot");
  });

  it("is refused in one line", async () => {
    const cases: [Uint8Array, string][] = [
      [elf(multibootHeader(0xb)), "its Multiboot header requires 0x8, which is not supported"],
      [at(0, multibootHeader(3), 0x100), "its Multiboot header has no addresses, and it is no ELF file"],
      [at(0, multibootHeader(0x1_0000, [0x2000, 0x2000, 0x4000, 0, 0]), 0x100), "kernel: is truncated"],
      [at(0, multibootHeader(0x1_0000, [0x3000, 0x2000, 0, 0, 0]), 0x100), "header make no sense"],
      [multibootHeader(0x1_0000), "its Multiboot header is truncated"],
      [
        at(0, multibootHeader(0x1_0000, [0x2000, 0x2000, 0, 0, 0x2100]), 0x100),
        "kernel: its entry 0x2100 is not in what is loaded, 0x2000..0x2100",
      ],
    ];
    for (const [file, message] of cases) await expect(load(file)).rejects.toThrow(message);
  });
});

describe("PVH", () => {
  /** An ELF file whose second program header is a note. */
  function withNote(type: number, contents: Uint8Array): Uint8Array {
    const note = new Uint8Array(16 + 8 + contents.length);
    const view = new DataView(note.buffer);
    // One that is somebody else's comes first in real kernels; here, the name tells.
    view.setUint32(0, 4, true);
    view.setUint32(4, contents.length, true);
    view.setUint32(8, type, true);
    note.set(text("Xen\0"), 12);
    note.set(contents, 16);
    const file = elfFile({
      machine: 62,
      entry: 0x100_0000n,
      segments: [
        { paddr: 0x100_0000, bytes: Uint8Array.of(0xf4), memorySize: 0x20_0000 },
        { paddr: 0, bytes: note },
      ],
    });
    new DataView(file.buffer).setUint32(64 + 56, 4, true);
    return file;
  }
  const entry = Uint8Array.of(0x30, 0, 0x10, 1);

  it("is entered where the note says, with the start info in EBX", async () => {
    const modules = [
      { name: "initrd", bytes: text("files") },
      { name: "policy", bytes: text("rules"), arguments: "strict" },
    ];
    const { kernel, boot, u32, u64, string, memory } = await load(withNote(18, entry), {
      commandLine: "quiet",
      modules,
      rsdp: 0xe_0000,
    });
    expect(kernel.format).toBe("pvh");
    if (boot.entry.kind !== "protected") throw new Error(boot.entry.kind);
    expect(boot.entry.pc).toBe(0x110_0030);
    const info = boot.entry.registers!.rbx!;
    expect([u32(info), u32(info + 4), u32(info + 8), u32(info + 12)]).toEqual([0x336e_c578, 1, 0, 2]);
    expect([string(u64(info + 24)), u64(info + 32), u32(info + 48)]).toEqual(["quiet", 0xe_0000, MAP.length]);
    const module = u64(info + 16);
    expect(memory.read(u64(module), u64(module + 8))).toEqual(text("files"));
    expect([u64(module + 16), string(u64(module + 32 + 16))]).toEqual([0, "strict"]);
    const map = MAP.map((_, i) => {
      const from = u64(info + 40) + 24 * i;
      return { base: u64(from), size: u64(from + 8), type: u32(from + 16) };
    });
    expect(map).toEqual(MAP);
  });

  it("is not what has another note, or a damaged one", async () => {
    const format = async (file: Uint8Array) => (await readPcKernel(file, "kernel")).format;
    expect(await format(withNote(17, entry))).toBe("elf");
    expect(await format(withNote(18, entry.subarray(0, 2)))).toBe("elf");
    const damaged = withNote(18, entry);
    // The contents would end behind the file.
    new DataView(damaged.buffer).setUint32(64 + 2 * 56 + 1 + 4, 0x1_0000, true);
    expect(await format(damaged)).toBe("elf");
  });
});

describe("other images", () => {
  it("of ELF are entered in the mode of their class", async () => {
    const segments = [{ paddr: 0x20_0000, bytes: Uint8Array.of(0xf4) }];
    const wide = await load(elfFile({ machine: 62, entry: 0x20_0000, segments }));
    expect(wide.boot.entry).toMatchObject({ kind: "long", pc: 0x20_0000 });
    const narrow = await load(elfFile({ machine: 3, bits: 32, entry: 0x20_0000, segments }));
    expect(narrow.boot.entry).toMatchObject({ kind: "protected", pc: 0x20_0000 });
    const { gdt } = narrow.boot.entry as { gdt: { base: number } };
    expect(narrow.memory.readU64(gdt.base + 0x10)).toBe(0x00cf_9b00_0000_ffffn);
  });

  it("for real mode start where they are loaded", async () => {
    const image = Uint8Array.of(0xeb, 0xfe);
    const { boot, memory } = await load(image, { address: 0x8000 });
    expect(boot.entry).toEqual({ kind: "real", cs: 0, ip: 0x8000, data: 0 });
    expect(memory.readU16(0x8000)).toBe(0xfeeb);
    expect((await load(image, { address: 0x2_0010 })).boot.entry).toMatchObject({ cs: 0x2001, ip: 0 });
    await expect(load(image)).rejects.toThrow("kernel: a flat image needs a load address");
    await expect(load(image, { address: MIB })).rejects.toThrow("a multiple of 16 below 1 MiB");
  });

  it("of ROMs end at 4 GiB, and at 1 MiB", () => {
    const rom = new Uint8Array(256 << 10).map((_, i) => i >> 12);
    const { boot, memory } = place((plan) => placeRom(plan, "bios", rom));
    expect(boot).toEqual({ entry: { kind: "reset" }, start: 0xfffc_0000, end: 0x1_0000_0000 });
    expect([memory.readU8(0xfffc_0000), memory.readU8(0xffff_ffff)]).toEqual([0, 63]);
    expect([memory.readU8(0xe_0000), memory.readU8(0xf_ffff)]).toEqual([32, 63]);
    expect(romRange("bios", 0x1000)).toEqual({ base: 0xffff_f000, size: 0x1000 });
    for (const size of [0, 100, 32 * MIB])
      expect(() => romRange("bios", size)).toThrow("bios: a ROM has a multiple of 4 KiB up to 16 MiB");
  });

  it("without a boot protocol take no modules", async () => {
    const modules = [{ name: "one", bytes: text("first") }];
    const plain = elfFile({
      machine: 62,
      entry: 0x10_0000,
      segments: [{ paddr: 0x10_0000, bytes: text("x") }],
    });
    for (const [file, options] of [
      [plain, { modules }],
      [text("code"), { modules, address: 0x8000 }],
    ] as const)
      await expect(load(file, options)).rejects.toThrow(
        "kernel: has no boot protocol that would tell it of one",
      );
  });

  it("for Multiboot 2 are refused, unless they know another protocol", async () => {
    const header = new Uint8Array(24);
    const words = new DataView(header.buffer);
    [0xe852_50d6, 0, 24, 2 ** 32 - 0xe852_50d6 - 24, 0, 8].forEach((word, i) =>
      words.setUint32(4 * i, word, true),
    );
    const refused = "kernel: is for Multiboot 2, which is not supported";
    const flat = new Uint8Array(0x9000);
    flat.set(header, 0x7ff0);
    await expect(readPcKernel(flat, "kernel")).rejects.toThrow(refused);
    const segments = [{ paddr: 0x10_0000, bytes: Uint8Array.of(0xf4) }];
    const wrapped = (...headers: Uint8Array[]) => {
      const file = new Uint8Array(0x400);
      file.set(elfFile({ machine: 3, bits: 32, entry: 0x10_0000, segments }));
      headers.forEach((part, i) => {
        file.set(part, 0x200 + 0x100 * i);
      });
      return file;
    };
    await expect(readPcKernel(wrapped(header), "kernel")).rejects.toThrow(refused);
    const both = wrapped(header, multibootHeader(3));
    expect((await readPcKernel(both, "kernel")).format).toBe("multiboot");
    // With a wrong checksum it is a number in some code.
    words.setUint32(12, 0, true);
    expect((await readPcKernel(wrapped(header), "kernel")).format).toBe("elf");
  });

  it("that are something else are refused in one line", async () => {
    const cases: [Uint8Array, string][] = [
      [new Uint8Array(0), "kernel: is empty"],
      [elfFile(), "kernel: ELF file is for riscv64, this machine is x86-64"],
      [linuxKernel(), "kernel: Linux kernel is for riscv64, this machine is x86-64"],
      [program(3), "kernel: is a dynamically linked program, which /lib/ld.so loads, and no kernel"],
      [program(2), "kernel: is a dynamically linked program, which /lib/ld.so loads, and no kernel"],
      [text("#!/bin/sh\n"), "kernel: is a script, not a kernel"],
      [text("070701000"), "kernel: is a cpio archive (an initrd?), not a kernel"],
    ];
    for (const [file, message] of cases) await expect(readPcKernel(file, "kernel")).rejects.toThrow(message);
    const kernel: PcKernel = await readPcKernel(bzImage(), "kernel");
    expect(() =>
      place((plan) => {
        plan.reserve("something", 0x110_0000, 4096);
        return placePcKernel(plan, kernel, { memoryMap: MAP });
      }),
    ).toThrow("overlaps something");
  });
});

/** A program for Linux, of a type of ELF file. */
const program = (type: number) =>
  elfFile({
    machine: 62,
    type,
    entry: 0x10_0000,
    segments: [
      { type: 3, paddr: 0, bytes: text("/lib/ld.so\0") },
      { paddr: 0x10_0000, bytes: Uint8Array.of(0xf4) },
    ],
  });

describe("the memory map", () => {
  it("has holes for BIOS and video memory, and what else there is", () => {
    const { usable, reserved, acpi } = MemoryType;
    expect(MAP).toEqual([
      { base: 0, size: 0x9_fc00, type: usable },
      { base: 0x9_fc00, size: 0x400, type: reserved },
      { base: 0xf_0000, size: 0x1_0000, type: reserved },
      { base: MIB, size: RAM - 2 * MIB, type: usable },
      { base: RAM - MIB, size: MIB, type: acpi },
    ]);
    const others = [{ base: 0xb000_0000, size: 0x1000_0000, type: reserved }];
    expect(pcMemoryMap({ low: 0x8000_0000, high: 0x4000_0000, others }).slice(3)).toEqual([
      { base: MIB, size: 0x8000_0000 - MIB, type: usable },
      ...others,
      { base: 0x1_0000_0000, size: 0x4000_0000, type: usable },
    ]);
    // In the middle of RAM.
    const inner = pcMemoryMap({ low: 16 * MIB, others: [{ base: 15 * MIB, size: 4096, type: acpi }] });
    expect(inner.slice(3).map(({ base, size }) => [base, size])).toEqual([
      [MIB, 14 * MIB],
      [15 * MIB, 4096],
      [15 * MIB + 4096, MIB - 4096],
    ]);
  });
});
