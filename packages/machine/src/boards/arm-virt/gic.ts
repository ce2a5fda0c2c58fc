import type { ComponentState, Stateful } from "../../contracts.js";
import type { FdtContext } from "../../devices/device.js";
import { addressCells, type FdtCell, FdtNode } from "../../fdt/node.js";
import type { MachineBuilder } from "../../machine/builder.js";
import type { InterruptController } from "../../machine/interrupts.js";
import type { AnyDevice } from "../../machine/machine.js";
import { type ArmAddressMap, PrivateInterrupt } from "./address-map.js";

/** What the board needs of a GIC: its inputs, by interrupt ID, and its blocks of registers. */
interface GicParts {
  line: InterruptController["line"];
  readonly distributor: AnyDevice;
  /** State of the whole, plain data in a form of its own. */
  state(): { readonly version: number };
  restore(state: never): void;
}

export interface GicV2Parts extends GicParts {
  readonly cpuInterface: AnyDevice;
  readonly hypervisorInterface: AnyDevice;
  readonly virtualCpuInterface: AnyDevice;
}

export interface GicV3Parts extends GicParts {
  readonly redistributors: AnyDevice;
}

export interface BoardGicOptions {
  readonly map: ArmAddressMap;
  /** In bare mode the guest is shown what a hypervisor needs. */
  readonly mode: "vm" | "bare";
  readonly gic:
    | { readonly version: 2; readonly parts: GicV2Parts }
    | { readonly version: 3; readonly parts: GicV3Parts };
}

const SHARED = 0;
const PRIVATE = 1;
const LEVEL_HIGH = 4;
const FIRST_PRIVATE = 16;
const FIRST_SHARED = 32;

/** A shared interrupt in the GIC's three cells. Lines of this board's devices stay high until they are served. */
function sharedInterrupt(id: number): readonly FdtCell[] {
  return [SHARED, id - FIRST_SHARED, LEVEL_HIGH];
}

/** A private interrupt in the GIC's three cells; with GICv2 bits 15..8 are the CPUs that have it. */
export function privateInterrupt(id: number, version: 2 | 3, cpus: number): readonly FdtCell[] {
  const mask = version === 2 ? ((1 << cpus) - 1) << 8 : 0;
  return [PRIVATE, id - FIRST_PRIVATE, mask | LEVEL_HIGH];
}

/** Puts the GIC's blocks on the bus; devices' interrupts go to it. */
export function addGic(builder: MachineBuilder, options: BoardGicOptions): void {
  const { gic: places } = options.map;
  const { gic } = options;
  builder.interruptController("gic", {
    ...places.distributor,
    controller: controllerOf(gic.parts),
    firstSource: places.firstShared,
    lastSource: places.lastShared,
    specifier: sharedInterrupt,
    fdt: (context) => gicNode(context, options.map, gic.version, options.mode),
  });
  if (gic.version === 3) {
    builder.device("redistributors", places.redistributors, () => gic.parts.redistributors);
    return;
  }
  builder.device("cpu-interface", places.cpuInterface, () => gic.parts.cpuInterface);
  if (options.mode !== "bare") return;
  builder.device("hypervisor-interface", places.hypervisorInterface, () => gic.parts.hypervisorInterface);
  builder.device("virtual-cpu-interface", places.virtualCpuInterface, () => gic.parts.virtualCpuInterface);
}

/** The distributor's registers with the inputs and the state of the whole. */
function controllerOf(parts: GicParts): InterruptController & Stateful {
  const { distributor } = parts;
  return {
    read: (offset, width) => distributor.read(offset, width),
    write: (offset, width, value) => distributor.write(offset, width, value),
    line: (source) => parts.line(source),
    state: () => parts.state() as ComponentState,
    restore: (state) => parts.restore(state as never),
  };
}

function gicNode(context: FdtContext, { gic }: ArmAddressMap, version: 2 | 3, mode: "vm" | "bare"): FdtNode {
  const node = new FdtNode(`intc@${context.base.toString(16)}`);
  const hypervisor = [gic.hypervisorInterface, gic.virtualCpuInterface];
  const second = version === 3 ? [gic.redistributors] : [gic.cpuInterface];
  const blocks = [gic.distributor, ...second, ...(version === 2 && mode === "bare" ? hypervisor : [])];
  node.string("compatible", version === 3 ? "arm,gic-v3" : "arm,cortex-a15-gic");
  node.cells(
    "reg",
    ...blocks.flatMap(({ base, size }) => [
      ...addressCells(base, context.addressCells),
      ...addressCells(size, context.sizeCells),
    ]),
  );
  if (version === 3) node.cells("#redistributor-regions", 1);
  // Without a mask, as the bindings have it: each CPU has its own.
  if (mode === "bare") node.cells("interrupts", ...privateInterrupt(PrivateInterrupt.gicMaintenance, 3, 0));
  return node.cells("#interrupt-cells", 3).cells("#address-cells", 0).flag("interrupt-controller");
}
