import { MachineError } from "../errors.js";
import {
  FDT_BEGIN_NODE,
  FDT_END,
  FDT_END_NODE,
  FDT_HEADER_SIZE,
  FDT_LAST_COMPATIBLE,
  FDT_MAGIC,
  FDT_PROP,
  FDT_VERSION,
} from "./format.js";
import type { FdtNode, FdtValue } from "./node.js";
import type { DeviceTree } from "./tree.js";

export interface FdtWriteOptions {
  /** Free bytes left at the end for firmware that edits the tree in place. Default 0. */
  readonly padding?: number;
}

/**
 * Flattens a device tree (format version 17). Phandles that cells refer to are assigned.
 * @throws MachineError `BadDeviceTree` for references that lead outside the tree.
 */
export function writeFdt(tree: DeviceTree, options: FdtWriteOptions = {}): Uint8Array {
  tree.assignPhandles();
  const strings = new StringTable();
  const structure = new ByteWriter();
  writeNode(tree.root, structure, strings);
  structure.u32(FDT_END);

  const reservationOffset = FDT_HEADER_SIZE;
  const structOffset = reservationOffset + 16 * (tree.reservations.length + 1);
  const stringsOffset = structOffset + structure.length;
  const used = stringsOffset + strings.bytes.length;
  const total = Math.ceil((used + (options.padding ?? 0)) / 8) * 8;

  const out = new ByteWriter();
  for (const field of [
    FDT_MAGIC,
    total,
    structOffset,
    stringsOffset,
    reservationOffset,
    FDT_VERSION,
    FDT_LAST_COMPATIBLE,
    tree.bootCpu,
    strings.bytes.length,
    structure.length,
  ]) {
    out.u32(field);
  }
  for (const { address, size } of tree.reservations) {
    out.u64(address);
    out.u64(size);
  }
  out.u64(0n);
  out.u64(0n);
  out.append(structure.toBytes());
  out.append(strings.bytes.toBytes());
  const blob = new Uint8Array(total);
  blob.set(out.toBytes());
  return blob;
}

function writeNode(node: FdtNode, out: ByteWriter, strings: StringTable): void {
  out.u32(FDT_BEGIN_NODE);
  out.append(new TextEncoder().encode(`${node.name}\0`));
  out.align4();
  for (const [name, value] of node.properties) {
    const bytes = valueBytes(value);
    out.u32(FDT_PROP);
    out.u32(bytes.length);
    out.u32(strings.offsetOf(name));
    out.append(bytes);
    out.align4();
  }
  for (const child of node.children) writeNode(child, out, strings);
  out.u32(FDT_END_NODE);
}

function valueBytes(value: FdtValue): Uint8Array {
  if (value instanceof Uint8Array) return value;
  const out = new ByteWriter();
  for (const cell of value) {
    const number = typeof cell === "number" ? cell : cell.phandle;
    if (number === undefined) throw new MachineError("BadDeviceTree", "a node referred to has no phandle");
    out.u32(number);
  }
  return out.toBytes();
}

/** Property names, each once. */
class StringTable {
  readonly bytes = new ByteWriter();
  readonly #offsets = new Map<string, number>();

  offsetOf(name: string): number {
    const known = this.#offsets.get(name);
    if (known !== undefined) return known;
    const offset = this.bytes.length;
    this.bytes.append(new TextEncoder().encode(`${name}\0`));
    this.#offsets.set(name, offset);
    return offset;
  }
}

class ByteWriter {
  #buffer = new Uint8Array(1024);
  length = 0;

  u32(value: number): void {
    this.#reserve(4);
    new DataView(this.#buffer.buffer).setUint32(this.length, value);
    this.length += 4;
  }

  u64(value: bigint): void {
    this.#reserve(8);
    new DataView(this.#buffer.buffer).setBigUint64(this.length, value);
    this.length += 8;
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  align4(): void {
    const padding = (4 - (this.length % 4)) % 4;
    this.#reserve(padding);
    this.length += padding;
  }

  toBytes(): Uint8Array {
    return this.#buffer.subarray(0, this.length);
  }

  #reserve(count: number): void {
    if (this.length + count <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(this.length + count, 2 * this.#buffer.length));
    larger.set(this.#buffer);
    this.#buffer = larger;
  }
}
