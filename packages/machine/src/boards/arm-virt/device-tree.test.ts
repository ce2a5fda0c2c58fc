import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { noIrq } from "../../devices/device.js";
import { Pl011 } from "../../devices/pl011.js";
import { Pl031 } from "../../devices/pl031.js";
import { VirtioMmio } from "../../devices/virtio/mmio.js";
import type { FdtNode } from "../../fdt/node.js";
import { readFdt } from "../../fdt/reader.js";
import type { DeviceTree } from "../../fdt/tree.js";
import { writeFdt } from "../../fdt/writer.js";
import { MachineBuilder } from "../../machine/builder.js";
import type { Machine } from "../../machine/machine.js";
import { QEMU_ARM_MAP as map } from "./address-map.js";
import { armBoardTree } from "./device-tree.js";
import { addGic, type BoardGicOptions } from "./gic.js";

interface Variant {
  readonly gicVersion: 2 | 3;
  readonly mode: "vm" | "bare";
  readonly cpus: number;
}
const VARIANTS: readonly Variant[] = [
  { gicVersion: 2, mode: "vm", cpus: 2 },
  { gicVersion: 2, mode: "bare", cpus: 1 },
  { gicVersion: 3, mode: "vm", cpus: 8 },
  { gicVersion: 3, mode: "bare", cpus: 2 },
];
const title = ({ gicVersion, mode, cpus }: Variant) => `GICv${gicVersion}, ${mode}, ${cpus} CPUs`;

/** Registers that read as a number of their own. */
const block = (value: number) => ({ read: () => value, write() {} });

function gic(version: 2 | 3, lines: number[]): BoardGicOptions["gic"] {
  const line = (source: number) => {
    lines.push(source);
    return noIrq;
  };
  const common = {
    line,
    distributor: block(1),
    state: () => ({ version: 1, lines }),
    restore: (saved: { lines: number[] }) => lines.push(...saved.lines),
  };
  if (version === 3) return { version, parts: { ...common, redistributors: block(5) } };
  const guest = { cpuInterface: block(2), hypervisorInterface: block(3), virtualCpuInterface: block(4) };
  return { version, parts: { ...common, ...guest } };
}

function board({ gicVersion, mode }: Variant, lines: number[] = []): Machine {
  const builder = new MachineBuilder({ name: "arm-virt" }).ram("ram", map.ram.base, 128 << 20);
  addGic(builder, { map, mode, gic: gic(gicVersion, lines) });
  builder.device("uart", map.uart, ({ irq }) => new Pl011({ irq, sink: { write() {} } }));
  builder.device("rtc", map.rtc, ({ irq, clock, timers }) => new Pl031({ irq, clock, timers, epochNs: 0n }));
  const { base, stride, size, count, irq: first } = map.virtio;
  for (let slot = 0; slot < count; slot++) {
    builder.device(
      `virtio${slot}`,
      { base: base + slot * stride, size, irq: first + slot },
      ({ irq, memory }) => new VirtioMmio({ irq, memory, device: undefined, version: 2 }),
    );
  }
  return builder.build();
}

function treeOf(variant: Variant): DeviceTree {
  return readFdt(
    writeFdt(armBoardTree(board(variant), { ...variant, map, cpu: "arm,cortex-a72" })),
    "the board's tree",
  );
}

const have = (program: string) => spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;

describe.each(VARIANTS)("the device tree for GICv$gicVersion, $mode mode, CPUs: $cpus", (variant) => {
  test.skipIf(!have("dtc"))("has nothing for dtc to warn about", () => {
    const tree = armBoardTree(board(variant), { ...variant, map, cpu: "arm,cortex-a72" });
    const { status, stderr } = spawnSync("dtc", ["-I", "dtb", "-O", "dts", "-"], { input: writeFdt(tree) });
    expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: "" });
  });

  test("says how to reach the other CPUs", () => {
    const tree = treeOf(variant);
    const psci = tree.find("/psci")!;
    expect(psci.getString("method")).toBe(variant.mode === "bare" ? "smc" : "hvc");
    expect(psci.getStrings("compatible")).toEqual(["arm,psci-1.0", "arm,psci-0.2", "arm,psci"]);
    const cpus = [...tree.find("/cpus")!.children].filter(({ name }) => name.startsWith("cpu@"));
    expect(cpus.map((cpu) => cpu.getCell("reg"))).toEqual(Array.from({ length: variant.cpus }, (_, i) => i));
    for (const cpu of cpus) expect(cpu.getString("enable-method")).toBe("psci");
  });

  test("places register blocks and interrupts where the map has them", () => {
    const tree = treeOf(variant);
    const lines: number[] = [];
    const { bus } = board(variant, lines);
    expect(lines).toEqual([33, 34, ...Array.from({ length: 32 }, (_, i) => 48 + i)]);
    // What `reg` names is on the bus: each block answers with its own number.
    const reg = tree.find("/soc/intc@8000000")!.getCells("reg")!;
    const blocks = Array.from({ length: reg.length / 4 }, (_, i) => reg[4 * i + 1]!);
    const expected = variant.gicVersion === 3 ? [1, 5] : variant.mode === "bare" ? [1, 2, 3, 4] : [1, 2];
    expect(blocks.map((base) => bus.read(base, 4))).toEqual(expected);
    // PPI 14 is interrupt ID 30, the timer that the non-secure world has; masks are GICv2's.
    const timer = tree.find("/timer")!.getCells("interrupts")!;
    const flags = variant.gicVersion === 2 ? (((1 << variant.cpus) - 1) << 8) | 4 : 4;
    expect(timer).toEqual([1, 13, flags, 1, 14, flags, 1, 11, flags, 1, 10, flags]);
  });
});

