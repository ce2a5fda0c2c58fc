import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedGuest } from "@hypercraft/embedded-guest";
import { describe, expect, it } from "vitest";
import type { FdtNode } from "../../fdt/node.js";
import { readFdt } from "../../fdt/reader.js";
import { DeterministicClock } from "../../time/clock.js";
import { createArmVirt, restoreArmVirt } from "../arm-virt.js";
import { createRiscvVirt, restoreRiscvVirt } from "../riscv-virt.js";
import { expectContinuation, type TestConsole } from "../testing/repeatable.js";
import { testConsole } from "../testing/test-console.js";

const BOARDS = [
  {
    name: "riscv-virt",
    create: createRiscvVirt,
    restore: restoreRiscvVirt,
    guest: "riscv64",
    qemu: "qemu-system-riscv64",
    machine: "virt",
    ecam: 0x3000_0000,
    /** Cells of an interrupt at the controller, and of its address in QEMU's tree. */
    specifier: 1,
    address: 0,
  },
  {
    name: "arm-virt",
    create: createArmVirt,
    restore: restoreArmVirt,
    guest: "aarch64",
    qemu: "qemu-system-aarch64",
    machine: "virt",
    ecam: 0x40_1000_0000,
    specifier: 3,
    address: 2,
  },
] as const;
type Board = (typeof BOARDS)[number];

const make = ({ create, guest }: Board, console: TestConsole, virtio: "mmio" | "pci" = "pci") => {
  const kernel = { name: "embedded guest", bytes: embeddedGuest(guest) };
  const clock = new DeterministicClock(10);
  return create({ console, clock, kernel, virtio, memory: 32 << 20, append: "selftest" });
};

function find(node: FdtNode, name: RegExp): FdtNode | undefined {
  if (name.test(node.name)) return node;
  for (const child of node.children) {
    const found = find(child, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

const pciNode = (dtb: Uint8Array) => find(readFdt(dtb, "tree").root, /^pcie?@/);

/** Routes as device, pin and interrupt; `address` cells after the controller are left out. */
function routes(node: FdtNode, specifier: number, address: number): number[][] {
  const cells = node.getCells("interrupt-map")!;
  const length = 5 + address + specifier;
  return Array.from({ length: cells.length / length }, (_, i) => {
    const route = cells.slice(i * length, (i + 1) * length);
    return [...route.slice(0, 4), ...route.slice(5 + address)];
  });
}

function qemuTree({ qemu, machine }: Board): Uint8Array | undefined {
  const folder = mkdtempSync(join(tmpdir(), "pci-"));
  try {
    const file = join(folder, "dtb");
    const options = ["-M", `${machine},dumpdtb=${file}`, "-display", "none"];
    if (spawnSync(qemu, options, { stdio: "ignore" }).status !== 0) return undefined;
    return new Uint8Array(readFileSync(file));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.each(BOARDS)("PCI on $name", (board) => {
  it("is there where virtio is wanted on it, and then virtio's transports are empty", async () => {
    const on = (await make(board, testConsole())).machine;
    const { ecam } = board;
    expect([on.bus.read(ecam, 4), on.bus.read(ecam + 0x8000, 4)]).toEqual([0x0008_1b36, 0x1005_1af4]);
    expect(on.device("virtio0").device.read(8, 4)).toBe(0);
    const off = await make(board, testConsole(), "mmio");
    expect(pciNode(off.dtb!)).toBeUndefined();
    expect(off.machine.device("virtio0").device.read(8, 4)).toBe(4);
  });

  it("shows BARs in memory and of ports where the guest puts them", async () => {
    const { bus } = (await make(board, testConsole())).machine;
    const { devices } = (await make(board, testConsole())).machine;
    const device = board.ecam + 0x8000;
    const [memory, ports] = [devices.get("pci-memory0")!.base, devices.get("pci-ports0")!.base];
    bus.write(device + 0x10, 4, 0x100);
    bus.write(device + 0x20, 4, memory + 0x4000);
    bus.write(device + 4, 2, 3);
    // Queues, and the size of the first by the legacy registers.
    expect([bus.read(memory + 0x4012, 2), bus.read(ports + 0x10c, 2)]).toEqual([1, 8]);
  });

  const dumped = qemuTree(board);
  it.skipIf(dumped === undefined)("is what QEMU's machine has, by its device tree", async () => {
    const ours = pciNode((await make(board, testConsole())).dtb!)!;
    const theirs = pciNode(dumped!)!;
    for (const property of ["reg", "bus-range", "interrupt-map-mask", "compatible", "#address-cells"])
      expect([property, ours.getCells(property)]).toEqual([property, theirs.getCells(property)]);
    // QEMU has a window above 4 GiB besides.
    const ranges = ours.getCells("ranges")!;
    expect(ranges).toEqual(theirs.getCells("ranges")!.slice(0, ranges.length));
    expect(routes(ours, board.specifier, 0)).toEqual(routes(theirs, board.specifier, board.address));
  });

  it("is in snapshots", async () => {
    const { console } = await expectContinuation({
      start: (console) => make(board, console),
      restore: board.restore as never,
      at: 700_000,
      stop: 1_500_000,
    });
    expect(console.text).toBeDefined();
  });
});

const hasDtc = spawnSync("dtc", ["--version"], { stdio: "ignore" }).status === 0;

it.skipIf(!hasDtc).each(BOARDS)(
  "dtc has nothing to warn about in the tree of $name with PCI",
  async (board) => {
    const { dtb } = await make(board, testConsole());
    const result = spawnSync("dtc", ["-I", "dtb", "-O", "dts"], { input: dtb! });
    expect([result.status, result.stderr.toString()]).toEqual([0, ""]);
  },
);
