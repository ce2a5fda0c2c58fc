import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { BusMemory } from "../memory/guest-memory.js";
import { HostMemory } from "../memory/host-memory.js";
import { SystemBus } from "../memory/system-bus.js";
import { readSnapshot, snapshotHash, writeSnapshot } from "./container.js";
import { hexText, Sha256, sha256 } from "./sha256.js";
import { captureRam, componentState, restoreRam, type Snapshot } from "./snapshot.js";

const theirs = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

describe("SHA-256", () => {
  it("has the standard's examples (FIPS 180-4)", () => {
    const of = (text: string) => hexText(sha256(new TextEncoder().encode(text)));
    expect(of("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(of("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });

  it("agrees with the platform for every length around block borders, however it is fed", () => {
    for (let length = 0; length < 200; length++) {
      const bytes = randomBytes(length);
      expect(hexText(sha256(bytes))).toBe(theirs(bytes));
      const parts = new Sha256();
      for (let at = 0; at < length; at += 13) parts.update(bytes.subarray(at, at + 13));
      expect(hexText(parts.digest())).toBe(theirs(bytes));
    }
    const large = randomBytes(3_000_001);
    expect(hexText(sha256(large))).toBe(theirs(large));
  });
});

const RAM = { name: "ram", base: 0x8000_0000, size: 0x20000 };

function machine() {
  const host = new HostMemory({ size: 0x40000, arenaSize: 0x10000 });
  const bus = new SystemBus(host);
  bus.addRam({ ...RAM, offset: 0x10000 });
  const memory = new BusMemory(bus);
  const bytes = host.bytes.subarray(0x10000, 0x30000);
  return { host, memory, bytes };
}

function sample(): { snapshot: Snapshot; bytes: Uint8Array } {
  const { memory, bytes } = machine();
  memory.write(0x8000_0ffe, Uint8Array.of(1, 2, 3, 4));
  memory.write(0x8000_2000, Uint8Array.of(5));
  // Negative zero as a double is not zero as bytes.
  memory.writeU8(0x8000_8007, 0x80);
  memory.writeU8(0x8001_ffff, 9);
  const snapshot: Snapshot = {
    machine: "test",
    config: { memory: "128K", cpus: 1, note: null },
    components: {
      cpu: { version: 1, pc: 0xffff_ffff_8000_0000n, x: [1n, -2n], on: true },
      disk: {
        version: 3,
        blocks: [
          [0, Uint8Array.of(7, 8, 9)],
          [5, new Uint8Array(0)],
        ],
      },
    },
    ram: [captureRam(RAM, bytes, { copy: true })],
  };
  return { snapshot, bytes: bytes.slice() };
}

describe("RAM contents", () => {
  it("are runs of pages that are not zero", () => {
    const { snapshot } = sample();
    expect(snapshot.ram[0]!.runs).toEqual([
      [0, 3],
      [8, 1],
      [31, 1],
    ]);
  });

  it("come back over whatever was there, and tell of the writes", () => {
    const { snapshot, bytes } = sample();
    const other = machine();
    other.memory.write(0x8000_0000, randomBytes(0x20000));
    let written = 0;
    other.host.onWrite((_, length) => {
      written += length;
    });
    restoreRam(snapshot.ram[0]!, other.memory);
    expect(Buffer.compare(other.bytes, bytes)).toBe(0);
    expect(written).toBe(0x20000);
  });

  it("do not change with the machine when copied", () => {
    const { memory, bytes } = machine();
    memory.writeU8(0x8000_0000, 1);
    const copy = captureRam(RAM, bytes, { copy: true });
    memory.writeU8(0x8000_0000, 2);
    expect(copy.pages[0]![0]).toBe(1);
  });

  it("take views at odd offsets", () => {
    const odd = new Uint8Array(8193).subarray(1);
    odd[5000] = 1;
    expect(captureRam({ name: "x", base: 0, size: 8192 }, odd).runs).toEqual([[1, 1]]);
  });
});

describe("snapshot files", () => {
  for (const compress of [true, false]) {
    it(`read back as they were written, compress ${compress}`, async () => {
      const { snapshot } = sample();
      const file = await writeSnapshot(snapshot, { compress });
      const read = await readSnapshot(file, "s.snap");
      expect(read).toEqual(snapshot);
      expect(snapshotHash(read)).toBe(snapshotHash(snapshot));
      expect(hexText(file.subarray(48, 80))).toBe(snapshotHash(snapshot));
      expect(componentState(read, "cpu").pc).toBe(0xffff_ffff_8000_0000n);
      expect(() => componentState(read, "toString")).toThrow("the snapshot has no 'toString'");
    });
  }

  it("are small for a machine that is mostly zero", async () => {
    const { snapshot } = sample();
    expect((await writeSnapshot(snapshot)).length).toBeLessThan(1000);
  });

  it("hash equal states equal, whatever the order of fields, and others not", () => {
    const { snapshot } = sample();
    const reordered: Snapshot = {
      ram: snapshot.ram,
      components: {
        disk: snapshot.components.disk!,
        cpu: { on: true, x: [1n, -2n], pc: 0xffff_ffff_8000_0000n, version: 1 },
      },
      config: { note: null, cpus: 1, memory: "128K" },
      machine: "test",
    };
    const hash = snapshotHash(snapshot);
    expect(snapshotHash(reordered)).toBe(hash);
    expect(snapshotHash({ ...snapshot, machine: "other" })).not.toBe(hash);
    const cpu = { ...snapshot.components.cpu!, x: [1n, -3n] };
    expect(snapshotHash({ ...snapshot, components: { ...snapshot.components, cpu } })).not.toBe(hash);
    const pages = snapshot.ram[0]!.pages.map((part) => part.slice());
    pages[1]![100] = 1;
    expect(snapshotHash({ ...snapshot, ram: [{ ...snapshot.ram[0]!, pages }] })).not.toBe(hash);
  });

  it("refuse data that is not plain", () => {
    const { snapshot } = sample();
    const of = (value: unknown) => () => snapshotHash({ ...snapshot, config: value as never });
    expect(of({ a: undefined })).toThrow("undefined cannot be saved in a snapshot");
    expect(of([Number.NaN])).toThrow("NaN cannot be saved in a snapshot");
    expect(of(() => {})).toThrow("function cannot be saved in a snapshot");
  });

  it("name the file and the damage", async () => {
    const { snapshot } = sample();
    const file = await writeSnapshot(snapshot);
    const read = (bytes: Uint8Array) => readSnapshot(bytes, "s.snap");
    await expect(read(new Uint8Array(10))).rejects.toThrow("s.snap: is not a snapshot");
    await expect(read(file.subarray(0, 40))).rejects.toThrow("s.snap: snapshot is truncated");
    await expect(read(file.subarray(0, -1))).rejects.toThrow(
      /^s\.snap: snapshot is truncated: \d+ bytes of \d+ bytes$/,
    );
    const version = file.slice();
    version[8] = 2;
    await expect(read(version)).rejects.toThrow("s.snap: is a snapshot of format 2, this reads 1");
    const plain = await writeSnapshot(snapshot, { compress: false });
    plain[plain.length - 1]! ^= 1;
    await expect(read(plain)).rejects.toThrow("s.snap: is damaged: its contents do not have the hash");
    const body = file.slice();
    body[100]! ^= 0xff;
    await expect(read(body)).rejects.toThrow(/^s\.snap: is damaged/);
  });

  it("fail cleanly for every flipped byte", async () => {
    const { snapshot } = sample();
    const file = await writeSnapshot({ ...snapshot, ram: [] }, { compress: false });
    for (let at = 0; at < file.length; at++) {
      const copy = file.slice();
      copy[at]! ^= 0x41;
      await expect(readSnapshot(copy, "s.snap")).rejects.toThrow(/^s\.snap: [^\n]*$/);
    }
  });
});
