import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { MachineError } from "../errors.js";
import { FdtNode } from "./node.js";
import { memoryRanges, mergeTree, patchChosen, patchMemory } from "./patch.js";
import { fdtSize, looksLikeFdt, readFdt } from "./reader.js";
import { DeviceTree } from "./tree.js";
import { writeFdt } from "./writer.js";

function hasDtc(): boolean {
  try {
    execFileSync("dtc", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const dtc = (input: string | Uint8Array, from: string, to: string): Buffer =>
  execFileSync("dtc", ["-q", "-I", from, "-O", to, "-"], { input });

/** A tree with every kind of value. */
function sample(): DeviceTree {
  const root = new FdtNode()
    .cells("#address-cells", 2)
    .cells("#size-cells", 2)
    .string("compatible", "riscv-virtio", "demo,board")
    .string("model", "demo");
  root.child("memory@80000000").string("device_type", "memory").u64("reg", 0x8000_0000, 0x2000_0000);
  const plic = new FdtNode("interrupt-controller@c000000")
    .cells("#interrupt-cells", 1)
    .flag("interrupt-controller");
  const soc = root.child("soc").cells("#address-cells", 2).cells("#size-cells", 2).flag("ranges");
  soc
    .child("serial@10000000")
    .u64("reg", 0x1000_0000, 0x100)
    .cells("interrupts", 10)
    .cells("interrupt-parent", plic)
    .bytes("local-mac-address", Uint8Array.of(1, 2, 3, 4, 5, 6));
  soc.add(plic);
  return new DeviceTree(root, [], 3).reserve(0x8000_0000, 0x40000);
}

/** dtc's source form without formatting differences (versions differ in how they print string lists). */
const normal = (text: string) => text.replaceAll("\\0", '", "').replace(/\s+/g, " ").trim();

describe("writeFdt", () => {
  it("lays the header and blocks out as the specification says", () => {
    const blob = writeFdt(sample());
    const view = new DataView(blob.buffer, blob.byteOffset);
    expect(view.getUint32(0)).toBe(0xd00dfeed);
    expect(view.getUint32(4)).toBe(blob.length);
    expect(view.getUint32(20)).toBe(17);
    expect(view.getUint32(24)).toBe(16);
    expect(view.getUint32(28)).toBe(3);
    expect(view.getUint32(8) % 4).toBe(0);
    expect(view.getUint32(16) % 8).toBe(0);
    expect(view.getBigUint64(view.getUint32(16))).toBe(0x8000_0000n);
    const structure = view.getUint32(8);
    expect([view.getUint32(structure), view.getUint32(structure + 4)]).toEqual([1, 0]);
    expect(view.getUint32(structure + view.getUint32(36) - 4)).toBe(9);
  });

  it("leaves the padding asked for", () => {
    const plain = writeFdt(sample()).length;
    const padded = writeFdt(sample(), { padding: 4096 });
    expect(padded.length).toBe(plain + 4096);
    expect(fdtSize(padded)).toBe(padded.length);
    expect(readFdt(padded).find("/soc/serial@10000000")).toBeDefined();
  });

  it.skipIf(!hasDtc())("is read by dtc, which sees what was meant", () => {
    const dts = normal(dtc(writeFdt(sample()), "dtb", "dts").toString());
    expect(dts).toBe(
      normal(`/dts-v1/;
      /memreserve/ 0x0000000080000000 0x0000000000040000;
      / {
        #address-cells = <0x02>; #size-cells = <0x02>;
        compatible = "riscv-virtio", "demo,board"; model = "demo";
        memory@80000000 { device_type = "memory"; reg = <0x00 0x80000000 0x00 0x20000000>; };
        soc {
          #address-cells = <0x02>; #size-cells = <0x02>; ranges;
          serial@10000000 {
            reg = <0x00 0x10000000 0x00 0x100>; interrupts = <0x0a>; interrupt-parent = <0x01>;
            local-mac-address = [01 02 03 04 05 06];
          };
          interrupt-controller@c000000 { #interrupt-cells = <0x01>; interrupt-controller; phandle = <0x01>; };
        };
      };`),
    );
  });

  it.skipIf(!hasDtc())("and dtc's own blob of the same source read back the same", () => {
    const blob = writeFdt(sample());
    const theirs = readFdt(dtc(dtc(blob, "dtb", "dts"), "dts", "dtb"), "dtc");
    // Source text has no place for the boot CPU; everything else must come back.
    expect(theirs.bootCpu).toBe(0);
    theirs.bootCpu = 3;
    expect(writeFdt(theirs)).toEqual(blob);
  });
});

describe("phandles", () => {
  it("keeps given ones and fills gaps in order of reference", () => {
    const root = new FdtNode();
    const a = root.child("a");
    const b = root.child("b").cells("phandle", 1);
    const c = root.child("c");
    a.cells("refs", c, 7, b, a);
    const tree = new DeviceTree(root);
    tree.assignPhandles();
    expect([a.phandle, b.phandle, c.phandle]).toEqual([3, 1, 2]);
    expect(readFdt(writeFdt(tree)).find("a")!.getCells("refs")).toEqual([2, 7, 1, 3]);
    expect(tree.byPhandle(2)).toBe(c);
  });

  it("refuses references that leave the tree and shared phandles", () => {
    const stray = new DeviceTree(new FdtNode().cells("x", new FdtNode("gone")));
    expect(() => writeFdt(stray)).toThrow(
      "'x' of device tree node '/' refers to 'gone', which is not in the tree",
    );
    const root = new FdtNode();
    root.child("a").cells("phandle", 5);
    root.child("b").cells("phandle", 5);
    expect(() => writeFdt(new DeviceTree(root))).toThrow("'/b' shares phandle 5");
  });
});

describe("nodes", () => {
  it("rejects what the format cannot hold", () => {
    expect(() => new FdtNode("a b")).toThrow("'a b' is not a device tree node name");
    expect(() => new FdtNode().cells("x", -1)).toThrow("-1 in property 'x' is not a 32-bit cell");
    expect(() => new FdtNode().cells("x", 2 ** 32)).toThrow("not a 32-bit cell");
    expect(() => new FdtNode().string("bad name", "")).toThrow("not a device tree property name");
    expect(() => new FdtNode().u64("x", 1n << 64n)).toThrow("does not fit 2 device tree cells");
    const root = new FdtNode();
    root.add(new FdtNode("a"));
    expect(() => root.add(new FdtNode("a"))).toThrow("'/' has two 'a'");
  });

  it("finds by path, with and without unit address", () => {
    const tree = sample();
    expect(tree.find("/soc/serial")?.name).toBe("serial@10000000");
    expect(tree.find("/soc/serial@20000000")).toBeUndefined();
    tree.find("/soc")!.child("serial@20000000");
    expect(tree.find("/soc/serial")).toBeUndefined();
    expect([...tree.root.walk()].map(([path]) => path)).toContain("/soc/serial@20000000");
  });

  it("clones with references into the clone", () => {
    const tree = sample();
    const copy = tree.clone();
    copy.find("/soc/serial")!.string("status", "disabled");
    copy.assignPhandles();
    expect(tree.find("/soc/serial")!.has("status")).toBe(false);
    expect(tree.find("/soc/interrupt-controller")!.phandle).toBeUndefined();
    expect(copy.find("/soc/interrupt-controller")!.phandle).toBe(1);
  });
});

describe("patching", () => {
  it("sets /chosen and keeps the rest of it", () => {
    const tree = sample();
    tree.root.child("chosen").string("bootargs", "old").string("stdout-path", "/soc/serial");
    patchChosen(tree, { bootargs: "console=ttyS0", initrd: { address: 0x8800_0000, size: 0x1000 } });
    const chosen = readFdt(writeFdt(tree)).find("/chosen")!;
    expect(chosen.getString("bootargs")).toBe("console=ttyS0");
    expect(chosen.getString("stdout-path")).toBe("/soc/serial");
    expect(chosen.getCells("linux,initrd-start")).toEqual([0, 0x8800_0000]);
    expect(chosen.getCells("linux,initrd-end")).toEqual([0, 0x8800_1000]);
  });

  it("replaces memory nodes and reads them back", () => {
    const tree = sample();
    expect(memoryRanges(tree)).toEqual([{ base: 0x8000_0000, size: 0x2000_0000 }]);
    const ranges = [
      { base: 0x9000_0000, size: 0x800_0000 },
      { base: 0x1_0000_0000, size: 0x1_0000_0000 },
    ];
    patchMemory(tree, ranges);
    expect(memoryRanges(readFdt(writeFdt(tree)))).toEqual(ranges);
    expect(tree.find("/memory@80000000")).toBeUndefined();
    expect(tree.find("/memory@100000000")!.getCells("reg")).toEqual([1, 0, 1, 0]);
  });

  it("reads memory with the cell counts of the root", () => {
    const root = new FdtNode().cells("#address-cells", 1).cells("#size-cells", 1);
    root.child("memory").string("device_type", "memory").cells("reg", 0x1000, 0x2000, 0x8000, 0x1000);
    expect(memoryRanges(new DeviceTree(root))).toEqual([
      { base: 0x1000, size: 0x2000 },
      { base: 0x8000, size: 0x1000 },
    ]);
  });

  it("merges another tree over one", () => {
    const tree = sample();
    const other = new DeviceTree();
    other.root.child("soc").child("serial@10000000").cells("clock-frequency", 3686400);
    const gpio = other.root.child("soc").child("gpio@1").cells("phandle", 9);
    other.root.child("leds").cells("gpios", gpio, 1);
    mergeTree(tree, other);
    const read = readFdt(writeFdt(tree));
    expect(read.find("/soc/serial")!.getCell("clock-frequency")).toBe(3686400);
    expect(read.find("/soc/serial")!.getCell("interrupts")).toBe(10);
    expect(read.find("/leds")!.getCells("gpios")).toEqual([9, 1]);
  });
});

describe("readFdt", () => {
  const code = (blob: Uint8Array): string => {
    try {
      readFdt(blob, "f.dtb");
      return "no error";
    } catch (error) {
      expect((error as Error).message).toMatch(/^f\.dtb: /);
      expect((error as Error).message).not.toContain("\n");
      return (error as MachineError).code;
    }
  };

  it("names the file and what is wrong", () => {
    expect(() => readFdt(Uint8Array.of(1, 2, 3, 4), "x.dtb")).toThrow(
      "x.dtb: not a valid device tree: not a flattened device tree (no magic d00dfeed)",
    );
    expect(looksLikeFdt(new Uint8Array(4))).toBe(false);
    const blob = writeFdt(sample());
    expect(() => readFdt(blob.subarray(0, 100), "x.dtb")).toThrow(
      `x.dtb: device tree is truncated: 100 of ${blob.length} bytes`,
    );
  });

  it("fails cleanly for every truncation and every flipped byte", () => {
    const blob = writeFdt(sample());
    for (let length = 0; length < blob.length; length++) {
      expect(["Truncated", "BadDeviceTree"]).toContain(code(blob.subarray(0, length)));
    }
    for (let at = 0; at < blob.length; at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const copy = blob.slice();
        copy[at]! ^= flip;
        expect(["Truncated", "BadDeviceTree", "no error"]).toContain(code(copy));
      }
    }
  });

  it("refuses deep nesting instead of overflowing the stack", () => {
    const root = new FdtNode();
    let node = root;
    for (let depth = 0; depth < 100; depth++) node = node.child("n");
    expect(() => readFdt(writeFdt(new DeviceTree(root)))).toThrow("nested deeper than 64");
  });

  it.skipIf(!hasDtc())("reads what dtc compiles, with labels, strings and bytes", () => {
    const source = `/dts-v1/; /memreserve/ 0x1000 0x2000;
      / { #address-cells = <1>; a = <&L>, <1 2>; b = "x", "y"; c = [00 ff]; d;
          L: node@1 { reg = <1>; gone = <1>; }; }; &L { /delete-property/ gone; };`;
    const tree = readFdt(dtc(source, "dts", "dtb"));
    expect(tree.reservations).toEqual([{ address: 0x1000n, size: 0x2000n }]);
    expect(tree.root.getCells("a")).toEqual([tree.find("/node")!.phandle!, 1, 2]);
    expect(tree.root.getStrings("b")).toEqual(["x", "y"]);
    expect(tree.root.get("c")).toEqual(Uint8Array.of(0, 255));
    expect(tree.root.get("d")).toEqual(new Uint8Array(0));
    expect(tree.find("/node@1")!.has("gone")).toBe(false);
  });
});
