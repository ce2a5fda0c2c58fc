import { describe, expect, it } from "vitest";
import { DeviceTree } from "../fdt/tree.js";
import { writeFdt } from "../fdt/writer.js";
import { BusMemory } from "../memory/guest-memory.js";
import { HostMemory } from "../memory/host-memory.js";
import { SystemBus } from "../memory/system-bus.js";
import { AARCH64, RISCV32, RISCV64, X86_64 } from "./architecture.js";
import { compressionOf, decompress } from "./decompress.js";
import { placeKernel, readKernel } from "./kernel.js";
import { readLinuxImage } from "./linux-image.js";
import { LoadPlan } from "./plan.js";
import { elfFile, gzip, linuxKernel } from "./testing/images.js";

const MIB = 1024 * 1024;
const RAM = [{ base: 0x8000_0000, size: 128 * MIB }];
const text = (value: string) => new TextEncoder().encode(value);

describe("readLinuxImage", () => {
  it("reads RISC-V and arm64 headers, with and without EFI stub", () => {
    const riscv = readLinuxImage(linuxKernel({ imageSize: 0x150_0000 }), "Image", RISCV64);
    expect(riscv).toMatchObject({
      textOffset: 0x20_0000,
      memorySize: 0x150_0000,
      alignment: 2 * MIB,
      efiStub: false,
    });
    expect(riscv.architecture.name).toBe("riscv64");
    const efi = readLinuxImage(linuxKernel({ fileSize: 0x3000, efiSection: 0x3000 }), "vmlinuz", RISCV64);
    expect([efi.efiStub, efi.memorySize]).toEqual([true, 0x1_0000]);
    const arm = readLinuxImage(linuxKernel({ arch: "arm64" }), "Image", AARCH64);
    expect([arm.textOffset, arm.architecture.name]).toEqual([0, "aarch64"]);
    // Kernels before 3.17 left the size zero and meant this offset.
    expect(readLinuxImage(linuxKernel({ arch: "arm64", imageSize: 0 }), "Image").textOffset).toBe(0x8_0000);
    expect(readLinuxImage(linuxKernel(), "Image", RISCV32).architecture.name).toBe("riscv32");
  });

  it("names wrong architectures, truncation and nonsense", () => {
    expect(() => readLinuxImage(linuxKernel({ arch: "arm64" }), "Image", RISCV64)).toThrow(
      "Image: Linux kernel is for aarch64, this machine is riscv64",
    );
    expect(() => readLinuxImage(linuxKernel({ fileSize: 0x3000, efiSection: 0x10_0000 }), "vmlinuz")).toThrow(
      "vmlinuz: Linux kernel is truncated: 12 KiB of at least 1 MiB",
    );
    expect(() => readLinuxImage(linuxKernel().subarray(0, 62), "Image")).toThrow(
      "Image: Linux kernel is truncated",
    );
    expect(() => readLinuxImage(linuxKernel({ imageSize: 2 ** 40 }), "Image")).toThrow(
      "header makes no sense",
    );
    expect(() => readLinuxImage(linuxKernel({ textOffset: 0x20_0001 }), "Image")).toThrow(
      "header makes no sense",
    );
    const big = linuxKernel();
    big[24] = 1;
    expect(() => readLinuxImage(big, "Image")).toThrow("big-endian Linux kernels are not supported");
    expect(() => readLinuxImage(new Uint8Array(100), "Image")).toThrow("Image: not a Linux kernel image");
  });
});

