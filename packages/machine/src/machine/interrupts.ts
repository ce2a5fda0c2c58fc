import type { IrqLine, MmioDevice } from "../contracts.js";
import type { FdtContext } from "../devices/device.js";
import { MachineError } from "../errors.js";
import type { FdtCell, FdtNode } from "../fdt/node.js";
import type { DeviceTree } from "../fdt/tree.js";

/** What a machine needs of an interrupt controller. Its registers are a device as any other. */
export interface InterruptController extends MmioDevice {
  /** The input of that number. */
  line(source: number): IrqLine;
}

/** An interrupt controller on a machine. */
export interface InterruptControllerSpec {
  /** Address and size in bytes of its registers. */
  readonly base: number;
  readonly size: number;
  readonly controller: InterruptController;
  /** Inputs that devices may use, both included. */
  readonly firstSource: number;
  readonly lastSource: number;
  /** The controller's device tree node. `tree` has what was prepared, for example the harts. */
  readonly fdt?: (context: FdtContext, tree: DeviceTree) => FdtNode;
  /** How a device's `interrupts` property names a source. Default: one cell, the source. */
  readonly specifier?: (source: number) => readonly FdtCell[];
}

/** Who has which input of a controller. */
export class IrqAllocator {
  readonly first: number;
  readonly last: number;
  readonly #owners = new Map<number, string>();

  /** @param first and `last` both included. */
  constructor(first: number, last: number) {
    this.first = first;
    this.last = last;
  }

  /**
   * Takes a source, or the lowest free one.
   * @throws MachineError `Overlap` naming both devices, `OutOfRange`, `NoMemory` when all are taken.
   */
  take(owner: string, wanted: number | "auto"): number {
    const source = wanted === "auto" ? this.#lowestFree(owner) : wanted;
    if (!Number.isInteger(source) || source < this.first || source > this.last) {
      throw new MachineError(
        "OutOfRange",
        `'${owner}' wants interrupt ${source}, the controller has ${this.first} to ${this.last}`,
      );
    }
    const other = this.#owners.get(source);
    if (other !== undefined) {
      throw new MachineError("Overlap", `'${owner}' wants interrupt ${source}, which '${other}' has`);
    }
    this.#owners.set(source, owner);
    return source;
  }

  ownerOf(source: number): string | undefined {
    return this.#owners.get(source);
  }

  #lowestFree(owner: string): number {
    for (let source = this.first; source <= this.last; source++) if (!this.#owners.has(source)) return source;
    throw new MachineError("NoMemory", `there is no interrupt left for '${owner}'`);
  }
}
