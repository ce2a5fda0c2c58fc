import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { AARCH64, RISCV32, RISCV64, X86_64 } from "./architecture.js";
import { looksLikeElf, readElf } from "./elf.js";
import { elfFile } from "./testing/images.js";

function have(...commands: string[]): boolean {
  return commands.every((command) => {
    try {
      execFileSync(command, ["--version"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
}

describe("readElf", () => {
  it("reads segments of both classes", () => {
    for (const bits of [64, 32] as const) {
      const elf = readElf(
        elfFile({
          bits,
          entry: 0x8000_1002,
          segments: [
            { paddr: 0x8000_0000, bytes: Uint8Array.of(1, 2, 3), memorySize: 0x2000, flags: 5 },
            { paddr: 0x9000_0000, vaddr: 0x1_0000, bytes: new Uint8Array(0), memorySize: 16, flags: 6 },
            { paddr: 0xa000_0000, bytes: new Uint8Array(0), memorySize: 0 },
          ],
        }),
        "k",
        bits === 64 ? RISCV64 : RISCV32,
      );
      expect([elf.bits, elf.machine, elf.physicalEntry]).toEqual([bits, 243, 0x8000_1002]);
      expect(elf.segments).toHaveLength(2);
      const [text, data] = elf.segments;
      expect([text!.physicalAddress, [...text!.bytes], text!.memorySize]).toEqual([
        0x8000_0000,
        [1, 2, 3],
        0x2000,
      ]);
      expect([text!.executable, text!.writable, data!.executable, data!.writable]).toEqual([
        true,
        false,
        false,
        true,
      ]);
      expect(data!.virtualAddress).toBe(0x1_0000n);
    }
  });

  it("translates a virtual entry by the segment that holds it", () => {
    const virtual = 0xffff_ffff_8000_0000n;
    const file = elfFile({
      entry: virtual + 0x100n,
      segments: [{ paddr: 0x8020_0000, vaddr: virtual, bytes: new Uint8Array(0x200) }],
    });
    const elf = readElf(file, "vmlinux");
    expect([elf.entry, elf.physicalEntry]).toEqual([virtual + 0x100n, 0x8020_0100]);
  });

  it("names the file and the two architectures when they differ", () => {
    expect(() => readElf(elfFile({ machine: 62 }), "vmlinux", RISCV64)).toThrow(
      "vmlinux: ELF file is for x86-64, this machine is riscv64",
    );
    expect(() => readElf(elfFile({ bits: 32 }), "fw.elf", RISCV64)).toThrow(
      "is for riscv32, this machine is riscv64",
    );
    expect(() => readElf(elfFile({ machine: 9999 }), "x", AARCH64)).toThrow("is for 64-bit machine 9999");
    expect(readElf(elfFile({ machine: 62 }), "k", X86_64).machine).toBe(62);
  });

  it("says what is wrong with a file in one line", () => {
    const broken = (change: (file: Uint8Array, view: DataView) => void) => () => {
      const file = elfFile();
      change(file, new DataView(file.buffer));
      readElf(file, "f");
    };
    expect(() => readElf(Uint8Array.of(1, 2, 3, 4), "f")).toThrow("f: not an ELF file");
    expect(broken((f) => (f[4] = 3))).toThrow("f: ELF class 3 is unknown");
    expect(broken((f) => (f[5] = 2))).toThrow("f: big-endian ELF files are not supported");
    expect(broken((_, v) => v.setUint16(16, 1, true))).toThrow("f: ELF file of type 1 is not an executable");
    expect(broken((_, v) => v.setUint16(56, 0, true))).toThrow("f: ELF file has nothing to load");
    expect(broken((_, v) => v.setUint32(64, 4, true))).toThrow("f: ELF file has nothing to load");
    expect(broken((_, v) => v.setUint16(54, 8, true))).toThrow("malformed program header table");
    expect(broken((_, v) => v.setBigUint64(64 + 40, 2n, true))).toThrow(
      "more bytes in the file than in memory",
    );
    expect(broken((_, v) => v.setBigUint64(64 + 24, 1n << 60n, true))).toThrow(
      "f: address of segment 0 0x1000000000000000 is out of range",
    );
    expect(() => readElf(elfFile({ entry: 1n << 63n }), "f")).toThrow(
      "f: entry point 0x8000000000000000 is out of range",
    );
  });

  it("fails cleanly for every truncation", () => {
    const file = elfFile({ segments: [{ paddr: 0x8000_0000, bytes: new Uint8Array(50) }] });
    for (let length = 0; length < file.length; length++) {
      expect(() => readElf(file.subarray(0, length), "cut.elf")).toThrow(
        /^cut\.elf: (not an ELF file|ELF file is truncated)/,
      );
    }
    expect(looksLikeElf(file.subarray(0, 4))).toBe(true);
  });

  it.skipIf(!have("clang", "ld.lld", "readelf"))("agrees with readelf about what clang and lld make", () => {
    const dir = mkdtempSync(join(tmpdir(), "hypercraft-elf-"));
    try {
      const source = join(dir, "t.S");
      writeFileSync(
        source,
        `.globl _start, tohost, counter
         .section .text
         _start: j _start
         helper: nop
         nop
         .size helper, 8
         .type helper, @function
         .section .data
         .balign 64
         tohost: .quad 0
         counter: .quad 42
         .size counter, 8
         .type counter, @object
         .bss
         .space 4096`,
      );
      const out = join(dir, "t.elf");
      const flags = ["--target=riscv64-unknown-elf", "-nostdlib", "-fuse-ld=lld", "-Wl,-Ttext=0x80000000"];
      execFileSync("clang", [...flags, "-o", out, source]);
      const elf = readElf(readFileSync(out), "t.elf", RISCV64);
      const wanted = execFileSync("readelf", ["-lsW", out]).toString();
      const loads = [...wanted.matchAll(/^ +LOAD +\S+ 0x(\S+) 0x(\S+) 0x(\S+) 0x(\S+) ([R ])([W ])([E ])/gm)];
      expect(loads.length).toBeGreaterThanOrEqual(2);
      const theirs = loads.map(([, v, p, f, m, r, w, x]) => [
        BigInt(`0x${v}`),
        Number(`0x${p}`),
        Number(`0x${f}`),
        Number(`0x${m}`),
        `${r}${w}${x}`,
      ]);
      const ours = elf.segments.map((s) => [
        s.virtualAddress,
        s.physicalAddress,
        s.bytes.length,
        s.memorySize,
        `${s.readable ? "R" : " "}${s.writable ? "W" : " "}${s.executable ? "E" : " "}`,
      ]);
      expect(ours).toEqual(theirs.filter(([, , , memory]) => memory !== 0));
      for (const name of ["_start", "tohost", "counter", "helper"]) {
        const line = new RegExp(`^ +\\d+: (\\w+) +(\\d+) .* ${name}$`, "m").exec(wanted)!;
        const symbol = elf.symbols.get(name)!;
        expect([symbol.address, symbol.size]).toEqual([BigInt(`0x${line[1]}`), BigInt(line[2]!)]);
      }
      const helper = elf.symbols.get("helper")!;
      expect(elf.symbols.at(helper.address + 4n)).toMatchObject({ symbol: { name: "helper" }, offset: 4n });
      expect(elf.symbols.at(0n)).toBeUndefined();
      expect(elf.symbols.get("nobody")).toBeUndefined();
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it("treats a damaged section table as no symbols", () => {
    const file = elfFile();
    const view = new DataView(file.buffer);
    view.setBigUint64(40, 1n << 50n, true);
    view.setUint16(58, 64, true);
    view.setUint16(60, 10, true);
    expect(readElf(file, "f").symbols.size).toBe(0);
  });
});
