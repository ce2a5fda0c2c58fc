import { MachineError } from "../errors.js";
import { FdtNode } from "./node.js";

/** A range of memory the operating system must not touch (the reservation map). */
export interface FdtReservation {
  readonly address: bigint;
  readonly size: bigint;
}

/** A device tree: the root node and what the blob's header and reservation map hold. */
export class DeviceTree {
  readonly root: FdtNode;
  readonly reservations: FdtReservation[];
  /** Physical id of the CPU that boots (header field `boot_cpuid_phys`). */
  bootCpu: number;

  constructor(root = new FdtNode(), reservations: readonly FdtReservation[] = [], bootCpu = 0) {
    this.root = root;
    this.reservations = [...reservations];
    this.bootCpu = bootCpu;
  }

  reserve(address: number | bigint, size: number | bigint): this {
    this.reservations.push({ address: BigInt(address), size: BigInt(size) });
    return this;
  }

  find(path: string): FdtNode | undefined {
    return this.root.find(path);
  }

  byPhandle(phandle: number): FdtNode | undefined {
    for (const [, node] of this.root.walk()) if (node.phandle === phandle) return node;
    return undefined;
  }

  clone(): DeviceTree {
    return new DeviceTree(this.root.clone(), this.reservations, this.bootCpu);
  }

  /**
   * Gives a phandle to every node that a cell refers to and that has none: the lowest free numbers, in the
   * order of the references.
   * @throws MachineError `BadDeviceTree` when a reference leads outside the tree or two nodes share a phandle.
   */
  assignPhandles(): void {
    const nodes = new Set<FdtNode>();
    const taken = new Set<number>();
    for (const [path, node] of this.root.walk()) {
      nodes.add(node);
      const { phandle } = node;
      if (phandle === undefined) continue;
      if (taken.has(phandle)) {
        throw new MachineError("BadDeviceTree", `device tree node '${path}' shares phandle ${phandle}`);
      }
      taken.add(phandle);
    }
    let next = 1;
    for (const [path, node] of [...this.root.walk()]) {
      for (const [name, value] of node.properties) {
        if (value instanceof Uint8Array) continue;
        for (const cell of value) {
          if (typeof cell === "number") continue;
          if (!nodes.has(cell)) {
            throw new MachineError(
              "BadDeviceTree",
              `'${name}' of device tree node '${path}' refers to '${cell.name}', which is not in the tree`,
            );
          }
          if (cell.phandle !== undefined) continue;
          while (taken.has(next)) next++;
          taken.add(next);
          cell.cells("phandle", next);
        }
      }
    }
  }
}