test("the GIC's state is in the machine's snapshot", () => {
  const [lines, others]: [number[], number[]] = [[], []];
  const snapshot = board(VARIANTS[0]!, lines).snapshot();
  expect(snapshot.components.gic).toEqual({ version: 1, lines });
  const other = board(VARIANTS[0]!, others);
  other.restore(snapshot);
  expect(others.length).toBe(2 * lines.length);
});

// --- QEMU's own ------------------------------------------------------------------------------------

/** What is ours alone, or theirs alone, on purpose; everything else in common nodes is the same. */
const DIFFERENT = new Set([
  // No message-signalled interrupts, so no children; a name of its own.
  "intc #address-cells",
  "intc #size-cells",
  "intc ranges",
  "root model",
  // PSCI 0.1's MIGRATE would only be refused.
  "psci migrate",
  // Inherited from the root node, or given by each node instead of it.
  "virtio_mmio dma-coherent",
  "chosen rng-seed",
  "chosen kaslr-seed",
]);
/** What QEMU's tree has only since a version between 7 and 10, and ours as the newer ones. */
const NOT_IN_QEMU_7 = ["/ dma-coherent", "/aliases serial0"];
/** Nodes for which there is no device here. */
const ABSENT = ["fw-cfg", "gpio-keys", "pl061", "pcie", "flash", "platform-bus", "v2m", "its", "poweroff"];

/** Properties by node, phandles replaced by the node they lead to, without `/soc` and what only numbers nodes. */
function properties(tree: DeviceTree): Map<string, string> {
  const found = new Map<string, string>();
  const pathOf = new Map<number, string>();
  for (const [, node] of tree.root.walk()) {
    if (node.phandle !== undefined) pathOf.set(node.phandle, node.name);
  }
  for (const [path, node] of tree.root.walk()) {
    if (path === "/soc" || ABSENT.some((name) => path.includes(`/${name}`))) continue;
    for (const [name] of node.properties) {
      if (name === "phandle" || (name === "interrupt-parent" && path !== "/")) continue;
      if (DIFFERENT.has(`${node.name.split("@")[0] || "root"} ${name}`)) continue;
      found.set(`${path.replace(/^\/soc/, "")} ${name}`, valueText(node, name, pathOf));
    }
  }
  return found;
}

const REFERENCES = new Set(["clocks", "cpu", "interrupt-parent"]);

function valueText(node: FdtNode, name: string, pathOf: ReadonlyMap<number, string>): string {
  if (REFERENCES.has(name))
    return node
      .getCells(name)!
      .map((cell) => pathOf.get(cell) ?? "?")
      .join(" ");
  // They call the transports' interrupts edges; the lines are level, here as there.
  if (node.name.startsWith("virtio_mmio@") && name === "interrupts")
    return node.getCells(name)!.slice(0, 2).join(" ");
  return Buffer.from(node.get(name) as Uint8Array)
    .toString("latin1")
    .replace("/soc/", "/");
}

function qemuMajor(): number {
  const { stdout } = spawnSync("qemu-system-aarch64", ["--version"], { encoding: "utf8" });
  return Number(/version (\d+)/.exec(stdout)?.[1]);
}

test.skipIf(!have("qemu-system-aarch64")).each(VARIANTS)(
  "is QEMU's, node by node: GICv$gicVersion, $mode mode, CPUs: $cpus",
  (variant) => {
    const { gicVersion, mode, cpus } = variant;
    const dir = mkdtempSync(join(tmpdir(), "hypercraft-dtb-"));
    try {
      const file = join(dir, "virt.dtb");
      const machine = `virt,gic-version=${gicVersion},virtualization=${mode === "bare" ? "on" : "off"}`;
      const { status } = spawnSync("qemu-system-aarch64", [
        ...["-M", `${machine},dumpdtb=${file}`, "-cpu", "cortex-a72", "-smp", `${cpus}`, "-m", "128M"],
      ]);
      expect(status).toBe(0);
      const theirs = properties(readFdt(readFileSync(file), title(variant)));
      const ours = properties(treeOf(variant));
      if (qemuMajor() < 8) for (const name of NOT_IN_QEMU_7) expect(ours.delete(name)).toBe(true);
      // The bindings require it of every AArch64 CPU; they leave it out where there is only one.
      if (cpus === 1) ours.delete("/cpus/cpu@0 enable-method");
      expect(Object.fromEntries([...ours].sort())).toEqual(Object.fromEntries([...theirs].sort()));
    } finally {
      rmSync(dir, { recursive: true });
    }
  },
);
