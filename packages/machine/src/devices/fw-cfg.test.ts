import { describe, expect, it } from "vitest";
import { MachineBuilder } from "../machine/builder.js";
import { FwCfg, FwCfgItem } from "./fw-cfg.js";

function rig() {
  const files = new Map([
    ["etc/second", Uint8Array.of(4, 5)],
    ["etc/first", Uint8Array.of(1, 2, 3)],
  ]);
  const machine = new MachineBuilder({ name: "rig" })
    .ram("ram", 0, 1 << 20)
    .device(
      "fw-cfg",
      FwCfg.ports,
      ({ memory }) => new FwCfg({ memory, cpus: 3, ramSize: 0x1_2345_6789, files }),
    )
    .build();
  const { ports, memory } = machine;
  const bytes = (item: number, count: number) => {
    ports.write(0x510, 2, item);
    return Array.from({ length: count }, () => ports.read(0x511, 1));
  };
  /** A command at 0x100, and what its control word is afterwards. */
  const dma = (control: number, length: number, address: number) => {
    const words = new DataView(new ArrayBuffer(16));
    [control, length, 0, address].forEach((word, i) => {
      words.setUint32(4 * i, word);
    });
    memory.write(0x100, new Uint8Array(words.buffer));
    ports.write(0x514, 4, 0);
    ports.write(0x518, 4, 0x0001_0000);
    return new DataView(memory.read(0x100, 4).buffer).getUint32(0);
  };
  return { machine, ports, memory, bytes, dma };
}

describe("the firmware configuration device", () => {
  it("gives items byte by byte, and zeros behind their ends", () => {
    const { bytes } = rig();
    expect(String.fromCharCode(...bytes(FwCfgItem.signature, 4))).toBe("QEMU");
    expect(bytes(FwCfgItem.id, 5)).toEqual([3, 0, 0, 0, 0]);
    expect(bytes(FwCfgItem.cpus, 2)).toEqual([3, 0]);
    expect(bytes(FwCfgItem.ramSize, 8)).toEqual([0x89, 0x67, 0x45, 0x23, 1, 0, 0, 0]);
    expect(bytes(0x1234, 2)).toEqual([0, 0]);
  });

  it("has files by name, in order", () => {
    const { bytes } = rig();
    const directory = bytes(FwCfgItem.directory, 4 + 128);
    expect(directory.slice(0, 12)).toEqual([0, 0, 0, 2, 0, 0, 0, 3, 0, 0x20, 0, 0]);
    expect(String.fromCharCode(...directory.slice(12, 22))).toBe("etc/first\0");
    expect(bytes(0x20, 4)).toEqual([1, 2, 3, 0]);
    expect(bytes(0x21, 2)).toEqual([4, 5]);
  });

  it("copies and skips by DMA, and writes nothing", () => {
    const { memory, ports, dma } = rig();
    expect([ports.read(0x514, 4), ports.read(0x518, 4)]).toEqual([0x554d_4551, 0x4746_4320]);
    expect(dma(0x0020_000a, 2, 0x200)).toBe(0);
    expect([...memory.read(0x200, 3)]).toEqual([1, 2, 0]);
    expect(dma(0x0020_000c, 1, 0)).toBe(0);
    expect(ports.read(0x511, 1)).toBe(2);
    expect(dma(2, 1, 0xffff_f000)).toBe(1);
    expect(dma(0x0020_0018, 1, 0x200)).toBe(1);
  });

  it("goes on after a restore", () => {
    const { machine, bytes } = rig();
    bytes(0x20, 1);
    const copy = rig();
    copy.machine.restore(machine.snapshot());
    expect(copy.ports.read(0x511, 1)).toBe(2);
  });

  it("refuses names that are too long", () => {
    const files = new Map([["n".repeat(56), new Uint8Array(1)]]);
    expect(() => new FwCfg({ memory: rig().memory, cpus: 1, ramSize: 1, files })).toThrow("55 bytes at most");
  });
});
