import { MachineError } from "../errors.js";
import { le } from "../values.js";

// ACPI Machine Language: ACPI specification 6.5, chapter 20, as far as it describes devices.

/** Encoded AML. */
export type Aml = readonly number[];

const Op = {
  name: 0x08,
  bytePrefix: 0x0a,
  wordPrefix: 0x0b,
  dwordPrefix: 0x0c,
  stringPrefix: 0x0d,
  qwordPrefix: 0x0e,
  scope: 0x10,
  buffer: 0x11,
  package: 0x12,
  method: 0x14,
  dualName: 0x2e,
  multiName: 0x2f,
  extended: 0x5b,
  device: 0x82,
  argument: 0x68,
  returns: 0xa4,
} as const;

/** PkgLength: the bytes that follow, itself included (20.2.4). */
function packageLength(contents: number): number[] {
  if (contents + 1 < 0x40) return [contents + 1];
  for (let more = 1; more <= 3; more++) {
    const total = contents + 1 + more;
    if (total < 2 ** (4 + 8 * more)) return [(more << 6) | (total & 15), ...le(total >> 4, more)];
  }
  throw new MachineError("OutOfRange", `AML of ${contents} bytes is too long for one object`);
}

function sized(op: readonly number[], contents: Aml): Aml {
  return [...op, ...packageLength(contents.length), ...contents];
}

/** A path of names, each of 4 characters at most: `\_SB.COM1`. Throws MachineError for what is none. */
export function path(text: string): Aml {
  const root = text.startsWith("\\");
  const segments = text.slice(root ? 1 : 0).split(".");
  const names = segments.flatMap((segment) => {
    if (!/^[A-Z_][A-Z0-9_]{0,3}$/.test(segment))
      throw new MachineError("InvalidParam", `'${text}' is no ACPI name`);
    return [...segment.padEnd(4, "_")].map((char) => char.charCodeAt(0));
  });
  const prefix =
    segments.length === 1 ? [] : segments.length === 2 ? [Op.dualName] : [Op.multiName, segments.length];
  return [...(root ? [0x5c] : []), ...prefix, ...names];
}

/** A constant, in its shortest form. */
export function integer(value: number): Aml {
  if (value === 0 || value === 1) return [value];
  if (value < 0x100) return [Op.bytePrefix, value];
  if (value < 0x1_0000) return [Op.wordPrefix, ...le(value, 2)];
  if (value < 0x1_0000_0000) return [Op.dwordPrefix, ...le(value, 4)];
  return [Op.qwordPrefix, ...le(value, 8)];
}

export function string(text: string): Aml {
  return [Op.stringPrefix, ...new TextEncoder().encode(text), 0];
}

/** A compressed EISA identifier such as `PNP0501`: three letters of 5 bits, four hexadecimal digits, big-endian. */
export function eisaId(text: string): Aml {
  if (!/^[A-Z]{3}[0-9A-F]{4}$/.test(text))
    throw new MachineError("InvalidParam", `'${text}' is no EISA identifier`);
  const letter = (i: number) => text.charCodeAt(i) - 0x40;
  const vendor = (letter(0) << 10) | (letter(1) << 5) | letter(2);
  const product = Number.parseInt(text.slice(3), 16);
  return [Op.dwordPrefix, vendor >> 8, vendor & 0xff, product >> 8, product & 0xff];
}

export function name(at: string, value: Aml): Aml {
  return [Op.name, ...path(at), ...value];
}

export function scope(at: string, ...contents: readonly Aml[]): Aml {
  return sized([Op.scope], [...path(at), ...contents.flat()]);
}

export function device(at: string, ...contents: readonly Aml[]): Aml {
  return sized([Op.extended, Op.device], [...path(at), ...contents.flat()]);
}

/** A method of so many arguments that returns one of them, counted from 0. */
export function returningArgument(at: string, count: number, which: number): Aml {
  return sized([Op.method], [...path(at), count, Op.returns, Op.argument + which]);
}

/** A package of up to 255 elements. */
export function pack(...elements: readonly Aml[]): Aml {
  return sized([Op.package], [elements.length, ...elements.flat()]);
}

function buffer(bytes: Aml): Aml {
  return sized([Op.buffer], [...integer(bytes.length), ...bytes]);
}

/** What a device takes (6.4). */
export type Resource =
  /** I/O ports. */
  | { readonly kind: "ports"; readonly base: number; readonly size: number }
  /** An ISA interrupt: edge-triggered, active high. */
  | { readonly kind: "irq"; readonly irq: number }
  /** Addresses below 4 GiB. */
  | { readonly kind: "memory"; readonly base: number; readonly size: number }
  /** A global system interrupt: level-triggered, active high. */
  | { readonly kind: "interrupt"; readonly input: number }
  /** What a host bridge produces: its buses, counted from 0, and the ports and addresses that it forwards. */
  | { readonly kind: "buses"; readonly count: number }
  | { readonly kind: "portWindow" | "memoryWindow"; readonly base: number; readonly size: number };

function resource(it: Resource): Aml {
  switch (it.kind) {
    case "ports":
      return [0x47, 1, ...le(it.base, 2), ...le(it.base, 2), 1, it.size];
    case "irq":
      return [0x22, ...le(1 << it.irq, 2)];
    case "memory":
      return [0x86, 9, 0, 1, ...le(it.base, 4), ...le(it.size, 4)];
    case "interrupt":
      return [0x89, 6, 0, 1, 1, ...le(it.input, 4)];
    case "buses":
      return range(WINDOW.buses, 0, it.count);
    case "portWindow":
      return range(WINDOW.ports, it.base, it.size);
    case "memoryWindow":
      return range(WINDOW.memory, it.base, it.size);
  }
}

/** Address space descriptors (6.4.3.5): tag, bytes of a field, resource type, flags of that type. */
const WINDOW = {
  buses: { tag: 0x88, bytes: 2, type: 2, flags: 0 },
  /** ISA and other addresses. */
  ports: { tag: 0x88, bytes: 2, type: 1, flags: 3 },
  /** Read and written, not cached. */
  memory: { tag: 0x87, bytes: 4, type: 0, flags: 1 },
} as const;
/** Minimum and maximum are fixed; what the device decodes positively. */
const FIXED = 0x0c;

function range(
  { tag, bytes, type, flags }: (typeof WINDOW)[keyof typeof WINDOW],
  base: number,
  size: number,
): Aml {
  // Granularity, first and last, translation, length.
  const fields = [0, base, base + size - 1, 0, size].flatMap((field) => le(field, bytes));
  return [tag, ...le(3 + fields.length, 2), type, FIXED, flags, ...fields];
}

const END_TAG: Aml = [0x79, 0];

/** A resource template, for `_CRS`. */
export function resources(list: readonly Resource[]): Aml {
  return buffer([...list.flatMap(resource), ...END_TAG]);
}
