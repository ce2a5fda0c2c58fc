import { hex, MachineError } from "../errors.js";
import { addressCells, cellsValue, FdtNode } from "./node.js";
import type { DeviceTree } from "./tree.js";

export interface Chosen {
  /** Kernel command line; leaves an existing one when undefined. */
  readonly bootargs?: string | undefined;
  /** Where the initrd is: address and size in bytes. */
  readonly initrd?: { readonly address: number; readonly size: number } | undefined;
  /** Path or alias of the console, with options, e.g. `/soc/serial@10000000`. */
  readonly stdoutPath?: string | undefined;
  readonly rngSeed?: Uint8Array | undefined;
}

/** Sets what is given in `/chosen`, making the node if need be. */
export function patchChosen(tree: DeviceTree, chosen: Chosen): void {
  const node = tree.root.child("chosen");
  if (chosen.bootargs !== undefined) node.string("bootargs", chosen.bootargs);
  if (chosen.initrd !== undefined) {
    const { address, size } = chosen.initrd;
    node.u64("linux,initrd-start", address);
    node.u64("linux,initrd-end", address + size);
  }
  if (chosen.stdoutPath !== undefined) node.string("stdout-path", chosen.stdoutPath);
  if (chosen.rngSeed !== undefined) node.bytes("rng-seed", chosen.rngSeed);
}

/** A range of RAM in bytes. */
export interface MemoryRange {
  readonly base: number;
  readonly size: number;
}

/** Replaces all memory nodes of the root by one node for each range. */
export function patchMemory(tree: DeviceTree, ranges: readonly MemoryRange[]): void {
  const { root } = tree;
  const addressCount = root.getCell("#address-cells") ?? 2;
  const sizeCount = root.getCell("#size-cells") ?? 1;
  for (const node of [...root.children]) if (isMemory(node)) root.removeChild(node.name);
  for (const { base, size } of ranges) {
    root
      .add(new FdtNode(`memory@${base.toString(16)}`))
      .string("device_type", "memory")
      .cells("reg", ...addressCells(base, addressCount), ...addressCells(size, sizeCount));
  }
}

/**
 * The RAM that the memory nodes of a tree describe.
 * @throws MachineError `BadDeviceTree` when a range is beyond 2^53.
 */
export function memoryRanges(tree: DeviceTree): MemoryRange[] {
  const ranges: MemoryRange[] = [];
  const addressCount = tree.root.getCell("#address-cells") ?? 2;
  const sizeCount = tree.root.getCell("#size-cells") ?? 1;
  const stride = addressCount + sizeCount;
  for (const node of tree.root.children) {
    if (!isMemory(node)) continue;
    const reg = node.getCells("reg") ?? [];
    for (let at = 0; stride > 0 && at + stride <= reg.length; at += stride) {
      const base = Number(cellsValue(reg, at, addressCount));
      const size = Number(cellsValue(reg, at + addressCount, sizeCount));
      if (!Number.isSafeInteger(base + size)) {
        throw new MachineError("BadDeviceTree", `device tree has memory at ${hex(base)}, beyond any address`);
      }
      if (size > 0) ranges.push({ base, size });
    }
  }
  return ranges;
}

/**
 * Copies the nodes and properties of `other` over those of `tree`: a node of the same path is merged, a
 * property of the same name is replaced. Phandles are taken as they are, so both must agree on them; those
 * that `other` still lacks are assigned to it first.
 */
export function mergeTree(tree: DeviceTree, other: DeviceTree): void {
  other.assignPhandles();
  mergeNode(tree.root, other.root);
  tree.reservations.push(...other.reservations);
}

function mergeNode(target: FdtNode, source: FdtNode): void {
  for (const [name, value] of source.properties) {
    if (value instanceof Uint8Array) target.bytes(name, value);
    else target.cells(name, ...(source.getCells(name) ?? []));
  }
  for (const child of source.children) mergeNode(target.child(child.name), child);
}

function isMemory(node: FdtNode): boolean {
  return node.getString("device_type") === "memory" || /^memory(@|$)/.test(node.name);
}
