import { MachineError } from "../errors.js";

/** One 32-bit cell of a property: a number, or a node whose phandle goes there. */
export type FdtCell = number | FdtNode;

/** A property's value: raw bytes, or cells that may still refer to nodes without a phandle. */
export type FdtValue = Uint8Array | readonly FdtCell[];

/** The specification's characters; its limit of 31 is enforced by nobody, and exceeded in the field. */
const NODE_NAME = /^[0-9a-zA-Z,._+-]{1,63}(@[0-9a-zA-Z,._+-]{1,63})?$/;
const PROPERTY_NAME = /^[0-9a-zA-Z,._+*#?@-]{1,63}$/;

/** A device tree node. Properties and children keep their order. */
export class FdtNode {
  /** With unit address, e.g. `serial@10000000`; empty for the root. */
  readonly name: string;
  readonly #properties = new Map<string, FdtValue>();
  readonly #children = new Map<string, FdtNode>();

  /** @throws MachineError `InvalidParam` for a name that the specification does not allow. */
  constructor(name = "") {
    if (name !== "" && !NODE_NAME.test(name)) {
      throw new MachineError("InvalidParam", `'${name}' is not a device tree node name`);
    }
    this.name = name;
  }

  get children(): Iterable<FdtNode> {
    return this.#children.values();
  }

  get properties(): Iterable<[name: string, value: FdtValue]> {
    return this.#properties.entries();
  }

  // --- building -----------------------------------------------------------------------------------

  /** The child of that name, made if there is none. */
  child(name: string): FdtNode {
    return this.#children.get(name) ?? this.add(new FdtNode(name));
  }

  /** Adds a child and returns it. @throws MachineError `Overlap` when there is one of that name. */
  add(node: FdtNode): FdtNode {
    if (node.name === "") throw new MachineError("InvalidParam", "only the root node has an empty name");
    if (this.#children.has(node.name)) {
      throw new MachineError("Overlap", `device tree node '${this.name || "/"}' has two '${node.name}'`);
    }
    this.#children.set(node.name, node);
    return node;
  }

  removeChild(name: string): boolean {
    return this.#children.delete(name);
  }

  /** Sets a property to 32-bit cells; a node stands for its phandle. Without cells it is a flag. */
  cells(name: string, ...cells: FdtCell[]): this {
    for (const cell of cells) {
      if (typeof cell === "number" && !(Number.isInteger(cell) && cell >= 0 && cell < 2 ** 32)) {
        throw new MachineError("InvalidParam", `${cell} in property '${name}' is not a 32-bit cell`);
      }
    }
    return this.#set(name, cells);
  }

  /** Sets a property to 64-bit values of two cells each. */
  u64(name: string, ...values: (number | bigint)[]): this {
    return this.cells(name, ...values.flatMap((value) => addressCells(value, 2)));
  }

  /** Sets a property to one string, or to a list of strings. */
  string(name: string, ...strings: string[]): this {
    return this.#set(name, new TextEncoder().encode(strings.map((text) => `${text}\0`).join("")));
  }

  bytes(name: string, bytes: Uint8Array): this {
    return this.#set(name, new Uint8Array(bytes));
  }

  /** Sets a property without a value. */
  flag(name: string): this {
    return this.#set(name, new Uint8Array(0));
  }

  removeProperty(name: string): boolean {
    return this.#properties.delete(name);
  }

  #set(name: string, value: FdtValue): this {
    if (!PROPERTY_NAME.test(name)) {
      throw new MachineError("InvalidParam", `'${name}' is not a device tree property name`);
    }
    this.#properties.set(name, value);
    return this;
  }

  // --- reading ------------------------------------------------------------------------------------

  has(name: string): boolean {
    return this.#properties.has(name);
  }

  get(name: string): FdtValue | undefined {
    return this.#properties.get(name);
  }

  /** A property as unsigned 32-bit cells; undefined when absent or not a multiple of 4 bytes. */
  getCells(name: string): number[] | undefined {
    const value = this.#properties.get(name);
    if (value === undefined) return undefined;
    if (!(value instanceof Uint8Array)) {
      return value.map((cell) => (typeof cell === "number" ? cell : (cell.phandle ?? 0)));
    }
    if (value.length % 4 !== 0) return undefined;
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    return Array.from({ length: value.length / 4 }, (_, index) => view.getUint32(4 * index));
  }

  /** The first cell of a property. */
  getCell(name: string): number | undefined {
    return this.getCells(name)?.[0];
  }

  /** A property as strings; undefined when absent or not zero-terminated text. */
  getStrings(name: string): string[] | undefined {
    const value = this.#properties.get(name);
    if (!(value instanceof Uint8Array) || value.length === 0 || value[value.length - 1] !== 0)
      return undefined;
    return new TextDecoder().decode(value.subarray(0, -1)).split("\0");
  }

  /** The first string of a property. */
  getString(name: string): string | undefined {
    return this.getStrings(name)?.[0];
  }

  /** The node's own phandle, if it has one. */
  get phandle(): number | undefined {
    return this.getCell("phandle") ?? this.getCell("linux,phandle");
  }

  /**
   * The node at a path such as `/soc/serial@10000000`, relative to this one. A part without unit address
   * finds the only child of that base name.
   */
  find(path: string): FdtNode | undefined {
    let node: FdtNode | undefined = this;
    for (const part of path.split("/").filter((text) => text !== "")) {
      node = node.#childByName(part);
      if (node === undefined) return undefined;
    }
    return node;
  }

  /** This node and all below, depth first, with their paths. */
  *walk(path = "/"): Generator<[path: string, node: FdtNode]> {
    yield [path, this];
    for (const node of this.#children.values()) {
      yield* node.walk(path === "/" ? `/${node.name}` : `${path}/${node.name}`);
    }
  }

  /** A deep copy; references to nodes inside the copy point into the copy once phandles are assigned. */
  clone(): FdtNode {
    const copies = new Map<FdtNode, FdtNode>();
    const copy = this.#copy(copies);
    for (const node of copies.values()) {
      for (const [name, value] of node.#properties) {
        if (value instanceof Uint8Array) continue;
        const cells = value.map((cell) => (typeof cell === "number" ? cell : (copies.get(cell) ?? cell)));
        node.#properties.set(name, cells);
      }
    }
    return copy;
  }

  #copy(copies: Map<FdtNode, FdtNode>): FdtNode {
    const copy = new FdtNode(this.name);
    copies.set(this, copy);
    for (const [name, value] of this.#properties) copy.#properties.set(name, value);
    for (const node of this.#children.values()) copy.#children.set(node.name, node.#copy(copies));
    return copy;
  }

  #childByName(name: string): FdtNode | undefined {
    const exact = this.#children.get(name);
    if (exact !== undefined || name.includes("@")) return exact;
    const matches = [...this.#children.values()].filter((node) => node.name.split("@")[0] === name);
    return matches.length === 1 ? matches[0] : undefined;
  }
}

/** An address or size as big-endian cells, most significant first. */
export function addressCells(value: number | bigint, count: number): number[] {
  const bits = BigInt(value);
  if (bits < 0n || bits >= 1n << BigInt(32 * count)) {
    throw new MachineError("InvalidParam", `${value} does not fit ${count} device tree cells`);
  }
  return Array.from({ length: count }, (_, index) =>
    Number((bits >> BigInt(32 * (count - 1 - index))) & 0xffff_ffffn),
  );
}

/** The value of `count` big-endian cells from `at`. */
export function cellsValue(cells: readonly number[], at: number, count: number): bigint {
  let value = 0n;
  for (let index = 0; index < count; index++) value = (value << 32n) | BigInt(cells[at + index] ?? 0);
  return value;
}