describe("readKernel", () => {
  it("tells the formats apart", async () => {
    expect((await readKernel(elfFile(), "k", RISCV64)).format).toBe("elf");
    expect((await readKernel(linuxKernel(), "k", RISCV64)).format).toBe("linux");
    expect((await readKernel(Uint8Array.of(0x13, 0, 0, 0), "k", RISCV64)).format).toBe("flat");
  });

  it("undoes gzip around any of them", async () => {
    const kernel = await readKernel(await gzip(linuxKernel({ imageSize: 12345 * 4 })), "Image.gz", RISCV64);
    expect(kernel.format === "linux" && kernel.image.memorySize).toBe(12345 * 4);
    expect((await readKernel(await gzip(elfFile()), "k.gz", RISCV64)).format).toBe("elf");
  });

  it("unpacks EFI zboot images", async () => {
    const payload = await gzip(linuxKernel());
    const zboot = (compression: string) => {
      const file = new Uint8Array(64 + payload.length);
      const view = new DataView(file.buffer);
      file.set(text("MZ"));
      file.set(text("zimg"), 4);
      view.setUint32(8, 64, true);
      view.setUint32(12, payload.length, true);
      file.set(text(compression), 24);
      file.set(payload, 64);
      return file;
    };
    expect((await readKernel(zboot("gzip"), "vmlinuz", RISCV64)).format).toBe("linux");
    await expect(readKernel(zboot("zstd"), "vmlinuz", RISCV64)).rejects.toThrow(
      "vmlinuz: EFI zboot image is compressed with zstd: unpack it first",
    );
    await expect(readKernel(zboot("gzip").subarray(0, -1), "vmlinuz", RISCV64)).rejects.toThrow(
      "is truncated",
    );
    await expect(readKernel(zboot("gzip").subarray(0, 20), "vmlinuz", RISCV64)).rejects.toThrow(
      "is truncated",
    );
  });

  it("refuses with one line that names the file", async () => {
    const bzImage = new Uint8Array(0x400);
    bzImage.set(text("HdrS"), 0x202);
    const cases: [Uint8Array, string][] = [
      [new Uint8Array(0), "f: is empty"],
      [bzImage, "f: Linux kernel is for x86 (bzImage), this machine is riscv64"],
      [writeFdt(new DeviceTree()), "f: is a device tree, not a kernel"],
      [text("070701000"), "f: is a cpio archive (an initrd?), not a kernel"],
      [text("!<arch>\ndebian-binary"), "f: is an archive (a Debian package?), not a kernel"],
      [text("#!/bin/sh\n"), "f: is a script, not a kernel"],
      [text("MZ"), "f: is a truncated EFI program, not a kernel"],
      [text(`MZ${"\0".repeat(100)}`), "f: is an EFI program without a Linux header, not a kernel"],
      [Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0), "f: is compressed with xz: decompress it first"],
      [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0), "f: is compressed with zstd: decompress it first"],
      [
        (await gzip(new Uint8Array(5000).fill(7))).subarray(0, 20),
        "f: its gzip data is damaged or truncated",
      ],
      [elfFile({ machine: 183 }), "f: ELF file is for aarch64, this machine is riscv64"],
    ];
    for (const [file, message] of cases) {
      const error = await readKernel(file, "f", RISCV64).then(
        () => undefined,
        (reason: Error) => reason,
      );
      expect(error?.message).toBe(message);
    }
    expect((await readKernel(bzImage, "f", X86_64)).format).toBe("flat");
  });
});

describe("decompress", () => {
  it("leaves other bytes alone and bounds the result", async () => {
    const plain = text("plain");
    expect(await decompress(plain, "f")).toBe(plain);
    const bomb = await gzip(new Uint8Array(10 * MIB));
    expect(compressionOf(bomb)).toBe("gzip");
    await expect(decompress(bomb, "bomb.gz", MIB)).rejects.toThrow(
      "bomb.gz: is larger than 1 MiB when decompressed",
    );
    expect((await decompress(bomb, "f")).length).toBe(10 * MIB);
  });
});

describe("LoadPlan", () => {
  it("names what overlaps what, and what is outside RAM", () => {
    const plan = new LoadPlan(RAM);
    plan.place({ name: "vmlinux", address: 0x8020_0000, bytes: new Uint8Array(4), memorySize: 2 * MIB });
    expect(() => plan.place({ name: "initrd.img", address: 0x803f_ffff, bytes: new Uint8Array(2) })).toThrow(
      "initrd.img: at 0x803fffff..0x80400001 overlaps vmlinux at 0x80200000..0x80400000",
    );
    expect(() => plan.place({ name: "big", address: 0x8700_0000, bytes: new Uint8Array(17 * MIB) })).toThrow(
      "big: at 0x87000000..0x88100000 is not inside RAM, which is 0x80000000..0x88000000 (128 MiB)",
    );
    expect(() => plan.place({ name: "x", address: 0x1000, bytes: new Uint8Array(1) })).toThrow(
      "not inside RAM",
    );
    expect(() => plan.place({ name: "x", address: Number.NaN, bytes: new Uint8Array(1) })).toThrow(
      "not an address",
    );
    plan.place({ name: "after", address: 0x8040_0000, bytes: new Uint8Array(1) });
    expect(plan.placements.map(({ name }) => name)).toEqual(["vmlinux", "after"]);
  });

  it("fits things low and high, aligned, between what is there", () => {
    const plan = new LoadPlan(RAM);
    plan.reserve("firmware", 0x8000_0000, 0x4_0000);
    plan.place({ name: "kernel", address: 0x8020_0000, bytes: new Uint8Array(100) });
    const at = (request: Parameters<LoadPlan["fit"]>[0]) => plan.fit(request).address;
    const bytes = new Uint8Array(5000);
    expect(at({ name: "a", bytes })).toBe(0x8004_0000);
    expect(at({ name: "b", bytes, alignment: 2 * MIB })).toBe(0x8040_0000);
    expect(at({ name: "c", bytes, prefer: "high", alignment: 2 * MIB })).toBe(0x87e0_0000);
    expect(at({ name: "d", bytes, prefer: "high", alignment: 2 * MIB })).toBe(0x87c0_0000);
    expect(at({ name: "e", bytes, prefer: "high", below: 0x8100_0000 })).toBe(0x80ff_e000);
    expect(at({ name: "f", bytes, above: 0x8200_0001 })).toBe(0x8200_1000);
    expect(() => plan.fit({ name: "huge.img", bytes, memorySize: 127 * MIB })).toThrow(
      "huge.img: 127 MiB do not fit in what is left of 128 MiB of RAM",
    );
  });

  it("writes bytes and zeroes, and leaves reserved ranges alone", () => {
    const bus = new SystemBus(new HostMemory({ size: 0x2_0000, arenaSize: 0 }));
    bus.addRam({ name: "ram", base: 0x8000_0000, size: 0x1_0000, offset: 0x1_0000 });
    const memory = new BusMemory(bus);
    memory.fill(0x8000_0000, 0x1_0000, 0xff);
    const plan = new LoadPlan([{ base: 0x8000_0000, size: 0x1_0000 }]);
    plan.place({ name: "a", address: 0x8000_0010, bytes: Uint8Array.of(1, 2), memorySize: 4 });
    plan.reserve("b", 0x8000_0020, 16);
    plan.load(memory);
    expect([...memory.read(0x8000_000f, 6)]).toEqual([0xff, 1, 2, 0, 0, 0xff]);
    expect(memory.readU8(0x8000_0020)).toBe(0xff);
  });
});

