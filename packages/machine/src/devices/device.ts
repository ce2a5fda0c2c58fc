import type { IrqLine, MmioDevice, Stateful } from "../contracts.js";
import { addressCells, type FdtCell, FdtNode } from "../fdt/node.js";

/** A device of this package: registers on a bus, resettable, with state as plain data. */
export interface Device extends MmioDevice, Stateful {
  /** Puts registers in their power-on state and lowers the interrupt. Back ends keep what they have. */
  reset(): void;
  /** The device's node in the device tree, undefined if it has none. */
  fdt?(context: FdtContext): FdtNode | undefined;
}

/** Where a device sits, for its device tree node. */
export interface FdtContext {
  /** Physical address and size in bytes of its registers. */
  readonly base: number;
  readonly size: number;
  /** Cells per address and per size on the bus the node hangs on. */
  readonly addressCells: number;
  readonly sizeCells: number;
  /** The controller its interrupt goes to and the specifier there; undefined without an interrupt. */
  readonly interrupt?:
    | {
        readonly controller: FdtNode;
        readonly specifier: readonly FdtCell[];
        /** Those of its further inputs. */
        readonly further: readonly (readonly FdtCell[])[];
      }
    | undefined;
}

/** A node `name@base` with `compatible`, `reg` and, if the device has one, its interrupt. */
export function mmioNode(name: string, compatible: readonly string[], context: FdtContext): FdtNode {
  const { base, size, interrupt } = context;
  const node = new FdtNode(`${name}@${base.toString(16)}`);
  node.string("compatible", ...compatible);
  node.cells("reg", ...addressCells(base, context.addressCells), ...addressCells(size, context.sizeCells));
  if (interrupt !== undefined) {
    node.cells("interrupts", ...interrupt.specifier).cells("interrupt-parent", interrupt.controller);
  }
  return node;
}

/** An interrupt line that leads nowhere. */
export const noIrq: IrqLine = { set() {} };
