import { MachineError } from "../errors.js";
import {
  FDT_BEGIN_NODE,
  FDT_END,
  FDT_END_NODE,
  FDT_HEADER_SIZE,
  FDT_LAST_COMPATIBLE,
  FDT_NOP,
  FDT_PROP,
} from "./format.js";
import { FdtNode } from "./node.js";
import { DeviceTree, type FdtReservation } from "./tree.js";

/** Deeper nesting than any real tree has; it bounds the reader's and every later walk's recursion. */
const MAX_DEPTH = 64;

/**
 * Reads a flattened device tree. The blob may be longer than the tree (a file, or the rest of RAM).
 * @param name what messages call it, usually the file name.
 * @throws MachineError `BadDeviceTree`, or `Truncated` when the blob ends early.
 */
export function readFdt(blob: Uint8Array, name = "device tree"): DeviceTree {
  return new Reader(blob, name).read();
}

/** Whether the bytes start like a flattened device tree. */
export function looksLikeFdt(blob: Uint8Array): boolean {
  return blob.length >= 4 && blob[0] === 0xd0 && blob[1] === 0x0d && blob[2] === 0xfe && blob[3] === 0xed;
}

/** Size in bytes of the flattened tree at the start of `blob`, from its header; undefined if it is none. */
export function fdtSize(blob: Uint8Array): number | undefined {
  if (!looksLikeFdt(blob) || blob.length < 8) return undefined;
  return new DataView(blob.buffer, blob.byteOffset).getUint32(4);
}

class Reader {
  readonly #name: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #end = 0;
  #strings = 0;
  #stringsEnd = 0;

  constructor(blob: Uint8Array, name: string) {
    // A plain view: a subclass (Node's Buffer) has a `slice` that does not copy.
    this.#bytes = new Uint8Array(blob.buffer, blob.byteOffset, blob.length);
    this.#view = new DataView(blob.buffer, blob.byteOffset, blob.length);
    this.#name = name;
  }

  read(): DeviceTree {
    if (!looksLikeFdt(this.#bytes)) throw this.#bad("not a flattened device tree (no magic d00dfeed)");
    if (this.#bytes.length < FDT_HEADER_SIZE) throw this.#truncated(FDT_HEADER_SIZE);
    const field = (index: number) => this.#view.getUint32(4 * index);
    const total = field(1);
    if (total > this.#bytes.length) throw this.#truncated(total);
    const version = field(5);
    if (version < FDT_LAST_COMPATIBLE || field(6) > 17) {
      throw this.#bad(`format version ${version} is not one this reader knows (16, 17)`);
    }
    const structOffset = field(2);
    const stringsOffset = field(3);
    const reservationOffset = field(4);
    // Version 16 has no size of the structure block: it ends where the blob does.
    const structSize = version >= 17 ? field(9) : total - structOffset;
    const stringsSize = field(8);
    if (structOffset % 4 !== 0 || structOffset + structSize > total || structOffset < FDT_HEADER_SIZE) {
      throw this.#bad("its structure block is outside of it");
    }
    if (stringsOffset + stringsSize > total) throw this.#bad("its strings block is outside of it");
    if (reservationOffset % 8 !== 0) throw this.#bad("its reservation map is misaligned");
    this.#at = structOffset;
    this.#end = structOffset + structSize;
    this.#strings = stringsOffset;
    this.#stringsEnd = stringsOffset + stringsSize;
    const reservations = this.#readReservations(reservationOffset, total);
    const root = this.#readRoot();
    return new DeviceTree(root, reservations, field(7));
  }

  #readReservations(offset: number, total: number): FdtReservation[] {
    const reservations: FdtReservation[] = [];
    for (let at = offset; ; at += 16) {
      if (at + 16 > total) throw this.#bad("its reservation map has no end");
      const address = this.#view.getBigUint64(at);
      const size = this.#view.getBigUint64(at + 8);
      if (address === 0n && size === 0n) return reservations;
      reservations.push({ address, size });
    }
  }

  #readRoot(): FdtNode {
    if (this.#token() !== FDT_BEGIN_NODE) throw this.#bad("it does not start with a node");
    const root = this.#readNode(0);
    if (root.name !== "") throw this.#bad(`its root node has the name '${root.name}'`);
    if (this.#token() !== FDT_END) throw this.#bad("there is more behind its root node");
    return root;
  }

  /** Reads a node whose BEGIN_NODE token has been taken. */
  #readNode(depth: number): FdtNode {
    if (depth > MAX_DEPTH) throw this.#bad(`its nodes are nested deeper than ${MAX_DEPTH}`);
    const node = this.#guard(() => new FdtNode(this.#string(this.#at, this.#end)));
    this.#skip(node.name.length + 1);
    for (;;) {
      const token = this.#token();
      if (token === FDT_END_NODE) return node;
      if (token === FDT_BEGIN_NODE) {
        const child = this.#readNode(depth + 1);
        this.#guard(() => node.add(child));
      } else if (token === FDT_PROP) {
        this.#readProperty(node);
      } else {
        throw this.#bad(`token ${token} in node '${node.name || "/"}' is unknown`);
      }
    }
  }

  #readProperty(node: FdtNode): void {
    const length = this.#u32();
    const nameOffset = this.#u32();
    if (this.#at + length > this.#end)
      throw this.#bad(`a property of '${node.name || "/"}' runs past its end`);
    const name = this.#string(this.#strings + nameOffset, this.#stringsEnd);
    if (node.has(name)) throw this.#bad(`node '${node.name || "/"}' has two properties '${name}'`);
    const value = this.#bytes.slice(this.#at, this.#at + length);
    this.#guard(() => node.bytes(name, value));
    this.#skip(length);
  }

  /** The next token that is no NOP. */
  #token(): number {
    for (;;) {
      const token = this.#u32();
      if (token !== FDT_NOP) return token;
    }
  }

  #u32(): number {
    if (this.#at + 4 > this.#end) throw this.#bad("its structure block ends inside a node");
    const value = this.#view.getUint32(this.#at);
    this.#at += 4;
    return value;
  }

  #skip(length: number): void {
    this.#at += Math.ceil(length / 4) * 4;
  }

  #string(at: number, end: number): string {
    const zero = at <= end ? this.#bytes.subarray(at, end).indexOf(0) : -1;
    if (zero < 0) throw this.#bad("a name in it has no end");
    return new TextDecoder().decode(this.#bytes.subarray(at, at + zero));
  }

  /** Errors of node building become errors about this blob. */
  #guard<T>(build: () => T): T {
    try {
      return build();
    } catch (error) {
      throw this.#bad((error as Error).message);
    }
  }

  #bad(what: string): MachineError {
    return new MachineError("BadDeviceTree", `${this.#name}: not a valid device tree: ${what}`);
  }

  #truncated(wanted: number): MachineError {
    return new MachineError(
      "Truncated",
      `${this.#name}: device tree is truncated: ${this.#bytes.length} of ${wanted} bytes`,
    );
  }
}