describe("placeKernel", () => {
  it("puts Linux at its offset from RAM, or where it is told", async () => {
    const kernel = await readKernel(linuxKernel({ imageSize: 3 * MIB }), "Image", RISCV64);
    expect(placeKernel(new LoadPlan(RAM), kernel)).toEqual({
      entry: 0x8020_0000,
      start: 0x8020_0000,
      end: 0x8050_0000,
    });
    expect(placeKernel(new LoadPlan(RAM), kernel, { address: 0x8040_0000 }).entry).toBe(0x8040_0000);
    expect(() => placeKernel(new LoadPlan(RAM), kernel, { address: 0x8040_1000 })).toThrow(
      "Image: a Linux kernel must be loaded at a multiple of 2 MiB",
    );
    expect(() => placeKernel(new LoadPlan([{ base: 0x8000_0000, size: 4 * MIB }]), kernel)).toThrow(
      "Image: at 0x80200000..0x80500000 is not inside RAM, which is 0x80000000..0x80400000 (4 MiB)",
    );
    const old = await readKernel(linuxKernel({ arch: "arm64", imageSize: 0 }), "Image", AARCH64);
    expect(placeKernel(new LoadPlan([{ base: 0x4000_0000, size: 16 * MIB }]), old).entry).toBe(0x4008_0000);
  });

  it("puts ELF segments at their physical addresses, or moved", async () => {
    const kernel = await readKernel(
      elfFile({
        entry: 0x8000_0004,
        segments: [
          { paddr: 0x8000_0000, bytes: new Uint8Array(16) },
          { paddr: 0x8001_0000, bytes: new Uint8Array(8), memorySize: 0x100 },
        ],
      }),
      "fw.elf",
      RISCV64,
    );
    expect(placeKernel(new LoadPlan(RAM), kernel)).toEqual({
      entry: 0x8000_0004,
      start: 0x8000_0000,
      end: 0x8001_0100,
    });
    expect(placeKernel(new LoadPlan(RAM), kernel, { address: MIB }).entry).toBe(0x8010_0004);
    const plan = new LoadPlan(RAM);
    plan.reserve("dtb", 0x8001_0080, 16);
    expect(() => placeKernel(plan, kernel)).toThrow(
      "fw.elf segment 1: at 0x80010000..0x80010100 overlaps dtb at 0x80010080..0x80010090",
    );
  });

  it("needs an address for flat binaries", async () => {
    const kernel = await readKernel(Uint8Array.of(0x13, 0, 0, 0), "app.bin", RISCV64);
    expect(() => placeKernel(new LoadPlan(RAM), kernel)).toThrow(
      "app.bin: a flat binary needs a load address",
    );
    expect(placeKernel(new LoadPlan(RAM), kernel, { address: 0x8020_0000 })).toEqual({
      entry: 0x8020_0000,
      start: 0x8020_0000,
      end: 0x8020_0004,
    });
  });
});
